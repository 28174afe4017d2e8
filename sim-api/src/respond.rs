//! Writing answers: values in the encoding that was asked for, statuses with their headers, warnings.

use serde_json::Value;
use sim_apimachinery::{Reason, Status, yaml};

use crate::http::Response;
use crate::negotiation::Encoding;
use crate::protobuf;

/// Warnings together may have this many characters; beyond that each is cut.
const WARNINGS_MAX: usize = 4096;
/// What each warning is cut to then.
const WARNING_CUT: usize = 256;

/// A value as the body of an answer.
pub fn value(status: u16, value: &Value, encoding: Encoding) -> Response {
    let json = || ("application/json", serde_json::to_vec(value).unwrap_or_default());
    let (media, body) = match encoding {
        Encoding::Json => json(),
        Encoding::Protobuf => protobuf::encode(value).map_or_else(json, |body| (protobuf::MEDIA_TYPE, body)),
        Encoding::PrettyJson => ("application/json", serde_json::to_vec_pretty(value).unwrap_or_default()),
        Encoding::Yaml => ("application/yaml", yaml::write(value).into_bytes()),
    };
    Response { status, headers: vec![("Content-Type".into(), media.into())], body }
}

/// A refusal.
pub fn refusal(status: &Status, encoding: Encoding) -> Response {
    let mut response = value(status.code(), &status.to_json(), encoding);
    if status.retry_after_seconds > 0 {
        response.headers.push(("Retry-After".into(), status.retry_after_seconds.to_string()));
    }
    response
}

/// Adds warnings, each a header of its own, the same only once.
pub fn warn(mut response: Response, warnings: &[String]) -> Response {
    response.headers.extend(warning_headers(warnings).into_iter().map(|header| ("Warning".into(), header)));
    response
}

/// The values of the headers by which a client is warned.
pub fn warning_headers(warnings: &[String]) -> Vec<String> {
    let total: usize = warnings.iter().map(|w| w.chars().count()).sum();
    let mut seen: Vec<String> = vec![];
    for warning in warnings {
        let text: String = if total > WARNINGS_MAX { warning.chars().take(WARNING_CUT).collect() } else { warning.clone() };
        let header = format!("299 - \"{}\"", quote(&text));
        if !seen.contains(&header) {
            seen.push(header);
        }
    }
    seen
}

/// Quoted as an HTTP header value; characters that a header cannot hold are left out.
fn quote(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).flat_map(|c| if matches!(c, '"' | '\\') { vec!['\\', c] } else { vec![c] }).collect()
}

/// No such resource.
pub fn no_resource() -> Box<Status> {
    Box::new(Status::generic(Reason::NotFound, "the server could not find the requested resource"))
}

/// The path is there, but not for this method.
pub fn wrong_method() -> Box<Status> {
    Box::new(Status::generic(Reason::MethodNotAllowed, "the server does not allow this method on the requested resource"))
}

/// A refusal with a text of its own.
pub fn bad_request(message: impl Into<String>) -> Box<Status> {
    Box::new(Status::new(Reason::BadRequest, message))
}
