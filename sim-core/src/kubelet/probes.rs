//! Probe workers: one for each probe of each container, with its own ticker that begins when the pod is first synced.
//! Decides what a tick does and what a result means; the check itself is made in `probe_check`.
//! A result belongs to one instance of the container. Source: kubelet prober/worker.go.
//! Not modelled: the offset of first ticks right after a kubelet's own start.

use k8s_openapi::api::core::v1::{ContainerStatus, Probe};

use crate::time::{Nanos, SECOND, SimTime};

/// What a probe is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ProbeKind {
    /// Whether the container has come up.
    Startup,
    /// Whether it must be restarted.
    Liveness,
    /// Whether it gets traffic.
    Readiness,
}

impl ProbeKind {
    /// As events name it.
    pub fn name(self) -> &'static str {
        match self {
            ProbeKind::Startup => "Startup",
            ProbeKind::Liveness => "Liveness",
            ProbeKind::Readiness => "Readiness",
        }
    }

    /// What holds for a new instance before its first probe.
    fn initial(self) -> Option<bool> {
        match self {
            ProbeKind::Startup => None,
            ProbeKind::Liveness => Some(true),
            ProbeKind::Readiness => Some(false),
        }
    }
}

/// What a tick comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Tick {
    /// Nothing.
    Nothing,
    /// The probe is to be run.
    Run,
    /// The worker has no more to do.
    Stop,
}

/// One worker.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeWorker {
    /// What for.
    pub kind: ProbeKind,
    /// The probe.
    pub probe: Probe,
    /// When it ticks next.
    pub next: SimTime,
    /// Names its timer; older ones are ignored.
    pub ticket: u64,
    /// Whether a check is under way.
    pub busy: bool,
    instance: String,
    result: Option<Option<bool>>,
    last: Option<bool>,
    in_a_row: i32,
    on_hold: bool,
}

impl ProbeWorker {
    /// A worker that begins now.
    pub fn new(kind: ProbeKind, probe: Probe, now: SimTime) -> Self {
        ProbeWorker {
            kind,
            probe,
            next: now,
            ticket: 0,
            busy: false,
            instance: String::new(),
            result: None,
            last: None,
            in_a_row: 0,
            on_hold: false,
        }
    }

    /// The time between ticks.
    pub fn period(&self) -> Nanos {
        u64::try_from(self.probe.period_seconds.unwrap_or(10).max(1)).unwrap_or(10) * SECOND
    }

    /// How long a check may take.
    pub fn timeout(&self) -> Nanos {
        u64::try_from(self.probe.timeout_seconds.unwrap_or(1).max(1)).unwrap_or(1) * SECOND
    }

    /// What is known of this instance: success, failure, or nothing.
    pub fn result_for(&self, instance: &str) -> Option<bool> {
        if self.instance == instance { self.result.flatten() } else { None }
    }

    /// One tick, by the status the status manager has. Says what to do and whether the result changed.
    pub fn tick(&mut self, status: Option<&ContainerStatus>, deleting: bool, restartable: bool, now: SimTime) -> (Tick, bool) {
        let Some((status, id)) = status.and_then(|s| Some((s, s.container_id.as_ref()?))) else { return (Tick::Nothing, false) };
        let mut changed = false;
        if self.instance != *id {
            self.instance = id.clone();
            self.result = None;
            changed = self.set(self.kind.initial());
            self.on_hold = false;
        }
        if self.on_hold || self.busy {
            return (Tick::Nothing, changed);
        }
        let state = status.state.as_ref();
        let Some(running) = state.and_then(|s| s.running.as_ref()) else {
            changed |= self.set(Some(false));
            let over = state.is_some_and(|s| s.terminated.is_some()) && !restartable;
            return (if over { Tick::Stop } else { Tick::Nothing }, changed);
        };
        if deleting && self.kind != ProbeKind::Readiness {
            changed |= self.set(Some(true));
            return (Tick::Stop, changed);
        }
        let age = running.started_at.as_ref().map_or(0, |t| now.since(SimTime::from_time(t)) / SECOND);
        let delay = u64::try_from(self.probe.initial_delay_seconds.unwrap_or(0)).unwrap_or(0);
        let concerned = (status.started == Some(true)) != (self.kind == ProbeKind::Startup);
        (if age >= delay && concerned { Tick::Run } else { Tick::Nothing }, changed)
    }

    /// A check succeeded or failed. Says whether the result changed.
    pub fn checked(&mut self, success: bool) -> bool {
        self.in_a_row = if self.last == Some(success) { self.in_a_row.saturating_add(1) } else { 1 };
        self.last = Some(success);
        let needed = if success { self.probe.success_threshold.unwrap_or(1) } else { self.probe.failure_threshold.unwrap_or(3) };
        if self.in_a_row < needed.max(1) {
            return false;
        }
        if !success && self.kind != ProbeKind::Readiness {
            self.on_hold = true;
            self.in_a_row = 0;
        }
        self.set(Some(success))
    }

    fn set(&mut self, result: Option<bool>) -> bool {
        let changed = self.result != Some(result);
        self.result = Some(result);
        changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(id: &str, started_at: u64, started: bool) -> ContainerStatus {
        let running = serde_json::json!({"running": {"startedAt": SimTime(started_at * SECOND).to_time()}});
        serde_json::from_value(serde_json::json!({
            "name": "c", "ready": false, "restartCount": 0, "image": "", "imageID": "", "containerID": id,
            "started": started, "state": running
        }))
        .expect("a container status")
    }

    fn worker(kind: ProbeKind, initial_delay: i32) -> ProbeWorker {
        let probe = Probe { initial_delay_seconds: Some(initial_delay), ..Default::default() };
        ProbeWorker::new(kind, probe, SimTime(0))
    }

    #[test]
    fn the_initial_delay_counts_from_the_whole_second_of_the_start() {
        let mut worker = worker(ProbeKind::Readiness, 2);
        let status = status("a", 100, true);
        let tick = |worker: &mut ProbeWorker, millis: u64| worker.tick(Some(&status), false, true, SimTime(millis * SECOND / 1000));
        assert_eq!(tick(&mut worker, 101_900), (Tick::Nothing, true), "a new instance is not ready, and that is news");
        assert_eq!(tick(&mut worker, 102_000), (Tick::Run, false));
    }

    #[test]
    fn three_failures_in_a_row_make_a_failure_and_one_success_a_success() {
        let mut worker = worker(ProbeKind::Readiness, 0);
        worker.tick(Some(&status("a", 0, true)), false, true, SimTime(SECOND));
        let news: Vec<bool> = [true, false, false, true, false, false, false, true].into_iter().map(|s| worker.checked(s)).collect();
        assert_eq!(news, [true, false, false, false, false, false, true, true]);
    }

    #[test]
    fn liveness_waits_for_startup_and_holds_after_its_failure() {
        let mut worker = worker(ProbeKind::Liveness, 0);
        assert_eq!(worker.tick(Some(&status("a", 0, false)), false, true, SimTime(SECOND)).0, Tick::Nothing);
        assert_eq!(worker.tick(Some(&status("a", 0, true)), false, true, SimTime(SECOND)).0, Tick::Run);
        (0..3).for_each(|_| _ = worker.checked(false));
        assert_eq!(worker.result_for("a"), Some(false));
        assert_eq!(worker.tick(Some(&status("a", 0, true)), false, true, SimTime(SECOND)).0, Tick::Nothing);
        assert_eq!(worker.tick(Some(&status("b", 0, true)), false, true, SimTime(SECOND)).0, Tick::Run);
    }
}
