//! The client certificate that a proxy in front of us took from its TLS connection and forwards in a header. Reads three
//! forms into DER. Verifies nothing, and must only be called for trusted peers: the result goes to the verifier like a
//! certificate of our own handshake.

use std::borrow::Cow;

use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use http::{HeaderMap, HeaderValue};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::header_list::last_comma;
use crate::percent::{escapes, percent_decoded};

/// A longer chain is refused unread; real ones have two or three certificates.
const LONGEST_CHAIN: usize = 10;

/// RFC 9651 §4.2.7: parsers accept missing padding and do not look at the bits beyond the last octet.
const BYTE_SEQUENCE: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// How a trusted proxy writes the certificate: `client_certificate_header` of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedCertificateFormat {
    /// `Client-Cert` and `Client-Cert-Chain` (RFC 9440).
    ClientCert,
    /// Envoy's `X-Forwarded-Client-Cert`, with `Cert` or `Chain` in it.
    Xfcc,
    /// nginx's `$ssl_client_escaped_cert`, in `ssl-client-cert` or `X-SSL-Client-Cert`.
    Nginx,
}

/// Every header that carries a certificate in one of the forms. None of them goes on to the authorization server, whoever sent it.
pub const HEADERS: [&str; 5] =
    ["client-cert", "client-cert-chain", "x-forwarded-client-cert", "ssl-client-cert", "x-ssl-client-cert"];

/// Why a forwarded certificate could not be read. The request that carries it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ForwardedCertificateError {
    /// More than one header with a certificate, where there can be one: one of them may be a client's own.
    #[error("more than one forwarded client certificate")]
    MoreThanOne,
    /// Not what the format says.
    #[error("the forwarded client certificate is malformed: {0}")]
    Malformed(&'static str),
    /// A hash or a subject, but no certificate: nothing that can be verified.
    #[error("the forwarded client certificate is not there, only what the proxy says about it")]
    NoCertificate,
    /// More certificates than any real chain has.
    #[error("the forwarded certificate chain has more than {LONGEST_CHAIN} certificates")]
    ChainTooLong,
}

use ForwardedCertificateError::{ChainTooLong, Malformed, MoreThanOne, NoCertificate};

impl ForwardedCertificateFormat {
    /// The forwarded chain, the client's own certificate first; none when the proxy forwarded nothing.
    /// The DER is not looked into.
    ///
    /// # Errors
    /// The request has to be refused: the proxy wrote something else than the form says, or a client wrote beside it.
    pub fn read(self, headers: &HeaderMap) -> Result<Option<Vec<CertificateDer<'static>>>, ForwardedCertificateError> {
        let chain = match self {
            Self::ClientCert => client_cert(headers)?,
            Self::Xfcc => xfcc(headers)?,
            Self::Nginx => nginx(headers)?,
        };
        match &chain {
            Some(chain) if chain.len() > LONGEST_CHAIN => Err(ChainTooLong),
            _ => Ok(chain),
        }
    }
}

type Chain = Vec<CertificateDer<'static>>;

/// The one line among these headers; an empty line is what proxies send when there was no certificate.
fn only_line<'a>(headers: &'a HeaderMap, names: &[&str]) -> Result<Option<&'a str>, ForwardedCertificateError> {
    let mut lines = names.iter().flat_map(|name| headers.get_all(*name));
    match (lines.next(), lines.next()) {
        (None, _) => Ok(None),
        (Some(line), None) => Ok(Some(ascii(line)?).filter(|line| !line.is_empty())),
        (Some(_), Some(_)) => Err(MoreThanOne),
    }
}

fn ascii(line: &HeaderValue) -> Result<&str, ForwardedCertificateError> {
    line.to_str().map(str::trim).map_err(|_| Malformed("it has characters beyond ASCII"))
}

fn client_cert(headers: &HeaderMap) -> Result<Option<Chain>, ForwardedCertificateError> {
    let Some(leaf) = only_line(headers, &["client-cert"])? else {
        return if headers.contains_key("client-cert-chain") {
            Err(Malformed("Client-Cert-Chain without Client-Cert (RFC 9440 §2.3)"))
        } else {
            Ok(None)
        };
    };
    if leaf.contains(',') {
        return Err(MoreThanOne);
    }
    let mut chain = vec![byte_sequence(leaf)?];
    for line in headers.get_all("client-cert-chain") {
        for member in ascii(line)?.split(',') {
            if chain.len() == LONGEST_CHAIN {
                return Err(ChainTooLong);
            }
            chain.push(byte_sequence(member)?);
        }
    }
    Ok(Some(chain))
}

/// A byte sequence (RFC 9651 §3.3.5). RFC 9440 defines no parameters, so none are accepted.
fn byte_sequence(member: &str) -> Result<CertificateDer<'static>, ForwardedCertificateError> {
    let inside = member.trim().strip_prefix(':').and_then(|rest| rest.strip_suffix(':'));
    let der = inside.and_then(|text| BYTE_SEQUENCE.decode(text).ok());
    der.filter(|der| !der.is_empty()).map(CertificateDer::from).ok_or(Malformed("not a byte sequence of RFC 9651"))
}

fn nginx(headers: &HeaderMap) -> Result<Option<Chain>, ForwardedCertificateError> {
    match only_line(headers, &["ssl-client-cert", "x-ssl-client-cert"])? {
        Some(line) => certificates(line).map(Some),
        None if headers.iter().any(|(name, value)| tells_of_a_certificate(name.as_str(), value)) => Err(NoCertificate),
        None => Ok(None),
    }
}

/// `$ssl_client_verify`, a subject, a fingerprint: each is empty, or `NONE`, where there was no certificate.
fn tells_of_a_certificate(name: &str, value: &HeaderValue) -> bool {
    let is_about_one = name.strip_prefix("x-").unwrap_or(name).starts_with("ssl-client-");
    is_about_one && !matches!(value.as_bytes().trim_ascii(), b"" | b"NONE")
}

/// URL-encoded PEM. A plus sign stands for itself: it is a digit of base64.
fn certificates(encoded: &str) -> Result<Chain, ForwardedCertificateError> {
    if escapes(encoded.as_bytes()).any(|octet| octet.is_none()) {
        return Err(Malformed("not URL-encoded"));
    }
    let pem = percent_decoded(encoded.as_bytes());
    let mut chain = Vec::with_capacity(2);
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        if chain.len() == LONGEST_CHAIN {
            return Err(ChainTooLong);
        }
        let certificate = certificate.map_err(|_| Malformed("not PEM"))?;
        if certificate.is_empty() {
            return Err(Malformed("an empty certificate"));
        }
        chain.push(certificate);
    }
    if chain.is_empty() {
        return Err(Malformed("no PEM certificate in it"));
    }
    Ok(chain)
}

/// Envoy appends an element per proxy, so the last one is the nearest proxy's and speaks of the connection to it.
fn xfcc(headers: &HeaderMap) -> Result<Option<Chain>, ForwardedCertificateError> {
    let Some(line) = only_line(headers, &["x-forwarded-client-cert"])? else { return Ok(None) };
    let last_element = last_comma(line.as_bytes()).map_or(line, |comma| &line[comma + 1..]);
    let (mut own, mut whole) = (None, None);
    for pair in split_outside_quotes(last_element, b';').ok_or(Malformed("a quoted string does not end"))? {
        let (key, value) = pair.split_once('=').ok_or(Malformed("a part of it is no key=value"))?;
        let place = match key.trim() {
            key if key.eq_ignore_ascii_case("cert") => &mut own,
            key if key.eq_ignore_ascii_case("chain") => &mut whole,
            _ => continue,
        };
        if place.replace(certificates(&unquoted(value.trim())?)?).is_some() {
            return Err(MoreThanOne);
        }
    }
    match (own, whole) {
        (None, None) => Err(NoCertificate),
        (Some(own), Some(chain)) if own.first() != chain.first() => {
            Err(Malformed("Cert is not the first certificate of Chain"))
        }
        (_, Some(chain)) => Ok(Some(chain)),
        (Some(own), None) => Ok(Some(own)),
    }
}

fn split_outside_quotes(text: &str, separator: u8) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let (mut start, mut quoted, mut escaped) = (0, false, false);
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            byte if byte == separator && !quoted => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

fn unquoted(value: &str) -> Result<Cow<'_, str>, ForwardedCertificateError> {
    let Some(inside) = value.strip_prefix('"') else { return Ok(Cow::Borrowed(value)) };
    let inside = inside.strip_suffix('"').ok_or(Malformed("something follows a quoted string"))?;
    // URL-encoded PEM contains neither quotation marks nor backslashes.
    if inside.contains(['"', '\\']) {
        return Err(Malformed("a certificate in quotes has quotes in it"));
    }
    Ok(Cow::Borrowed(inside))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose;
    use http::HeaderName;

    use super::ForwardedCertificateFormat::{ClientCert, Nginx, Xfcc};
    use super::*;

    /// DER is not looked into, so any octets do; these need `+` and `/` in base64.
    const LEAF: &[u8] = &[0x30, 0x03, 0xfb, 0xff, 0xfe];
    const ISSUER: &[u8] = &[0x30, 0x01, 0x07];

    fn sequence(der: &[u8]) -> String {
        format!(":{}:", general_purpose::STANDARD.encode(der))
    }

    fn escaped_pem(der: &[u8]) -> String {
        let body = general_purpose::STANDARD.encode(der);
        let pem = format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
        pem.bytes()
            .map(|byte| match byte {
                b'-' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => char::from(byte).to_string(),
                other => format!("%{other:02X}"),
            })
            .collect()
    }

    fn read(
        format: ForwardedCertificateFormat,
        lines: &[(&str, &str)],
    ) -> Result<Option<Vec<Vec<u8>>>, ForwardedCertificateError> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        let chain = format.read(&headers)?;
        Ok(chain.map(|chain| chain.iter().map(|certificate| certificate.to_vec()).collect()))
    }

    #[test]
    fn no_header_is_no_certificate() {
        for format in [ClientCert, Xfcc, Nginx] {
            assert_eq!(read(format, &[]), Ok(None));
        }
        assert_eq!(read(Nginx, &[("ssl-client-cert", "")]), Ok(None));
    }

    #[test]
    fn reads_client_cert_and_its_chain() {
        let (leaf, issuer) = (sequence(LEAF), sequence(ISSUER));
        assert_eq!(read(ClientCert, &[("client-cert", &leaf)]), Ok(Some(vec![LEAF.to_vec()])));
        let both = format!("{issuer} , {issuer}");
        let lines = [("client-cert", leaf.as_str()), ("client-cert-chain", &both), ("client-cert-chain", &issuer)];
        let chain = [LEAF, ISSUER, ISSUER, ISSUER].map(<[u8]>::to_vec).to_vec();
        assert_eq!(read(ClientCert, &lines), Ok(Some(chain)));
        let unpadded = leaf.replace('=', "");
        assert_eq!(read(ClientCert, &[("client-cert", &unpadded)]), Ok(Some(vec![LEAF.to_vec()])));
    }

    #[test]
    fn refuses_two_certificates_where_one_can_be() {
        let (leaf, pem) = (sequence(LEAF), escaped_pem(LEAF));
        let twice = format!("{leaf}, {leaf}");
        let element = format!("Cert=\"{pem}\"");
        assert_eq!(read(ClientCert, &[("client-cert", &leaf), ("client-cert", &leaf)]), Err(MoreThanOne));
        assert_eq!(read(ClientCert, &[("client-cert", &twice)]), Err(MoreThanOne));
        assert_eq!(read(Nginx, &[("ssl-client-cert", &pem), ("x-ssl-client-cert", &pem)]), Err(MoreThanOne));
        let lines = [("x-forwarded-client-cert", element.as_str()), ("x-forwarded-client-cert", &element)];
        assert_eq!(read(Xfcc, &lines), Err(MoreThanOne));
        let twice = format!("{element};{element}");
        assert_eq!(read(Xfcc, &[("x-forwarded-client-cert", &twice)]), Err(MoreThanOne));
    }

    #[test]
    fn refuses_what_is_no_byte_sequence() {
        for value in ["MAP7", ":MAP7", "MAP7:", "::", ":", ":MA P7:", ":M%41:", "\"MAP7\"", ":MAP7:;a=1"] {
            assert!(matches!(read(ClientCert, &[("client-cert", value)]), Err(Malformed(_))), "{value}");
        }
        assert!(matches!(read(ClientCert, &[("client-cert-chain", &sequence(ISSUER))]), Err(Malformed(_))));
    }

    #[test]
    fn refuses_an_endless_chain() {
        let leaf = sequence(LEAF);
        let chain = [leaf.as_str(); LONGEST_CHAIN].join(",");
        assert_eq!(read(ClientCert, &[("client-cert", &leaf), ("client-cert-chain", &chain)]), Err(ChainTooLong));
        assert_eq!(read(Nginx, &[("ssl-client-cert", &escaped_pem(LEAF).repeat(11))]), Err(ChainTooLong));
    }

    #[test]
    fn reads_what_nginx_escapes() {
        for name in ["ssl-client-cert", "X-SSL-Client-Cert"] {
            assert_eq!(read(Nginx, &[(name, &escaped_pem(LEAF))]), Ok(Some(vec![LEAF.to_vec()])));
        }
        let plus_unescaped = escaped_pem(LEAF).replace("%2B", "+").replace("%2F", "/");
        assert_eq!(read(Nginx, &[("ssl-client-cert", &plus_unescaped)]), Ok(Some(vec![LEAF.to_vec()])));
    }

    #[test]
    fn refuses_what_nginx_would_not_send() {
        for value in ["NONE", "%", "%4", "%zz", "-----BEGIN%20CERTIFICATE-----", &escaped_pem(b""), "CN=app"] {
            assert!(matches!(read(Nginx, &[("ssl-client-cert", value)]), Err(Malformed(_))), "{value}");
        }
    }

    #[test]
    fn refuses_what_nginx_says_of_a_certificate_that_it_does_not_send() {
        for said in [
            ("X-SSL-Client-Verify", "SUCCESS"),
            ("ssl-client-verify", "FAILED:certificate has expired"),
            ("ssl-client-subject-dn", "CN=client,O=Partner"),
            ("X-SSL-Client-Fingerprint", "ab"),
        ] {
            assert_eq!(read(Nginx, &[said]), Err(NoCertificate), "{said:?}");
            assert_eq!(read(Nginx, &[("ssl-client-cert", ""), said]), Err(NoCertificate), "{said:?}");
            assert!(read(Nginx, &[("ssl-client-cert", &escaped_pem(LEAF)), said]).is_ok(), "{said:?}");
        }
        for said in [("ssl-client-verify", "NONE"), ("x-ssl-client-s-dn", ""), ("X-SSL-Protocol", "TLSv1.3")] {
            assert_eq!(read(Nginx, &[said]), Ok(None), "{said:?}");
        }
    }

    #[test]
    fn the_last_element_of_xfcc_is_the_nearest_proxys() {
        let (far, near, issuer) = (escaped_pem(ISSUER), escaped_pem(LEAF), escaped_pem(ISSUER));
        let subject = r#"Subject="CN=a\"b,O=\\c;Cert=x";URI=spiffe://a"#;
        for (value, chain) in [
            (format!("By=spiffe://p;Hash=00;Cert=\"{near}\""), vec![LEAF]),
            (format!("cert={near}"), vec![LEAF]),
            (format!("Cert=\"{far}\",Hash=ab;{subject};Cert=\"{near}\""), vec![LEAF]),
            (format!("Hash=ab;Chain=\"{near}{issuer}\""), vec![LEAF, ISSUER]),
            (format!("Cert=\"{near}\";Chain=\"{near}{issuer}\";{subject}"), vec![LEAF, ISSUER]),
        ] {
            let expected = chain.into_iter().map(<[u8]>::to_vec).collect();
            assert_eq!(read(Xfcc, &[("x-forwarded-client-cert", &value)]), Ok(Some(expected)), "{value}");
        }
    }

    #[test]
    fn what_a_client_put_before_its_proxys_element_changes_nothing() {
        let (honest, foreign) = (escaped_pem(LEAF), escaped_pem(ISSUER));
        // A subject of the client's choosing as its CA issued it, the special characters escaped by RFC 4514. Read from the left, behind
        // a quotation mark that does not end, it is an element of its own.
        let subject = format!(r#"Subject="CN=a\,Cert={foreign}\;b=\"""#);
        for before in [r#"a=""#, r#"Cert="x"#, r#"""#, r#"\""#, r#"a="\"#, "Cert", ",,"] {
            let line = format!("{before},Hash=ab;Cert=\"{honest}\";{subject}");
            let read = read(Xfcc, &[("x-forwarded-client-cert", &line)]);
            assert_eq!(read, Ok(Some(vec![LEAF.to_vec()])), "{line}");
        }
    }

    #[test]
    fn refuses_a_bare_hash_or_subject_and_disagreeing_parts() {
        let (leaf, issuer) = (escaped_pem(LEAF), escaped_pem(ISSUER));
        let xfcc = |value: &str| read(Xfcc, &[("x-forwarded-client-cert", value)]);
        assert_eq!(xfcc("Hash=abcd;Subject=\"CN=app\""), Err(NoCertificate));
        assert_eq!(xfcc(&format!("Cert=\"{leaf}\",Hash=abcd")), Err(NoCertificate));
        for value in [
            format!("Cert=\"{leaf}\";Chain=\"{issuer}\""),
            format!("Cert=\"{leaf}"),
            format!("Cert=\"{leaf}\","),
            format!("Cert=\"{leaf}\"x"),
            "Cert".to_owned(),
            "Cert=\"\"".to_owned(),
        ] {
            assert!(matches!(xfcc(&value), Err(Malformed(_))), "{value}");
        }
    }
}
