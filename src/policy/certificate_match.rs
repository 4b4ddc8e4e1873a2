//! The part of a profile's `match` that looks at the verified client certificate.

use std::cell::OnceCell;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::distinguished_name::DistinguishedName;
use super::presented::CertificateIdentity;
use super::settings::SettingProblem;
use crate::hexadecimal;

/// The conditions on a client certificate; all that are written must hold, a list holds when one of its entries does.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateSettings {
    /// The whole subject, as RFC 4514 writes it: `CN=client,O=Partner`.
    #[serde(default)]
    pub subject: Option<OneOrMore>,
    /// The whole issuer, as RFC 4514 writes it: `CN=Partner CA`.
    #[serde(default)]
    pub issuer: Option<OneOrMore>,
    /// A dNSName of the subject's alternative names; `*.partner.example` is any name one label below partner.example.
    #[serde(default)]
    pub san_dns: Option<OneOrMore>,
    /// A URI of the subject's alternative names, exactly; `spiffe://partner.example/*` is any that begins with what stands before the star.
    #[serde(default)]
    pub san_uri: Option<OneOrMore>,
    /// An e-mail address of the subject's alternative names; `*@partner.example` is any at that host.
    #[serde(default)]
    pub san_email: Option<OneOrMore>,
    /// SHA-256 over the certificate's DER, 64 hexadecimal digits; colons between them may stand.
    #[serde(default)]
    pub thumbprint: Option<OneOrMore>,
}

/// One text, or a list of which any may fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMore {
    /// One.
    One(String),
    /// Any of these.
    More(Vec<String>),
}

impl OneOrMore {
    fn entries(&self) -> &[String] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::More(more) => more,
        }
    }
}

/// The compiled conditions.
#[derive(Debug, Clone)]
pub(super) struct CertificateMatch {
    subject: Option<Vec<DistinguishedName>>,
    issuer: Option<Vec<DistinguishedName>>,
    san_dns: Option<Vec<String>>,
    san_uri: Option<Vec<String>>,
    san_email: Option<Vec<String>>,
    thumbprint: Option<Vec<String>>,
}

impl CertificateMatch {
    pub(super) fn compile(settings: &CertificateSettings, problems: &mut Vec<SettingProblem>) -> Self {
        Self {
            subject: compile_list(settings.subject.as_ref(), "subject", problems, read_name),
            issuer: compile_list(settings.issuer.as_ref(), "issuer", problems, read_name),
            san_dns: compile_list(settings.san_dns.as_ref(), "san_dns", problems, read_dns_pattern),
            san_uri: compile_list(settings.san_uri.as_ref(), "san_uri", problems, read_uri_pattern),
            san_email: compile_list(settings.san_email.as_ref(), "san_email", problems, read_email_pattern),
            thumbprint: compile_list(settings.thumbprint.as_ref(), "thumbprint", problems, read_thumbprint),
        }
    }

    /// Whether every condition holds. What is compared without reading comes first: a certificate is looked at by one profile after the other.
    pub(super) fn fits(&self, certificate: &Certificate<'_>) -> bool {
        let identity = certificate.identity;
        any_of(&self.thumbprint, std::slice::from_ref(&identity.thumbprint), |wanted, has| wanted == has)
            && any_of(&self.san_dns, &identity.san_dns, fits_dns)
            && any_of(&self.san_uri, &identity.san_uri, fits_uri)
            && any_of(&self.san_email, &identity.san_email, fits_email)
            && self.subject.as_ref().is_none_or(|wanted| certificate.subject().is_some_and(|has| wanted.contains(has)))
            && self.issuer.as_ref().is_none_or(|wanted| certificate.issuer().is_some_and(|has| wanted.contains(has)))
    }
}

/// A verified certificate as many profiles look at it: its names are read once, when the first condition asks for them.
pub(super) struct Certificate<'a> {
    identity: &'a CertificateIdentity,
    subject: OnceCell<Option<DistinguishedName>>,
    issuer: OnceCell<Option<DistinguishedName>>,
}

impl<'a> Certificate<'a> {
    pub(super) fn of(identity: &'a CertificateIdentity) -> Self {
        Self { identity, subject: OnceCell::new(), issuer: OnceCell::new() }
    }

    fn subject(&self) -> Option<&DistinguishedName> {
        self.subject.get_or_init(|| DistinguishedName::parse(&self.identity.subject).ok()).as_ref()
    }

    fn issuer(&self) -> Option<&DistinguishedName> {
        self.issuer.get_or_init(|| DistinguishedName::parse(&self.identity.issuer).ok()).as_ref()
    }
}

fn any_of(wanted: &Option<Vec<String>>, has: &[String], fits: fn(&str, &str) -> bool) -> bool {
    wanted.as_ref().is_none_or(|wanted| wanted.iter().any(|pattern| has.iter().any(|entry| fits(pattern, entry))))
}

/// `*.` stands for exactly one label (RFC 9525 §6.3); the pattern is in lower case already.
fn fits_dns(pattern: &str, entry: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(parent) => {
            let labels = entry.split_once('.');
            labels.is_some_and(|(label, rest)| !label.is_empty() && rest.eq_ignore_ascii_case(parent))
        }
        None => entry.eq_ignore_ascii_case(pattern),
    }
}

fn fits_uri(pattern: &str, entry: &str) -> bool {
    match pattern.strip_suffix('*') {
        // What the star stands for must not climb out of the path again.
        Some(start) => entry.strip_prefix(start).is_some_and(|rest| {
            !rest.is_empty() && !rest.split('/').any(|segment| matches!(segment, "." | "..")) && !rest.contains('%')
        }),
        None => entry == pattern,
    }
}

/// The host part counts without case (RFC 5321 §2.4); the pattern's is in lower case already.
fn fits_email(pattern: &str, entry: &str) -> bool {
    let Some((local, host)) = entry.rsplit_once('@') else { return false };
    let Some((wanted_local, wanted_host)) = pattern.rsplit_once('@') else { return false };
    host.eq_ignore_ascii_case(wanted_host) && (wanted_local == "*" || wanted_local == local)
}

fn compile_list<T>(
    written: Option<&OneOrMore>,
    member: &str,
    problems: &mut Vec<SettingProblem>,
    read: fn(&str) -> Result<T, String>,
) -> Option<Vec<T>> {
    let entries = written?.entries();
    let place = format!("match.client_certificate.{member}");
    if entries.is_empty() {
        problems.push(never_fits(&place));
    }
    let is_list = matches!(written, Some(OneOrMore::More(_)));
    let mut compiled = Vec::with_capacity(entries.len());
    for (index, entry) in entries.iter().enumerate() {
        let place = if is_list { format!("{place}[{index}]") } else { place.clone() };
        match read(entry) {
            Ok(value) => compiled.push(value),
            Err(hint) => problems.push(SettingProblem::new(place, format!("{entry:?} cannot be matched with"), hint)),
        }
    }
    Some(compiled)
}

pub(super) fn never_fits(place: &str) -> SettingProblem {
    SettingProblem::new(place, "an empty list fits nobody", "name at least one, or leave the member out")
}

fn read_name(text: &str) -> Result<DistinguishedName, String> {
    DistinguishedName::parse(text)
        .map_err(|problem| format!("{problem}; write it as RFC 4514 does: CN=client,O=Partner"))
}

fn read_dns_pattern(text: &str) -> Result<String, String> {
    let name = text.strip_prefix("*.").unwrap_or(text);
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if name.split('.').all(label) {
        Ok(text.to_ascii_lowercase())
    } else {
        Err("write a host name, or *. and a host name".to_owned())
    }
}

fn read_uri_pattern(text: &str) -> Result<String, String> {
    let literal = text.strip_suffix("/*").unwrap_or(text);
    if literal.contains(':') && !literal.contains('*') {
        Ok(text.to_owned())
    } else {
        Err("write a whole URI, or one that ends in /*".to_owned())
    }
}

fn read_email_pattern(text: &str) -> Result<String, String> {
    match text.rsplit_once('@') {
        Some((local, host)) if !local.is_empty() && !host.is_empty() && !host.contains('*') => {
            Ok(format!("{local}@{}", host.to_ascii_lowercase()))
        }
        _ => Err("write an e-mail address, or *@ and a host name".to_owned()),
    }
}

fn read_thumbprint(text: &str) -> Result<String, String> {
    let hint = || "write the 64 hexadecimal digits of `openssl x509 -fingerprint -sha256`".to_owned();
    hexadecimal::sha256(text).ok_or_else(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fits(condition: &str) -> bool {
        let identity = CertificateIdentity {
            subject: "CN=client,O=Partner".to_owned(),
            issuer: "CN=Partner CA".to_owned(),
            serial: "01".to_owned(),
            san_dns: vec!["api.partner.example".to_owned()],
            san_uri: vec!["spiffe://partner.example/ns/client".to_owned()],
            san_email: vec!["Ops@Partner.Example".to_owned()],
            san_ip: vec![],
            thumbprint: "ab".repeat(32),
            not_after: 0,
        };
        let mut problems = Vec::new();
        let matches = CertificateMatch::compile(&serde_yaml::from_str(condition).unwrap(), &mut problems);
        assert_eq!(problems, [], "{condition}");
        matches.fits(&Certificate::of(&identity))
    }

    #[test]
    fn a_certificate_fits_when_every_condition_holds() {
        let thumbprint = ["AB"; 32].join(":");
        for condition in [
            "{}".to_owned(),
            "{subject: 'cn=client, o=Partner'}".to_owned(),
            "{issuer: ['CN=Other', 'CN=Partner CA']}".to_owned(),
            "{san_dns: '*.Partner.example', issuer: 'CN=Partner CA'}".to_owned(),
            "{subject: 'CN=client,O=Partner', issuer: 'CN=Partner CA'}".to_owned(),
            "{san_uri: ['spiffe://partner.example/*']}".to_owned(),
            "{san_email: ['Ops@partner.example']}".to_owned(),
            "{san_email: ['*@partner.example']}".to_owned(),
            format!("{{thumbprint: '{thumbprint}'}}"),
        ] {
            assert!(fits(&condition), "{condition}");
        }
    }

    #[test]
    fn a_certificate_does_not_fit_when_one_condition_fails() {
        for condition in [
            "{subject: 'CN=client'}",
            "{issuer: 'CN=Partner CA,O=x'}",
            "{san_dns: '*.example'}",
            "{san_dns: 'partner.example'}",
            "{san_dns: '*.partner.example', issuer: 'CN=Other'}",
            "{san_uri: 'spiffe://partner.example'}",
            "{san_uri: 'spiffe://partner.example.evil/*'}",
            "{san_email: 'ops@partner.example'}",
            "{san_email: '*@example'}",
        ] {
            assert!(!fits(condition), "{condition}");
        }
    }

    #[test]
    fn a_star_in_a_uri_does_not_climb_out() {
        for entry in ["spiffe://a.example/../b", "spiffe://a.example/x/%2e%2e/b", "spiffe://a.example/"] {
            assert!(!fits_uri("spiffe://a.example/*", entry), "{entry}");
        }
    }
}
