//! What the service manager is told (`sd_notify(3)`): that the gateway serves, and that it is going down. Whoever starts it otherwise hears nothing.

use std::ffi::OsStr;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

/// What can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Requests are answered: a start has succeeded.
    Serving,
    /// Nothing new is taken; what is in flight finishes.
    Stopping,
}

impl News {
    const fn text(self) -> &'static [u8] {
        match self {
            Self::Serving => b"READY=1",
            Self::Stopping => b"STOPPING=1",
        }
    }
}

/// Tells it to the service manager, where there is one (`NOTIFY_SOCKET`).
pub(super) fn tell(news: News) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET").filter(|socket| !socket.is_empty()) else { return };
    if let Err(error) = send(&socket, news) {
        tracing::warn!(%error, ?news, "the service manager cannot be told");
    }
}

fn send(socket: &OsStr, news: News) -> io::Result<()> {
    let address = match socket.as_bytes().strip_prefix(b"@") {
        Some(name) => abstract_address(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(news.text(), &address).map(drop)
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_name: &[u8]) -> io::Result<SocketAddr> {
    Err(io::ErrorKind::Unsupported.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_manager_hears_what_it_waits_for() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        for (news, expected) in [(News::Serving, "READY=1"), (News::Stopping, "STOPPING=1")] {
            send(path.as_os_str(), news).unwrap();
            let mut heard = [0; 64];
            let length = manager.recv(&mut heard).unwrap();
            assert_eq!(std::str::from_utf8(&heard[..length]), Ok(expected));
        }
        drop(manager);
        assert!(send(path.as_os_str(), News::Serving).is_err());
    }
}
