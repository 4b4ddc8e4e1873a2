//! Files of certificates and of their keys, as listeners, fetches and the way to the authorization server have them.

use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
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

/// The first private key of a PEM file. What was read of the file is wiped.
///
/// # Errors
/// The end of a sentence that begins with the file: it cannot be read, or has none.
pub(crate) fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>, String> {
    let bytes = Zeroizing::new(std::fs::read(file).map_err(|error| format!("cannot be read: {error}"))?);
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| format!("has no private key: {error}"))
}
