//! Token buckets and retry delays, as client-go has them, in integer time.
//! Sources: client-go util/flowcontrol and util/workqueue/default_rate_limiters.go.

use crate::time::{Nanos, SECOND, SimTime};

/// Lets `burst` through at once and then one every `interval`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenBucket {
    interval: Nanos,
    burst: u64,
    /// When the bucket would be full again.
    full_at: SimTime,
}

impl TokenBucket {
    /// `qps` tokens a second, at most `burst` saved.
    pub fn per_second(qps: u64, burst: u64) -> Self {
        TokenBucket::every(SECOND / qps.max(1), burst)
    }

    /// One token every `interval`, at most `burst` saved.
    pub fn every(interval: Nanos, burst: u64) -> Self {
        TokenBucket { interval, burst, full_at: SimTime(0) }
    }

    /// Takes a token and says when it may be used.
    pub fn reserve(&mut self, now: SimTime) -> SimTime {
        let after = self.full_at.max(now).plus(self.interval);
        self.full_at = after;
        SimTime(after.0.saturating_sub(self.burst * self.interval)).max(now)
    }

    /// Takes a token if one is there.
    pub fn try_take(&mut self, now: SimTime) -> bool {
        let after = self.full_at.max(now).plus(self.interval);
        let there = after.since(now) <= self.burst * self.interval;
        if there {
            self.full_at = after;
        }
        there
    }
}

/// How long a key waits before it is tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetryLimit {
    /// The first delay; it doubles with each failure.
    pub base: Nanos,
    /// No delay is longer.
    pub max: Nanos,
    /// A bucket shared by all keys: tokens per second and burst; the longer of the two delays holds.
    pub bucket: Option<(u64, u64)>,
    /// A delay that never changes, instead of all that.
    pub fixed: Option<Nanos>,
}

impl Default for RetryLimit {
    /// 5 ms doubling to 1,000 s, and 10 a second with a burst of 100: `DefaultTypedControllerRateLimiter`.
    fn default() -> Self {
        RetryLimit { base: SECOND / 200, max: 1000 * SECOND, bucket: Some((10, 100)), fixed: None }
    }
}

impl RetryLimit {
    /// Doubling from `base` to `max`, with no bucket.
    pub fn exponential(base: Nanos, max: Nanos) -> Self {
        RetryLimit { base, max, bucket: None, fixed: None }
    }

    /// Always the same delay.
    pub fn fixed(delay: Nanos) -> Self {
        RetryLimit { base: delay, max: delay, bucket: None, fixed: Some(delay) }
    }

    /// The delay after this many failures before (0 for the first).
    pub fn backoff(&self, failures: u32) -> Nanos {
        self.fixed.unwrap_or_else(|| self.base.saturating_mul(1_u64.checked_shl(failures.min(62)).unwrap_or(u64::MAX)).min(self.max))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_the_burst_through_and_then_paces() {
        let mut bucket = TokenBucket::per_second(20, 3);
        let now = SimTime(100 * SECOND);
        let waits: Vec<Nanos> = (0..5).map(|_| bucket.reserve(now).since(now)).collect();
        assert_eq!(waits, [0, 0, 0, SECOND / 20, SECOND / 10]);
    }

    #[test]
    fn a_retry_doubles_to_its_maximum() {
        let limit = RetryLimit::default();
        assert_eq!([limit.backoff(0), limit.backoff(1), limit.backoff(40)], [SECOND / 200, SECOND / 100, 1000 * SECOND]);
    }
}
