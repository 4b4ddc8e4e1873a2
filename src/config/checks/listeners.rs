//! What a listener's settings say against each other, and what nobody could connect through.

use std::net::{IpAddr, Ipv4Addr};

use url::{Host, Url};

use crate::config::Findings;
use crate::config::node::Node;
use crate::config::place::Place;
use crate::proxy::settings::{ClientCertificateRequest, ListenerSettings};

/// Whether this URL surely leads to the listener: by its address, or by one of this machine's own where it listens on all.
pub(super) fn is_at(listener: &ListenerSettings, url: &Url) -> bool {
    let (address, port) = (listener.address.ip().to_canonical(), listener.address.port());
    let host = match url.host() {
        Some(Host::Ipv4(host)) => host.into(),
        Some(Host::Ipv6(host)) => IpAddr::from(host).to_canonical(),
        Some(Host::Domain("localhost")) if address.is_loopback() => address,
        Some(Host::Domain("localhost")) => Ipv4Addr::LOCALHOST.into(),
        _ => return false,
    };
    let listens_on_all_of_its_kind = address.is_unspecified() && (address.is_ipv6() || host.is_ipv4());
    port != 0
        && url.port_or_known_default() == Some(port)
        && (host == address || (listens_on_all_of_its_kind && (host.is_loopback() || host.is_unspecified())))
}

pub(super) fn check(listener: &ListenerSettings, place: &Place, tree: &Node, findings: &mut Findings<'_>) {
    for reason in listener.contradictions() {
        findings.add(tree, place, reason, "write trusted_proxies, client_certificate_header and client_certificate_trust, or none of them for certificates");
    }
    if listener.tls.is_none() && !listener.address.ip().is_loopback() && listener.trusted_proxies.is_empty() {
        findings.warn(
            tree,
            &place.key("address"),
            "plain HTTP on an address that is not loopback: tokens and secrets travel in clear",
            "add tls, or name the trusted_proxies that end TLS in front of it",
        );
    }
    for (index, proxies) in listener.trusted_proxies.iter().enumerate() {
        if proxies.is_everything() {
            findings.warn(
                tree,
                &place.key("trusted_proxies").index(index),
                "everybody is a trusted proxy: whoever connects says itself which address it has",
                "name the proxies alone: limits, bans and match.networks go by the address",
            );
        }
    }
    if let Some(tls) = &listener.tls {
        let place = place.key("tls").key("client_certificates");
        let (asked, trust) = (tls.client_certificates.request, &tls.client_certificates.trust);
        match asked {
            ClientCertificateRequest::Off if !trust.is_empty() => findings.warn(
                tree,
                &place.key("trust"),
                "clients are not asked for certificates, so this does nothing",
                "write request: optional or request: required beside it",
            ),
            ClientCertificateRequest::Optional | ClientCertificateRequest::Required if trust.is_empty() => {
                findings.add(
                    tree,
                    &place.key("trust"),
                    "no CA is trusted, so no client certificate could be",
                    "name a PEM file",
                );
            }
            _ => {}
        }
    }
    if listener.max_connections == 0 {
        findings.add(tree, &place.key("max_connections"), "nobody could connect", "write a number above 0");
    }
    if listener.max_connections_per_address == Some(0) {
        findings.add(tree, &place.key("max_connections_per_address"), "nobody could connect", "write a number above 0");
    }
    if listener.max_head_bytes < 1024 {
        findings.add(tree, &place.key("max_head_bytes"), "ordinary requests would not fit", "write 1024 or more");
    }
    let deadlines = &listener.deadlines;
    for (name, deadline) in [
        ("tls_handshake", deadlines.tls_handshake),
        ("request_head", deadlines.request_head),
        ("body", deadlines.body),
        ("idle", deadlines.idle),
    ] {
        if deadline.0.is_zero() {
            findings.add(tree, &place.key("deadlines").key(name), "no client could be that fast", "write 1s or more");
        }
    }
}
