//! The next moment of a schedule, found as robfig/cron finds it: by moving a wall clock forward, field by field.
//! Where a zone's clock is set forward or back, the answers are those of Go's `time.Date`.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::Spec;

/// A schedule that does not happen within so many years never does.
const YEARS_MAX: i16 = 5;

/// The first moment after `unix` seconds.
pub fn next(spec: &Spec, unix: i64) -> Option<i64> {
    let zone = spec.zone.clone().unwrap_or(TimeZone::UTC);
    let mut clock = Clock { unix: unix + 1, zone: &zone };
    let year_max = clock.local()?.year() + YEARS_MAX;
    let mut begun = false;
    loop {
        if clock.local()?.year() > year_max {
            return None;
        }
        let wrapped = clock.advance_to_month(spec, &mut begun)?
            || clock.advance_to_day(spec, &mut begun)?
            || clock.advance_to_hour(spec, &mut begun)?
            || clock.advance_to_minute(spec, &mut begun)?
            || clock.advance_to_second(spec, &mut begun)?;
        if !wrapped {
            return Some(clock.unix);
        }
    }
}

struct Clock<'a> {
    unix: i64,
    zone: &'a TimeZone,
}

/// Each step answers whether the next larger field began anew, so that the search starts over.
impl Clock<'_> {
    fn advance_to_month(&mut self, spec: &Spec, begun: &mut bool) -> Option<bool> {
        loop {
            let now = self.local()?;
            if spec.sets[4] & (1 << now.month()) != 0 {
                return Some(false);
            }
            if !std::mem::replace(begun, true) {
                self.set(now.year(), now.month(), 1, 0)?;
            }
            let now = self.local()?;
            let (year, month) = if now.month() == 12 { (now.year() + 1, 1) } else { (now.year(), now.month() + 1) };
            self.unix = self.at(days(year, month, now.day())? * 86_400 + seconds_of_day(&now))?;
            if self.local()?.month() == 1 {
                return Some(true);
            }
        }
    }

    fn advance_to_day(&mut self, spec: &Spec, begun: &mut bool) -> Option<bool> {
        loop {
            let now = self.local()?;
            if spec.day_matches(now.day() as u32, now.weekday().to_sunday_zero_offset() as u32) {
                return Some(false);
            }
            if !std::mem::replace(begun, true) {
                self.set(now.year(), now.month(), now.day(), 0)?;
            }
            let now = self.local()?;
            self.unix = self.at((days(now.year(), now.month(), now.day())? + 1) * 86_400 + seconds_of_day(&now))?;
            let hour = i64::from(self.local()?.hour());
            // A day that does not begin at midnight: back or forth to the nearest one.
            self.unix += if hour > 12 { (24 - hour) * 3600 } else { -hour * 3600 };
            if self.local()?.day() == 1 {
                return Some(true);
            }
        }
    }

    fn advance_to_hour(&mut self, spec: &Spec, begun: &mut bool) -> Option<bool> {
        loop {
            let now = self.local()?;
            if spec.sets[2] & (1 << now.hour()) != 0 {
                return Some(false);
            }
            if !std::mem::replace(begun, true) {
                self.set(now.year(), now.month(), now.day(), now.hour())?;
            }
            self.unix += 3600;
            if self.local()?.hour() == 0 {
                return Some(true);
            }
        }
    }

    fn advance_to_minute(&mut self, spec: &Spec, begun: &mut bool) -> Option<bool> {
        loop {
            if spec.sets[1] & (1 << self.local()?.minute()) != 0 {
                return Some(false);
            }
            if !std::mem::replace(begun, true) {
                self.unix -= self.unix.rem_euclid(60);
            }
            self.unix += 60;
            if self.local()?.minute() == 0 {
                return Some(true);
            }
        }
    }

    fn advance_to_second(&mut self, spec: &Spec, begun: &mut bool) -> Option<bool> {
        loop {
            if spec.sets[0] & (1 << self.local()?.second()) != 0 {
                return Some(false);
            }
            *begun = true;
            self.unix += 1;
            if self.local()?.second() == 0 {
                return Some(true);
            }
        }
    }

    fn set(&mut self, year: i16, month: i8, day: i8, hour: i8) -> Option<()> {
        self.unix = self.at(days(year, month, day)? * 86_400 + i64::from(hour) * 3600)?;
        Some(())
    }

    /// The moment whose wall clock shows this; where it shows it never or twice, the one Go's `time.Date` takes.
    fn at(&self, wall: i64) -> Option<i64> {
        let guess = self.offset(wall)?;
        Some(wall - self.offset(wall - guess)?)
    }

    fn offset(&self, unix: i64) -> Option<i64> {
        Some(i64::from(self.zone.to_offset(Timestamp::from_second(unix).ok()?).seconds()))
    }

    fn local(&self) -> Option<DateTime> {
        let wall = self.unix + self.offset(self.unix)?;
        Some(TimeZone::UTC.to_datetime(Timestamp::from_second(wall).ok()?))
    }
}

/// Days since the epoch; a day beyond the month's end counts on.
fn days(year: i16, month: i8, day: i8) -> Option<i64> {
    let first = jiff::civil::Date::new(year, month, 1).ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some(first.timestamp().as_second() / 86_400 + i64::from(day) - 1)
}

fn seconds_of_day(time: &DateTime) -> i64 {
    i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60 + i64::from(time.second())
}
