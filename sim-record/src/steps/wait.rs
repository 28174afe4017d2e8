//! Waiting until something holds, looked at whenever the cluster tells of a change, and every second.

use std::sync::PoisonError;

use serde_json::Value;
use sim_apimachinery::Kind;
use sim_core::scenario::format::{Condition, EventCondition, ObjectCondition, TrafficCondition, Wait};
use sim_core::scenario::like_text;
use sim_core::scenario::load::duration;
use tokio::time::Instant;

use crate::resource::Resource;
use crate::session::{Done, Session, StepError};

/// How often something is looked at when nothing is told, in nanoseconds of the cluster's clock.
pub(super) const POLL: u64 = 1_000_000_000;
/// For how long something is awaited if nothing is said.
const WAIT_TIME_MAX: u64 = 60_000_000_000;

impl Session {
    pub(super) async fn wait(&self, wait: &Wait, out: &mut String) -> Done<()> {
        let end = Instant::now() + self.wall(wait.timeout.as_deref().map_or(Ok(WAIT_TIME_MAX), duration)?);
        loop {
            let changed = self.changed.notified();
            let found = match self.found(&wait.condition).await? {
                None => {
                    out.push_str("condition met\n");
                    return Ok(());
                }
                Some(found) => found,
            };
            if Instant::now() > end {
                return Err(StepError::Failed(format!("error: timed out waiting for the condition: {found}")));
            }
            _ = tokio::time::timeout(self.wall(POLL).min(end.saturating_duration_since(Instant::now())), changed).await;
        }
    }

    /// What is there instead of what a condition wants; nothing if it holds.
    async fn found(&self, condition: &Condition) -> Done<Option<String>> {
        match condition {
            Condition { object: Some(object), .. } => self.objects_found(object).await,
            Condition { event: Some(event), .. } => self.event_found(event).await,
            Condition { traffic: Some(traffic), .. } => Ok(self.traffic_found(traffic)),
            _ => Err(StepError::Failed("a condition needs one of: object, event, traffic".into())),
        }
    }

    async fn objects_found(&self, condition: &ObjectCondition) -> Done<Option<String>> {
        let (resource, objects) = self.selected(&self.cluster, &condition.select).await?;
        let (mut matching, mut first) = (0, None);
        for object in &objects {
            // Lists leave out what their items are.
            let mut object = object.clone();
            object["kind"] = resource.kind.clone().into();
            object["apiVersion"] = resource.api_version.clone().into();
            match self.plan.loaded.as_ref().and_then(|l| l.objection(condition, &object)) {
                None => matching += 1,
                Some(text) => first = first.or(Some(text)),
            }
        }
        let is_bounded = condition.count.is_some() || condition.at_least.is_some() || condition.at_most.is_some();
        let holds = condition.count.is_none_or(|n| matching == n)
            && condition.at_least.is_none_or(|n| matching >= n)
            && condition.at_most.is_none_or(|n| matching <= n)
            && (is_bounded || matching > 0);
        let more = first.map(|d| format!("; {d}")).unwrap_or_default();
        Ok((!holds).then(|| format!("{matching} of {} {} match{more}", objects.len(), condition.select.kind)))
    }

    async fn event_found(&self, wanted: &EventCondition) -> Done<Option<String>> {
        let events = self.cluster.objects(&Resource::of(Kind::Event).path(&self.namespace), "").await?;
        Ok((!events.iter().any(|e| is_like(wanted, e))).then(|| "no such event".into()))
    }

    fn traffic_found(&self, wanted: &TrafficCondition) -> Option<String> {
        let all = self.figures.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(figures) = all.get(&wanted.load) else { return Some(format!("no load is named {:?}", wanted.load)) };
        let share = wanted.share.as_ref().is_none_or(|s| {
            let answered: u64 = figures.by_pod.values().sum();
            let part: u64 = figures.by_pod.iter().filter(|(pod, _)| pod.starts_with(&s.pods)).map(|(_, n)| n).sum();
            (s.at_least_percent..=s.at_most_percent).contains(&(part * 100).checked_div(answered).unwrap_or(0))
        });
        let holds = share
            && wanted.failed_at_most.is_none_or(|n| figures.failed <= n)
            && wanted.failed_at_least.is_none_or(|n| figures.failed >= n)
            && wanted.sent_at_least.is_none_or(|n| figures.sent >= n)
            && wanted.pods_at_least.is_none_or(|n| figures.by_pod.len() >= n);
        (!holds).then(|| format!("{} sent, {} failed, {} pods answered", figures.sent, figures.failed, figures.by_pod.len()))
    }
}

fn is_like(wanted: &EventCondition, event: &Value) -> bool {
    let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let count = event.pointer("/series/count").or(event.get("count")).and_then(Value::as_i64).unwrap_or(1);
    let like = |pattern: &Option<String>, text: &str| pattern.as_ref().is_none_or(|p| like_text(p, text));
    wanted.kind.as_ref().is_none_or(|k| k == text("/involvedObject/kind"))
        && like(&wanted.name, text("/involvedObject/name"))
        && wanted.reason.as_ref().is_none_or(|r| r == text("/reason"))
        && wanted.message.as_ref().is_none_or(|m| like_text(&format!("*{m}*"), text("/message")))
        && wanted.kind_of_event.as_ref().is_none_or(|t| t == text("/type"))
        && count >= i64::from(wanted.count.unwrap_or(1))
}
