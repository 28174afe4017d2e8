//! Scaling without rolling: a paused deployment, or one whose size changed. Source: pkg/controller/deployment/sync.go.

use std::cmp::Reverse;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use sim_apimachinery::{DeleteOptions, Kind, ObjectKey, Propagation, Verb};

use super::replica_sets::revision_of;
use super::{DESIRED_REPLICAS, MAX_REPLICAS, Rollout, annotation, available, size};
use crate::client_go::Ask;

impl Rollout {
    /// Whether a replica set still carries another desired size than the deployment.
    pub(super) fn is_scaling_event(&self) -> bool {
        let replicas = self.replicas();
        self.all().filter(|s| size(s) > 0).any(|s| number(s, DESIRED_REPLICAS).is_some_and(|desired| desired != replicas))
    }

    pub(super) fn sync_scale_only(&mut self) {
        self.sync_revision(false);
        self.plan.decision = format!("scale to {} without rolling", self.replicas());
        self.scale_all();
        if self.spec().paused == Some(true) {
            self.clean_up_history();
        }
        self.sync_status();
    }

    fn scale_all(&mut self) {
        let replicas = self.replicas();
        if let Some(one) = self.active_or_latest() {
            if size(&one) != replicas {
                self.scale(&one, replicas, "the deployment's size changed");
            }
            return;
        }
        if self.new.as_ref().is_some_and(|n| is_saturated(n, replicas)) {
            for set in self.old.clone().iter().filter(|s| size(s) > 0) {
                self.scale(set, 0, "the new replica set has all replicas");
            }
            return;
        }
        if self.spec().strategy.as_ref().and_then(|s| s.type_.as_deref()) != Some("Recreate") {
            self.scale_proportionally();
        }
    }

    /// The only active replica set, or the newest when none is active; nothing when several are.
    fn active_or_latest(&self) -> Option<Arc<ReplicaSet>> {
        let active: Vec<&Arc<ReplicaSet>> = self.all().filter(|s| size(s) > 0).collect();
        match active.as_slice() {
            [] => self.new.clone().or_else(|| self.old.last().cloned()),
            [one] => Some((*one).clone()),
            _ => None,
        }
    }

    /// Spreads a change over all active replica sets in proportion to their sizes.
    fn scale_proportionally(&mut self) {
        let mut active: Vec<Arc<ReplicaSet>> = self.all().filter(|s| size(s) > 0).cloned().collect();
        let replicas = self.replicas();
        let allowed = if replicas > 0 { replicas + self.fenceposts().0 } else { 0 };
        let total: i32 = active.iter().map(|s| size(s)).sum();
        let delta = allowed - total;
        let created = |s: &Arc<ReplicaSet>| s.metadata.creation_timestamp.clone().map(|t| t.0);
        if delta > 0 {
            active.sort_by_key(|s| (Reverse(size(s)), Reverse(created(s))));
        } else {
            active.sort_by_key(|s| (Reverse(size(s)), created(s)));
        }
        let mut left = delta;
        let mut sizes: Vec<i32> = Vec::new();
        for set in &active {
            let part = self.share(set, left);
            sizes.push(size(set) + part);
            left -= part;
        }
        if let Some(first) = sizes.first_mut() {
            *first = (*first + left).max(0);
        }
        for (set, to) in active.iter().zip(sizes) {
            self.scale(set, to, "its share of the change");
        }
    }

    fn share(&self, set: &ReplicaSet, left: i32) -> i32 {
        let (current, replicas) = (size(set), self.replicas());
        if left == 0 || current == 0 {
            return 0;
        }
        if replicas == 0 {
            return -current;
        }
        let most = i64::from(replicas + self.fenceposts().0);
        let before =
            number(set, MAX_REPLICAS).filter(|m| *m != 0).or_else(|| self.deployment.status.as_ref().and_then(|s| s.replicas)).unwrap_or(0);
        if before == 0 {
            return 0;
        }
        let wanted = round_half_away(i64::from(current) * most, i64::from(before)) as i32 - current;
        if left > 0 { wanted.min(left) } else { wanted.max(left) }
    }

    /// Deletes old, empty replica sets beyond the history limit.
    pub(super) fn clean_up_history(&mut self) {
        let Some(limit) = self.spec().revision_history_limit.filter(|l| *l != i32::MAX) else { return };
        let mut alive: Vec<Arc<ReplicaSet>> = self.old.iter().filter(|s| s.metadata.deletion_timestamp.is_none()).cloned().collect();
        let excess = alive.len() as i64 - i64::from(limit);
        if excess <= 0 {
            return;
        }
        alive.sort_by_key(|s| (revision_of(s), s.metadata.creation_timestamp.clone().map(|t| t.0)));
        for set in alive.iter().take(excess as usize).filter(|s| is_spent(s)) {
            let namespace = set.metadata.namespace.as_deref().unwrap_or_default();
            let key = ObjectKey::new(Kind::ReplicaSet, namespace, set.metadata.name.as_deref().unwrap_or_default());
            let options = DeleteOptions { propagation: Some(Propagation::Background), ..Default::default() };
            self.plan.ask(
                Ask::new(Verb::Delete { key, options }, format!("more than {limit} old revisions"))
                    .tolerating(crate::client_go::Tolerate::NotFound),
            );
        }
    }
}

fn number(set: &ReplicaSet, key: &str) -> Option<i32> {
    annotation(set.metadata.annotations.as_ref(), key)?.parse().ok()
}

fn is_saturated(set: &ReplicaSet, replicas: i32) -> bool {
    size(set) == replicas && number(set, DESIRED_REPLICAS) == Some(replicas) && available(set) == replicas
}

fn is_spent(set: &ReplicaSet) -> bool {
    let status = set.status.clone().unwrap_or_default();
    status.replicas == 0 && size(set) == 0 && set.metadata.generation.unwrap_or(0) <= status.observed_generation.unwrap_or(0)
}

fn round_half_away(numerator: i64, denominator: i64) -> i64 {
    (2 * numerator + denominator) / (2 * denominator)
}
