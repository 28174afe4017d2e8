//! What a plain scalar means, by goyaml v2's rules: null, booleans, integers of any base, floats, and else a text.

use serde_json::{Number, Value};

/// A plain scalar's value. The error is JSON's: infinities and not-a-number have no form there.
pub fn plain(text: &str) -> Result<Value, String> {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Ok(Value::Null),
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" | "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" | "-.inf" | "-.Inf" | "-.INF" | ".nan" | ".NaN" | ".NAN" => {
            return Err(format!("json: unsupported value: {text}"));
        }
        _ => {}
    }
    let number = text.as_bytes().first().is_some_and(|b| b.is_ascii_digit() || b"+-.".contains(b));
    if !number {
        return Ok(Value::String(text.to_owned()));
    }
    Ok(integer(text).or_else(|| float(text)).unwrap_or_else(|| Value::String(text.to_owned())))
}

fn integer(text: &str) -> Option<Value> {
    let digits = text.replace('_', "");
    let (negative, unsigned) = match digits.as_bytes().first()? {
        b'-' => (true, &digits[1..]),
        b'+' => (false, &digits[1..]),
        _ => (false, digits.as_str()),
    };
    let (base, body) = match unsigned.get(..2) {
        Some("0x" | "0X") => (16, &unsigned[2..]),
        Some("0b" | "0B") => (2, &unsigned[2..]),
        Some("0o" | "0O") => (8, &unsigned[2..]),
        _ if unsigned.len() > 1 && unsigned.starts_with('0') => (8, &unsigned[1..]),
        _ => (10, unsigned),
    };
    if body.is_empty() || !body.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return None;
    }
    match u64::from_str_radix(body, base) {
        Ok(number) if negative => i64::try_from(-i128::from(number)).ok().map(Value::from),
        Ok(number) => Some(Value::from(number)),
        Err(_) => None,
    }
}

/// A decimal number; whole ones become integers, as they do on their way through Go's JSON.
fn float(text: &str) -> Option<Value> {
    let digits = text.replace('_', "");
    if !digits.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) || !digits.bytes().any(|b| b.is_ascii_digit()) {
        return None;
    }
    let number: f64 = digits.parse().ok().filter(|n: &f64| n.is_finite())?;
    if number.fract() == 0.0 && number.abs() < 9.0e15 {
        return Some(Value::from(number as i64));
    }
    Number::from_f64(number).map(Value::Number)
}

/// Whether a plain scalar may surprise: a word that is a boolean, or a number in base eight.
pub fn surprise(text: &str) -> Option<String> {
    let word =
        matches!(text, "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF");
    if word {
        return Some(format!("{text} is a boolean here; quote it if a text is meant"));
    }
    let octal = text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit()) && integer(text).is_some();
    octal.then(|| format!("{text} is read in base eight: {}", integer(text).unwrap_or_default()))
}
