//! Files of certificates, of their keys and of revocation lists, as listeners, fetches and the ways to servers have them.

use std::path::{Path, PathBuf};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};
use zeroize::Zeroizing;

/// The certificates of a PEM file, in its order.
///
/// # Errors
/// The end of a sentence that begins with the file: it cannot be read, or has none.
pub(crate) fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
    match certificates {
        Ok(certificates) if certificates.is_empty() => Err("has no certificate".to_owned()),
        Ok(certificates) => Ok(certificates),
        Err(error) => Err(format!("is no PEM file: {error}")),
    }
}

/// The certificates of a PEM file of CAs: each of them can be one.
///
/// # Errors
/// The end of a sentence that begins with the file: it cannot be read, has none, or one that cannot be a CA.
pub(crate) fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let certificates = certificates(file)?;
    for certificate in &certificates {
        let added = RootCertStore::empty().add(certificate.clone());
        added.map_err(|error| format!("has a certificate that cannot be a CA: {error}"))?;
        X509Certificate::from_der(certificate)
            .map_err(|error| format!("has a certificate that cannot be read: {error}"))?;
    }
    Ok(certificates)
}

/// The certificate revocation lists of a file: several in PEM, or one in DER.
///
/// # Errors
/// The end of a sentence that begins with the file: it cannot be read, or has none.
pub(crate) fn revocation_lists(file: &Path) -> Result<Vec<CertificateRevocationListDer<'static>>, String> {
    let bytes = std::fs::read(file).map_err(|error| format!("cannot be read: {error}"))?;
    let lists = match CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>() {
        Ok(lists) if !lists.is_empty() => lists,
        Err(error) => return Err(format!("is no PEM file: {error}")),
        Ok(_) => vec![CertificateRevocationListDer::from(bytes)],
    };
    for list in &lists {
        CertificateRevocationList::from_der(list).map_err(|_| "has no certificate revocation list")?;
    }
    Ok(lists)
}

/// The first private key of a PEM file. What was read of the file is wiped.
///
/// # Errors
/// The end of a sentence that begins with the file: it cannot be read, or has none.
pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = Zeroizing::new(std::fs::read(file).map_err(|error| format!("cannot be read: {error}"))?);
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| format!("has no private key: {error}"))
}

/// A file that cannot be used, and the end of a sentence that begins with it.
pub(crate) type Unusable = (PathBuf, String);

/// What a TLS server shows and signs with: the certificates of one file, and the key in the other, which is that of the first of them.
///
/// # Errors
/// What is wrong with either.
pub(crate) fn certified_key(certificate: &Path, key: &Path) -> Result<CertifiedKey, Vec<Unusable>> {
    let of = |file: &Path, reason: String| vec![(file.to_owned(), reason)];
    let (chain, key_read) = match (certificates(certificate), private_key(key)) {
        (Ok(chain), Ok(key_read)) => (chain, key_read),
        (chain, key_read) => {
            let of_chain = chain.err().map(|reason| (certificate.to_owned(), reason));
            return Err(of_chain.into_iter().chain(key_read.err().map(|reason| (key.to_owned(), reason))).collect());
        }
    };
    CertifiedKey::from_der(chain, key_read, &default_provider()).map_err(|error| match error {
        Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            of(key, format!("is not the key of the certificate in {}", certificate.display()))
        }
        // Nothing else is told of keys: no kind that is known fits.
        Error::General(_) => {
            of(key, "has no key that can be used: take RSA of 2048 bits or more, P-256, P-384 or Ed25519".to_owned())
        }
        error if error.to_string().contains("UnsupportedCertVersion") => {
            let reason =
                "has an X.509 certificate of version 1: make it with a subjectAltName, which makes it version 3";
            of(certificate, reason.to_owned())
        }
        error => of(certificate, format!("has a certificate that cannot be used: {error}")),
    })
}
