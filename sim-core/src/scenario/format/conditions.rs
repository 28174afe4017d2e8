//! What a scenario waits for and what it expects: conditions on objects, events, traffic and steps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::objects::Selection;

/// Waits until something holds, or fails after `timeout` (a minute if nothing is said).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Wait {
    /// What to wait for.
    #[serde(rename = "for")]
    pub condition: Condition,
    /// For how long at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What must hold, and when.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Expectation {
    /// What it says, for people.
    pub name: String,
    /// It holds at some moment (`within` a time, or by the end).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub eventually: Option<Condition>,
    /// With `eventually`: at the latest this long after the expectation begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<String>,
    /// It holds at every moment from its first holding on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub always: Option<Condition>,
    /// It never holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub never: Option<Condition>,
    /// They hold one after the other, in this order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_order: Option<Vec<Condition>>,
    /// A number never exceeds a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<Bound>,
    /// A number is at least this at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<Bound>,
}

/// Something that holds or does not: exactly one of the fields.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// Objects are as described.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<ObjectCondition>,
    /// An event was told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<EventCondition>,
    /// A stream of requests did well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traffic: Option<TrafficCondition>,
    /// The last request of a kind was refused or a decision was made: the trace holds a step with this text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<StepCondition>,
}

/// How objects are.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectCondition {
    /// Which objects.
    pub select: Selection,
    /// What each looks like, in part: every field given must be equal; a list matches if each given item matches one of
    /// the object's items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub like: Option<Value>,
    /// What is true of each, as a CEL expression on the variable `object`, with the functions of Kubernetes' own policies:
    /// `object.status.readyReplicas == object.spec.replicas`. An object on which it cannot be evaluated does not match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cel: Option<String>,
    /// How many match: exactly this many. Without `count`, `atLeast` and `atMost`, one or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<usize>,
    /// At least this many match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_least: Option<usize>,
    /// At most this many match.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<usize>,
}

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EventCondition {
    /// Kind of the object it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name of the object it is about; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Text that its message contains; `*` stands for anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// `Normal` or `Warning`.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind_of_event: Option<String>,
    /// It was told at least this often.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<i32>,
}

/// Figures of a stream of requests.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TrafficCondition {
    /// The stream's name.
    pub load: String,
    /// At most this many requests failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at_most: Option<u64>,
    /// At least this many requests failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at_least: Option<u64>,
    /// At least this many were sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent_at_least: Option<u64>,
    /// At least this many different pods answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pods_at_least: Option<usize>,
    /// Of the answers, the share in percent that came from pods whose name begins so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub share: Option<Share>,
}

/// A share of the answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Share {
    /// Pods whose names begin so.
    pub pods: String,
    /// At least this percentage.
    #[serde(default)]
    pub at_least_percent: u64,
    /// At most this percentage.
    #[serde(default = "hundred")]
    pub at_most_percent: u64,
}

fn hundred() -> u64 {
    100
}

/// A step of the trace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StepCondition {
    /// The component that did it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub component: Option<String>,
    /// Text that it contains.
    pub contains: String,
}

/// A number and its bound.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bound {
    /// How many objects match.
    pub object: ObjectCondition,
    /// The bound.
    pub value: usize,
}
