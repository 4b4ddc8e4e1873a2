//! Binds a statement to the client certificate of whoever presents it: a directory puts the organisation, the software or the certificate
//! itself into both. Without it a statement is good for anybody who has a copy.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::hexadecimal;
use crate::policy::CertificateIdentity;

/// A claim, and where the client certificate must say the same.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CertificateBindingSettings {
    /// The claim: a text, or a list of which one must fit. `cnf` is read as RFC 8705 §3.1 says: its member `x5t#S256`.
    pub claim: String,
    /// The part of the certificate that must say the same.
    pub certificate: CertificatePart,
}

/// A part of a client certificate, by its name in RFC 4514 where it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum CertificatePart {
    /// The organisation of the subject.
    #[serde(rename = "O")]
    Organization,
    /// An organisational unit of the subject.
    #[serde(rename = "OU")]
    OrganizationalUnit,
    /// The common name of the subject.
    #[serde(rename = "CN")]
    CommonName,
    /// The user id of the subject.
    #[serde(rename = "UID")]
    UserId,
    /// The organisation's identifier (ETSI EN 319 412-1) in the subject.
    #[serde(rename = "organizationIdentifier")]
    OrganizationIdentifier,
    /// A DNS name of the alternative names.
    #[serde(rename = "san_dns")]
    SanDns,
    /// A URI of the alternative names.
    #[serde(rename = "san_uri")]
    SanUri,
    /// SHA-256 of the whole certificate, in hexadecimal or base64url.
    #[serde(rename = "thumbprint")]
    Thumbprint,
}

impl CertificateBindingSettings {
    /// Whether the certificate says what the claim says. A claim that is absent, or neither a text nor a list of texts, binds nothing and holds never.
    pub(super) fn holds(&self, claims: &Map<String, Value>, certificate: &CertificateIdentity) -> bool {
        let stated = match claims.get(&self.claim) {
            Some(Value::Object(members)) if self.claim == "cnf" => members.get("x5t#S256"),
            claim => claim,
        };
        let stated: Vec<&str> = match stated {
            Some(Value::String(text)) => vec![text],
            Some(Value::Array(texts)) => texts.iter().filter_map(Value::as_str).collect(),
            _ => return false,
        };
        let has = self.certificate.of(certificate);
        stated.into_iter().filter(|text| !text.is_empty()).any(|text| has.contains(&self.certificate.as_held(text)))
    }
}

impl CertificatePart {
    fn of(self, certificate: &CertificateIdentity) -> Vec<String> {
        match self {
            Self::Organization => certificate.subject_attribute("O"),
            Self::OrganizationalUnit => certificate.subject_attribute("OU"),
            Self::CommonName => certificate.subject_attribute("CN"),
            Self::UserId => certificate.subject_attribute("UID"),
            Self::OrganizationIdentifier => certificate.subject_attribute("organizationIdentifier"),
            Self::SanDns => certificate.san_dns.clone(),
            Self::SanUri => certificate.san_uri.clone(),
            Self::Thumbprint => vec![certificate.thumbprint.clone()],
        }
    }

    /// The claim's text in the form in which the certificate's part is held.
    fn as_held(self, text: &str) -> String {
        match self {
            Self::SanDns => text.to_ascii_lowercase(),
            Self::Thumbprint => match URL_SAFE_NO_PAD.decode(text) {
                Ok(octets) if octets.len() == 32 => hexadecimal::written(&octets),
                _ => text.replace(':', "").to_ascii_lowercase(),
            },
            _ => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn certificate() -> CertificateIdentity {
        CertificateIdentity {
            subject: "CN=65d1f27c,organizationIdentifier=PSDGB-FCA-1,UID=app\\,1,OU=0015800,OU=second,O=Acme"
                .to_owned(),
            issuer: "CN=Directory CA".to_owned(),
            serial: "01".to_owned(),
            san_dns: vec!["tpp.example".to_owned()],
            san_uri: vec!["https://tpp.example".to_owned()],
            san_email: vec![],
            san_ip: vec![],
            thumbprint: "ab".repeat(32),
            not_after: 0,
        }
    }

    fn holds(part: &str, claim: Value) -> bool {
        let binding = CertificateBindingSettings {
            claim: "cnf".to_owned(),
            certificate: serde_json::from_value(json!(part)).unwrap(),
        };
        binding.holds(&Map::from_iter([("cnf".to_owned(), claim)]), &certificate())
    }

    #[test]
    fn each_part_is_compared_in_the_form_it_is_held_in() {
        let base64url = URL_SAFE_NO_PAD.encode([0xab; 32]);
        for (part, claim) in [
            ("O", json!("Acme")),
            ("OU", json!("0015800")),
            ("OU", json!("second")),
            ("CN", json!(["another", "65d1f27c"])),
            ("UID", json!("app,1")),
            ("organizationIdentifier", json!("PSDGB-FCA-1")),
            ("san_dns", json!("TPP.example")),
            ("san_uri", json!("https://tpp.example")),
            ("thumbprint", json!("AB:".repeat(31) + "AB")),
            ("thumbprint", json!(base64url)),
            ("thumbprint", json!({"x5t#S256": base64url})),
        ] {
            assert!(holds(part, claim.clone()), "{part} {claim}");
        }
    }

    #[test]
    fn what_is_absent_empty_or_of_another_type_holds_never() {
        for (part, claim) in [
            ("O", json!("acme")),
            ("O", json!("Acme,CN=65d1f27c")),
            ("CN", json!(null)),
            ("CN", json!("")),
            ("CN", json!([])),
            ("CN", json!({"x": "65d1f27c"})),
            ("CN", json!(65)),
            ("thumbprint", json!({"x5t": "ab"})),
            ("thumbprint", json!("")),
        ] {
            assert!(!holds(part, claim.clone()), "{part} {claim}");
        }
        let elsewhere =
            CertificateBindingSettings { claim: "org_id".to_owned(), certificate: CertificatePart::CommonName };
        assert!(!elsewhere.holds(&Map::new(), &certificate()));
    }
}
