//! Durations (`150ms`, `2s`) and byte sizes (`45Mi`) as profiles write them.
//! Integers only: `1.5s` is refused, `1500ms` is how to say it.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A duration in nanoseconds, written `500us`, `150ms`, `2s`, `3m` or `1h`; a bare `0` is allowed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nanos(pub u64);

/// A size in bytes, written `10`, `64Ki`, `45Mi`, `1Gi` or with the decimal `k`, `M`, `G`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bytes(pub u64);

/// One second in nanoseconds.
pub const SECOND: u64 = 1_000_000_000;
/// One millisecond in nanoseconds.
pub const MILLISECOND: u64 = 1_000_000;

/// Reads a duration; `None` if it is not one or does not fit.
pub fn parse_nanos(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text);
    let factor = match unit {
        "us" => 1_000,
        "ms" => MILLISECOND,
        "s" => SECOND,
        "m" => 60 * SECOND,
        "h" => 3600 * SECOND,
        "" if number == "0" => 1,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// Reads a size; `None` if it is not one or does not fit.
pub fn parse_bytes(text: &str) -> Option<u64> {
    let (number, unit) = split_unit(text);
    let factor = match unit {
        "" => 1,
        "k" => 1_000,
        "M" => 1_000_000,
        "G" => 1_000_000_000,
        "Ki" | "K" => 1 << 10,
        "Mi" => 1 << 20,
        "Gi" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

impl<'de> Deserialize<'de> for Nanos {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = scalar(deserializer)?;
        parse_nanos(&text).map(Nanos).ok_or_else(|| D::Error::custom(format!("{text:?} is not a duration such as 150ms or 2s")))
    }
}

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = scalar(deserializer)?;
        parse_bytes(&text).map(Bytes).ok_or_else(|| D::Error::custom(format!("{text:?} is not a size such as 45Mi")))
    }
}

fn scalar<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    match serde_yaml::Value::deserialize(deserializer)? {
        serde_yaml::Value::String(text) => Ok(text),
        serde_yaml::Value::Number(number) => Ok(number.to_string()),
        _ => Err(D::Error::custom("expected a number with a unit")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read_and_overflow_is_refused() {
        let nanos = [("150ms", Some(150_000_000)), ("2s", Some(2 * SECOND)), ("0", Some(0)), ("2", None), ("1.5s", None), ("ms", None)];
        for (text, expected) in nanos {
            assert_eq!(parse_nanos(text), expected, "{text}");
        }
        assert_eq!(parse_nanos("99999999999999999999h"), None);
        assert_eq!(parse_nanos("18446744073709551615h"), None);
        assert_eq!(parse_bytes("45Mi"), Some(45 << 20));
        assert_eq!(parse_bytes("45Xi"), None);
    }
}
