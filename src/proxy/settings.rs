//! Where the gateway listens, with which TLS, whom it believes, and how long it waits.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use http::HeaderMap;
use serde::{Deserialize, Serialize};

use crate::duration::DurationText;
use crate::policy::matching::Network;
use crate::registrant::address::{self, Disagreement, ForwardingHeader};
use crate::registrant::forwarded_certificate::ForwardedCertificateFormat;

/// One entry of `listeners`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ListenerSettings {
    /// IP address and port, like `0.0.0.0:8443` or `[::]:8443`. Changed by a restart alone. Port 0 takes any free one. A socket that was handed over
    /// (systemd's `ListenStream=`) and listens there is used; nobody is refused then while the gateway is replaced.
    #[schemars(with = "String")]
    pub address: SocketAddr,
    /// Certificate and key; without it the listener speaks plain HTTP.
    #[serde(default)]
    pub tls: Option<TlsSettings>,
    /// Networks of the proxies in front of this listener. Only their `X-Forwarded-*`, `Forwarded` and client certificate headers are believed.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub trusted_proxies: Vec<Network>,
    /// The header in which they write for whom they ask; the other one is not looked at then, for proxies pass it on as the client sent it. Not written:
    /// either, and a request in which both stand and disagree about the address is refused (400).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarding_header: Option<ForwardingHeader>,
    /// The header in which a trusted proxy forwards the client certificate it was shown. Default: none is believed.
    #[serde(default)]
    pub client_certificate_header: Option<ForwardedCertificateFormat>,
    /// What a forwarded client certificate is verified against; needed with `client_certificate_header`.
    #[serde(default)]
    pub client_certificate_trust: Option<TrustSettings>,
    /// How long to wait for what a client should do.
    #[serde(default)]
    pub deadlines: DeadlineSettings,
    /// Connections open at the same time; more wait in the system's queue. Default 4096.
    #[serde(default = "default_max_connections")]
    pub max_connections: usize,
    /// Connections that one address (IPv6: one /64) may have open at the same time; more are closed at once. `trusted_proxies` may have all. Behind a
    /// balancer that passes connections on as its own, write what `max_connections` is. Default: a quarter of `max_connections`, but not below 16.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_connections_per_address: Option<usize>,
    /// Bytes of a request's head, that is its first line and all headers; more is answered with 431. Default 32768.
    #[serde(default = "default_max_head_bytes")]
    pub max_head_bytes: usize,
}

impl ListenerSettings {
    /// Whether what the peer says about whose request it passes on is believed.
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|network| network.contains(peer))
    }

    /// For whom this peer asks.
    ///
    /// # Errors
    /// The headers that say so disagree.
    pub fn client_address(&self, peer: IpAddr, headers: &HeaderMap) -> Result<IpAddr, Disagreement> {
        address::client_address(peer, headers, &self.trusted_proxies, self.forwarding_header)
    }

    /// How many connections one address may have open.
    pub fn connections_per_address(&self) -> usize {
        self.max_connections_per_address.unwrap_or((self.max_connections / 4).max(16))
    }

    /// Whether a registrant can show a client certificate here.
    pub fn learns_certificates(&self) -> bool {
        let asked = self.tls.as_ref().map(|tls| tls.client_certificates.request);
        self.client_certificate_header.is_some() || asked.is_some_and(|asked| asked != ClientCertificateRequest::Off)
    }

    /// What in these settings contradicts itself, in sentences.
    pub fn contradictions(&self) -> impl Iterator<Item = &'static str> {
        let forwards = self.client_certificate_header.is_some();
        let has_trust = self.client_certificate_trust.is_some();
        [
            (
                forwards && self.trusted_proxies.is_empty(),
                "client_certificate_header is believed from trusted_proxies only, and there are none",
            ),
            (
                forwards && !has_trust,
                "client_certificate_header needs client_certificate_trust: what a proxy forwards is verified again",
            ),
            (
                self.forwarding_header.is_some() && self.trusted_proxies.is_empty(),
                "forwarding_header is believed from trusted_proxies only, and there are none",
            ),
            (has_trust && !forwards, "client_certificate_trust does nothing without client_certificate_header"),
        ]
        .into_iter()
        .filter_map(|(is_wrong, reason)| is_wrong.then_some(reason))
    }
}

/// The `tls` section of a listener (`docs/tls.md`): TLS 1.2 and 1.3, HTTP/2 and HTTP/1.1 by ALPN. Sessions are never resumed, so the client certificate is verified on every connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TlsSettings {
    /// PEM file: the server's certificate, then its intermediates.
    pub certificate: PathBuf,
    /// PEM file: the private key (PKCS#8, PKCS#1 or SEC1).
    pub private_key: PathBuf,
    /// The oldest version that is spoken. Default tls1.2.
    #[serde(default)]
    pub minimum_version: TlsVersion,
    /// Whether clients are asked for a certificate, and which are accepted.
    #[serde(default)]
    pub client_certificates: ClientCertificateSettings,
}

/// A version of TLS that can be spoken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub enum TlsVersion {
    /// RFC 5246, with forward secrecy and AEAD ciphers only.
    #[default]
    #[serde(rename = "tls1.2")]
    Tls12,
    /// RFC 8446.
    #[serde(rename = "tls1.3")]
    Tls13,
}

/// The `client_certificates` section.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificateSettings {
    /// Whether clients are asked. Default off.
    #[serde(default)]
    pub request: ClientCertificateRequest,
    /// PEM files of the CAs that sign client certificates. Needed unless `request` is off.
    #[serde(default)]
    pub trust: Vec<PathBuf>,
    /// Files with certificate revocation lists, PEM or DER; one that names a CA of `trust` and is not signed by it is an error. When there is a list of every CA in `trust` the whole chain is checked, otherwise only the client's own certificate.
    #[serde(default)]
    pub revocation_lists: Vec<PathBuf>,
    /// What happens once the time of a list's next update is past. Default refuse.
    #[serde(default)]
    pub expired_revocation_lists: Strictness,
    /// What happens with a certificate of an issuer that has no list, when there are lists. Default refuse.
    #[serde(default)]
    pub issuers_without_list: Strictness,
}

impl ClientCertificateSettings {
    /// The part that says which certificates are accepted.
    pub fn trust_settings(&self) -> TrustSettings {
        TrustSettings {
            trust: self.trust.clone(),
            revocation_lists: self.revocation_lists.clone(),
            expired_revocation_lists: self.expired_revocation_lists,
            issuers_without_list: self.issuers_without_list,
        }
    }
}

/// The `client_certificate_trust` section: as in `client_certificates`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TrustSettings {
    /// PEM files of the CAs that sign client certificates.
    pub trust: Vec<PathBuf>,
    /// Files with certificate revocation lists, PEM or DER; one that names a CA of `trust` and is not signed by it is an error.
    #[serde(default)]
    pub revocation_lists: Vec<PathBuf>,
    /// What happens once the time of a list's next update is past. Default refuse.
    #[serde(default)]
    pub expired_revocation_lists: Strictness,
    /// What happens with a certificate of an issuer that has no list, when there are lists. Default refuse.
    #[serde(default)]
    pub issuers_without_list: Strictness,
}

/// Whether clients are asked for a certificate in the handshake.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ClientCertificateRequest {
    /// They are not asked.
    #[default]
    Off,
    /// They are asked; who presents none is served without, who presents a bad one is refused.
    Optional,
    /// Who presents none is refused.
    Required,
}

/// Closed or open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Strictness {
    /// The certificate is refused.
    #[default]
    Refuse,
    /// The certificate is accepted.
    Accept,
}

/// The `deadlines` section of a listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DeadlineSettings {
    /// For the whole TLS handshake. Default 10s.
    pub tls_handshake: DurationText,
    /// For the whole request head, from its first byte (on a new connection: from the connection) to its last. Default 10s.
    pub request_head: DurationText,
    /// For a request body that the gateway reads itself, all of it; bodies of forwarded requests may take longer as long as they keep coming. Default 30s.
    pub body: DurationText,
    /// How long an open connection may stay without a request. Default 60s.
    pub idle: DurationText,
}

impl Default for DeadlineSettings {
    fn default() -> Self {
        Self {
            tls_handshake: DurationText(Duration::from_secs(10)),
            request_head: DurationText(Duration::from_secs(10)),
            body: DurationText(Duration::from_secs(30)),
            idle: DurationText(Duration::from_secs(60)),
        }
    }
}

const fn default_max_connections() -> usize {
    4096
}

const fn default_max_head_bytes() -> usize {
    32 * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ListenerSettings, String> {
        serde_yaml::from_str(text).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_an_operator_writes() {
        let listener = read(
            "address: 0.0.0.0:8443
tls: { certificate: a.pem, private_key: a.key, client_certificates: { request: off, trust: [ca.pem], revocation_lists: [ca.crl] } }
deadlines: { idle: 5s }",
        )
        .unwrap();
        assert_eq!(listener.tls.unwrap().client_certificates.request, ClientCertificateRequest::Off);
        assert_eq!(listener.deadlines.idle.0, Duration::from_secs(5));
        assert_eq!(listener.deadlines.body.0, Duration::from_secs(30));
        let listener =
            read("{ address: '[::]:8080', trusted_proxies: [127.0.0.0/8], client_certificate_header: client-cert }")
                .unwrap();
        assert_eq!(listener.client_certificate_header, Some(ForwardedCertificateFormat::ClientCert));
    }

    #[test]
    fn no_address_may_have_all_connections_unless_somebody_says_so() {
        let of = |more: &str| read(&format!("{{ address: 127.0.0.1:0{more} }}")).unwrap().connections_per_address();
        assert_eq!(of(""), 1024);
        assert_eq!(of(", max_connections: 100"), 25);
        assert_eq!(of(", max_connections: 2"), 16);
        assert_eq!(of(", max_connections_per_address: 4096"), 4096);
    }

    #[test]
    fn refuses_unknown_keys_and_addresses_without_port() {
        assert!(read("{ address: 0.0.0.0:1, adress: x }").unwrap_err().contains("adress"));
        assert!(read("{ address: 0.0.0.0 }").is_err());
        assert!(read("{ address: 0.0.0.0:1, tls: { certificate: a, private_key: b, key: c } }").is_err());
        assert!(read("{ address: 0.0.0.0:1, trusted_proxies: [everybody] }").is_err());
    }
}
