//! The subject that a client's certificate must have at the server (`tls_client_auth_…`, RFC 8705 §2.1.2): one, written out. The server
//! compares it as it is; what it might take for a pattern would be everybody's certificate.

use std::net::IpAddr;

use url::Url;

use crate::policy::distinguished_name::{DistinguishedName, has_semicolon};
use crate::registration::host::{Host, is_public_suffix};
use crate::registration::redirect_uri::is_forbidden_scheme;

/// The members of which a client with the method `tls_client_auth` needs exactly one.
pub(super) const MEMBERS: [&str; 5] = [
    "tls_client_auth_subject_dn",
    "tls_client_auth_san_dns",
    "tls_client_auth_san_uri",
    "tls_client_auth_san_ip",
    "tls_client_auth_san_email",
];

/// What is wrong with the value of one of them; nothing with that of any other member.
pub(super) fn problem(member: &str, value: &str) -> Option<&'static str> {
    let (is_one, problem) = match member {
        "tls_client_auth_subject_dn" => {
            let is_one = DistinguishedName::parse(value).is_ok_and(|name| name.says_something());
            (is_one && !has_semicolon(value), "is not a distinguished name (RFC 4514) whose values can be read")
        }
        "tls_client_auth_san_dns" => (is_name_of_one(value), "is not a host name, or one of many owners"),
        "tls_client_auth_san_uri" => (is_uri(value), "is not a URI"),
        "tls_client_auth_san_ip" => {
            (value.parse::<IpAddr>().is_ok_and(|address| !address.is_unspecified()), "is not an IP address of anybody")
        }
        "tls_client_auth_san_email" => (is_address(value), "is not an e-mail address"),
        _ => return None,
    };
    if value.contains('*') {
        return Some("is a pattern: the subject of one certificate is written out (RFC 8705 §2.1.2)");
    }
    if member == "tls_client_auth_subject_dn" && !is_one && value.contains('"') {
        return Some(
            "has a value in quotes: a distinguished name escapes what is special, as in O=Acme\\, Inc. (RFC 4514 §2.4)",
        );
    }
    (!is_one).then_some(problem)
}

/// A host name, and none below which everybody can have one (`com`, `co.uk`): no authority certifies it to a client.
fn is_name_of_one(text: &str) -> bool {
    matches!(Host::parse_strictly(text), Ok(Host::Name(name)) if !is_public_suffix(&name))
}

fn is_uri(text: &str) -> bool {
    Url::parse(text).is_ok_and(|uri| !is_forbidden_scheme(uri.scheme()))
}

fn is_address(text: &str) -> bool {
    let is_host = |domain| matches!(Host::parse_strictly(domain), Ok(Host::Name(_)));
    text.rsplit_once('@').is_some_and(|(local, domain)| !local.is_empty() && is_host(domain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_of_its_kind() {
        for (member, good, bad) in [
            ("tls_client_auth_subject_dn", "CN=client,O=Acme\\, Inc.,C=DE", "not a name"),
            ("tls_client_auth_subject_dn", "2.5.4.3=client + OU=a", " "),
            ("tls_client_auth_subject_dn", "CN=orders/2026,O=a/b", "/CN=client/O=Acme"),
            ("tls_client_auth_subject_dn", "CN=a\\;b,organizationIdentifier=x", "CN=client;O=Acme"),
            ("tls_client_auth_subject_dn", "OID.2.5.4.97=PSDDE-1,CN=a", "2.5.4.97 a=b"),
            ("tls_client_auth_subject_dn", "CN=caf\\C3\\A9", "CN=a\\00b"),
            ("tls_client_auth_subject_dn", "CN=a\\0Ab", "CN="),
            ("tls_client_auth_subject_dn", "CN=a,O=b", "CN=a,O= "),
            ("tls_client_auth_san_dns", "client.partner.example", "https://client.partner.example"),
            ("tls_client_auth_san_dns", "orders", "com"),
            ("tls_client_auth_san_dns", "orders.co.uk", "co.uk"),
            ("tls_client_auth_san_ip", "10.0.0.1", "0.0.0.0"),
            ("tls_client_auth_san_ip", "::1", "::"),
            ("tls_client_auth_san_uri", "spiffe://partner.example/orders", "orders"),
            ("tls_client_auth_san_uri", "urn:uuid:3dd4fa6e-2899-4429-b818-d34fe8df5dd0", "javascript:alert(1)"),
            ("tls_client_auth_san_ip", "2001:db8::1", "10.0.0"),
            ("tls_client_auth_san_email", "orders@partner.example", "orders"),
        ] {
            assert_eq!(problem(member, good), None, "{member} {good}");
            assert!(problem(member, bad).is_some(), "{member} {bad}");
        }
        assert_eq!(problem("default_acr_values", "*"), None);
    }

    #[test]
    fn a_value_in_quotes_is_told_how_to_be_written() {
        let told = problem("tls_client_auth_subject_dn", r#"CN=orders,O="Acme, Inc.",C=GB"#);
        assert!(told.is_some_and(|told| told.contains("quotes")), "{told:?}");
    }

    #[test]
    fn a_pattern_is_nobodys_subject() {
        for (member, value) in [
            ("tls_client_auth_subject_dn", "CN=*"),
            ("tls_client_auth_san_dns", "*.partner.example"),
            ("tls_client_auth_san_uri", "spiffe://partner.example/*"),
            ("tls_client_auth_san_email", "*@partner.example"),
        ] {
            assert!(problem(member, value).is_some_and(|problem| problem.contains("pattern")), "{member} {value}");
        }
    }
}
