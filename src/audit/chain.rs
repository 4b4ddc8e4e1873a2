//! Who vouches for a chain: heads and cuts, signed with Ed25519. The key stays out of the store, so that whoever can write there
//! cannot make another past. Never prints a private key.

use std::collections::HashMap;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use sha2::{Digest as _, Sha256};

use crate::key_file::{KeyFileError, KeyFiles, RandomKey, Replacement};
use crate::store::{Head, RecordHash, SignedHead};

/// What a signature is made over begins with this: another form is another name.
const HEAD: &[u8] = b"dcr-gateway audit head 1\0";
const CUT: &[u8] = b"dcr-gateway audit cut 1\0";
const KEY: usize = 32;
const FILES: KeyFiles<Ed25519KeyPair> =
    KeyFiles { maker: "dcr-gateway keys audit", key: |seed| Ed25519KeyPair::from_seed_unchecked(seed).ok() };

/// What is stated about a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The chain went up to here.
    Head,
    /// What stood before was taken away by retention, this one included.
    Cut,
}

/// The keys of this gateway: the first one signs, all of them are known.
pub struct SigningKeys {
    current: Ed25519KeyPair,
    name: String,
    known: PublicKeys,
}

/// A key file with another key at its head, which is not in force yet.
pub struct SigningRotation(Replacement<Ed25519KeyPair>);

/// Keys by their names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicKeys(HashMap<String, [u8; KEY]>);

/// What a statement is worth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vouched {
    /// Signed with a key that is known.
    Signed,
    /// By nobody.
    Unsigned,
    /// Signed with a key that is not known.
    KeyUnknown,
    /// The signature is not this key's, or not over this.
    Forged,
}

impl SigningKeys {
    /// Reads the file.
    ///
    /// # Errors
    /// A sentence about the file, never its content.
    pub fn read(file: &Path) -> Result<Self, KeyFileError> {
        Self::of(FILES.read(file)?)
    }

    /// Prepares the file with the key at its head, which is made where there is none; earlier keys stay, for what they signed.
    ///
    /// # Errors
    /// As [`SigningKeys::read`].
    pub fn rotate(file: &Path, key: &RandomKey) -> Result<SigningRotation, KeyFileError> {
        FILES.prepare_first(file, key).map(SigningRotation)
    }

    /// Puts the key at the head of the file at once.
    ///
    /// # Errors
    /// As [`SigningKeys::read`].
    pub fn add(file: &Path, key: &RandomKey) -> Result<Self, KeyFileError> {
        Self::rotate(file, key)?.put_in_force()
    }

    fn of(pairs: Vec<Ed25519KeyPair>) -> Result<Self, KeyFileError> {
        let mut known = PublicKeys::default();
        let names: Vec<String> = pairs.iter().filter_map(|pair| known.insert(pair.public_key().as_ref())).collect();
        let first = pairs.into_iter().zip(names).next();
        let (current, name) = first.ok_or(KeyFileError::Empty { maker: FILES.maker })?;
        Ok(Self { current, name, known })
    }

    /// What the key is called that signs.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What verifies its signatures, in base64.
    pub fn public_key(&self) -> String {
        STANDARD.encode(self.current.public_key().as_ref())
    }

    /// What verifies the signatures of all of them.
    pub const fn known(&self) -> &PublicKeys {
        &self.known
    }

    /// States it.
    pub fn sign(&self, purpose: Purpose, head: Head) -> SignedHead {
        let signature = STANDARD.encode(self.current.sign(&stated(purpose, &head)).as_ref());
        SignedHead { head, key: Some(self.name.clone()), signature: Some(signature) }
    }
}

impl SigningRotation {
    /// What the new key is called.
    pub fn name(&self) -> String {
        self.0
            .keys()
            .first()
            .and_then(|pair| name_of(pair.public_key().as_ref()))
            .map(|(name, _)| name)
            .unwrap_or_default()
    }

    /// Replaces the file as a whole; it stays replaced when the machine loses its power.
    ///
    /// # Errors
    /// The file's. Where only its directory could not be written to disk, the new one is in force all the same.
    pub fn put_in_force(self) -> Result<SigningKeys, KeyFileError> {
        SigningKeys::of(self.0.put_in_force()?)
    }
}

impl std::fmt::Debug for SigningKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKeys({})", self.name)
    }
}

impl PublicKeys {
    /// Takes a key in base64; false when it is none.
    pub fn add(&mut self, text: &str) -> bool {
        STANDARD.decode(text.trim()).ok().and_then(|key| self.insert(&key)).is_some()
    }

    fn insert(&mut self, key: &[u8]) -> Option<String> {
        let (name, key) = name_of(key)?;
        self.0.insert(name.clone(), key);
        Some(name)
    }

    /// Whether no key is known.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether it was stated by the holder of a known key.
    pub fn check(&self, purpose: Purpose, stated_by: &SignedHead) -> Vouched {
        let (Some(key), Some(signature)) = (&stated_by.key, &stated_by.signature) else { return Vouched::Unsigned };
        let Some(key) = self.0.get(key) else { return Vouched::KeyUnknown };
        let Ok(signature) = STANDARD.decode(signature) else { return Vouched::Forged };
        match UnparsedPublicKey::new(&ED25519, key).verify(&stated(purpose, &stated_by.head), &signature) {
            Ok(()) => Vouched::Signed,
            Err(_) => Vouched::Forged,
        }
    }
}

/// What a public key is called, and the key; none: it is not as long as a key.
fn name_of(key: &[u8]) -> Option<(String, [u8; KEY])> {
    let key: [u8; KEY] = key.try_into().ok()?;
    Some((RecordHash(Sha256::digest(key).into()).to_string()[..16].to_owned(), key))
}

/// A statement without a signature, where no key is configured.
pub fn unsigned(head: Head) -> SignedHead {
    SignedHead { head, key: None, signature: None }
}

fn stated(purpose: Purpose, head: &Head) -> Vec<u8> {
    let name = match purpose {
        Purpose::Head => HEAD,
        Purpose::Cut => CUT,
    };
    let mut octets = name.to_vec();
    octets.extend_from_slice(&(head.writer.0.len() as u64).to_be_bytes());
    octets.extend_from_slice(head.writer.0.as_bytes());
    octets.extend_from_slice(&head.sequence.to_be_bytes());
    octets.extend_from_slice(&head.hash.0);
    octets.extend_from_slice(&head.at.unix_millis().to_be_bytes());
    octets
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Timestamp;
    use crate::store::WriterId;

    fn head(sequence: u64) -> Head {
        let at = Timestamp::from_unix_millis(7);
        Head { writer: WriterId("w".to_owned()), sequence, hash: RecordHash([3; 32]), at }
    }

    fn keys(octet: u8) -> SigningKeys {
        SigningKeys::of(FILES.parse(&STANDARD.encode([octet; KEY])).unwrap()).unwrap()
    }

    #[test]
    fn a_statement_is_worth_what_its_signature_is() {
        let (own, other) = (keys(1), keys(2));
        let signed = own.sign(Purpose::Head, head(5));
        assert_eq!(own.known().check(Purpose::Head, &signed), Vouched::Signed);
        assert_eq!(own.known().check(Purpose::Cut, &signed), Vouched::Forged);
        assert_eq!(own.known().check(Purpose::Head, &SignedHead { head: head(6), ..signed.clone() }), Vouched::Forged);
        assert_eq!(other.known().check(Purpose::Head, &signed), Vouched::KeyUnknown);
        assert_eq!(own.known().check(Purpose::Head, &unsigned(head(5))), Vouched::Unsigned);
        let mut given = PublicKeys::default();
        assert!(given.add(&own.public_key()) && !given.add("AAAA"));
        assert_eq!(given.check(Purpose::Head, &signed), Vouched::Signed);
    }

    #[test]
    fn a_key_that_was_added_signs_and_the_earlier_one_is_still_known() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("deeper/audit.key");
        let before = SigningKeys::add(&file, &[1; KEY]).unwrap();
        let old = before.sign(Purpose::Head, head(5));
        let rotation = SigningKeys::rotate(&file, &[2; KEY]).unwrap();
        assert_eq!(SigningKeys::read(&file).unwrap().name(), before.name());
        let name = rotation.name();
        rotation.put_in_force().unwrap();
        let keys = SigningKeys::read(&file).unwrap();
        assert_eq!(keys.name(), name);
        assert_ne!(keys.name(), before.name());
        assert_eq!(keys.known().check(Purpose::Head, &old), Vouched::Signed);
        assert_eq!(keys.sign(Purpose::Head, head(5)).key.as_deref(), Some(keys.name()));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
