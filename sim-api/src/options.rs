//! What every write may say in its query: who writes, whether it is only a try, what becomes of unknown fields.
//! Source: apimachinery pkg/apis/meta/v1/validation.

use sim_apimachinery::{Cause, FieldValidation, Reason, Status};

use crate::frontend::Outcome;
use crate::http::Request;
use crate::query::Query;

/// A field manager's name has at most this many bytes.
const MANAGER_MAX: usize = 128;
const UNSUPPORTED: &str = "the body of the request was in an unknown format - accepted media types include: application/json, \
                           application/yaml, application/vnd.kubernetes.protobuf";

/// The options of one request.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The request.
    pub request: &'a Request,
    /// Its query.
    pub query: &'a Query,
}

impl Options<'_> {
    /// The field manager: what the query says, or the first word of the client's name.
    pub fn manager(&self) -> Outcome<String> {
        let named = self.query.get("fieldManager");
        if !named.is_empty() {
            return Ok(named.to_owned());
        }
        let agent = self.request.header("user-agent").unwrap_or_default();
        Ok(agent.split('/').next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(MANAGER_MAX).collect())
    }

    /// Whether nothing is to be stored.
    pub fn dry_run(&self) -> Outcome<bool> {
        let wrong = self.query.all("dryRun").find(|v| !v.is_empty() && *v != "All");
        match wrong {
            None => Ok(self.query.all("dryRun").any(|v| v == "All")),
            Some(value) => Err(wrong_option(self.kind(), "dryRun", value, &["All"])),
        }
    }

    /// What becomes of unknown fields.
    pub fn field_validation(&self) -> Outcome<FieldValidation> {
        match self.query.get("fieldValidation") {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            "Strict" => Ok(FieldValidation::Strict),
            other => Err(wrong_option(self.kind(), "fieldValidation", other, &["", "Ignore", "Strict", "Warn"])),
        }
    }

    /// Whether the body is YAML; otherwise it is JSON.
    pub fn is_yaml(&self) -> Outcome<bool> {
        let text = self.request.header("content-type").unwrap_or_default();
        match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "application/json" => Ok(false),
            "application/yaml" => Ok(true),
            _ => Err(Box::new(Status::new(Reason::UnsupportedMediaType, UNSUPPORTED))),
        }
    }

    fn kind(&self) -> &'static str {
        match self.request.method.as_str() {
            "POST" => "CreateOptions",
            "PUT" => "UpdateOptions",
            "PATCH" => "PatchOptions",
            _ => "DeleteOptions",
        }
    }
}

/// The refusal of an option's value.
fn wrong_option(kind: &str, field: &str, value: &str, supported: &[&str]) -> Box<Status> {
    let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
    let message = format!("Unsupported value: {value:?}: supported values: {}", list.join(", "));
    let cause = Cause { reason: "FieldValueNotSupported".into(), message: message.clone(), field: field.into() };
    let text = format!("{kind}.meta.k8s.io \"\" is invalid: {field}: {message}");
    let status = Status { group: "meta.k8s.io".into(), kind: kind.into(), causes: vec![cause], ..Status::new(Reason::Invalid, text) };
    Box::new(status)
}
