//! The one place that looks at the real clock: how far virtual time may run now.

#![expect(clippy::disallowed_types, reason = "the server paces virtual time by the real clock; the simulation never sees it")]

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sim_core::time::SimTime;

/// How fast virtual time runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speed {
    /// It stands still.
    Paused,
    /// So many thousandths of real time: 1000 is real time.
    Milli(u64),
    /// As fast as the machine can.
    Max,
}

impl FromStr for Speed {
    type Err = String;

    fn from_str(text: &str) -> Result<Speed, String> {
        let wrong = || format!("{text:?} is no speed: a number such as 1, 0.5 or 60, or `max`, or `paused`");
        match text {
            "paused" | "0" => Ok(Speed::Paused),
            "max" => Ok(Speed::Max),
            number => {
                let value: f64 = number.trim_end_matches('x').parse().map_err(|_| wrong())?;
                let fine = value.is_finite() && (0.001..=1_000_000.0).contains(&value);
                if fine { Ok(Speed::Milli((value * 1000.0).round() as u64)) } else { Err(wrong()) }
            }
        }
    }
}

impl fmt::Display for Speed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Speed::Paused => f.write_str("paused"),
            Speed::Milli(milli) => write!(f, "{}", *milli as f64 / 1000.0),
            Speed::Max => f.write_str("max"),
        }
    }
}

/// Virtual time against real time: both move on together from an anchor.
#[derive(Debug)]
pub struct Clock {
    speed: Speed,
    real: Instant,
    virtual_time: SimTime,
    /// Virtual time is held at a moment, since this real one.
    held: Option<(SimTime, Instant)>,
}

/// For how long virtual time is held for somebody who says nothing more.
const HOLD_MAX: Duration = Duration::from_secs(5);

impl Clock {
    /// A clock that shows `now` and runs from here on.
    pub fn new(speed: Speed, now: SimTime) -> Clock {
        Clock { speed, real: Instant::now(), virtual_time: now, held: None }
    }

    /// The speed.
    pub fn speed(&self) -> Speed {
        self.speed
    }

    /// Runs on from `now` at another speed.
    pub fn set(&mut self, speed: Speed, now: SimTime) {
        *self = Clock { held: self.held, ..Clock::new(speed, now) };
    }

    /// Virtual time does not go beyond a moment until it is released; then it is where it would have been.
    pub fn hold(&mut self, at: SimTime) {
        self.held = Some((at, Instant::now()));
    }

    /// If virtual time is held, it may go on up to here.
    pub fn hold_on(&mut self, at: SimTime) {
        if let Some(held) = self.holds() {
            self.hold(held.max(at));
        }
    }

    /// Virtual time is held no more.
    pub fn release(&mut self) {
        self.held = None;
    }

    fn holds(&self) -> Option<SimTime> {
        self.held.filter(|(_, since)| since.elapsed() < HOLD_MAX).map(|(at, _)| at)
    }

    /// The moment up to which virtual time may have run; `None` for as far as it likes.
    pub fn target(&self) -> Option<SimTime> {
        let free = match self.speed {
            Speed::Paused => Some(self.virtual_time),
            Speed::Max => None,
            Speed::Milli(milli) => {
                let passed = self.real.elapsed().as_nanos().saturating_mul(u128::from(milli)) / 1000;
                Some(self.virtual_time.plus(u64::try_from(passed).unwrap_or(u64::MAX / 4)))
            }
        };
        [free, self.holds()].into_iter().flatten().min()
    }

    /// How long to wait, in real time, until virtual time may be `at`.
    pub fn until(&self, at: SimTime) -> Duration {
        match (self.speed, self.target()) {
            (Speed::Milli(milli), Some(target)) => {
                let ahead = u128::from(at.0.saturating_sub(target.0)) * 1000 / u128::from(milli.max(1));
                Duration::from_nanos(u64::try_from(ahead).unwrap_or(u64::MAX))
            }
            (Speed::Max, _) => Duration::ZERO,
            _ => Duration::from_secs(3600),
        }
    }
}

/// Measures real time.
#[derive(Clone, Copy, Debug)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    pub fn start() -> Stopwatch {
        Stopwatch(Instant::now())
    }

    /// What has passed.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// The real time, in nanoseconds since the Unix epoch.
pub fn real_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speeds_are_read_as_they_are_written() {
        for (text, speed) in [
            ("1", Speed::Milli(1000)),
            ("60", Speed::Milli(60_000)),
            ("0.5", Speed::Milli(500)),
            ("max", Speed::Max),
            ("paused", Speed::Paused),
        ] {
            assert_eq!(text.parse::<Speed>(), Ok(speed));
            assert_eq!(speed.to_string(), text);
        }
        for wrong in ["-1", "fast", "", "NaN", "inf", "1e99"] {
            assert!(wrong.parse::<Speed>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_clock_that_is_held_goes_as_far_as_it_may_and_then_makes_up_for_it() {
        let mut clock = Clock::new(Speed::Milli(1_000_000_000), SimTime(0));
        clock.hold_on(SimTime(9));
        clock.hold(SimTime(5));
        std::thread::sleep(Duration::from_millis(1));
        assert_eq!(clock.target(), Some(SimTime(5)));
        clock.hold_on(SimTime(7));
        clock.set(Speed::Max, SimTime(5));
        assert_eq!(clock.target(), Some(SimTime(7)));
        clock.release();
        assert_eq!(clock.target(), None);
    }

    #[test]
    fn a_paused_clock_stands_still() {
        let clock = Clock::new(Speed::Paused, SimTime(5));
        assert_eq!(clock.target(), Some(SimTime(5)));
    }
}
