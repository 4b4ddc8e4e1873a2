//! Encrypts what the gateway must keep and may not show: the authorization server's tokens and the clients' secrets.
//! AES-256-GCM under keys from a file; each box says which key it needs, so keys can be rotated. Never prints a key.

use std::path::Path;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::hexadecimal;
use crate::key_file::{KeyFileError, KeyFiles, RandomKey, Replacement};
use crate::secret::Secret;
use crate::store::Sealed;

/// The first octet of every box; another one is of a later version.
const VERSION: u8 = 1;
/// How many octets of the SHA-256 of a key name it.
const NAME: usize = 4;
const FILES: KeyFiles<Key> = KeyFiles { maker: "openssl rand -base64 32", key: Key::of };

/// Fresh random octets, from the caller. Never used twice with one key: 96 random bits serve for far more boxes than clients will ever be.
pub type RandomNonce = [u8; NONCE_LEN];

/// The keys: the first one seals, all of them open.
pub struct Keys(Vec<Key>);

/// A key file with another key at its head, which is not in force yet.
pub struct Rotation(Replacement<Key>);

struct Key {
    name: [u8; NAME],
    key: LessSafeKey,
}

impl Key {
    fn of(octets: &[u8]) -> Option<Self> {
        let key = UnboundKey::new(&AES_256_GCM, octets).ok()?;
        let mut name = [0; NAME];
        name.copy_from_slice(&Sha256::digest(octets)[..NAME]);
        Some(Self { name, key: LessSafeKey::new(key) })
    }
}

/// A box that none of the keys opens, or that was changed, or moved to another client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the store keeps encrypted cannot be opened: the key is missing from the key file, or it was changed")]
pub struct NotOpened;

/// A text that could not be encrypted: there is nothing to keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the store is to keep encrypted could not be encrypted, and is not kept")]
pub struct NotSealed;

impl Keys {
    /// Reads the file.
    pub fn read(file: &Path) -> Result<Self, KeyFileError> {
        FILES.read(file).map(Self)
    }

    /// Reads the file; makes it with this key when it is not there.
    pub fn read_or_make(file: &Path, key: &RandomKey) -> Result<Self, KeyFileError> {
        FILES.make_unless_there(file, key)?;
        Self::read(file)
    }

    /// Writes a new version of the key file beside it, with the new key first: once it is in force that one seals, and the others still
    /// open.
    ///
    /// # Errors
    /// The file's; another rotation is under way, or was broken off and left its file behind.
    pub fn rotate(file: &Path, key: &RandomKey) -> Result<Rotation, KeyFileError> {
        FILES.read(file)?;
        FILES.prepare_first(file, key).map(Rotation)
    }

    /// Encrypts a text for one client: for no other it can be opened.
    ///
    /// # Errors
    /// There is no key, or the text is longer than AES-GCM encrypts.
    pub fn seal(&self, client_id: &str, text: &Secret, nonce: RandomNonce) -> Result<Sealed, NotSealed> {
        let Key { name, key } = self.0.first().ok_or(NotSealed)?;
        let mut sealed = Vec::with_capacity(1 + NAME + NONCE_LEN + text.expose().len() + AES_256_GCM.tag_len());
        sealed.push(VERSION);
        sealed.extend_from_slice(name);
        sealed.extend_from_slice(&nonce);
        let mut octets = text.expose().as_bytes().to_vec();
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::from(client_id), &mut octets).map_err(|_| NotSealed)?;
        sealed.extend_from_slice(&octets);
        Ok(Sealed(sealed))
    }

    /// Decrypts it.
    ///
    /// # Errors
    /// It was sealed for another client or with a key that is not there, or it was changed: which of them is not told.
    pub fn open(&self, client_id: &str, sealed: &Sealed) -> Result<Secret, NotOpened> {
        let (head, octets) = sealed.0.split_at_checked(1 + NAME + NONCE_LEN).ok_or(NotOpened)?;
        let (name, nonce) =
            head.strip_prefix(&[VERSION]).and_then(|head| head.split_at_checked(NAME)).ok_or(NotOpened)?;
        let key = self.0.iter().find(|key| key.name == name).ok_or(NotOpened)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| NotOpened)?;
        let mut octets = Zeroizing::new(octets.to_vec());
        let opened = key.key.open_in_place(nonce, Aad::from(client_id), &mut octets).map_err(|_| NotOpened)?;
        std::str::from_utf8(opened).map(Secret::new).map_err(|_| NotOpened)
    }

    /// What the current key is called in the boxes it sealed.
    pub fn current_name(&self) -> String {
        name_of_first(&self.0)
    }

    /// Whether the key that boxes call so is among them.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|key| hexadecimal::written(&key.name) == name)
    }

    /// Whether it was sealed with the current key.
    pub fn is_current(&self, sealed: &Sealed) -> bool {
        self.0.first().is_some_and(|key| sealed.0.get(1..=NAME) == Some(&key.name))
    }
}

impl Rotation {
    /// What the new key is called.
    pub fn name(&self) -> String {
        name_of_first(self.0.keys())
    }

    /// Replaces the file as a whole; it stays replaced when the machine loses its power.
    ///
    /// # Errors
    /// The file's. Where only its directory could not be written to disk, the new one is in force all the same.
    pub fn put_in_force(self) -> Result<Keys, KeyFileError> {
        self.0.put_in_force().map(Keys)
    }
}

fn name_of_first(keys: &[Key]) -> String {
    hexadecimal::written(&keys.first().map(|key| key.name).unwrap_or_default())
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text() -> Secret {
        Secret::new("the server's token")
    }

    #[test]
    fn what_cannot_be_sealed_is_said_to_be_not_kept() {
        let error = Keys(Vec::new()).seal("c1", &text(), [1; 12]).unwrap_err();
        assert_eq!(error.to_string(), "what the store is to keep encrypted could not be encrypted, and is not kept");
    }

    #[test]
    fn what_was_sealed_for_a_client_opens_for_it_alone() {
        let directory = tempfile::tempdir().unwrap();
        let keys = Keys::read_or_make(&directory.path().join("deeper/key"), &[7; 32]).unwrap();
        let sealed = keys.seal("c1", &text(), [1; 12]).unwrap();
        assert_eq!(keys.open("c1", &sealed), Ok(text()));
        assert_eq!(keys.open("c2", &sealed), Err(NotOpened));
        assert!(!String::from_utf8_lossy(&sealed.0).contains("server"));
        for octet in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[octet] ^= 1;
            assert_eq!(keys.open("c1", &changed), Err(NotOpened), "octet {octet}");
        }
        assert_eq!(keys.open("c1", &Sealed(sealed.0[..10].to_vec())), Err(NotOpened));
    }

    #[test]
    fn a_rotated_key_still_opens_what_it_sealed() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        let before = Keys::read_or_make(&file, &[7; 32]).unwrap();
        let old = before.seal("c1", &text(), [1; 12]).unwrap();
        let abandoned = Keys::rotate(&file, &[8; 32]).unwrap();
        assert!(matches!(Keys::rotate(&file, &[9; 32]), Err(KeyFileError::UnderWay(_))));
        drop(abandoned);
        assert_eq!(Keys::read(&file).unwrap().current_name(), before.current_name(), "nothing came of it");
        let rotation = Keys::rotate(&file, &[8; 32]).unwrap();
        let name = rotation.name();
        let keys = rotation.put_in_force().unwrap();
        assert_eq!(keys.current_name(), name);
        let new = keys.seal("c1", &text(), [2; 12]).unwrap();
        assert_eq!((keys.open("c1", &old), keys.open("c1", &new)), (Ok(text()), Ok(text())));
        assert_eq!((keys.is_current(&old), keys.is_current(&new)), (false, true));
        assert!(keys.has(&name) && keys.has(&before.current_name()) && !before.has(&name));
        assert_eq!(before.open("c1", &new), Err(NotOpened));
        let read = Keys::read_or_make(&file, &[9; 32]).unwrap();
        assert_eq!(read.open("c1", &new), Ok(text()));
    }

    #[test]
    fn a_key_file_is_its_owners_alone_and_says_what_is_wrong_with_it() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("key");
        Keys::read_or_make(&file, &[7; 32]).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        std::fs::write(&file, "# the keys\n\nAAAA\n").unwrap();
        assert!(matches!(Keys::read(&file), Err(KeyFileError::Line { line: 3, .. })));
        std::fs::write(&file, "# none\n").unwrap();
        assert!(matches!(Keys::rotate(&file, &[8; 32]), Err(KeyFileError::Empty { .. })));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "# none\n");
    }
}
