//! What a review says in its query and headers: who writes, what becomes of unknown fields, and how its body is written.

use sim_apimachinery::{FieldValidation, Reason, Status};

use crate::frontend::Outcome;
use crate::http::Request;
use crate::options::{OptionsOf, manager, write_options};
use crate::query::Query;

const UNSUPPORTED: &str = "the body of the request was in an unknown format - accepted media types include: application/json, \
                           application/yaml, application/vnd.kubernetes.protobuf";

/// The options of one review.
#[derive(Clone, Copy, Debug)]
pub struct Options<'a> {
    /// The request.
    pub request: &'a Request,
    /// Its query.
    pub query: &'a Query,
}

impl Options<'_> {
    /// The field manager.
    pub fn manager(&self) -> String {
        manager(self.request, self.query)
    }

    /// What becomes of unknown fields; a review may be a dry run, which changes nothing.
    pub fn field_validation(&self) -> Outcome<FieldValidation> {
        Ok(write_options(self.query, OptionsOf::Create)?.field_validation)
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
}
