//! A profile's `match`: whom the profile is for. Looks at nothing but what was presented and verified.

use std::net::IpAddr;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::certificate_match::{Certificate, CertificateMatch, CertificateSettings, never_fits};
use super::settings::SettingProblem;
use crate::text_form;

/// The conditions of a profile; all that are written must hold.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MatchSettings {
    /// The verified client certificate; `{}`: any that the listener's trust accepts.
    #[serde(default)]
    pub client_certificate: Option<CertificateSettings>,
    /// The address the request came from (trusted proxies taken off) is in one of these networks.
    #[serde(default)]
    pub networks: Option<Vec<Network>>,
    /// `true`: an initial access token that is good for this profile was presented; `false`: none was.
    #[serde(default)]
    pub initial_access_token: Option<bool>,
}

/// A network in CIDR notation, `10.0.0.0/8`; a bare address is the network of that one address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct Network(#[schemars(with = "String")] IpNet);

impl Network {
    /// Whether the address is in it; an IPv4-mapped address counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }

    /// Whether it is every address there is of its kind.
    pub fn is_everything(self) -> bool {
        self.0.prefix_len() == 0
    }

    /// Its lowest address.
    pub fn first_address(self) -> IpAddr {
        self.0.network()
    }
}

/// The network as addresses are compared with it: IPv4 that is written as IPv6 (`::ffff:10.0.0.0/104`) is IPv4.
pub fn canonical(network: IpNet) -> IpNet {
    let length = network.prefix_len().checked_sub(96);
    match (network.network().to_canonical(), length) {
        (address @ IpAddr::V4(_), Some(length)) if network.addr().is_ipv6() => {
            IpNet::new(address, length).unwrap_or(network)
        }
        _ => network.trunc(),
    }
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network
            .map(|network| Self(canonical(network)))
            .ok_or_else(|| format!("{text:?} is not a network: write CIDR notation, like 10.0.0.0/8 or 2001:db8::/32"))
    }
}

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text_form::deserialize(deserializer, "a network like 10.0.0.0/8")
    }
}

/// The compiled conditions.
#[derive(Debug, Clone)]
pub(super) struct Match {
    certificate: Option<CertificateMatch>,
    networks: Option<Vec<Network>>,
    pub(super) initial_access_token: Option<bool>,
}

impl Match {
    pub(super) fn compile(settings: &MatchSettings, problems: &mut Vec<SettingProblem>) -> Self {
        if settings.networks.as_ref().is_some_and(Vec::is_empty) {
            problems.push(never_fits("match.networks"));
        }
        Self {
            certificate: settings.client_certificate.as_ref().map(|c| CertificateMatch::compile(c, problems)),
            networks: settings.networks.clone(),
            initial_access_token: settings.initial_access_token,
        }
    }

    pub(super) fn names_a_certificate(&self) -> bool {
        self.certificate.is_some()
    }

    pub(super) fn fits_network(&self, address: IpAddr) -> bool {
        self.networks.as_ref().is_none_or(|networks| networks.iter().any(|network| network.contains(address)))
    }

    pub(super) fn fits_certificate(&self, certificate: Option<&Certificate<'_>>) -> bool {
        match (&self.certificate, certificate) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(conditions), Some(certificate)) => conditions.fits(certificate),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_cidr_or_an_address() {
        let network: Network = "10.1.2.3/8".parse().unwrap();
        assert!(network.contains(IpAddr::from([10, 255, 0, 1])));
        assert!("192.0.2.1".parse::<Network>().is_ok() && "::1".parse::<Network>().is_ok());
        for mapped in ["::ffff:10.1.2.3/104", "::ffff:10.255.0.1"] {
            let network: Network = mapped.parse().unwrap();
            assert!(network.contains(IpAddr::from([10, 255, 0, 1])), "{mapped}");
            assert!(!network.contains(IpAddr::from([11, 255, 0, 1])), "{mapped}");
        }
        for text in ["", "10.0.0.0/33", "localhost", "10.0.0"] {
            assert!(text.parse::<Network>().is_err(), "{text}");
        }
    }
}
