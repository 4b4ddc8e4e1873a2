//! Files of certificates, of their keys and of revocation lists, as listeners, fetches and the ways to servers have them.

use std::path::Path;

use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
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
