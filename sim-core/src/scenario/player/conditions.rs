//! Whether a condition holds now, and if not, what is there instead.
//! Objects are compared in part, as Kyverno Chainsaw does: every field that is given must be equal; a list matches when
//! each given item is matched by an item of the object.

use std::sync::Arc;

use serde_json::Value;
use sim_apimachinery::{Kind, Object};

use super::{Done, Player, StepError};
use crate::scenario::format::{Condition, EventCondition, ObjectCondition, StepCondition, TrafficCondition};
use crate::trace::Step;

/// Whether it holds, and what was found instead if not.
pub struct Judged {
    /// It holds.
    pub holds: bool,
    /// What was found, for a message.
    pub found: String,
}

fn judged(holds: bool, found: impl Into<String>) -> Judged {
    Judged { holds, found: found.into() }
}

impl Player {
    pub(super) fn judge(&mut self, condition: &Condition) -> Done<Judged> {
        match condition {
            Condition { object: Some(object), .. } => self.judge_object(object),
            Condition { event: Some(event), .. } => Ok(self.judge_event(event)),
            Condition { traffic: Some(traffic), .. } => Ok(self.judge_traffic(traffic)),
            Condition { step: Some(step), .. } => Ok(self.judge_step(step)),
            _ => Err(StepError::Failed("a condition needs one of: object, event, traffic, step".into())),
        }
    }

    /// How many objects are as described, and the first difference of one that is not.
    pub(super) fn count(&mut self, condition: &ObjectCondition) -> Done<(usize, usize, Option<String>)> {
        let word = &condition.select.kind;
        let objects = match self.selected(&condition.select) {
            Err(_) if self.kind(word).is_err() && self.will_define(word) => vec![],
            selected => selected?,
        };
        let mut matching = 0;
        let mut first = None;
        for object in &objects {
            match self.difference_from(condition, object) {
                None => matching += 1,
                Some(text) => first = first.or(Some(format!("{}: {text}", object.key()))),
            }
        }
        Ok((matching, objects.len(), first))
    }

    /// How an object differs from what is described, if it does.
    fn difference_from(&mut self, condition: &ObjectCondition, object: &Object) -> Option<String> {
        if condition.like.is_none() && condition.cel.is_none() {
            return None;
        }
        let shown = self.shown(object);
        self.scenario.objection(condition, &shown)
    }

    fn judge_object(&mut self, condition: &ObjectCondition) -> Done<Judged> {
        let (matching, all, difference) = self.count(condition)?;
        let bounded = condition.count.is_some() || condition.at_least.is_some() || condition.at_most.is_some();
        let holds = if bounded {
            condition.count.is_none_or(|n| matching == n)
                && condition.at_least.is_none_or(|n| matching >= n)
                && condition.at_most.is_none_or(|n| matching <= n)
        } else {
            matching > 0
        };
        let more = difference.map(|d| format!("; {d}")).unwrap_or_default();
        Ok(judged(holds, format!("{matching} of {all} {} match{more}", condition.select.kind)))
    }

    fn judge_event(&self, wanted: &EventCondition) -> Judged {
        let mut closest = None;
        for object in self.cluster.etcd().list(Kind::Event, "") {
            let Object::Event(event) = object else { continue };
            let text = |t: &Option<String>| t.clone().unwrap_or_default();
            let (reason, message) = (text(&event.reason), text(&event.message));
            let count = event.series.as_ref().and_then(|s| s.count).or(event.count).unwrap_or(1);
            let matches = wanted.kind.as_ref().is_none_or(|k| *k == text(&event.involved_object.kind))
                && wanted.name.as_ref().is_none_or(|n| like_text(n, &text(&event.involved_object.name)))
                && wanted.reason.as_ref().is_none_or(|r| *r == reason)
                && wanted.message.as_ref().is_none_or(|m| like_text(&format!("*{m}*"), &message))
                && wanted.kind_of_event.as_ref().is_none_or(|t| *t == text(&event.type_));
            if matches && count >= wanted.count.unwrap_or(1) {
                return judged(true, "");
            }
            if matches || wanted.reason.as_ref() == Some(&reason) {
                closest = Some(format!("{reason} x{count}: {message}"));
            }
        }
        judged(false, closest.map_or_else(|| "no such event".into(), |c| format!("the closest event is {c}")))
    }

    fn judge_traffic(&self, wanted: &TrafficCondition) -> Judged {
        let Some(stream) = self.streams.get(&wanted.load) else { return judged(false, format!("no load is named {:?}", wanted.load)) };
        let figures = &stream.figures;
        let share = wanted.share.as_ref().is_none_or(|s| {
            let answered: u64 = figures.by_pod.values().sum();
            let part: u64 = figures.by_pod.iter().filter(|(pod, _)| pod.starts_with(&s.pods)).map(|(_, n)| n).sum();
            let percent = (part * 100).checked_div(answered).unwrap_or(0);
            (s.at_least_percent..=s.at_most_percent).contains(&percent)
        });
        let holds = share
            && wanted.failed_at_most.is_none_or(|n| figures.failed <= n)
            && wanted.failed_at_least.is_none_or(|n| figures.failed >= n)
            && wanted.sent_at_least.is_none_or(|n| figures.sent >= n)
            && wanted.pods_at_least.is_none_or(|n| figures.by_pod.len() >= n);
        let first = figures.first_failure.as_ref().map(|f| format!(", first failure: {f}")).unwrap_or_default();
        judged(
            holds,
            format!("{} sent, {} failed, {} pods answered {:?}{first}", figures.sent, figures.failed, figures.by_pod.len(), figures.by_pod),
        )
    }

    /// The object as the API shows it; made once for each of its states.
    pub(super) fn shown(&mut self, object: &Object) -> Arc<Value> {
        let key = object.key();
        let revision = object.resource_version();
        match self.seen_as.get(&key) {
            Some((of, value)) if *of == revision => value.clone(),
            _ => {
                let value = Arc::new(object.to_json());
                self.seen_as.insert(key, (revision, value.clone()));
                value
            }
        }
    }

    /// Each step of the trace is looked at once.
    fn judge_step(&mut self, wanted: &StepCondition) -> Judged {
        let (upto, found) = self.searched.entry((wanted.component.clone(), wanted.contains.clone())).or_default();
        let says = |step: &Step| {
            wanted.component.as_ref().is_none_or(|c| **c == *step.component) && format!("{:?}", step.what).contains(&wanted.contains)
        };
        while !*found && let Some(step) = self.cluster.trace.step(*upto) {
            *found = says(step);
            *upto += 1;
        }
        judged(*found, "no step of the trace says so")
    }
}

/// The first difference between what is wanted and what is there, with its path.
pub fn difference(wanted: &Value, found: &Value, path: &str) -> Option<String> {
    match (wanted, found) {
        (Value::Object(wanted), Value::Object(found)) => {
            wanted.iter().find_map(|(key, value)| difference(value, found.get(key).unwrap_or(&Value::Null), &format!("{path}.{key}")))
        }
        (Value::Array(wanted), Value::Array(found)) => wanted.iter().enumerate().find_map(|(i, item)| {
            let matched = found.iter().any(|f| difference(item, f, "").is_none());
            let closest = found.get(i).and_then(|f| difference(item, f, &format!("{path}[{i}]")));
            (!matched).then(|| closest.unwrap_or_else(|| format!("{path}: no item is like {item}")))
        }),
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => None,
        _ if wanted == found => None,
        _ => Some(format!("{} is {found}, expected {wanted}", path.trim_start_matches('.'))),
    }
}

/// Text equality in which `*` stands for anything.
pub fn like_text(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut last = None;
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
        last = Some(part);
    }
    last.map_or(rest.is_empty(), |part| part.is_empty() || rest.is_empty() || text.ends_with(part))
}
