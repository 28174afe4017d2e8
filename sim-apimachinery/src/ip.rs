//! IP addresses and CIDRs as the API's fields hold them, and what is wrong with them.
//! Source: apimachinery pkg/util/validation/ip.go. Older fields accept every form that is not ambiguous; newer ones only the
//! canonical form. The functions return the details of field errors.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const NO_ADDRESS: &str = "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)";
const NO_CIDR: &str = "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)";

/// An address in any form that was ever accepted: with leading zeros, or IPv4 inside IPv6 (which is IPv4).
pub fn parse(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(unmapped(address));
    }
    let parts: Vec<&str> = text.split('.').collect();
    let number = |p: &str| p.bytes().all(|b| b.is_ascii_digit()).then(|| p.parse::<u8>().ok()).flatten();
    match parts.as_slice() {
        [a, b, c, d] => Some(Ipv4Addr::new(number(a)?, number(b)?, number(c)?, number(d)?).into()),
        _ => None,
    }
}

fn unmapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V6(v6) => v6.to_ipv4_mapped().map_or(address, IpAddr::V4),
        IpAddr::V4(_) => address,
    }
}

/// A block of addresses: its first address and the length of its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr {
    /// The first address.
    pub first: IpAddr,
    /// How many bits all its addresses share.
    pub length: u32,
}

impl Cidr {
    /// A block in any form that was ever accepted; bits after the prefix are dropped.
    pub fn parse(text: &str) -> Option<Cidr> {
        let (address, length) = text.split_once('/')?;
        let address = parse(address)?;
        let digits = !length.is_empty() && length.bytes().all(|b| b.is_ascii_digit());
        let length = digits.then(|| length.parse::<u32>().ok()).flatten().filter(|l| *l <= bits(address))?;
        Some(Cidr { first: masked(address, length), length })
    }

    /// Whether an address is in the block.
    pub fn contains(&self, address: IpAddr) -> bool {
        address.is_ipv4() == self.first.is_ipv4() && masked(address, self.length) == self.first
    }

    /// Whether the two share an address.
    pub fn overlaps(&self, other: &Cidr) -> bool {
        self.contains(other.first) || other.contains(self.first)
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.first, self.length)
    }
}

fn bits(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn masked(address: IpAddr, length: u32) -> IpAddr {
    match address {
        IpAddr::V4(v4) => Ipv4Addr::from(u32::from(v4) & u32::MAX.checked_shl(32 - length).unwrap_or(0)).into(),
        IpAddr::V6(v6) => Ipv6Addr::from(u128::from(v6) & u128::MAX.checked_shl(128 - length).unwrap_or(0)).into(),
    }
}

/// What is wrong with an address in an older field.
pub fn wrong_address(text: &str) -> Vec<String> {
    let why = match (parse(text), text.parse::<IpAddr>()) {
        (None, _) => NO_ADDRESS,
        (_, Err(_)) => "must not have leading 0s",
        (_, Ok(address)) if unmapped(address) != address => "must not be an IPv4-mapped IPv6 address",
        _ => return vec![],
    };
    vec![why.to_owned()]
}

/// What is wrong with an address in a newer field.
pub fn wrong_canonical_address(text: &str) -> Vec<String> {
    let wrong = wrong_address(text);
    match parse(text) {
        Some(address) if wrong.is_empty() && address.to_string() != text => vec![format!("must be in canonical form (\"{address}\")")],
        _ => wrong,
    }
}

/// What is wrong with a CIDR in an older field.
pub fn wrong_cidr(text: &str) -> Vec<String> {
    let Some(cidr) = Cidr::parse(text) else { return vec![NO_CIDR.to_owned()] };
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let plain_length = length == "0" || !length.starts_with('0');
    let why = match address.parse::<IpAddr>() {
        Ok(address) if plain_length && unmapped(address) != address => "must not have an IPv4-mapped IPv6 address",
        Ok(address) if plain_length && address != cidr.first => "must not have bits set beyond the prefix length",
        Ok(_) if plain_length => return vec![],
        _ => "must not have leading 0s in IP or prefix length",
    };
    vec![why.to_owned()]
}

/// What is wrong with a CIDR in a newer field.
pub fn wrong_canonical_cidr(text: &str) -> Vec<String> {
    let wrong = wrong_cidr(text);
    match Cidr::parse(text) {
        Some(cidr) if wrong.is_empty() && cidr.to_string() != text => vec![format!("must be in canonical form (\"{cidr}\")")],
        _ => wrong,
    }
}

/// What is wrong with an address that traffic is to be sent to (`ValidateEndpointIP`).
pub fn wrong_endpoint(text: &str) -> Vec<String> {
    let Some(address) = parse(text) else { return vec!["must be a valid IP address".to_owned()] };
    let (link_local, link_local_multicast) = match address {
        IpAddr::V4(v4) => (v4.is_link_local(), v4.octets()[..3] == [224, 0, 0]),
        IpAddr::V6(v6) => (v6.segments()[0] & 0xffc0 == 0xfe80, v6.segments()[0] & 0xff0f == 0xff02),
    };
    let checks = [
        (address.is_unspecified(), format!("may not be unspecified ({text})")),
        (address.is_loopback(), "may not be in the loopback range (127.0.0.0/8, ::1/128)".to_owned()),
        (link_local, "may not be in the link-local range (169.254.0.0/16, fe80::/10)".to_owned()),
        (link_local_multicast, "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".to_owned()),
    ];
    checks.into_iter().filter(|(wrong, _)| *wrong).map(|(_, why)| why).collect()
}

/// What a user is warned of in an older field that holds this address.
pub fn warning_for_address(field: &str, text: &str) -> Option<String> {
    let address = parse(text)?;
    match text.parse::<IpAddr>() {
        Ok(plain) if unmapped(plain) == plain && (plain.is_ipv4() || plain.to_string() == text) => None,
        Ok(plain) if unmapped(plain) == plain => {
            Some(format!("{field}: IPv6 address {text:?} should be in RFC 5952 canonical format (\"{plain}\")"))
        }
        _ => Some(format!("{field}: non-standard IP address {text:?} is invalid: use \"{address}\"")),
    }
}

/// What a user is warned of in an older field that holds this CIDR.
pub fn warnings_for_cidr(field: &str, text: &str) -> Vec<String> {
    let Some(cidr) = Cidr::parse(text) else { return vec![] };
    let (address, length) = text.split_once('/').unwrap_or((text, ""));
    let mut warnings = Vec::new();
    if let Some(host) = parse(address).filter(|a| *a != cidr.first) {
        let single = format!("{host}/{}", bits(host));
        warnings.push(format!("{field}: CIDR value {text:?} is ambiguous in this context (should be \"{cidr}\" or \"{single}\"?)"));
    }
    let plain = address.parse::<IpAddr>().ok().filter(|a| unmapped(*a) == *a && (length == "0" || !length.starts_with('0')));
    match plain {
        None => warnings.push(format!("{field}: non-standard CIDR value {text:?} is invalid: use \"{cidr}\"")),
        Some(_) if warnings.is_empty() && !cidr.first.is_ipv4() && cidr.to_string() != text => {
            warnings.push(format!("{field}: IPv6 CIDR value {text:?} should be in RFC 5952 canonical format (\"{cidr}\")"));
        }
        Some(_) => {}
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_field_takes_every_form_that_is_not_ambiguous() {
        assert_eq!(wrong_address("10.96.050.050"), ["must not have leading 0s"]);
        assert_eq!(wrong_address("::ffff:1.2.3.4"), ["must not be an IPv4-mapped IPv6 address"]);
        assert_eq!(wrong_address("x"), [NO_ADDRESS]);
        assert!(wrong_address("fd00::0:1").is_empty());
        assert_eq!(wrong_canonical_address("fd00::0:1"), ["must be in canonical form (\"fd00::1\")"]);
    }

    #[test]
    fn a_cidr_has_no_bits_beyond_its_prefix() {
        assert_eq!(wrong_cidr("10.1.2.3/8"), ["must not have bits set beyond the prefix length"]);
        assert_eq!(wrong_cidr("010.0.0.0/8"), ["must not have leading 0s in IP or prefix length"]);
        assert_eq!(wrong_cidr("10.0.0.1"), [NO_CIDR]);
        assert!(wrong_cidr("0.0.0.0/0").is_empty());
        let block = Cidr::parse("10.96.0.0/16");
        assert_eq!(block.map(|b| b.contains(Ipv4Addr::new(10, 96, 1, 2).into())), Some(true));
        assert_eq!(block.map(|b| b.contains(Ipv4Addr::new(10, 97, 1, 2).into())), Some(false));
    }
}
