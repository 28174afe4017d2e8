//! One field of a cron schedule: a list of numbers, names, ranges and steps, as a set of bits.

/// A set of numbers below 63; the highest bit says that the field was a star.
pub type Bits = u64;
/// The bit of a star.
pub const STAR: Bits = 1 << 63;

/// What a field may hold.
pub struct Bounds {
    /// The least number.
    pub least: u32,
    /// The greatest number.
    pub greatest: u32,
    /// Names, the first standing for `least`.
    names: &'static [&'static str],
}

const MONTHS: [&str; 12] = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// Seconds, minutes, hours, days of month, months, days of week.
pub const BOUNDS: [Bounds; 6] = [
    Bounds { least: 0, greatest: 59, names: &[] },
    Bounds { least: 0, greatest: 59, names: &[] },
    Bounds { least: 0, greatest: 23, names: &[] },
    Bounds { least: 1, greatest: 31, names: &[] },
    Bounds { least: 1, greatest: 12, names: &MONTHS },
    Bounds { least: 0, greatest: 6, names: &WEEKDAYS },
];

/// Everything a field may hold, as a star.
pub fn all(bounds: &Bounds) -> Bits {
    stepped(bounds.least, bounds.greatest, 1) | STAR
}

/// Reads a field.
pub fn field(text: &str, bounds: &Bounds) -> Result<Bits, String> {
    let mut bits = 0;
    for part in text.split(',').filter(|p| !p.is_empty()) {
        bits |= range(part, bounds)?;
    }
    Ok(bits)
}

fn range(text: &str, bounds: &Bounds) -> Result<Bits, String> {
    let halves: Vec<&str> = text.split('/').collect();
    let ends: Vec<&str> = halves[0].split('-').collect();
    let is_star = matches!(ends[0], "*" | "?");
    let (start, mut end) = if is_star { (bounds.least, bounds.greatest) } else { ends_of(&ends, text, bounds)? };
    let mut star = if is_star { STAR } else { 0 };
    let step = match halves.as_slice() {
        [_] => 1,
        [_, step] => {
            let step = number(step)?;
            if ends.len() == 1 {
                end = bounds.greatest;
            }
            if step > 1 {
                star = 0;
            }
            step
        }
        _ => return Err(format!("too many slashes: {text}")),
    };
    check(start, end, step, text, bounds)?;
    Ok(stepped(start, end, step) | star)
}

fn ends_of(ends: &[&str], text: &str, bounds: &Bounds) -> Result<(u32, u32), String> {
    let start = number_or_name(ends[0], bounds)?;
    match ends {
        [_] => Ok((start, start)),
        [_, end] => Ok((start, number_or_name(end, bounds)?)),
        _ => Err(format!("too many hyphens: {text}")),
    }
}

fn check(start: u32, end: u32, step: u32, text: &str, bounds: &Bounds) -> Result<(), String> {
    if start < bounds.least {
        return Err(format!("beginning of range ({start}) below minimum ({}): {text}", bounds.least));
    }
    if end > bounds.greatest {
        return Err(format!("end of range ({end}) above maximum ({}): {text}", bounds.greatest));
    }
    if start > end {
        return Err(format!("beginning of range ({start}) beyond end of range ({end}): {text}"));
    }
    if step == 0 {
        return Err(format!("step of range should be a positive number: {text}"));
    }
    Ok(())
}

fn number_or_name(text: &str, bounds: &Bounds) -> Result<u32, String> {
    let lower = text.to_lowercase();
    match bounds.names.iter().position(|name| *name == lower) {
        Some(index) => Ok(bounds.least + index as u32),
        None => number(text),
    }
}

/// A number as Go's `Atoi` reads it; larger ones than any bound stay large.
fn number(text: &str) -> Result<u32, String> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: invalid syntax"));
    }
    let Ok(value) = text.trim_start_matches('+').parse::<i64>() else {
        return Err(format!("failed to parse int from {text}: strconv.Atoi: parsing {text:?}: value out of range"));
    };
    match u32::try_from(value) {
        Ok(value) => Ok(value),
        Err(_) if value < 0 => Err(format!("negative number ({value}) not allowed: {text}")),
        Err(_) => Ok(u32::MAX),
    }
}

fn stepped(start: u32, end: u32, step: u32) -> Bits {
    (start..=end).step_by(step as usize).fold(0, |bits, n| bits | 1 << n)
}
