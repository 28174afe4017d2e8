//! The node's CPUs, shared by the work of starting and stopping pods: with more work than CPUs, all of it slows down, some of it
//! more than other, as its share says. A job is an amount of CPU time, a share and a tag; it is done when it has got its time.
//! Not modelled: the CPU that containers take from this work, priorities, scheduling granularity.

use crate::time::{Nanos, SimTime};

/// A job's speed when it is alone.
const WHOLE: u64 = 1 << 20;

#[derive(Clone, Debug)]
struct Job<T> {
    left: Nanos,
    share: u64,
    tag: T,
}

/// The jobs under way.
#[derive(Clone, Debug)]
pub struct SharedCpu<T> {
    /// CPUs times 100.
    capacity: u64,
    /// What one job keeps busy, in percent of a CPU.
    demand: u64,
    jobs: Vec<Job<T>>,
    settled: SimTime,
}

impl<T: Clone> SharedCpu<T> {
    /// CPUs without work; one job can use `demand_percent` of a CPU.
    pub fn new(cpus: u64, demand_percent: u64) -> Self {
        SharedCpu { capacity: cpus.max(1) * 100, demand: demand_percent.max(1), jobs: vec![], settled: SimTime(0) }
    }

    /// Begins a job that would take `work` alone; among others it gets a part of the CPUs in proportion to its `share`.
    pub fn begin(&mut self, now: SimTime, work: Nanos, share: u64, tag: T) {
        self.settle(now);
        self.jobs.push(Job { left: work, share: share.max(1), tag });
    }

    /// When the next job is done, if no other begins.
    pub fn next(&self) -> Option<SimTime> {
        let rate = self.rate();
        let needs = |job: &Job<T>| (u128::from(job.left) * u128::from(WHOLE)).div_ceil(u128::from(rate(job)));
        let soonest = self.jobs.iter().map(needs).min()?;
        Some(self.settled.plus(u64::try_from(soonest).unwrap_or(u64::MAX)))
    }

    /// Takes the jobs that are done by now, in the order they were begun.
    pub fn done(&mut self, now: SimTime) -> Vec<T> {
        let mut done = Vec::new();
        while self.next().is_some_and(|at| at <= now) {
            let at = self.next().unwrap_or(now);
            self.settle(at);
            self.jobs.retain(|j| {
                if j.left == 0 {
                    done.push(j.tag.clone());
                }
                j.left > 0
            });
        }
        self.settle(now);
        done
    }

    /// How fast each job goes on, of `WHOLE`: nobody is faster than alone.
    fn rate(&self) -> impl Fn(&Job<T>) -> u64 + use<T> {
        let wanted = self.demand * self.jobs.len() as u64;
        let shares: u64 = self.jobs.iter().map(|j| j.share).sum();
        let (capacity, demand) = (self.capacity, self.demand);
        move |job| {
            if wanted <= capacity {
                return WHOLE;
            }
            let part = u128::from(WHOLE) * u128::from(capacity) * u128::from(job.share) / (u128::from(demand) * u128::from(shares));
            u64::try_from(part).unwrap_or(WHOLE).clamp(1, WHOLE)
        }
    }

    fn settle(&mut self, now: SimTime) {
        let (rate, elapsed) = (self.rate(), now.since(self.settled));
        for job in &mut self.jobs {
            let got = u128::from(elapsed) * u128::from(rate(job)) / u128::from(WHOLE);
            job.left = job.left.saturating_sub(u64::try_from(got).unwrap_or(u64::MAX));
        }
        self.settled = self.settled.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::MILLISECOND;

    fn check(cpus: u64, works: &[u64], expected: &[u64]) {
        let mut cpu = SharedCpu::new(cpus, 100);
        let start = SimTime(1_000_000_000_000_000_000);
        for (i, work) in works.iter().enumerate() {
            cpu.begin(start, work * MILLISECOND, 100, i);
        }
        let mut ends = vec![0; works.len()];
        while let Some(at) = cpu.next() {
            for i in cpu.done(at) {
                ends[i] = at.since(start) / MILLISECOND;
            }
        }
        assert_eq!(ends, expected);
    }

    #[test]
    fn work_that_fits_the_cpus_takes_its_own_time() {
        check(2, &[10, 30], &[10, 30]);
    }

    #[test]
    fn a_job_with_a_greater_share_is_done_earlier_and_the_last_one_at_the_same_time() {
        let mut cpu = SharedCpu::new(1, 100);
        let start = SimTime(1_000_000_000_000_000_000);
        cpu.begin(start, 30 * MILLISECOND, 300, "greater");
        cpu.begin(start, 30 * MILLISECOND, 100, "smaller");
        let mut ends = vec![];
        while let Some(at) = cpu.next() {
            ends.extend(cpu.done(at).into_iter().map(|tag| (tag, at.since(start) / MILLISECOND)));
        }
        assert_eq!(ends, [("greater", 40), ("smaller", 60)]);
    }

    #[test]
    fn more_work_than_cpus_slows_all_down() {
        check(2, &[10, 10, 10, 10], &[20, 20, 20, 20]);
        check(1, &[10, 30], &[20, 40]);
    }
}
