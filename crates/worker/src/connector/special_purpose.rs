//! The addresses that are not ordinary ones of the public internet, as IANA registers them.
//!
//! The table has all blocks of the IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890), also those that are
//! globally reachable: no API is there. It is that of 2025-05, whose newest entry is RFC 9780. To renew it, add the
//! blocks that are new and change the date; nothing else knows them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A block of addresses: its first address, and how many bits all of its addresses share.
type Block<A> = (A, u32);

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u32) -> Block<Ipv4Addr> {
    (Ipv4Addr::new(a, b, c, d), bits)
}

const fn v6(head: [u16; 6], bits: u32) -> Block<Ipv6Addr> {
    let [a, b, c, d, e, f] = head;
    (Ipv6Addr::new(a, b, c, d, e, f, 0, 0), bits)
}

/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, and multicast.
const V4: [Block<Ipv4Addr>; 18] = [
    v4(0, 0, 0, 0, 8),       // "this network"
    v4(10, 0, 0, 0, 8),      // private use
    v4(100, 64, 0, 0, 10),   // shared address space
    v4(127, 0, 0, 0, 8),     // loopback
    v4(169, 254, 0, 0, 16),  // link-local
    v4(172, 16, 0, 0, 12),   // private use
    v4(192, 0, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 0, 24),    // documentation (TEST-NET-1)
    v4(192, 31, 196, 0, 24), // AS112
    v4(192, 52, 193, 0, 24), // AMT
    v4(192, 88, 99, 0, 24),  // 6to4 relay anycast, deprecated
    v4(192, 168, 0, 0, 16),  // private use
    v4(192, 175, 48, 0, 24), // direct delegation AS112
    v4(198, 18, 0, 0, 15),   // benchmarking
    v4(198, 51, 100, 0, 24), // documentation (TEST-NET-2)
    v4(203, 0, 113, 0, 24),  // documentation (TEST-NET-3)
    v4(224, 0, 0, 0, 4),     // multicast (RFC 5771)
    v4(240, 0, 0, 0, 4),     // reserved, limited broadcast
];

/// <https://www.iana.org/assignments/iana-ipv6-special-registry>, and what carries an IPv4 address or is deprecated.
const V6: [Block<Ipv6Addr>; 15] = [
    v6([0; 6], 96),                          // unspecified, loopback, IPv4-compatible (RFC 4291 §2.5.5.1)
    v6([0, 0, 0, 0, 0xffff, 0], 96),         // IPv4-translated (RFC 2765 §2.1)
    v6([0x64, 0xff9b, 1, 0, 0, 0], 48),      // IPv4-IPv6 translation (NAT64), local use
    v6([0x100, 0, 0, 0, 0, 0], 64),          // discard only
    v6([0x100, 0, 0, 1, 0, 0], 64),          // dummy prefix
    v6([0x2001, 0, 0, 0, 0, 0], 23),         // protocol assignments: Teredo, benchmarking, AMT, ORCHID, DRIP
    v6([0x2001, 0xdb8, 0, 0, 0, 0], 32),     // documentation
    v6([0x2002, 0, 0, 0, 0, 0], 16),         // 6to4
    v6([0x2620, 0x4f, 0x8000, 0, 0, 0], 48), // direct delegation AS112
    v6([0x3fff, 0, 0, 0, 0, 0], 20),         // documentation
    v6([0x5f00, 0, 0, 0, 0, 0], 16),         // segment routing (SRv6) SIDs
    v6([0xfc00, 0, 0, 0, 0, 0], 7),          // unique local
    v6([0xfe80, 0, 0, 0, 0, 0], 10),         // link-local
    v6([0xfec0, 0, 0, 0, 0, 0], 10),         // site-local, deprecated (RFC 3879)
    v6([0xff00, 0, 0, 0, 0, 0], 8),          // multicast (RFC 4291 §2.7)
];

/// The prefix under which a network with NAT64 reaches IPv4: behind it every API that has only IPv4 has such an address
/// (RFC 6052 section 2.1).
const TRANSLATED: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];

/// Whether an address is in one of the blocks. One that stands for an address of IPv4 (mapped, or translated by NAT64) is
/// judged as that.
pub(crate) fn is_special_purpose(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_special_v4(address),
        IpAddr::V6(address) => embedded_v4(address).map_or_else(|| is_special_v6(address), is_special_v4),
    }
}

fn embedded_v4(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let [.., a, b, c, d] = address.octets();
    let is_translated = address.segments()[..6] == TRANSLATED;
    address.to_ipv4_mapped().or_else(|| is_translated.then(|| Ipv4Addr::new(a, b, c, d)))
}

fn is_special_v4(address: Ipv4Addr) -> bool {
    V4.iter().any(|(first, bits)| (first.to_bits() ^ address.to_bits()).leading_zeros() >= *bits)
}

fn is_special_v6(address: Ipv6Addr) -> bool {
    V6.iter().any(|(first, bits)| (first.to_bits() ^ address.to_bits()).leading_zeros() >= *bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The registries, block by block: some of them are parts of others.
    const REGISTERED: [&str; 51] = [
        "0.0.0.0/8",
        "0.0.0.0/32",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.0.0/29",
        "192.0.0.8/32",
        "192.0.0.9/32",
        "192.0.0.10/32",
        "192.0.0.170/32",
        "192.0.0.171/32",
        "192.0.2.0/24",
        "192.31.196.0/24",
        "192.52.193.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "192.175.48.0/24",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
        "255.255.255.255/32",
        "::1/128",
        "::/128",
        "::ffff:0:0:0/96",
        "64:ff9b:1::/48",
        "100::/64",
        "100:0:0:1::/64",
        "2001::/23",
        "2001::/32",
        "2001:1::1/128",
        "2001:1::2/128",
        "2001:1::3/128",
        "2001:2::/48",
        "2001:3::/32",
        "2001:4:112::/48",
        "2001:10::/28",
        "2001:20::/28",
        "2001:30::/28",
        "2001:db8::/32",
        "2002::/16",
        "2620:4f:8000::/48",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
        "fe80::/10",
        "ff00::/8",
    ];

    #[test]
    fn first_and_last_address_of_every_registered_block_are_special() {
        for block in REGISTERED {
            let (first, bits) = block.split_once('/').unwrap();
            let (first, bits): (IpAddr, u32) = (first.parse().unwrap(), bits.parse().unwrap());
            let last = match first {
                IpAddr::V4(first) => IpAddr::V4((first.to_bits() | u32::MAX.checked_shr(bits).unwrap_or(0)).into()),
                IpAddr::V6(first) => IpAddr::V6((first.to_bits() | u128::MAX.checked_shr(bits).unwrap_or(0)).into()),
            };
            assert!(is_special_purpose(first) && is_special_purpose(last), "{block}: {first} to {last}");
        }
    }

    #[test]
    fn addresses_beside_the_blocks_are_ordinary() {
        for ordinary in [
            "1.0.0.0",
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.1",
            "142.250.0.1",
            "172.15.255.255",
            "172.32.0.1",
            "192.0.1.1",
            "192.0.3.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2001:4860::8888",
            "2003::1",
            "2606:4700::1111",
            "3ffe::1",
            "5eff::1",
            "64:ff9c::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
        ] {
            assert!(!is_special_purpose(ordinary.parse().unwrap()), "{ordinary}");
        }
        // What stands for an address of IPv4, and what is deprecated.
        for refused in ["::ffff:10.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b::169.254.169.254", "::10.0.0.1", "fec0::1"] {
            assert!(is_special_purpose(refused.parse().unwrap()), "{refused}");
        }
    }
}
