//! The node's CPUs, shared evenly by the work of starting and stopping pods: with more work than CPUs, all of it slows down.
//! A job is an amount of CPU time and a tag; it is done when it has got its time.
//! Not modelled: the CPU that containers take from this work, priorities, scheduling granularity.

use crate::time::{Nanos, SimTime};

#[derive(Clone, Debug)]
struct Job<T> {
    left: Nanos,
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

    /// Begins a job that would take `work` alone.
    pub fn begin(&mut self, now: SimTime, work: Nanos, tag: T) {
        self.settle(now);
        self.jobs.push(Job { left: work, tag });
    }

    /// When the next job is done, if no other begins.
    pub fn next(&self) -> Option<SimTime> {
        let left = self.jobs.iter().map(|j| j.left).min()?;
        let (numerator, denominator) = self.slowdown();
        Some(self.settled.plus((left * numerator).div_ceil(denominator)))
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

    /// How many times longer everything takes, as a fraction of at least 1.
    fn slowdown(&self) -> (u64, u64) {
        let wanted = self.demand * self.jobs.len() as u64;
        if wanted <= self.capacity { (1, 1) } else { (wanted, self.capacity) }
    }

    fn settle(&mut self, now: SimTime) {
        let (numerator, denominator) = self.slowdown();
        let got = now.since(self.settled) as u128 * u128::from(denominator) / u128::from(numerator);
        let got = u64::try_from(got).unwrap_or(u64::MAX);
        // Rounding must never leave a finished job with a nanosecond to go.
        let shortest = self.jobs.iter().map(|j| j.left).min().unwrap_or(0);
        let got = if self.next().is_some_and(|at| at <= now) { got.max(shortest) } else { got };
        self.jobs.iter_mut().for_each(|j| j.left = j.left.saturating_sub(got));
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
            cpu.begin(start, work * MILLISECOND, i);
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
    fn more_work_than_cpus_slows_all_down() {
        check(2, &[10, 10, 10, 10], &[20, 20, 20, 20]);
        check(1, &[10, 30], &[20, 40]);
    }
}
