//! Eviction under pressure: once every ten seconds, while the node is short of something, the first pod in rank is ended.
//! Pressure comes as a fault; memory pods use is what their processes say. Source: kubelet eviction/{eviction_manager,helpers}.go.
//! Not modelled: thresholds on measured disk usage, soft thresholds, reclaiming images before pods, local storage limits.

use sim_apimachinery::quantity::Quantity;

use super::config::EVICTION_MEMORY_BYTES;
use super::containers::all_containers;
use super::pod_worker::{PodWorker, Stage, Verdict};
use super::resources::{Side, of_container, of_pod};
use super::{Kubelet, Timer, Uid};
use crate::component::Context;
use crate::time::SECOND;

const CRITICAL: i32 = 2_000_000_000;

impl Kubelet {
    pub(super) fn look_at_pressure(&mut self, context: &mut Context) {
        let pressure = self.faults.pressure;
        if pressure.memory || pressure.disk || pressure.pid {
            let cause = context.cause;
            self.evict_one(context);
            context.cause = cause;
            self.later(context.now.plus(10 * SECOND), Timer::Eviction, context);
        }
    }

    fn evict_one(&mut self, context: &mut Context) {
        let pressure = self.faults.pressure;
        let what = if pressure.memory {
            "memory"
        } else if pressure.pid {
            "pids"
        } else {
            "ephemeral-storage"
        };
        self.tell_node("EvictionThresholdMet", true, &format!("Attempting to reclaim {what}"), context);
        let now = context.now.0;
        let candidates = self.pods.values().filter(|w| w.stage == Stage::Syncing && w.any_running() && priority(w) < CRITICAL);
        let chosen = candidates.min_by_key(|w| rank(w, what, now)).map(|w| w.uid.clone());
        if let Some(uid) = chosen {
            let message = self.eviction_message(&uid, what, now);
            self.evict(&uid, &message, context);
        }
    }

    fn eviction_message(&self, uid: &str, what: &str, now: u64) -> String {
        let mut text = format!("The node was low on resource: {what}. ");
        let Some(worker) = self.pods.get(uid).filter(|_| what == "memory") else { return text };
        let bytes = |amount: u64| Quantity::from_bytes(i64::try_from(amount >> 10 << 10).unwrap_or(i64::MAX)).to_string();
        let (threshold, available) = (bytes(EVICTION_MEMORY_BYTES), bytes(EVICTION_MEMORY_BYTES / 2));
        text += &format!("Threshold quantity: {threshold}, available: {available}. ");
        for (_, container) in all_containers(&worker.pod) {
            let used = worker.records.get(&container.name).and_then(|r| r.process()).map_or(0, |p| p.memory_bytes(now));
            let request = of_container(container, Side::Requests).and_then(|l| l.get("memory")).map_or("0".to_owned(), |q| q.0.clone());
            let asked = Quantity::parse(&request).map_or(0, |q| q.value());
            if i64::try_from(used).unwrap_or(i64::MAX) > asked {
                let (name, used) = (&container.name, bytes(used));
                text += &format!("Container {name} was using {used}, request is {request}, has larger consumption of memory. ");
            }
        }
        text
    }

    /// Ends a pod because the node needs what it has.
    pub(super) fn evict(&mut self, uid: &Uid, message: &str, context: &mut Context) {
        self.tell(uid, None, true, "Evicted", message, context);
        if let Some(worker) = self.pods.get_mut(uid) {
            worker.verdict = Some(Verdict { reason: "Evicted".into(), message: message.to_owned(), disruption: true });
            worker.grace_override = Some(SECOND);
        }
        self.update(uid, context);
    }
}

fn priority(worker: &PodWorker) -> i32 {
    worker.pod.spec.as_ref().and_then(|s| s.priority).unwrap_or(0)
}

/// Smaller goes first: above its request, lower priority, more above its request.
fn rank(worker: &PodWorker, what: &str, now: u64) -> (bool, i32, i64) {
    let used: u64 = worker.records.values().filter_map(|r| r.process()).map(|p| p.memory_bytes(now)).sum();
    let request = of_pod(&worker.pod, Side::Requests).get("memory").map_or(0, |q| q.value());
    let above = i64::try_from(used).unwrap_or(i64::MAX).saturating_sub(if what == "memory" { request } else { 0 });
    (above <= 0, priority(worker), above.saturating_neg())
}
