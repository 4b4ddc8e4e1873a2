//! Certificates in headers (`Client-Cert`, Envoy's XFCC, nginx's): one certificate or none, and of several proxies' only the nearest one's.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dcr_gateway::registrant::client_certificate;
use dcr_gateway::registrant::forwarded_certificate::{ForwardedCertificateError, ForwardedCertificateFormat, HEADERS};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{choice, halves};

type Read = Result<Option<Vec<Vec<u8>>>, ForwardedCertificateError>;

/// Nobody looks into the DER before the verifier does.
pub const HONEST: &[u8] = &[0x30, 0x03, 0xfb, 0xff, 0xfe];

const FORMATS: [ForwardedCertificateFormat; 3] =
    [ForwardedCertificateFormat::ClientCert, ForwardedCertificateFormat::Xfcc, ForwardedCertificateFormat::Nginx];

/// The property. By the first byte: lines of headers for each of the three formats, one a line, the first byte of which chooses its name;
/// what a client put into XFCC before its proxy did, a zero, and the subject of the client's certificate; a certificate.
pub fn holds(input: &[u8]) -> bool {
    let Some((kind, rest)) = choice(input) else { return false };
    match kind % 5 {
        3 => nearest_proxy(rest),
        4 => certificate(rest),
        format => lines(FORMATS[usize::from(format)], rest),
    }
}

fn read(format: ForwardedCertificateFormat, lines: &[(&str, &[u8])]) -> Read {
    let mut headers = HeaderMap::new();
    for (name, value) in lines {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_bytes(value)) {
            headers.append(name, value);
        }
    }
    Ok(format.read(&headers)?.map(|chain| chain.iter().map(|certificate| certificate.to_vec()).collect()))
}

fn lines(format: ForwardedCertificateFormat, input: &[u8]) -> bool {
    let lines: Vec<(&str, &[u8])> = input
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split_first())
        .map(|(name, value)| (HEADERS[usize::from(*name) % HEADERS.len()], value))
        .collect();
    let Ok(Some(chain)) = read(format, &lines) else { return false };
    assert!((1..=10).contains(&chain.len()) && chain.iter().all(|der| !der.is_empty()), "{chain:?}");
    let carriers: &[&str] = match format {
        ForwardedCertificateFormat::ClientCert => &["client-cert"],
        ForwardedCertificateFormat::Xfcc => &["x-forwarded-client-cert"],
        ForwardedCertificateFormat::Nginx => &["ssl-client-cert", "x-ssl-client-cert"],
    };
    let carrying =
        lines.iter().filter(|(name, value)| carriers.contains(name) && HeaderValue::from_bytes(value).is_ok());
    assert_eq!(carrying.count(), 1, "one of two lines was believed: {lines:?}");
    // What was read, written as the proxy writes it, is read again.
    let again = match format {
        ForwardedCertificateFormat::ClientCert => {
            let sequences: Vec<_> = chain.iter().map(|der| format!(":{}:", STANDARD.encode(der))).collect();
            let mut lines = vec![("client-cert", sequences[0].as_bytes())];
            lines.extend(sequences[1..].iter().map(|line| ("client-cert-chain", line.as_bytes())));
            read(format, &lines)
        }
        ForwardedCertificateFormat::Xfcc => {
            let line = format!("Hash=00;Chain=\"{}\"", chain.iter().map(|der| escaped_pem(der)).collect::<String>());
            read(format, &[("x-forwarded-client-cert", line.as_bytes())])
        }
        ForwardedCertificateFormat::Nginx => {
            let pem: String = chain.iter().map(|der| escaped_pem(der)).collect();
            read(format, &[("ssl-client-cert", pem.as_bytes())])
        }
    };
    assert_eq!(again, Ok(Some(chain)));
    true
}

/// Envoy appends its element to what the client sent. Whatever that was, and whatever stands in the subject of the client's own
/// certificate (written by RFC 4514 §2.4, in quotes), nobody's certificate is read but the one that Envoy saw.
fn nearest_proxy(input: &[u8]) -> bool {
    let (sent, subject) = halves(input);
    let subject = String::from_utf8_lossy(subject);
    let subject: String = subject
        .chars()
        .filter(char::is_ascii_graphic)
        .flat_map(|character| {
            let is_special = matches!(character, '"' | '\\' | ',' | ';' | '+' | '<' | '>');
            is_special.then_some('\\').into_iter().chain([character])
        })
        .collect();
    let honest =
        format!("Hash=00ff;Cert=\"{}\";Subject=\"CN={subject}\";URI=spiffe://a.example/b", escaped_pem(HONEST));
    let line = [sent, b",", honest.as_bytes()].concat();
    if HeaderValue::from_bytes(&line).is_err() {
        return false;
    }
    match read(ForwardedCertificateFormat::Xfcc, &[("x-forwarded-client-cert", &line)]) {
        Ok(chain) => {
            assert_eq!(chain, Some(vec![HONEST.to_vec()]), "{}", String::from_utf8_lossy(&line));
            true
        }
        // A header that no proxy passes on: the request is refused, nobody is let in.
        Err(_) => {
            assert!(!line.is_ascii(), "an honest proxy's header is refused: {}", String::from_utf8_lossy(&line));
            false
        }
    }
}

fn certificate(der: &[u8]) -> bool {
    let Ok(identity) = client_certificate::read(der) else { return false };
    let digest = ring::digest::digest(&ring::digest::SHA256, der);
    let thumbprint: String = digest.as_ref().iter().map(|octet| format!("{octet:02x}")).collect();
    assert_eq!(identity.thumbprint, thumbprint);
    assert!(identity.serial.bytes().all(|digit| digit.is_ascii_hexdigit()), "{}", identity.serial);
    for name in identity.san_dns.iter().chain(&identity.san_uri).chain(&identity.san_email) {
        assert!(!name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name:?}");
    }
    // RFC 4514: a subject cannot end its own attribute, let alone a line of a log.
    for text in [&identity.subject, &identity.issuer] {
        assert!(!text.contains(char::is_control), "{text:?}");
    }
    true
}

/// As nginx and Envoy write a certificate.
pub fn escaped_pem(der: &[u8]) -> String {
    let pem = format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", STANDARD.encode(der));
    let escaped = pem.bytes().map(|byte| match byte {
        b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    });
    escaped.collect()
}
