//! The part of a profile that says what an HTTP endpoint takes, asks of a backend, answers and changes.

use crate::template::Json;
use crate::units::Nanos;
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Endpoint {
    pub method: Method,
    /// A path; `{name}` stands for one segment, `{name...}` at the end for the rest.
    pub path: String,
    #[serde(default)]
    pub latency: Nanos,
    /// CPU time one request costs.
    #[serde(default)]
    pub cpu: Nanos,
    #[serde(default)]
    pub params: Vec<Param>,
    /// Values computed once, in this order, and used as `${let.name}`.
    #[serde(default, rename = "let")]
    pub bindings: Vec<Binding>,
    #[serde(default)]
    pub backend: Option<BackendCall>,
    /// The first case whose `when` holds is the answer.
    pub cases: Vec<Case>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum Method {
    #[serde(rename = "GET")]
    Get,
    #[serde(rename = "POST")]
    Post,
    #[serde(rename = "PUT")]
    Put,
    #[serde(rename = "DELETE")]
    Delete,
    /// Every method.
    #[serde(rename = "*")]
    Any,
}

/// A query parameter that is a number. If it is not one the answer is `invalid`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Param {
    pub name: String,
    pub default: Json,
    #[serde(default)]
    pub minimum: Option<i64>,
    /// Larger values count as this one.
    #[serde(default)]
    pub at_most: Json,
    pub invalid: Answer,
    /// The answer to a number below `minimum`; `invalid` if not given.
    #[serde(default)]
    pub below_minimum: Option<Answer>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Binding {
    pub name: String,
    pub value: Json,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct BackendCall {
    pub host: Json,
    pub port: Json,
    #[serde(default)]
    pub password: Json,
    pub command: Vec<Json>,
    /// How long the client waits for a connection.
    pub timeout: Nanos,
    /// Names in `body` (as `body.x`) or `header` without which no call is made.
    #[serde(default)]
    pub requires: Vec<Json>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Case {
    #[serde(default)]
    pub when: When,
    #[serde(flatten)]
    pub answer: Answer,
    #[serde(default)]
    pub effects: Vec<Effect>,
}

/// All that is given must hold.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct When {
    /// Variables of the program with these values.
    pub state: BTreeMap<String, Json>,
    /// How the backend call went.
    pub backend: Option<BackendOutcome>,
    /// These are null after filling in.
    pub missing: Vec<Json>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum BackendOutcome {
    /// A reply that is not nil.
    Value,
    /// The key does not exist.
    Nil,
    /// No reply, or an error reply.
    Unavailable,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Answer {
    pub status: u16,
    #[serde(default = "application_json")]
    pub content_type: String,
    /// Written as JSON when the content type is JSON, as text otherwise.
    #[serde(default)]
    pub body: Json,
}

fn application_json() -> String {
    "application/json".into()
}

/// What an answer does to the program; those that are given happen in this order.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Effect {
    /// Sets variables of the program.
    pub set: BTreeMap<String, Json>,
    /// One thread is busy for so many seconds.
    pub burn_seconds: Option<Json>,
    /// A line in the log.
    pub log: Option<Json>,
    /// The program exits.
    pub exit: Option<ExitEffect>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ExitEffect {
    pub code: i32,
    /// How long after the answer was sent.
    pub after: Nanos,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct StaticFiles {
    pub root: String,
    pub index: String,
    #[serde(default)]
    pub latency: Nanos,
    /// What the image ships below the root.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
}

impl Endpoint {
    pub fn validate(&self) -> Result<(), (String, &'static str)> {
        if !self.path.starts_with('/') {
            return Err(("path".into(), "a path begins with /"));
        }
        if self.cases.is_empty() {
            return Err(("cases".into(), "at least one case is needed"));
        }
        let bad = |answer: &Answer| !(100..=599).contains(&answer.status);
        if let Some(index) = self.cases.iter().position(|case| bad(&case.answer)) {
            return Err((format!("cases[{index}].status"), "an HTTP status is between 100 and 599"));
        }
        Ok(())
    }
}
