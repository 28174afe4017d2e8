//! Values that many kinds share: numbers or percentages, quantities, keys of config maps, class names, addresses.
//! Sources: apimachinery pkg/util/validation and pkg/apis/core/validation.

use std::net::{IpAddr, Ipv4Addr};

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::errors::Errors;
use super::path::Path;
use super::pod::resources::resource_quantity;
use crate::names;
use crate::quantity::Quantity;

/// The number of a well-formed percentage.
fn percentage(value: &IntOrString) -> Option<i64> {
    let IntOrString::String(text) = value else { return None };
    let digits = text.strip_suffix('%').filter(|d| !d.is_empty() && d.bytes().all(|b| b.is_ascii_digit()))?;
    Some(digits.parse().unwrap_or(i64::MAX))
}

/// The number or the percentage, 0 for a text that is neither.
pub fn number_of(value: &IntOrString) -> i64 {
    match value {
        IntOrString::Int(number) => i64::from(*number),
        IntOrString::String(text) => percentage(value).unwrap_or_else(|| text.parse().unwrap_or(0)),
    }
}

/// A number that is not negative, or a percentage.
pub fn int_or_percent(value: &IntOrString, at: &Path<'_>, errors: &mut Errors) {
    match value {
        IntOrString::Int(number) => errors.not_negative(at, i64::from(*number)),
        IntOrString::String(text) => errors.invalid_each(at, value, names::percent(text)),
    }
}

/// No percentage above 100.
pub fn at_most_100_percent(value: &IntOrString, at: &Path<'_>, errors: &mut Errors) {
    if percentage(value).is_some_and(|percent| percent > 100) {
        errors.invalid(at, value, "must not be greater than 100%");
    }
}

/// A quantity, zero when it cannot be read (the decoder refuses those).
pub fn quantity(value: &ApiQuantity) -> Quantity {
    Quantity::parse(&value.0).unwrap_or(Quantity::from_millis(0))
}

/// `must be greater than or equal to 0`.
pub fn not_negative(value: &ApiQuantity, at: &Path<'_>, errors: &mut Errors) {
    let value = quantity(value);
    if value < Quantity::from_millis(0) {
        errors.invalid(at, value.to_string(), "must be greater than or equal to 0");
    }
}

/// `must be greater than zero`.
pub fn positive(value: &ApiQuantity, at: &Path<'_>, errors: &mut Errors) {
    let value = quantity(value);
    if value <= Quantity::from_millis(0) {
        errors.invalid(at, value.to_string(), "must be greater than zero");
    }
}

/// A whole amount of what only comes whole, and no negative amount of anything.
pub fn resource_amount(name: &str, value: &ApiQuantity, at: &Path<'_>, errors: &mut Errors) {
    resource_quantity(name, quantity(value), at, errors);
}

/// An address as Go's lenient parser reads it: leading zeros of IPv4 parts are fine.
pub fn sloppy_address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let parts: Vec<&str> = text.split('.').collect();
    let mut octets = [0; 4];
    if parts.len() != 4 {
        return None;
    }
    for (octet, part) in octets.iter_mut().zip(parts) {
        if part.is_empty() || !part.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        *octet = part.parse::<u32>().ok().and_then(|n| u8::try_from(n).ok())?;
    }
    Some(IpAddr::V4(Ipv4Addr::from(octets)))
}

/// Whether an address is an IPv4 one, also when it is written as IPv6.
pub fn is_ipv4(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => true,
        IpAddr::V6(six) => six.to_ipv4_mapped().is_some(),
    }
}

/// An address in a field that is checked strictly: neither leading zeros nor IPv4 in the clothes of IPv6.
pub fn address(text: &str, at: &Path<'_>, errors: &mut Errors) -> Option<IpAddr> {
    let Some(address) = sloppy_address(text) else {
        errors.invalid(at, text, "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)");
        return None;
    };
    let before = errors.len();
    if text.parse::<IpAddr>().is_err() {
        errors.invalid(at, text, "must not have leading 0s");
    }
    if text.contains(':') && is_ipv4(address) {
        errors.invalid(at, text, "must not be an IPv4-mapped IPv6 address");
    }
    (errors.len() == before).then_some(address)
}

/// A network in CIDR form, in a field that is checked strictly.
pub fn network(text: &str, at: &Path<'_>, errors: &mut Errors) -> Option<(IpAddr, u8)> {
    let parsed = text.split_once('/').and_then(|(address, bits)| {
        let address = sloppy_address(address)?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        let digits = !bits.is_empty() && bits.len() <= 6 && bits.bytes().all(|b| b.is_ascii_digit());
        let length = digits.then(|| bits.parse::<u32>().ok()).flatten().filter(|n| *n <= longest)?;
        Some((address, length as u8))
    });
    let Some((address, length)) = parsed else {
        errors.invalid(at, text, "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)");
        return None;
    };
    let strict = text.split_once('/').is_some_and(|(a, bits)| a.parse::<IpAddr>().is_ok() && (bits == "0" || !bits.starts_with('0')));
    if !strict {
        errors.invalid(at, text, "must not have leading 0s in IP or prefix length");
    } else if text.contains(':') && is_ipv4(address) {
        errors.invalid(at, text, "must not have an IPv4-mapped IPv6 address");
    } else if masked(address, length) != address {
        errors.invalid(at, text, "must not have bits set beyond the prefix length");
    }
    Some((address, length))
}

fn masked(address: IpAddr, length: u8) -> IpAddr {
    match address {
        IpAddr::V4(four) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(length)).unwrap_or(0);
            IpAddr::V4((u32::from(four) & mask).into())
        }
        IpAddr::V6(six) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
            IpAddr::V6((u128::from(six) & mask).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_go_reads_them() {
        assert_eq!(sloppy_address("010.0.0.1"), "10.0.0.1".parse().ok());
        assert_eq!((sloppy_address("1.2.3"), sloppy_address("1.2.3.256"), sloppy_address("x")), (None, None, None));
    }

    #[test]
    fn networks_have_no_bits_beyond_their_length() {
        let at = Path::root("cidr");
        for (text, fine) in [("10.1.0.0/24", true), ("10.1.0.5/24", false), ("fd00::/64", true), ("0.0.0.0/0", true), ("1.2.3.4/33", false)]
        {
            let mut errors = Errors::new();
            network(text, &at, &mut errors);
            assert_eq!(errors.is_empty(), fine, "{text}");
        }
    }
}
