//! What a review says in its query and headers: who writes, what becomes of unknown fields, and how its body is written.

use sim_apimachinery::decoding::Media;
use sim_apimachinery::{FieldValidation, Reason, Status};

use crate::frontend::Outcome;
use crate::http::Request;
use crate::options::{OptionsOf, manager, write_options};
use crate::protobuf;
use crate::query::Query;
use crate::respond::bad_request;

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

    /// How the body is written, and the body; what came as protobuf is read as JSON.
    pub fn body(&self) -> Outcome<(Media, Vec<u8>)> {
        let text = self.request.header("content-type").unwrap_or_default();
        let body = &self.request.body;
        match text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase().as_str() {
            "" | "application/json" => Ok((Media::Json, body.clone())),
            "application/yaml" => Ok((Media::Yaml, body.clone())),
            "application/vnd.kubernetes.protobuf" => {
                let value = protobuf::decode(body).map_err(bad_request)?;
                Ok((Media::Json, value.to_string().into_bytes()))
            }
            _ => Err(Box::new(Status::new(Reason::UnsupportedMediaType, UNSUPPORTED))),
        }
    }
}
