//! RollingUpdate and Recreate. Source: pkg/controller/deployment/{rolling,recreate}.go.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ReplicaSet;
use k8s_openapi::api::core::v1::Pod;

use super::{Rollout, available, size};
use crate::client_go::View;

impl Rollout {
    /// How big the new replica set may be, given the size it has.
    pub(super) fn new_size(&self, current: i32) -> i32 {
        let replicas = self.replicas();
        let strategy = self.spec().strategy.as_ref().and_then(|s| s.type_.as_deref());
        if strategy == Some("Recreate") {
            return replicas;
        }
        let total: i32 = self.all().map(|s| size(s)).sum();
        let most = replicas + self.fenceposts().0;
        if total >= most {
            return current;
        }
        current + (most - total).min(replicas - current)
    }

    pub(super) fn roll(&mut self) {
        let before = self.plan.steps.len();
        if self.sync_revision(true) && self.new.as_ref().is_some_and(|s| s.metadata.uid.is_none()) {
            // The new replica set is made in this reconcile, with its size: the next one goes on.
            return self.finish_with_status("the new replica set is made first");
        }
        let new = self.new.clone().expect("sync_revision leaves a new replica set");
        if self.grow_new(&new) {
            return self.finish_with_status("grow the new replica set first");
        }
        if self.shrink_old(&new) {
            return self.finish_with_status("shrink the old replica sets");
        }
        if self.is_complete_now() {
            self.clean_up_history();
        }
        self.sync_status();
        if self.plan.steps.len() > before && self.plan.decision.is_empty() {
            self.plan.decision = "nothing to scale".into();
        }
    }

    fn finish_with_status(&mut self, decision: &str) {
        let (surge, unavailable) = self.fenceposts();
        self.plan.decision = format!("{decision} (replicas {}, surge {surge}, unavailable {unavailable})", self.replicas());
        self.sync_status();
    }

    fn grow_new(&mut self, new: &Arc<ReplicaSet>) -> bool {
        let (replicas, current) = (self.replicas(), size(new));
        if current == replicas {
            return false;
        }
        let to = if current > replicas { replicas } else { self.new_size(current) };
        let total: i32 = self.all().map(|s| size(s)).sum();
        let why = format!("{total} replicas in all, at most {} allowed", replicas + self.fenceposts().0);
        let asked = self.plan.steps.len();
        if to != current {
            self.scale(new, to, &why);
        }
        self.plan.steps.len() > asked
    }

    fn shrink_old(&mut self, new: &Arc<ReplicaSet>) -> bool {
        let old_total: i32 = self.old.iter().map(|s| size(s)).sum();
        if old_total == 0 {
            return false;
        }
        let total = old_total + size(new);
        let least = self.replicas() - self.fenceposts().1;
        let new_unavailable = size(new) - available(new);
        let most_down = total - least - new_unavailable;
        if most_down <= 0 {
            return false;
        }
        let mut sizes: Vec<i32> = self.old.iter().map(|s| size(s)).collect();
        let freed_unhealthy = self.clean_unhealthy(&mut sizes, most_down);
        let freed_healthy = self.shrink_healthy(&mut sizes, least);
        freed_unhealthy + freed_healthy > 0
    }

    /// Replicas that are not available anyway go first.
    fn clean_unhealthy(&mut self, sizes: &mut [i32], most: i32) -> i32 {
        let mut freed = 0;
        for (index, set) in self.old.clone().iter().enumerate() {
            if freed >= most || sizes[index] == 0 || sizes[index] == available(set) {
                continue;
            }
            let down = (most - freed).min(sizes[index] - available(set));
            let to = sizes[index] - down;
            self.scale(set, to, "unavailable replicas of old templates go first");
            sizes[index] = to;
            freed += down;
        }
        freed
    }

    /// As many as availability allows, oldest first.
    fn shrink_healthy(&mut self, sizes: &mut [i32], least: i32) -> i32 {
        let available_total: i32 = self.all().map(|s| available(s)).sum();
        let budget = available_total - least;
        let mut freed = 0;
        for (index, set) in self.old.clone().iter().enumerate() {
            if freed >= budget {
                break;
            }
            if sizes[index] == 0 {
                continue;
            }
            let down = sizes[index].min(budget - freed);
            let why = format!("{available_total} available, {least} needed: {budget} may go");
            self.scale(set, sizes[index] - down, &why);
            sizes[index] -= down;
            freed += down;
        }
        freed
    }

    pub(super) fn recreate(&mut self, view: &View<'_>) {
        self.sync_revision(false);
        let active: Vec<Arc<ReplicaSet>> = self.old.iter().filter(|s| size(s) > 0).cloned().collect();
        if !active.is_empty() {
            for set in &active {
                self.scale(set, 0, "all old pods go before a new one comes");
            }
            self.plan.decision = "stop the old pods first (Recreate)".into();
            return self.sync_status();
        }
        if self.old_pods_left(view) {
            self.plan.decision = "wait until the old pods are gone (Recreate)".into();
            return self.sync_status();
        }
        let made = self.new.is_none();
        self.sync_revision(true);
        if let (false, Some(new)) = (made, self.new.clone()) {
            self.scale(&new, self.replicas(), "the old pods are gone");
        }
        if self.is_complete_now() {
            self.clean_up_history();
        }
        self.sync_status();
    }

    fn old_pods_left(&self, view: &View<'_>) -> bool {
        let counted: i32 = self.old.iter().map(|s| s.status.as_ref().map_or(0, |s| s.replicas)).sum();
        counted > 0
            || self.old.iter().any(|set| {
                let uid = set.metadata.uid.as_deref().unwrap_or_default();
                view.caches
                    .owned_by::<Pod>(uid)
                    .any(|p| !matches!(p.status.as_ref().and_then(|s| s.phase.as_deref()), Some("Failed" | "Succeeded")))
            })
    }
}
