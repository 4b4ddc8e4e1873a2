//! Files of keys of 32 octets: one key a line in base64, the first is the current one; what begins with `#` is a comment. A file is its owner's
//! alone (mode 0600), and replaced as a whole. Never prints a key.

use std::fs::{DirBuilder, File, Permissions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// The octets of a key, from the caller: fresh and random.
pub type RandomKey = [u8; 32];

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyFileError {
    /// The file cannot be read or written.
    #[error("{0}")]
    File(#[from] std::io::Error),
    /// A line is no key.
    #[error("line {line}: a key is 32 octets in base64; `{maker}` makes one")]
    Line {
        /// Counted from one.
        line: usize,
        /// The command that makes a key.
        maker: &'static str,
    },
    /// A new one is being made.
    #[error("{} exists: somebody else is changing the key. If nobody is, an earlier change was broken off: remove the file", .0.display())]
    UnderWay(PathBuf),
    /// There is no key in it.
    #[error("there is no key in the file; `{maker}` makes one")]
    Empty {
        /// The command that makes a key.
        maker: &'static str,
    },
}

/// One use of such files: the command that makes a key, and what a key is for those who use it; none: it is no key of theirs.
pub(crate) struct KeyFiles<K> {
    pub(crate) maker: &'static str,
    pub(crate) key: fn(&[u8]) -> Option<K>,
}

impl<K> KeyFiles<K> {
    /// The keys of the file; at least one.
    pub(crate) fn read(&self, file: &Path) -> Result<Vec<K>, KeyFileError> {
        self.parse(&Zeroizing::new(std::fs::read_to_string(file)?))
    }

    /// Makes the file with this key, unless there is one. Whoever reads it, at any moment, finds it whole or not at all; and what is there
    /// stays when the machine loses its power.
    pub(crate) fn make_unless_there(&self, file: &Path, key: &RandomKey) -> Result<(), KeyFileError> {
        make_directory_of(file)?;
        if file.try_exists()? {
            return Ok(());
        }
        let beside = write_beside(file, &line(key))?;
        let linked = std::fs::hard_link(&beside, file);
        std::fs::remove_file(&beside)?;
        let made = match linked {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                // Not every file system has links: it is written in its place.
                write_new(file, &line(key))
            }
            linked => linked,
        };
        match made {
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error.into()),
            // Somebody else made it in the same moment.
            _ => {}
        }
        Ok(sync_directory_of(file)?)
    }

    /// Writes a new version of the file beside it, with this key first and the earlier ones behind; the file need not be there. Not in force
    /// yet: as long as it is there, nobody else can do the same.
    pub(crate) fn prepare_first(&self, file: &Path, key: &RandomKey) -> Result<Replacement<K>, KeyFileError> {
        make_directory_of(file)?;
        let mut replacement = Replacement { keys: Vec::new(), file: file.to_owned(), beside: PathBuf::new() };
        let beside = beside(file, ".new");
        let mut made = create_new(&beside).map_err(|error| match error.kind() {
            ErrorKind::AlreadyExists => KeyFileError::UnderWay(beside.clone()),
            _ => error.into(),
        })?;
        replacement.beside = beside;
        let known = match std::fs::read_to_string(file).map(Zeroizing::new) {
            Err(error) if error.kind() == ErrorKind::NotFound => Zeroizing::default(),
            known => known?,
        };
        // By the lines as they are, before the new one moves them.
        if let Err(problem @ KeyFileError::Line { .. }) = self.parse(&known) {
            return Err(problem);
        }
        let text = Zeroizing::new(format!("{}{}", line(key).as_str(), known.as_str()));
        replacement.keys = self.parse(&text)?;
        made.write_all(text.as_bytes())?;
        keep_readers(file, &made)?;
        made.sync_all()?;
        Ok(replacement)
    }

    /// The keys in a text.
    pub(crate) fn parse(&self, text: &str) -> Result<Vec<K>, KeyFileError> {
        let lines = text.lines().map(str::trim).enumerate();
        let written = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let keys = written.map(|(number, line)| {
            let octets = STANDARD.decode(line).ok().map(Zeroizing::new);
            let key = octets.and_then(|octets| (self.key)(&octets));
            key.ok_or(KeyFileError::Line { line: number + 1, maker: self.maker })
        });
        let keys = keys.collect::<Result<Vec<K>, _>>()?;
        if keys.is_empty() { Err(KeyFileError::Empty { maker: self.maker }) } else { Ok(keys) }
    }
}

/// A file with another key at its head, beside the one that is in force; gone again unless it is put in force.
pub(crate) struct Replacement<K> {
    keys: Vec<K>,
    file: PathBuf,
    beside: PathBuf,
}

impl<K> Replacement<K> {
    /// What it holds.
    pub(crate) fn keys(&self) -> &[K] {
        &self.keys
    }

    /// Replaces the file as a whole; it stays replaced when the machine loses its power.
    pub(crate) fn put_in_force(mut self) -> Result<Vec<K>, KeyFileError> {
        std::fs::rename(&self.beside, &self.file)?;
        self.beside.clear();
        sync_directory_of(&self.file)?;
        Ok(std::mem::take(&mut self.keys))
    }
}

impl<K> Drop for Replacement<K> {
    /// What was not put in force is in nobody's way.
    fn drop(&mut self) {
        if self.beside != Path::new("") {
            let _ = std::fs::remove_file(&self.beside);
        }
    }
}

fn line(key: &RandomKey) -> Zeroizing<String> {
    Zeroizing::new(format!("{}\n", STANDARD.encode(key)))
}

fn directory_of(file: &Path) -> &Path {
    file.parent().filter(|directory| !directory.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the directory of a file that only its owner may get at, where there is none.
pub(crate) fn make_directory_of(file: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(directory_of(file))
}

/// A file that was made or replaced is still there when the machine loses its power.
fn sync_directory_of(file: &Path) -> std::io::Result<()> {
    File::open(directory_of(file))?.sync_all()
}

/// The file's name, and more behind it: no two files have the same.
fn beside(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Under the first name that is free: what others are at, or were when they died, is in nobody's way.
fn write_beside(file: &Path, text: &str) -> std::io::Result<PathBuf> {
    let mut number = 0_u32;
    loop {
        let beside = beside(file, &format!(".{number}"));
        match write_new(&beside, text) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => number += 1,
            written => return written.map(|()| beside),
        }
    }
}

fn write_new(file: &Path, text: &str) -> std::io::Result<()> {
    let mut made = create_new(file)?;
    let written = made.write_all(text.as_bytes()).and_then(|()| made.sync_all());
    if written.is_err() {
        let _ = std::fs::remove_file(file);
    }
    written
}

fn create_new(file: &Path) -> std::io::Result<File> {
    std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

/// Root may well run the command, and the gateway be another user: who could read the file that is replaced can read the new one, its
/// group too, and nobody else.
fn keep_readers(replaced: &Path, made: &File) -> std::io::Result<()> {
    let before = match std::fs::metadata(replaced) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        before => before?,
    };
    let now = made.metadata()?;
    if (before.uid(), before.gid()) != (now.uid(), now.gid()) {
        fchown(made, Some(before.uid()), Some(before.gid()))?;
    }
    made.set_permissions(Permissions::from_mode(before.mode() & 0o640))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILES: KeyFiles<u8> = KeyFiles { maker: "a command", key: |octets| (octets.len() == 32).then(|| octets[0]) };

    #[test]
    fn the_last_key_that_was_put_into_a_file_is_its_first() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("deeper/key");
        assert!(matches!(FILES.read(&file), Err(KeyFileError::File(_))));
        FILES.make_unless_there(&file, &[1; 32]).unwrap();
        FILES.make_unless_there(&file, &[2; 32]).unwrap();
        assert_eq!(FILES.read(&file).unwrap(), [1]);
        assert_eq!(FILES.prepare_first(&file, &[3; 32]).unwrap().put_in_force().unwrap(), [3, 1]);
        assert_eq!(FILES.read(&file).unwrap(), [3, 1]);
        let other = directory.path().join("other/key");
        assert_eq!(FILES.prepare_first(&other, &[4; 32]).unwrap().put_in_force().unwrap(), [4]);
        for file in [file, other] {
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
            let directory = file.parent().unwrap();
            assert_eq!(std::fs::metadata(directory).unwrap().permissions().mode() & 0o777, 0o700);
            assert_eq!(std::fs::read_dir(directory).unwrap().count(), 1, "nothing is left beside it");
        }
    }

    #[test]
    fn of_several_who_make_the_same_file_one_does_and_all_read_its_key() {
        let directory = tempfile::tempdir().unwrap();
        for round in 0..50 {
            let file = directory.path().join(format!("key-{round}"));
            // Somebody died while making it.
            std::fs::write(directory.path().join(format!("key-{round}.0")), "").unwrap();
            let made = std::thread::scope(|scope| {
                let making = [1, 2, 3, 4].map(|octet| {
                    let file = &file;
                    scope.spawn(move || {
                        FILES.make_unless_there(file, &[octet; 32]).unwrap();
                        FILES.read(file).unwrap()
                    })
                });
                making.map(|making| making.join().unwrap())
            });
            assert!(made.iter().all(|keys| *keys == made[0] && keys.len() == 1), "{made:?}");
        }
    }

    #[test]
    fn files_that_differ_by_their_last_part_alone_are_changed_at_the_same_time() {
        let directory = tempfile::tempdir().unwrap();
        let [one, other] = ["gateway.key", "gateway.pem"].map(|name| directory.path().join(name));
        let first = FILES.prepare_first(&one, &[1; 32]).unwrap();
        let second = FILES.prepare_first(&other, &[2; 32]).unwrap();
        assert_eq!(first.put_in_force().unwrap(), [1]);
        assert_eq!(second.put_in_force().unwrap(), [2]);
    }

    #[test]
    fn who_could_read_a_file_that_root_replaces_can_read_it_again() {
        if !nix::unistd::geteuid().is_root() {
            return eprintln!("skipped: only root can give a file away");
        }
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        FILES.make_unless_there(&file, &[1; 32]).unwrap();
        for (owner, mode, kept) in
            [((65_534, 65_534), 0o600, 0o600), ((0, 65_534), 0o640, 0o640), ((0, 0), 0o644, 0o640)]
        {
            std::os::unix::fs::chown(&file, Some(owner.0), Some(owner.1)).unwrap();
            std::fs::set_permissions(&file, Permissions::from_mode(mode)).unwrap();
            FILES.prepare_first(&file, &[2; 32]).unwrap().put_in_force().unwrap();
            let now = std::fs::metadata(&file).unwrap();
            assert_eq!(((now.uid(), now.gid()), now.mode() & 0o777), (owner, kept));
        }
    }

    #[test]
    fn what_is_not_put_in_force_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        FILES.make_unless_there(&file, &[1; 32]).unwrap();
        let first = FILES.prepare_first(&file, &[2; 32]).unwrap();
        assert!(matches!(FILES.prepare_first(&file, &[3; 32]), Err(KeyFileError::UnderWay(_))));
        drop(first);
        let prepared = FILES.prepare_first(&file, &[2; 32]).unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::create_dir(&file).unwrap();
        assert!(prepared.put_in_force().is_err());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1, "the directory in the file's place");
    }

    #[test]
    fn a_file_says_what_is_wrong_with_it_and_stays_as_it_was() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        std::fs::write(&file, "# the keys\n\nAAAA\n").unwrap();
        let problem = FILES.read(&file).unwrap_err().to_string();
        assert_eq!(problem, "line 3: a key is 32 octets in base64; `a command` makes one");
        assert!(matches!(FILES.prepare_first(&file, &[1; 32]), Err(KeyFileError::Line { line: 3, .. })));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "# the keys\n\nAAAA\n");
        assert!(matches!(FILES.parse("# none\n"), Err(KeyFileError::Empty { .. })));
    }
}
