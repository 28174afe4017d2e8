//! Quantities of resources: `500m`, `128Mi`, `1.5Gi`, `12e6`. Exact integers inside, the canonical text outside.
//! Source: apimachinery pkg/api/resource. The smallest unit is the nano; finer values are rounded up.

use std::cmp::Ordering;
use std::fmt;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;

const REFUSED: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const NANO: i128 = 1_000_000_000;
/// Larger numbers than this are cut, as Kubernetes cuts at 2^63-1 of the base unit.
const LARGEST: i128 = (i64::MAX as i128) * NANO;

/// How a quantity is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Powers of 1,000: `500m`, `2k`.
    DecimalSi,
    /// Powers of 1,024: `128Mi`.
    BinarySi,
    /// An exponent: `12e6`.
    DecimalExponent,
}

/// An exact quantity.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}
impl Eq for Quantity {}
impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Quantity {
    /// So many thousandths.
    pub fn from_millis(millis: i64) -> Self {
        Quantity { nanos: i128::from(millis) * 1_000_000, format: Format::DecimalSi }
    }

    /// So many bytes.
    pub fn from_bytes(bytes: i64) -> Self {
        Quantity { nanos: i128::from(bytes) * NANO, format: Format::BinarySi }
    }

    /// Reads a quantity.
    pub fn parse(text: &str) -> Result<Quantity, String> {
        let refused = || REFUSED.to_owned();
        let (negative, unsigned) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let end = unsigned.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(unsigned.len());
        let (number, suffix) = unsigned.split_at(end);
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.contains('.') {
            return Err(refused());
        }
        let (factor, format) = suffix_of(suffix).ok_or_else(refused)?;
        let nanos = scaled(whole, fraction, factor).unwrap_or(LARGEST).min(LARGEST);
        Ok(Quantity { nanos: if negative { -nanos } else { nanos }, format })
    }

    /// How it is written.
    pub fn format(&self) -> Format {
        self.format
    }

    /// In whole units, rounded up (away from zero).
    pub fn value(&self) -> i64 {
        round_away(self.nanos, NANO)
    }

    /// In thousandths, rounded up (away from zero).
    pub fn milli_value(&self) -> i64 {
        round_away(self.nanos, NANO / 1000)
    }

    /// Whether it is zero.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// The sum, in the format of the first unless that is zero.
    #[must_use]
    pub fn plus(self, other: Quantity) -> Quantity {
        let format = if self.is_zero() { other.format } else { self.format };
        Quantity { nanos: self.nanos.saturating_add(other.nanos), format }
    }

    /// The difference, in the format of the first unless that is zero.
    #[must_use]
    pub fn minus(self, other: Quantity) -> Quantity {
        self.plus(Quantity { nanos: -other.nanos, ..other })
    }
}

/// A typed quantity in thousandths, 0 if it cannot be read.
pub fn milli(quantity: &ApiQuantity) -> i64 {
    Quantity::parse(&quantity.0).map_or(0, |q| q.milli_value())
}

/// A typed quantity in whole units, 0 if it cannot be read.
pub fn value(quantity: &ApiQuantity) -> i64 {
    Quantity::parse(&quantity.0).map_or(0, |q| q.value())
}

/// The canonical text of a quantity: `0.5` is `500m`, `1024Mi` is `1Gi`.
pub fn canonical(text: &str) -> Result<String, String> {
    Quantity::parse(text).map(|q| q.to_string())
}

fn round_away(nanos: i128, unit: i128) -> i64 {
    let magnitude = (nanos.abs() + unit - 1) / unit;
    let value = i64::try_from(magnitude).unwrap_or(i64::MAX);
    if nanos < 0 { -value } else { value }
}

/// What a suffix multiplies with: numerator and denominator.
fn suffix_of(suffix: &str) -> Option<((i128, i128), Format)> {
    const DECIMAL: [(&str, i32); 11] =
        [("n", -9), ("u", -6), ("m", -3), ("", 0), ("k", 3), ("M", 6), ("G", 9), ("T", 12), ("P", 15), ("E", 18), ("K", -99)];
    const BINARY: [(&str, u32); 6] = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)];
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some(((1_i128 << power, 1), Format::BinarySi));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(name, power)| *name == suffix && *power != -99) {
        return Some((power_of_ten(*power)?, Format::DecimalSi));
    }
    let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
    Some((power_of_ten(exponent)?, Format::DecimalExponent))
}

fn power_of_ten(power: i32) -> Option<(i128, i128)> {
    let size = 10_i128.checked_pow(power.unsigned_abs().min(30))?;
    Some(if power < 0 { (1, size) } else { (size, 1) })
}

/// `whole.fraction` times a factor, in nanos, rounded up; `None` when it is too large.
fn scaled(whole: &str, fraction: &str, (up, down): (i128, i128)) -> Option<i128> {
    let fraction = fraction.trim_end_matches('0');
    if whole.len() > 30 || fraction.len() > 20 {
        return if whole.len() > 30 { None } else { scaled(whole, &fraction[..20], (up, down)).map(|n| n + 1) };
    }
    let digits: i128 = format!("0{whole}{fraction}").parse().ok()?;
    if digits == 0 {
        return Some(0);
    }
    let places = 10_i128.pow(fraction.len() as u32);
    let denominator = places.checked_mul(down)?;
    let numerator = digits.checked_mul(up).and_then(|n| n.checked_mul(NANO))?;
    Some((numerator + denominator - 1) / denominator)
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let sign = if self.nanos < 0 { "-" } else { "" };
        let nanos = self.nanos.abs();
        if self.format == Format::BinarySi && nanos % NANO == 0 && (nanos / NANO) >= 1024 {
            return write_binary(f, sign, nanos / NANO);
        }
        write_decimal(f, sign, nanos, self.format == Format::DecimalExponent)
    }
}

fn write_binary(f: &mut fmt::Formatter<'_>, sign: &str, mut units: i128) -> fmt::Result {
    const NAMES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let mut step = 0;
    while units % 1024 == 0 && step + 1 < NAMES.len() {
        units /= 1024;
        step += 1;
    }
    write!(f, "{sign}{units}{}", NAMES[step])
}

fn write_decimal(f: &mut fmt::Formatter<'_>, sign: &str, mut digits: i128, exponent: bool) -> fmt::Result {
    const NAMES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let mut step = 0;
    while digits % 1000 == 0 && step + 1 < NAMES.len() {
        digits /= 1000;
        step += 1;
    }
    match (exponent, step) {
        (false, _) | (true, 3) => write!(f, "{sign}{digits}{}", NAMES[step]),
        (true, _) => write!(f, "{sign}{digits}e{}", (step as i32 - 3) * 3),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_canonical_form_is_kubernetes_own() {
        for (text, expected) in [
            ("0.5", "500m"),
            ("1024Mi", "1Gi"),
            ("1.5Gi", "1536Mi"),
            ("1000m", "1"),
            ("0", "0"),
            ("12e6", "12e6"),
            ("1000", "1k"),
            ("100Ki", "100Ki"),
            ("0.1n", "1n"),
            ("1E", "1E"),
            ("-5", "-5"),
            ("1023", "1023"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "m", "1.2.3", "1K", "ten", "1e", "--1", "1 Gi"] {
            assert_eq!(canonical(text), Err(REFUSED.to_owned()), "{text}");
        }
    }

    #[test]
    fn values_round_up() {
        let q = Quantity::parse("1500u").unwrap();
        assert_eq!((q.value(), q.milli_value()), (1, 2));
    }

    proptest! {
        #[test]
        fn the_canonical_form_means_the_same(digits in "[0-9]{1,9}(\\.[0-9]{1,4})?", suffix in "(n|u|m|k|M|G|Ki|Mi|Gi)?") {
            let text = format!("{digits}{suffix}");
            let first = Quantity::parse(&text).unwrap();
            let second = Quantity::parse(&first.to_string()).unwrap();
            prop_assert_eq!(first, second);
            prop_assert_eq!(first.to_string(), second.to_string());
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _either = Quantity::parse(&text);
        }
    }
}
