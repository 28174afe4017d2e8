//! Cron schedules as CronJobs read them: five fields, macros, `@every`, `TZ=`, with the parser's own messages.
//! Source of the rules: robfig/cron v3 (parser.go, spec.go), which no other cron dialect matches. Zones come from a
//! bundled copy of the IANA data, never from the machine.
//! Not modelled: leap seconds; the local zone, which here is UTC.

mod fields;
mod next;

use jiff::tz::TimeZone;

use self::fields::{BOUNDS, Bits, STAR, all};

/// When something happens, again and again.
#[derive(Clone, Debug)]
pub enum Schedule {
    /// At the moments whose second, minute, hour, day of month, month and day of week are all in the sets.
    Spec(Box<Spec>),
    /// Every so many seconds.
    Every(i64),
}

/// The sets of a schedule, and the zone its clock is in; `None` is the asker's, UTC here.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Seconds, minutes, hours, days of month, months, days of week.
    sets: [Bits; 6],
    zone: Option<TimeZone>,
}

impl Schedule {
    /// The first moment after `unix` seconds, or `None` when there is none within five years.
    pub fn next(&self, unix: i64) -> Option<i64> {
        match self {
            Schedule::Every(seconds) => Some(unix + seconds),
            Schedule::Spec(spec) => next::next(spec, unix),
        }
    }
}

/// Reads a schedule. The error is the parser's sentence.
pub fn parse(text: &str) -> Result<Schedule, String> {
    if text.is_empty() {
        return Err("empty spec string".into());
    }
    let (zone, text) = split_zone(text)?;
    if text.starts_with('@') {
        return descriptor(text, zone);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields.as_slice() else {
        return Err(format!("expected exactly 5 fields, found {}: [{}]", fields.len(), fields.join(" ")));
    };
    let mut sets = [1, 0, 0, 0, 0, 0];
    for (index, field) in [minute, hour, day, month, weekday].into_iter().enumerate() {
        sets[index + 1] = fields::field(field, &BOUNDS[index + 1])?;
    }
    Ok(Schedule::Spec(Box::new(Spec { sets, zone })))
}

/// The zone with this name, or what is wrong with the name.
pub fn load_location(name: &str) -> Result<TimeZone, String> {
    if matches!(name, "" | "UTC" | "Local") {
        return Ok(TimeZone::UTC);
    }
    if name.contains("..") || name.starts_with(['/', '\\']) || name.contains('\\') {
        return Err("time: invalid location name".into());
    }
    match TimeZone::get(name) {
        Ok(zone) if zone.iana_name() == Some(name) => Ok(zone),
        _ => Err(format!("unknown time zone {name}")),
    }
}

fn split_zone(text: &str) -> Result<(Option<TimeZone>, &str), String> {
    if !text.starts_with("TZ=") && !text.starts_with("CRON_TZ=") {
        return Ok((None, text));
    }
    let Some((head, rest)) = text.split_once(' ') else {
        return Err("invalid schedule format: runtime error: slice bounds out of range [:-1]".into());
    };
    let name = head.split_once('=').map(|(_, name)| name).unwrap_or_default();
    let zone = load_location(name).map_err(|e| format!("provided bad location {name}: {e}"))?;
    Ok((Some(zone), rest.trim()))
}

fn descriptor(text: &str, zone: Option<TimeZone>) -> Result<Schedule, String> {
    let first = |index: usize| 1 << BOUNDS[index].least;
    let any = |index: usize| all(&BOUNDS[index]);
    let sets = match text {
        "@yearly" | "@annually" => [first(0), first(1), first(2), first(3), first(4), any(5)],
        "@monthly" => [first(0), first(1), first(2), first(3), any(4), any(5)],
        "@weekly" => [first(0), first(1), first(2), any(3), any(4), first(5)],
        "@daily" | "@midnight" => [first(0), first(1), first(2), any(3), any(4), any(5)],
        "@hourly" => [first(0), first(1), any(2), any(3), any(4), any(5)],
        _ => return every(text),
    };
    Ok(Schedule::Spec(Box::new(Spec { sets, zone })))
}

fn every(text: &str) -> Result<Schedule, String> {
    let Some(duration) = text.strip_prefix("@every ") else {
        return Err(format!("unrecognized descriptor: {text}"));
    };
    let (sign, unsigned) = match duration.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, duration),
    };
    let nanos = crate::duration::parse(unsigned).map_err(|_| format!("failed to parse duration {text}: {}", not_a_duration(duration)))?;
    let seconds = sign * i64::try_from(nanos / 1_000_000_000).unwrap_or(i64::MAX);
    Ok(Schedule::Every(seconds.max(1)))
}

/// What Go says of a text that is no duration.
fn not_a_duration(text: &str) -> String {
    let unit_less = !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || c == '.') && text.contains(|c: char| c.is_ascii_digit());
    match unit_less {
        true => format!("time: missing unit in duration {text:?}"),
        false => format!("time: invalid duration {text:?}"),
    }
}

impl Spec {
    fn day_matches(&self, day: u32, weekday: u32) -> bool {
        let (days, weekdays) = (self.sets[3], self.sets[5]);
        let (day, weekday) = (days & (1 << day) != 0, weekdays & (1 << weekday) != 0);
        if (days | weekdays) & STAR != 0 { day && weekday } else { day || weekday }
    }
}

#[cfg(test)]
mod tests;
