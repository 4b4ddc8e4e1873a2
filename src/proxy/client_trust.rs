//! Which client certificates are accepted: CA bundles and revocation lists, read from files, used in the handshake and again on every request.
//! Decides nothing about profiles.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use lru::LruCache;
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use sha2::{Digest as _, Sha256};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use super::expiry::{FileEnd, FileKind, not_after};
use super::identity;
use super::settings::{ClientCertificateRequest, Strictness, TrustSettings};
use super::tls::TlsError;
use crate::clock::Timestamp;
use crate::intake::handler::PresentedCertificate;
use crate::pem;

/// CAs and revocation lists in force.
pub(super) struct ClientTrust {
    verifier: Arc<dyn ClientCertVerifier>,
    /// The earliest next update of a list, in seconds since the epoch.
    next_update: Option<i64>,
    lists_expire: bool,
    ends: Vec<FileEnd>,
    /// Forwarded chains come with every request; each is verified once and again when its validity ends.
    forwarded: Mutex<LruCache<[u8; 32], (i64, PresentedCertificate)>>,
}

/// A refused chain is looked at again after these seconds: its time may only have been yet to come.
const REFUSED_FOR: i64 = 60;

/// How many forwarded chains are remembered.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The files as read, before a verifier is made of them.
struct Material {
    roots: RootCertStore,
    /// Subject and public key of each.
    authorities: Vec<(Vec<u8>, Vec<u8>)>,
    lists: Vec<CertificateRevocationListDer<'static>>,
    list_issuers: Vec<Vec<u8>>,
    next_update: Option<i64>,
    ends: Vec<FileEnd>,
}

impl ClientTrust {
    /// Reads all files. Every file that cannot be used is named with the reason.
    pub(super) fn load(settings: &TrustSettings, request: ClientCertificateRequest) -> Result<Self, Vec<TlsError>> {
        let material = Material::read(settings)?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(material.roots), provider);
        if !material.lists.is_empty() {
            builder = builder.with_crls(material.lists);
            let every_authority_has_a_list =
                material.authorities.iter().all(|(authority, _)| material.list_issuers.contains(authority));
            if !every_authority_has_a_list {
                builder = builder.only_check_end_entity_revocation();
            }
            if settings.issuers_without_list == Strictness::Accept {
                builder = builder.allow_unknown_revocation_status();
            }
            if settings.expired_revocation_lists == Strictness::Refuse {
                builder = builder.enforce_revocation_expiration();
            }
        }
        if request == ClientCertificateRequest::Optional {
            builder = builder.allow_unauthenticated();
        }
        let verifier = builder.build().map_err(|error| {
            let file = settings.trust.first().cloned().unwrap_or_default();
            vec![TlsError { file, reason: format!("cannot be used to verify clients: {error}") }]
        })?;
        let lists_expire = settings.expired_revocation_lists == Strictness::Refuse;
        let forwarded = Mutex::new(LruCache::new(REMEMBERED));
        Ok(Self { verifier, next_update: material.next_update, lists_expire, ends: material.ends, forwarded })
    }

    /// For the server's configuration.
    pub(super) fn verifier(&self) -> Arc<dyn ClientCertVerifier> {
        self.verifier.clone()
    }

    /// When the files end.
    pub(super) fn ends(&self) -> &[FileEnd] {
        &self.ends
    }

    /// Verifies a chain as it was presented, the client's own certificate first. `Ok` is the second until which the verdict holds as long as no file changes.
    fn verify(&self, chain: &[CertificateDer<'static>], now: Timestamp) -> Result<i64, String> {
        let (own, intermediates) = chain.split_first().ok_or_else(|| "no certificate".to_owned())?;
        let seconds = u64::try_from(now.unix_seconds()).unwrap_or(0);
        let at = UnixTime::since_unix_epoch(Duration::from_secs(seconds));
        self.verifier.verify_client_cert(own, intermediates, at).map_err(|error| error.to_string())?;
        Ok(self.valid_until(chain))
    }

    /// Verifies a chain and reads who holds it. The verdict holds until the returned second, or until a file changes.
    pub(super) fn judge(&self, chain: &[CertificateDer<'static>], now: Timestamp) -> (i64, PresentedCertificate) {
        match self.verify(chain, now) {
            Ok(until) => (until, identity::of_verified(&chain[0])),
            Err(reason) => (now.unix_seconds() + REFUSED_FOR, PresentedCertificate::Refused(reason)),
        }
    }

    /// The same for a chain that a trusted proxy forwards; remembers the verdict.
    pub(super) fn judge_forwarded(&self, chain: &[CertificateDer<'static>], now: Timestamp) -> PresentedCertificate {
        let mut hash = Sha256::new();
        for certificate in chain {
            hash.update(u64::try_from(certificate.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(certificate);
        }
        let key: [u8; 32] = hash.finalize().into();
        let remembered = || self.forwarded.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, certificate)) = remembered().get(&key).filter(|(until, _)| now.unix_seconds() < *until) {
            return certificate.clone();
        }
        // Not while the lock is held: everybody else's requests would wait for it.
        let (until, certificate) = self.judge(chain, now);
        remembered().put(key, (until, certificate.clone()));
        certificate
    }

    /// The end of the first validity among the chain and the lists. An intermediate that the path does not need only makes us look again earlier.
    fn valid_until(&self, chain: &[CertificateDer<'static>]) -> i64 {
        let ends = chain.iter().map(|der| not_after(der).unwrap_or(i64::MIN));
        let lists = self.next_update.filter(|_| self.lists_expire);
        ends.chain(lists).min().unwrap_or(i64::MIN)
    }
}

impl Material {
    fn read(settings: &TrustSettings) -> Result<Self, Vec<TlsError>> {
        let mut problems = Vec::new();
        let mut material = Self {
            roots: RootCertStore::empty(),
            authorities: Vec::new(),
            lists: Vec::new(),
            list_issuers: Vec::new(),
            next_update: None,
            ends: Vec::new(),
        };
        if settings.trust.is_empty() {
            problems.push(TlsError {
                file: PathBuf::new(),
                reason: "client certificates cannot be verified: `trust` names no CA file".to_owned(),
            });
        }
        for file in &settings.trust {
            if let Err(reason) = material.read_authorities(file) {
                problems.push(TlsError { file: file.clone(), reason });
            }
        }
        for file in &settings.revocation_lists {
            if let Err(reason) = material.read_lists(file) {
                problems.push(TlsError { file: file.clone(), reason });
            }
        }
        if problems.is_empty() { Ok(material) } else { Err(problems) }
    }

    fn read_authorities(&mut self, file: &Path) -> Result<(), String> {
        let certificates = pem::authorities(file)?;
        self.ends.extend(FileEnd::of_certificates(file, FileKind::ClientCa, &certificates));
        for certificate in certificates {
            let (_, parsed) = X509Certificate::from_der(&certificate).map_err(|error| error.to_string())?;
            let key = parsed.public_key().subject_public_key.data.to_vec();
            self.authorities.push((parsed.subject().as_raw().to_vec(), key));
            self.roots.add(certificate.clone()).map_err(|error| error.to_string())?;
        }
        Ok(())
    }

    fn read_lists(&mut self, file: &Path) -> Result<(), String> {
        let lists = pem::revocation_lists(file)?;
        let mut first_update: Option<i64> = None;
        for list in lists {
            let (_, parsed) = CertificateRevocationList::from_der(&list).map_err(|error| error.to_string())?;
            self.check_signature(&parsed)?;
            self.list_issuers.push(parsed.issuer().as_raw().to_vec());
            let next_update = parsed.next_update().map(|time| time.timestamp());
            first_update = first_update.into_iter().chain(next_update).min();
            self.lists.push(list);
        }
        self.next_update = self.next_update.into_iter().chain(first_update).min();
        let end = |ends| FileEnd { file: file.to_owned(), kind: FileKind::RevocationList, ends };
        self.ends.extend(first_update.map(end));
        Ok(())
    }

    /// Of a CA whose name is the list's issuer's and whose key is another, each client's certificate would be refused in its handshake.
    /// A list of an intermediate CA is of nobody that is known here.
    fn check_signature(&self, list: &CertificateRevocationList<'_>) -> Result<(), String> {
        let (signed, signature) = (list.tbs_cert_list.as_ref(), &list.signature_value.data);
        let algorithms = rustls::crypto::ring::default_provider().signature_verification_algorithms.all;
        let is_by = |key: &[u8]| algorithms.iter().any(|by| by.verify_signature(key, signed, signature).is_ok());
        let mut named = self.authorities.iter().filter(|(subject, _)| subject == list.issuer().as_raw()).peekable();
        if named.peek().is_none() || named.any(|(_, key)| is_by(key)) {
            return Ok(());
        }
        let issuer = list.issuer();
        Err(format!("has a list that is not signed by the CA it names, {issuer}: get one that the trusted CA signed"))
    }
}
