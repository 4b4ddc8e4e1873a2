//! Certificates for the demo and the tests: an authority, a server, a client. Made anew each time, kept where they are asked for.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};

/// Why there are none.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// They could not be made.
    #[error("cannot make a certificate: {0}")]
    Make(#[from] rcgen::Error),
    /// They could not be written.
    #[error("cannot write {0}: {1}")]
    Write(String, std::io::Error),
}

/// Writes `ca.pem`, `server.pem`, `server.key`, `client.pem` and `client.key` into `directory`. The keys are the owner's alone to read;
/// the authority's own key is not kept.
pub fn write(directory: &Path) -> Result<(), CertificateError> {
    let mut authority = CertificateParams::new(Vec::new())?;
    authority.distinguished_name.push(DnType::CommonName, "dcr-gateway demo authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_key = KeyPair::generate()?;
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);
    write_file(directory, "ca.pem", &authority_certificate.pem())?;

    let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned).to_vec();
    let server = Holder { name: "localhost", alternative_names: names, purpose: ExtendedKeyUsagePurpose::ServerAuth };
    server.write(directory, "server", &issuer)?;
    let names = vec!["client.partner.example".to_owned()];
    let client =
        Holder { name: "Demo Partner", alternative_names: names, purpose: ExtendedKeyUsagePurpose::ClientAuth };
    client.write(directory, "client", &issuer)
}

struct Holder {
    name: &'static str,
    alternative_names: Vec<String>,
    purpose: ExtendedKeyUsagePurpose,
}

impl Holder {
    fn write(self, directory: &Path, file: &str, issuer: &Issuer<'_, KeyPair>) -> Result<(), CertificateError> {
        let mut params = CertificateParams::new(self.alternative_names)?;
        params.distinguished_name.push(DnType::CommonName, self.name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![self.purpose];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, issuer)?;
        write_file(directory, &format!("{file}.pem"), &certificate.pem())?;
        write_file(directory, &format!("{file}.key"), &key.serialize_pem())
    }
}

fn write_file(directory: &Path, name: &str, text: &str) -> Result<(), CertificateError> {
    let path = directory.join(name);
    let mode = if name.ends_with(".key") { 0o600 } else { 0o644 };
    write_anew(&path, mode, text).map_err(|error| CertificateError::Write(path.display().to_string(), error))
}

/// Makes a file of this mode; one of an earlier run would keep its own.
pub(super) fn write_anew(path: &Path, mode: u32, text: &str) -> io::Result<()> {
    let _ = fs::remove_file(path);
    fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
}
