//! The API's error value, with Kubernetes' own reasons, codes and message texts.
//! Not modelled here: `Success` statuses, which are written at the edge.

use serde_json::{Map, Value, json};

use crate::kinds::Kind;

/// Why a request was refused: `metav1.StatusReason`.
#[allow(missing_docs)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    BadRequest,
    Unauthorized,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    Gone,
    Expired,
    Invalid,
    Timeout,
    ServerTimeout,
    TooManyRequests,
    MethodNotAllowed,
    UnsupportedMediaType,
    NotAcceptable,
    RequestEntityTooLarge,
    InternalError,
    ServiceUnavailable,
    Unknown,
}

impl Reason {
    /// The HTTP status code that goes with it.
    pub fn code(self) -> u16 {
        match self {
            Reason::BadRequest => 400,
            Reason::Unauthorized => 401,
            Reason::Forbidden => 403,
            Reason::NotFound => 404,
            Reason::MethodNotAllowed => 405,
            Reason::AlreadyExists | Reason::Conflict => 409,
            Reason::Gone | Reason::Expired => 410,
            Reason::RequestEntityTooLarge => 413,
            Reason::UnsupportedMediaType => 415,
            Reason::NotAcceptable => 406,
            Reason::Invalid => 422,
            Reason::TooManyRequests => 429,
            Reason::InternalError | Reason::Unknown => 500,
            Reason::ServiceUnavailable => 503,
            Reason::Timeout | Reason::ServerTimeout => 504,
        }
    }
}

/// One cause inside a `Status`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Cause {
    /// Machine readable, such as `FieldValueRequired`.
    pub reason: String,
    /// For people.
    pub message: String,
    /// The field, if one is to blame.
    pub field: String,
}

impl Cause {
    fn to_json(&self) -> Value {
        let parts = [("reason", &self.reason), ("message", &self.message), ("field", &self.field)];
        parts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(name, text)| (name.to_owned(), Value::from(text.as_str()))).collect()
    }
}

/// Why a request failed: `metav1.Status` with `status: Failure`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// The class of failure.
    pub reason: Reason,
    /// For people; Kubernetes' text.
    pub message: String,
    /// Group of the thing it is about.
    pub group: String,
    /// Resource (plural) or kind of the thing.
    pub kind: String,
    /// Name of the thing.
    pub name: String,
    /// Details.
    pub causes: Vec<Cause>,
    /// When to try again, 0 for no advice.
    pub retry_after_seconds: i32,
    /// Whether details are shown even if there are none.
    pub empty_details: bool,
    /// How a list that has become too old can go on (`metadata.continue`), empty for no advice.
    pub continue_token: String,
}

impl Status {
    /// What a strategic merge patch would do to a custom object nothing says.
    pub fn no_strategic_patch() -> Status {
        let types = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";
        let text = format!("the body of the request was in an unknown format - accepted media types include: {types}");
        Status::new(Reason::UnsupportedMediaType, text)
    }

    /// A failure with a text of its own.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Status {
            reason,
            message: message.into(),
            group: String::new(),
            kind: String::new(),
            name: String::new(),
            causes: vec![],
            retry_after_seconds: 0,
            empty_details: false,
            continue_token: String::new(),
        }
    }

    fn about(reason: Reason, kind: Kind, name: &str, text: String) -> Self {
        let r = kind.resource();
        Status { group: r.group.into(), kind: r.plural.into(), name: name.into(), ..Status::new(reason, text) }
    }

    /// `pods "x" not found`.
    pub fn not_found(kind: Kind, name: &str) -> Self {
        Status::about(Reason::NotFound, kind, name, format!("{} \"{name}\" not found", kind.resource().qualified()))
    }

    /// `pods "x" already exists`.
    pub fn already_exists(kind: Kind, name: &str) -> Self {
        Status::about(Reason::AlreadyExists, kind, name, format!("{} \"{name}\" already exists", kind.resource().qualified()))
    }

    /// `Operation cannot be fulfilled on pods "x": …`.
    pub fn conflict(kind: Kind, name: &str, why: &str) -> Self {
        Status::about(
            Reason::Conflict,
            kind,
            name,
            format!("Operation cannot be fulfilled on {} \"{name}\": {why}", kind.resource().qualified()),
        )
    }

    /// The conflict of optimistic concurrency.
    pub fn object_modified(kind: Kind, name: &str) -> Self {
        Status::conflict(kind, name, "the object has been modified; please apply your changes to the latest version and try again")
    }

    /// `pods "x" is forbidden: …`.
    pub fn forbidden(kind: Kind, name: &str, why: &str) -> Self {
        let text = if name.is_empty() {
            format!("{} is forbidden: {why}", kind.resource().qualified())
        } else {
            format!("{} \"{name}\" is forbidden: {why}", kind.resource().qualified())
        };
        Status::about(Reason::Forbidden, kind, name, text)
    }

    /// `Deployment.apps "x" is invalid: …` with one cause per field error. The message tells equal errors once.
    pub fn invalid(kind: Kind, name: &str, causes: Vec<Cause>) -> Self {
        let r = kind.resource();
        let qualified = if r.group.is_empty() { r.kind.to_owned() } else { format!("{}.{}", r.kind, r.group) };
        let mut texts: Vec<String> = Vec::new();
        for text in causes.iter().map(|c| format!("{}: {}", c.field, c.message)) {
            if !texts.contains(&text) {
                texts.push(text);
            }
        }
        let joined = if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) };
        Status {
            group: r.group.into(),
            kind: r.kind.into(),
            name: name.into(),
            causes,
            ..Status::new(Reason::Invalid, format!("{qualified} \"{name}\" is invalid: {joined}"))
        }
    }

    /// As the generic layers of the server answer: with details that say nothing.
    pub fn generic(reason: Reason, message: impl Into<String>) -> Self {
        Status { empty_details: true, ..Status::new(reason, message) }
    }

    /// As the API shows it.
    pub fn to_json(&self) -> Value {
        let mut shown = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": self.message, "code": self.code(),
        });
        if self.reason != Reason::Unknown {
            shown["reason"] = format!("{:?}", self.reason).into();
        }
        if !self.continue_token.is_empty() {
            shown["metadata"]["continue"] = self.continue_token.as_str().into();
        }
        let details = self.details();
        if self.empty_details || !details.is_empty() {
            shown["details"] = Value::Object(details);
        }
        shown
    }

    fn details(&self) -> Map<String, Value> {
        let mut details = Map::new();
        for (name, text) in [("name", &self.name), ("group", &self.group), ("kind", &self.kind)] {
            if !text.is_empty() {
                details.insert(name.into(), text.as_str().into());
            }
        }
        if !self.causes.is_empty() {
            details.insert("causes".into(), self.causes.iter().map(Cause::to_json).collect());
        }
        if self.retry_after_seconds > 0 {
            details.insert("retryAfterSeconds".into(), self.retry_after_seconds.into());
        }
        details
    }

    /// The HTTP status code.
    pub fn code(&self) -> u16 {
        self.reason.code()
    }

    /// Whether a cause has this reason.
    pub fn has_cause(&self, reason: &str) -> bool {
        self.causes.iter().any(|c| c.reason == reason)
    }
}
