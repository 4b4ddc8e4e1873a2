//! Reads who a client certificate says its holder is. Reading is not verifying: callers hand in what the verifier accepted.

use std::net::IpAddr;

use sha2::{Digest, Sha256};
use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

use super::distinguished_name;
use crate::hexadecimal;
use crate::policy::CertificateIdentity;

/// Why a certificate could not be read. For the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not the DER of one X.509 certificate.
    #[error("the client certificate is not the DER of one X.509 certificate: {0}")]
    Malformed(String),
    /// The subject's alternative names are there twice or malformed.
    #[error("the client certificate's subject alternative names cannot be read: {0}")]
    AlternativeNames(String),
}

/// Reads the identity out of the DER of a certificate.
///
/// Alternative names of other kinds than the four, and single entries whose text is not what RFC 5280 §4.2.1.6 says,
/// are left out: what is not read cannot match anything.
///
/// # Errors
/// No certificate, or one whose alternative names would leave it open who it is.
pub fn read(der: &[u8]) -> Result<CertificateIdentity, CertificateError> {
    let (rest, certificate) =
        X509Certificate::from_der(der).map_err(|problem| CertificateError::Malformed(problem.to_string()))?;
    if !rest.is_empty() {
        return Err(CertificateError::Malformed(format!("{} bytes follow it", rest.len())));
    }
    let mut identity = CertificateIdentity {
        subject: distinguished_name::text(certificate.subject()),
        issuer: distinguished_name::text(certificate.issuer()),
        serial: serial(certificate.raw_serial()),
        san_dns: Vec::new(),
        san_uri: Vec::new(),
        san_email: Vec::new(),
        san_ip: Vec::new(),
        thumbprint: hexadecimal::written(&Sha256::digest(der)),
        not_after: certificate.validity().not_after.timestamp(),
    };
    let names = certificate
        .subject_alternative_name()
        .map_err(|problem| CertificateError::AlternativeNames(problem.to_string()))?;
    for name in names.iter().flat_map(|extension| &extension.value.general_names) {
        match name {
            GeneralName::DNSName(name) if is_visible(name) => identity.san_dns.push(name.to_ascii_lowercase()),
            GeneralName::URI(uri) if is_visible(uri) => identity.san_uri.push((*uri).to_owned()),
            GeneralName::RFC822Name(email) if is_visible(email) => identity.san_email.push((*email).to_owned()),
            GeneralName::IPAddress(octets) => identity.san_ip.extend(ip(octets)),
            _ => {}
        }
    }
    Ok(identity)
}

/// The serial number without the zero octets that DER puts before a positive number.
fn serial(octets: &[u8]) -> String {
    let zeros = octets.iter().take_while(|octet| **octet == 0).count();
    hexadecimal::written(&octets[zeros.min(octets.len().saturating_sub(1))..])
}

/// IA5String narrowed to visible characters: a NUL or a space inside a name has only ever been an attack.
fn is_visible(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(octets).ok().map(|v6| IpAddr::from(v6).to_canonical())
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, SanType, SerialNumber};

    use super::*;

    fn certificate() -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "DE");
        params.distinguished_name.push(DnType::OrganizationName, "Partner, Inc.");
        params.distinguished_name.push(DnType::CommonName, "Client \u{fc} 7");
        params.serial_number = Some(SerialNumber::from_slice(&[0x00, 0x8f, 0x01]));
        params.not_after = rcgen::date_time_ymd(2040, 1, 2);
        params.subject_alt_names = vec![
            SanType::DnsName("App.Partner.Example".try_into().unwrap()),
            SanType::URI("spiffe://partner.example/app".try_into().unwrap()),
            SanType::Rfc822Name("ops@partner.example".try_into().unwrap()),
            SanType::IpAddress("192.0.2.7".parse().unwrap()),
            SanType::IpAddress("2001:db8::7".parse().unwrap()),
        ];
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn reads_back_what_a_certificate_says() {
        let der = certificate();
        let identity = read(&der).unwrap();
        assert_eq!(identity.subject, "CN=Client \u{fc} 7,O=Partner\\, Inc.,C=DE");
        assert_eq!(identity.issuer, identity.subject);
        assert_eq!(identity.serial, "8f01");
        assert_eq!(identity.san_dns, ["app.partner.example"]);
        assert_eq!(identity.san_uri, ["spiffe://partner.example/app"]);
        assert_eq!(identity.san_email, ["ops@partner.example"]);
        assert_eq!(identity.san_ip, ["192.0.2.7".parse::<IpAddr>().unwrap(), "2001:db8::7".parse().unwrap()]);
        assert_eq!(identity.not_after, 2_209_075_200);
        assert_eq!(identity.thumbprint, hexadecimal::written(&Sha256::digest(&der)));
    }

    #[test]
    fn refuses_bytes_after_the_certificate() {
        let mut der = certificate();
        der.push(0);
        assert!(matches!(read(&der), Err(CertificateError::Malformed(_))));
    }

    #[test]
    fn a_serial_number_keeps_its_last_octet() {
        assert_eq!(serial(&[0, 0]), "00");
        assert_eq!(serial(&[0, 1, 0]), "0100");
        assert_eq!(serial(&[]), "");
    }

    proptest::proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
            let _ = read(&bytes);
        }

        #[test]
        fn a_damaged_certificate_never_panics(at in 0..600_usize, byte: u8, length in 0..700_usize) {
            let mut der = certificate();
            if let Some(place) = der.get_mut(at) {
                *place = byte;
            }
            der.truncate(length);
            let _ = read(&der);
        }
    }
}
