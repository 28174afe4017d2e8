//! The resource meter of one process: CPU used so far and memory held, in integers.
//!
//! CPU is piecewise constant: idle use plus one core for each busy thread and for work that waits to be done (start-up,
//! requests), never more than the program can use and never more than the limit (throttling). Work that waits is done the
//! slower the tighter the limit is. Memory is a base, plus what is held, plus a leak.
//! Invariant: between two times the CPU used is at most the limit times the time between them.
//! Not modelled: CFS periods (use is spread evenly), the burst a container may save up, page cache.

use crate::faults::MemoryGrowth;
use crate::units::SECOND;

/// Millicores of one core.
const CORE: u64 = 1000;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Meter {
    settled_at: u64,
    used: u64,
    /// CPU time of work that waits.
    backlog: u64,
    /// Ends of busy threads, sorted.
    busy_until: Vec<u64>,
    pub idle_millicores: u64,
    pub max_millicores: u64,
    pub limit_millicores: Option<u64>,
    pub memory_base: u64,
    pub memory_limit: Option<u64>,
}

/// CPU used and work left at some later time.
#[derive(Clone, Copy)]
struct Reading {
    at: u64,
    used: u64,
    backlog: u64,
}

impl Meter {
    pub fn new(now: u64, idle_millicores: u64, max_millicores: u64, memory_base: u64) -> Self {
        let (used, backlog, busy_until) = (0, 0, Vec::new());
        Self {
            settled_at: now,
            used,
            backlog,
            busy_until,
            idle_millicores,
            max_millicores,
            limit_millicores: None,
            memory_base,
            memory_limit: None,
        }
    }

    /// The time up to which use has been counted.
    pub fn settled_at(&self) -> u64 {
        self.settled_at
    }

    /// Counts the use up to `now`; going back does nothing.
    pub fn settle(&mut self, now: u64) {
        let reading = self.read(now);
        (self.settled_at, self.used, self.backlog) = (reading.at, reading.used, reading.backlog);
        let settled_at = self.settled_at;
        self.busy_until.retain(|until| *until > settled_at);
    }

    /// A thread is busy until then.
    pub fn burn(&mut self, now: u64, until: u64) {
        self.settle(now);
        let place = self.busy_until.partition_point(|other| *other <= until);
        self.busy_until.insert(place, until);
    }

    /// Work of so much CPU time waits from now on.
    pub fn add_work(&mut self, now: u64, cpu_nanos: u64) {
        self.settle(now);
        self.backlog = self.backlog.saturating_add(cpu_nanos);
    }

    /// CPU time used from the start to `now`, in nanoseconds.
    pub fn cpu_nanos(&self, now: u64) -> u64 {
        self.read(now).used
    }

    /// Whether it wants more CPU than it may have at the last settled time.
    pub fn is_throttled(&self) -> bool {
        self.limit_millicores.is_some_and(|limit| self.demand(self.settled_at, self.backlog) > limit)
    }

    /// When the work that waits is done, if nothing is added; the settled time if there is none.
    pub fn work_done_at(&self) -> u64 {
        let mut reading = Reading { at: self.settled_at, used: self.used, backlog: self.backlog };
        while reading.backlog > 0 {
            reading = self.step(reading, u64::MAX);
            if reading.at == u64::MAX {
                break;
            }
        }
        reading.at
    }

    /// Memory held at `now`, in bytes.
    pub fn memory_bytes(&self, now: u64, held: u64, growth: Option<MemoryGrowth>) -> u64 {
        let leaked = growth.map_or(0, |growth| {
            let grown = u128::from(growth.bytes_per_second) * u128::from(now.saturating_sub(growth.since)) / u128::from(SECOND);
            u64::try_from(grown).unwrap_or(u64::MAX)
        });
        self.memory_base.saturating_add(held).saturating_add(leaked)
    }

    /// The first time at which memory is above its limit.
    pub fn out_of_memory_at(&self, held: u64, growth: Option<MemoryGrowth>) -> Option<u64> {
        let limit = self.memory_limit?;
        let still = self.memory_base.saturating_add(held);
        if still > limit {
            return Some(self.settled_at);
        }
        let growth = growth.filter(|growth| growth.bytes_per_second > 0)?;
        let nanos = (u128::from(limit - still) + 1) * u128::from(SECOND);
        let nanos = nanos.div_ceil(u128::from(growth.bytes_per_second));
        u64::try_from(nanos).ok()?.checked_add(growth.since)
    }

    fn read(&self, to: u64) -> Reading {
        let mut reading = Reading { at: self.settled_at, used: self.used, backlog: self.backlog };
        while reading.at < to {
            reading = self.step(reading, to);
        }
        reading
    }

    /// Goes on to the next change of the rate, or to `to`.
    fn step(&self, from: Reading, to: u64) -> Reading {
        let rate = self.rate(from.at, from.backlog);
        let threads = self.threads(from.at);
        let share = (rate / (threads + 1)).max(1);
        let mut until = self.busy_until.iter().copied().find(|until| *until > from.at).map_or(to, |until| until.min(to));
        let done = u128::from(from.backlog) * u128::from(CORE);
        let done = from.at.saturating_add(u64::try_from(done.div_ceil(u128::from(share))).unwrap_or(u64::MAX));
        if from.backlog > 0 {
            until = until.min(done);
        }
        let span = until - from.at;
        let worked = if until == done { from.backlog } else { scaled(share, span).min(from.backlog) };
        Reading { at: until, used: from.used.saturating_add(scaled(rate, span)), backlog: from.backlog - worked }
    }

    fn threads(&self, at: u64) -> u64 {
        self.busy_until.iter().filter(|until| **until > at).count() as u64
    }

    fn demand(&self, at: u64, backlog: u64) -> u64 {
        let busy = self.threads(at) + u64::from(backlog > 0);
        (self.idle_millicores + busy * CORE).min(self.max_millicores)
    }

    fn rate(&self, at: u64, backlog: u64) -> u64 {
        self.demand(at, backlog).min(self.limit_millicores.unwrap_or(u64::MAX))
    }
}

fn scaled(millicores: u64, nanos: u64) -> u64 {
    u64::try_from(u128::from(millicores) * u128::from(nanos) / u128::from(CORE)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_busy_thread_uses_no_more_than_the_limit() {
        let mut meter = Meter::new(0, 1, 1000, 0);
        meter.limit_millicores = Some(200);
        meter.burn(0, 10 * SECOND);
        assert_eq!(meter.cpu_nanos(10 * SECOND), 2 * SECOND);
        assert_eq!(meter.cpu_nanos(20 * SECOND), 2 * SECOND + SECOND / 100);
    }

    #[test]
    fn work_takes_five_times_as_long_with_a_fifth_of_a_core() {
        let mut meter = Meter::new(0, 0, 1000, 0);
        meter.add_work(0, SECOND);
        assert_eq!(meter.work_done_at(), SECOND);
        meter.limit_millicores = Some(200);
        assert_eq!(meter.work_done_at(), 5 * SECOND);
    }

    #[test]
    fn a_leak_crosses_the_limit_at_the_first_byte_above_it() {
        let mut meter = Meter::new(0, 0, 1000, 100);
        meter.memory_limit = Some(200);
        let growth = Some(MemoryGrowth { since: 0, bytes_per_second: 10 });
        let at = meter.out_of_memory_at(0, growth).expect("a leak ends above any limit");
        assert_eq!(meter.memory_bytes(at, 0, growth), 201);
        assert_eq!(meter.memory_bytes(at - 1, 0, growth), 200);
    }

    proptest! {
        #[test]
        fn use_never_exceeds_the_limit_and_never_falls(
            limit in 1u64..2000,
            steps in proptest::collection::vec((0u64..3 * SECOND, 0u64..3 * SECOND, any::<bool>()), 1..30),
        ) {
            let mut meter = Meter::new(0, 5, 1000, 0);
            meter.limit_millicores = Some(limit);
            let (mut now, mut before) = (0, 0);
            for (wait, amount, thread) in steps {
                let next = now + wait;
                let used = meter.cpu_nanos(next);
                prop_assert!(used >= before && used - before <= scaled(limit, wait) + 40);
                if thread { meter.burn(next, next + amount) } else { meter.add_work(next, amount) }
                prop_assert_eq!(meter.cpu_nanos(next), used);
                (now, before) = (next, used);
            }
            prop_assert!(meter.work_done_at() >= now);
        }
    }
}
