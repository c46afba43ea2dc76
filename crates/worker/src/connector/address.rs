//! Which addresses a call may go to.
//!
//! A row's values never choose the host, but DNS does. Who controls a name could make it resolve to a private address
//! and so reach into the cluster. Such addresses are refused after resolution, unless the target allows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use sexton_core::config::Target;

/// Which addresses may be called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum AllowedAddresses {
    /// Those on the public internet.
    Public,
    /// Private ones, too.
    Any,
}

impl AllowedAddresses {
    /// As the target's `allow_private` says.
    pub(super) const fn of_target(target: &Target) -> Self {
        if target.allow_private { Self::Any } else { Self::Public }
    }
}

/// Whether an address is loopback, private, link-local, shared, or otherwise not on the public internet (IANA
/// special-purpose address registries).
pub(crate) fn is_private(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => is_private_v4(v4),
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or_else(|| is_private_v6(v6), is_private_v4),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a == 192 && ((b == 0 && c == 0) || (b == 88 && c == 99)))
        || a >= 240
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [head, second, ..] = address.segments();
    // NAT64 (64:ff9b::/96), 6to4 (2002::/16), Teredo (2001::/32) and the compatible ones (::/96) carry an IPv4 address
    // that would have to be judged; they are refused.
    address.is_loopback()
        || address.is_unspecified()
        || address.is_multicast()
        || (head & 0xfe00) == 0xfc00
        || (head & 0xff80) == 0xfe80 // link-local, and site-local, which it took the place of
        || head == 0x2002
        || head == 0x100
        || (head == 0x2001 && (second == 0 || second == 0xdb8))
        || (head == 0x64 && second == 0xff9b)
        || address.segments()[..6] == [0; 6]
}

/// The message by which a refused name is recognised.
pub(crate) const REFUSED: &str = "private address refused";

/// Resolves names with the system's resolver and refuses private addresses.
pub(crate) struct PublicOnly;

impl Resolve for PublicOnly {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            // One private address among public ones is enough: the caller may connect to any of them.
            if found.iter().any(|address| is_private(address.ip())) {
                return Err(REFUSED.into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_addresses_are_known_in_all_their_forms() {
        for private in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "::1",
            "::",
            "fc00::1",
            "fe80::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::a00:1",
            "2002:a00:1::",
            "192.0.0.8",
            "192.88.99.1",
            "fec0::1",
            "2001::a00:1",
            "2001:db8::1",
            "100::1",
            "::10.0.0.1",
        ] {
            assert!(is_private(private.parse().unwrap()), "{private}");
        }
        for public in
            ["1.1.1.1", "142.250.0.1", "2606:4700::1111", "2001:4860::8888", "192.0.1.1", "172.32.0.1", "100.128.0.1"]
        {
            assert!(!is_private(public.parse().unwrap()), "{public}");
        }
    }
}
