//! Durations and timestamps. Zones are those of the bundled database; a call without a zone is in UTC.

use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use crate::evaluate::{EvaluationError, Outcome};
use crate::value::Value;

const SECOND: i64 = 1_000_000_000;

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("duration", [Value::String(s)]) => duration_nanos(s).map(Value::Duration).ok_or_else(|| bad_duration(s)),
        ("duration", [Value::Duration(d) | Value::Int(d)]) => Ok(Value::Duration(*d)),
        ("timestamp", [Value::String(s)]) => s
            .parse()
            .map(Value::Timestamp)
            .map_err(|_| EvaluationError::new("type conversion error from 'string' to 'google.protobuf.Timestamp'")),
        ("timestamp", [Value::Int(s)]) => Timestamp::from_second(*s).map(Value::Timestamp).map_err(|_| overflow()),
        ("timestamp", [Value::Timestamp(t)]) => Ok(Value::Timestamp(*t)),
        ("_+_", [Value::Duration(a), Value::Duration(b)]) => a.checked_add(*b).map(Value::Duration).ok_or_else(overflow),
        ("_-_", [Value::Duration(a), Value::Duration(b)]) => a.checked_sub(*b).map(Value::Duration).ok_or_else(overflow),
        ("_+_", [Value::Timestamp(t), Value::Duration(d)] | [Value::Duration(d), Value::Timestamp(t)]) => moved(*t, *d),
        ("_-_", [Value::Timestamp(t), Value::Duration(d)]) => d.checked_neg().map_or_else(|| Err(overflow()), |d| moved(*t, d)),
        ("_-_", [Value::Timestamp(a), Value::Timestamp(b)]) => {
            i64::try_from(a.as_nanosecond() - b.as_nanosecond()).map(Value::Duration).map_err(|_| overflow())
        }
        ("getHours", [Value::Duration(d)]) => Ok(Value::Int(d / SECOND / 3600)),
        ("getMinutes", [Value::Duration(d)]) => Ok(Value::Int(d / SECOND / 60)),
        ("getSeconds", [Value::Duration(d)]) => Ok(Value::Int(d / SECOND)),
        ("getMilliseconds", [Value::Duration(d)]) => Ok(Value::Int(d / (SECOND / 1000))),
        (part, [Value::Timestamp(t)]) => return date_part(part, *t, &TimeZone::UTC).map(Ok),
        (part, [Value::Timestamp(t), Value::String(zone)]) => match time_zone(zone) {
            Some(zone) => return date_part(part, *t, &zone).map(Ok),
            None => Err(EvaluationError::new(format!("unknown time zone {zone}"))),
        },
        _ => return None,
    })
}

fn overflow() -> EvaluationError {
    EvaluationError::new("integer overflow")
}

fn bad_duration(_text: &str) -> EvaluationError {
    EvaluationError::new("type conversion error from 'string' to 'google.protobuf.Duration'")
}

fn moved(time: Timestamp, by: i64) -> Outcome {
    let nanos = time.as_nanosecond() + i128::from(by);
    Timestamp::from_nanosecond(nanos).map(Value::Timestamp).map_err(|_| EvaluationError::new("timestamp overflow"))
}

/// `Europe/Berlin`, or an offset such as `-02:00`.
fn time_zone(name: &str) -> Option<TimeZone> {
    if let Some((hours, minutes)) = name.split_once(':') {
        let (h, m): (i32, i32) = (hours.parse().ok()?, minutes.parse().ok()?);
        let sign = if hours.starts_with('-') { -1 } else { 1 };
        return Offset::from_seconds(h * 3600 + sign * m * 60).ok().map(TimeZone::fixed);
    }
    TimeZone::get(name).ok()
}

fn date_part(part: &str, time: Timestamp, zone: &TimeZone) -> Option<Value> {
    let at = time.to_zoned(zone.clone());
    let value = match part {
        "getFullYear" => i64::from(at.year()),
        "getMonth" => i64::from(at.month()) - 1,
        "getDate" => i64::from(at.day()),
        "getDayOfMonth" => i64::from(at.day()) - 1,
        "getDayOfYear" => i64::from(at.day_of_year()) - 1,
        "getDayOfWeek" => i64::from(at.weekday().to_sunday_zero_offset()),
        "getHours" => i64::from(at.hour()),
        "getMinutes" => i64::from(at.minute()),
        "getSeconds" => i64::from(at.second()),
        "getMilliseconds" => i64::from(at.subsec_nanosecond()) / 1_000_000,
        _ => return None,
    };
    Some(Value::Int(value))
}

/// The length of a duration as Go writes it, `1h30m`, in nanoseconds.
pub fn duration_nanos(text: &str) -> Option<i64> {
    let (sign, mut rest) = match text.as_bytes().first()? {
        b'-' => (-1, &text[1..]),
        b'+' => (1, &text[1..]),
        _ => (1, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(end);
        let unit_end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, next) = tail.split_at(unit_end);
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        total += whole.parse::<i128>().or(if whole.is_empty() { Ok(0) } else { Err(()) }).ok()? * scale;
        let digits: String = fraction.chars().take(12).collect();
        if !digits.is_empty() {
            total += digits.parse::<i128>().ok()? * scale / 10_i128.pow(u32::try_from(digits.len()).ok()?);
        }
        rest = next;
    }
    i64::try_from(total * sign).ok()
}

/// A duration as `string()` writes it: seconds.
pub(crate) fn duration_text(nanos: i64) -> String {
    let (seconds, rest) = (nanos / SECOND, (nanos % SECOND).abs());
    let sign = if nanos < 0 && seconds == 0 { "-" } else { "" };
    if rest == 0 {
        return format!("{seconds}s");
    }
    let fraction = format!("{rest:09}");
    format!("{sign}{seconds}.{}s", fraction.trim_end_matches('0'))
}
