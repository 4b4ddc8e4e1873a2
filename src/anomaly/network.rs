//! Networks: which one counts as one source, and which are known to the operator.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::policy::matching::Network;

/// The network that counts as one source: /24, for IPv6 /48, which is what one subscriber or one machine room has.
pub(super) fn network(address: IpAddr) -> IpNet {
    around(address, 24, 48)
}

/// The network of this length around the address: the first for IPv4, the second for IPv6.
pub(super) fn around(address: IpAddr, ipv4: u8, ipv6: u8) -> IpNet {
    let address = address.to_canonical();
    let length = if address.is_ipv4() { ipv4 } else { ipv6 };
    IpNet::new(address, length).unwrap_or_else(|_| IpNet::from(address)).trunc()
}

/// The known network that the network touches.
pub(super) fn known_within(known: &[Network], network: &IpNet) -> Option<Network> {
    let touches = |known: &&Network| known.contains(network.network()) || network.contains(&known.first_address());
    known.iter().find(touches).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_subscriber_is_one_network() {
        let network = |text: &str| network(text.parse().unwrap()).to_string();
        assert_eq!(network("192.0.2.77"), "192.0.2.0/24");
        assert_eq!(network("::ffff:192.0.2.77"), "192.0.2.0/24");
        assert_eq!(network("2001:db8:1:2::3"), "2001:db8:1::/48");
    }
}
