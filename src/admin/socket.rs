//! The Unix socket: made for its owner alone, removed at the end. One that nobody listens on is left over and replaced; one that
//! somebody listens on is theirs.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use tokio::net::UnixListener;

use super::AdminSettings;
use crate::key_file::make_directory_of;

/// The file of a socket that is listened on. Removed when it is dropped, if it is still ours.
#[derive(Debug)]
pub(super) struct SocketFile(Door);

/// Where a socket is that is listened on.
#[derive(Debug, Clone)]
pub(super) struct Door {
    path: PathBuf,
    device_and_inode: (u64, u64),
}

impl SocketFile {
    pub(super) fn door(&self) -> Door {
        self.0.clone()
    }
}

impl Door {
    /// Lets these open the socket, if it is still ours.
    pub(super) fn open_to(&self, open_to: OpenTo) -> io::Result<()> {
        if self.is_ours() { fs::set_permissions(&self.path, open_to.permissions()) } else { Ok(()) }
    }

    fn is_ours(&self) -> bool {
        device_and_inode(&self.path).is_ok_and(|found| found == self.device_and_inode)
    }
}

/// Who may open the socket. The kernel's word about who it was decides in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum OpenTo {
    Owner,
    Everybody,
}

impl OpenTo {
    /// The kernel lets root and the owner in whatever the mode.
    pub(super) fn who_is_named(settings: &AdminSettings) -> Self {
        let own = nix::unistd::geteuid().as_raw();
        let has_others = settings.actors.iter().any(|actor| actor.uid != 0 && actor.uid != own);
        if has_others { Self::Everybody } else { Self::Owner }
    }

    fn permissions(self) -> Permissions {
        Permissions::from_mode(match self {
            Self::Owner => 0o600,
            Self::Everybody => 0o666,
        })
    }
}

/// Makes the socket, and its directory where there is none.
pub(super) fn listen(path: &Path, open_to: OpenTo) -> io::Result<(UnixListener, SocketFile)> {
    make_directory_of(path)?;
    remove_leftover(path)?;
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, open_to.permissions())?;
    let file = SocketFile(Door { path: path.to_owned(), device_and_inode: device_and_inode(path)? });
    Ok((listener, file))
}

fn remove_leftover(path: &Path) -> io::Result<()> {
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    if !metadata.file_type().is_socket() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is something that is no socket"));
    }
    match std::os::unix::net::UnixStream::connect(path) {
        Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on it")),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        Err(error) => Err(error),
    }
}

fn device_and_inode(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if self.0.is_ours() {
            let _ = fs::remove_file(&self.0.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_socket_is_its_owners_and_goes_with_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deeper/admin.sock");
        let (_listener, file) = listen(&path, OpenTo::Owner).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::metadata(path.parent().unwrap()).unwrap().mode() & 0o777, 0o700);
        drop(file);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn a_socket_left_over_is_replaced_and_a_living_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let (_listener, first) = listen(&path, OpenTo::Owner).unwrap();
        assert_eq!(listen(&path, OpenTo::Owner).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        // Somebody else took the place: what is there now is not ours to remove.
        fs::remove_file(&path).unwrap();
        let _others = std::os::unix::net::UnixListener::bind(&path).unwrap();
        drop(first);
        assert!(path.exists());
    }

    #[tokio::test]
    async fn a_file_that_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        fs::write(&path, "precious").unwrap();
        assert!(listen(&path, OpenTo::Owner).is_err());
        assert_eq!(fs::read_to_string(&path).unwrap(), "precious");
    }
}
