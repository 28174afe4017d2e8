//! Which containers may run again, and when: restart policies, restart rules, and the crash-loop back-off.
//! Source: pkg/api/v1/pod/util.go and kuberuntime doBackOff. Delays between an exit and the restart: 0, 10, 20, 40, 80,
//! 160, 300, 300 … seconds; a container that ran so long that its exit comes 600 s after its last start begins anew.

use k8s_openapi::api::core::v1::{Container, Pod};

use super::containers::Role;
use crate::time::{Nanos, SECOND, SimTime};

/// The first delay.
pub const BACKOFF_BASE: Nanos = 10 * SECOND;
/// The longest delay.
pub const BACKOFF_MAX: Nanos = 300 * SECOND;

/// The back-off of one container or image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BackOff {
    entry: Option<(Nanos, SimTime)>,
    /// What it belongs to; another image or other resources begin anew.
    key: String,
}

impl BackOff {
    /// How long to wait still, with the whole delay, if `event` was too short a time ago.
    pub fn waiting(&mut self, key: &str, event: SimTime, now: SimTime) -> Option<(Nanos, SimTime)> {
        if self.key != key {
            *self = BackOff { entry: None, key: key.to_owned() };
        }
        let (delay, updated) = self.entry?;
        if expired(event, updated) || now.since(event) >= delay {
            return None;
        }
        Some((delay, event.plus(delay)))
    }

    /// The next delay begins.
    pub fn next(&mut self, event: SimTime, now: SimTime) {
        self.entry = Some(match self.entry {
            Some((delay, updated)) if !expired(event, updated) => ((delay * 2).min(BACKOFF_MAX), now),
            _ => (BACKOFF_BASE, now),
        });
    }
}

fn expired(event: SimTime, updated: SimTime) -> bool {
    event.since(updated) > 2 * BACKOFF_MAX
}

/// What becomes of a container that exited with this code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterExit {
    /// It stays as it is.
    Stay,
    /// It is started again.
    Restart,
    /// All containers of the pod are started again.
    RestartAll,
}

/// Decides by the container's rules, its own policy, and the pod's policy.
pub fn after_exit(pod: &Pod, role: Role, container: &Container, code: i32) -> AfterExit {
    for rule in container.restart_policy_rules.iter().flatten() {
        let Some(codes) = &rule.exit_codes else { continue };
        let among = codes.values.iter().flatten().any(|v| *v == code);
        if among == (codes.operator == "In") {
            return if rule.action == "RestartAllContainers" { AfterExit::RestartAll } else { AfterExit::Restart };
        }
    }
    let pod_policy = pod.spec.as_ref().and_then(|s| s.restart_policy.as_deref()).unwrap_or("Always");
    let policy = container.restart_policy.as_deref().unwrap_or(pod_policy);
    let restart = match (role, policy) {
        (Role::Sidecar, _) => true,
        (Role::Init, "Never") => false,
        (Role::Init, _) => code != 0,
        (Role::App, "Always") => true,
        (Role::App, "OnFailure") => code != 0,
        (Role::App, _) | (Role::Ephemeral, _) => false,
    };
    if restart { AfterExit::Restart } else { AfterExit::Stay }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_from_ten_seconds_to_five_minutes() {
        let (mut backoff, mut now, mut waits) = (BackOff::default(), SimTime(1000 * SECOND), vec![]);
        for _ in 0..8 {
            let exit = now.plus(SECOND);
            let start = backoff.waiting("image", exit, exit).map_or(exit, |(_, until)| until);
            waits.push(start.since(exit) / SECOND);
            backoff.next(exit, start);
            now = start;
        }
        assert_eq!(waits, [0, 10, 20, 40, 80, 160, 300, 300]);
    }

    #[test]
    fn another_image_or_a_long_run_begins_anew() {
        let mut backoff = BackOff::default();
        let start = SimTime(1000 * SECOND);
        backoff.waiting("a", start, start);
        backoff.next(start, start);
        let soon = start.plus(SECOND);
        assert!(backoff.clone().waiting("a", soon, soon).is_some());
        assert!(backoff.clone().waiting("b", soon, soon).is_none());
        let late = start.plus(601 * SECOND);
        assert!(backoff.waiting("a", late, late).is_none());
    }

    #[test]
    fn rules_come_before_policies() {
        let container: Container = serde_json::from_value(serde_json::json!({
            "name": "c", "restartPolicy": "Never",
            "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
        }))
        .expect("a container");
        let pod = Pod::default();
        assert_eq!(after_exit(&pod, Role::App, &container, 42), AfterExit::Restart);
        assert_eq!(after_exit(&pod, Role::App, &container, 1), AfterExit::Stay);
        assert_eq!(after_exit(&pod, Role::App, &Container::default(), 0), AfterExit::Restart);
    }
}
