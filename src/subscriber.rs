//! Which addresses one subscriber has: they are counted together, wherever addresses are counted.

use std::net::IpAddr;

/// The address of IPv4 (a mapped one is written so), or the /64 of IPv6 that the address is in.
pub(crate) fn of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => {
            let mut segments = v6.segments();
            segments[4..].fill(0);
            IpAddr::V6(segments.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subscriber_is_an_address_of_ipv4_or_a_64_of_ipv6() {
        for (address, subscriber) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::", "2001:db8:1:2::"),
        ] {
            assert_eq!(of(address.parse().unwrap()), subscriber.parse::<IpAddr>().unwrap(), "{address}");
        }
    }
}
