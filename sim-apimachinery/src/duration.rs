//! Durations as Go writes and reads them (`1m20s`, `1.5s`, `150ms`), and the short form of kubectl's AGE column.

const UNITS: [(&str, u64); 7] =
    [("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];

/// Go's `Duration.String` of so many nanoseconds.
pub fn go_string(nanos: u64) -> String {
    match nanos {
        0 => "0s".into(),
        1..1_000 => format!("{nanos}ns"),
        1_000..1_000_000 => format!("{}µs", decimal(nanos, 1_000)),
        1_000_000..1_000_000_000 => format!("{}ms", decimal(nanos, 1_000_000)),
        _ => {
            let (minutes, rest) = (nanos / 60_000_000_000, nanos % 60_000_000_000);
            let seconds = format!("{}s", decimal(rest, 1_000_000_000));
            match (minutes / 60, minutes % 60) {
                (0, 0) => seconds,
                (0, m) => format!("{m}m{seconds}"),
                (h, m) => format!("{h}h{m}m{seconds}"),
            }
        }
    }
}

fn decimal(nanos: u64, unit: u64) -> String {
    let width = unit.ilog10() as usize;
    let fraction = format!("{:0width$}", nanos % unit);
    let fraction = fraction.trim_end_matches('0');
    if fraction.is_empty() { (nanos / unit).to_string() } else { format!("{}.{fraction}", nanos / unit) }
}

/// Reads a Go duration, in nanoseconds. Negative ones and texts without a unit are refused.
pub fn parse(text: &str) -> Result<u64, String> {
    let invalid = || format!("invalid duration {text:?}: expected a number with a unit, such as 18s, 1m30s or 250ms");
    if text == "0" {
        return Ok(0);
    }
    if text.starts_with('-') {
        return Err(format!("invalid duration {text:?}: it must not be negative"));
    }
    let mut rest = text.trim_start_matches('+');
    if rest.is_empty() {
        return Err(invalid());
    }
    let mut total: u64 = 0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(invalid)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, after) = tail.split_at(end);
        let size = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, size)| *size).ok_or_else(invalid)?;
        total = total.checked_add(scaled(number, size).ok_or_else(invalid)?).ok_or_else(invalid)?;
        rest = after;
    }
    Ok(total)
}

fn scaled(number: &str, unit: u64) -> Option<u64> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 15 {
        return None;
    }
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let part: u128 = if fraction.is_empty() {
        0
    } else {
        u128::from(fraction.parse::<u64>().ok()?) * u128::from(unit) / 10_u128.pow(fraction.len() as u32)
    };
    whole.checked_mul(unit)?.checked_add(u64::try_from(part).ok()?)
}

/// kubectl's short form of an age: two units while they are small, one when they are large.
pub fn human(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let pair = |a: u64, x: &str, b: u64, y: &str| if b == 0 { format!("{a}{x}") } else { format!("{a}{x}{b}{y}") };
    match seconds {
        0..120 => format!("{seconds}s"),
        120..600 => pair(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => pair(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => pair(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        63_072_000..252_288_000 => pair(days / 365, "y", days % 365, "d"),
        _ => format!("{}y", days / 365),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_print_as_go_prints_them() {
        let printed: Vec<String> =
            [0, 150_000_000, 1_500_000_000, 80_000_000_000, 300_000_000_000, 3_600_000_000_000].map(go_string).into();
        assert_eq!(printed, ["0s", "150ms", "1.5s", "1m20s", "5m0s", "1h0m0s"]);
    }

    #[test]
    fn durations_read_back() {
        for nanos in [1, 999, 1_234_567, 80_000_000_000, 3_661_000_000_001] {
            assert_eq!(parse(&go_string(nanos)), Ok(nanos));
        }
        for wrong in ["", "5", "-1s", "1x", "s", "1..5s"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ages_are_short() {
        let printed: Vec<String> = [19, 119, 120, 125, 601, 10_800, 90_000, 180_000].map(human).into();
        assert_eq!(printed, ["19s", "119s", "2m", "2m5s", "10m", "3h", "25h", "2d2h"]);
    }
}
