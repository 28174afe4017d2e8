//! `AdmissionReview`: the question a webhook is asked, and what its answer means.
//! Source: apiserver pkg/admission/plugin/webhook/{request/admissionreview.go,mutating/dispatcher.go,validating/dispatcher.go}.

use serde_json::{Value, json};
use sim_apimachinery::{Reason, Status};

use super::super::admission_policies::{Attributes, request_json};
use super::{AdmissionRequest, Phase, WebhookCall};

/// What an answer says: the request may go on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Verdict {
    /// How the object is to be changed, as a JSON patch.
    pub patch: Option<Value>,
    /// What the user is to be warned of.
    pub warnings: Vec<String>,
}

/// The question.
pub(super) fn review(attributes: &Attributes<'_>, request: &AdmissionRequest<'_>) -> Value {
    let mut told = request_json(attributes, request.user, request.dry_run);
    told["uid"] = request.uid.into();
    told["object"] = request.object.cloned().unwrap_or_default();
    told["oldObject"] = request.old.cloned().unwrap_or_default();
    let kind = match attributes.operation {
        "CREATE" => Some("CreateOptions"),
        "DELETE" => Some("DeleteOptions"),
        "UPDATE" => Some("UpdateOptions"),
        _ => None,
    };
    told["options"] = kind.map_or(Value::Null, |kind| json!({"apiVersion": "meta.k8s.io/v1", "kind": kind}));
    json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": told})
}

/// What came of a call: the body of its answer, or why there is none. A refusal is the error.
pub fn verdict(call: &WebhookCall, answer: Result<Value, String>) -> Result<Verdict, Box<Status>> {
    let outcome = match answer {
        Ok(body) => read(call, &body),
        Err(why) => Err(Trouble::Call(format!("failed to call webhook: {why}"))),
    };
    match outcome {
        Ok(verdict) => Ok(verdict),
        Err(Trouble::Denied(status)) => Err(status),
        Err(Trouble::Call(_)) if !call.fails => Ok(Verdict::default()),
        Err(Trouble::Call(why)) => {
            let text = format!("Internal error occurred: failed calling webhook {:?}: {why}", call.name);
            Err(Box::new(Status::new(Reason::InternalError, text)))
        }
    }
}

/// What is told of an answer with an HTTP status that is no success.
pub fn http_failure(code: u16, body: &str) -> String {
    match code {
        400 => "the server rejected our request for an unknown reason".into(),
        401 => "the server has asked for the client to provide credentials".into(),
        403 => "unknown".into(),
        404 => "the server could not find the requested resource".into(),
        405 => "the server does not allow this method on the requested resource".into(),
        429 => "the server has received too many requests and has asked us to try again later".into(),
        503 => "the server is currently unable to handle the request".into(),
        504 => "the server was unable to return a response in the time allotted, but may still be processing the request".into(),
        500.. => format!("an error on the server ({body:?}) has prevented the request from succeeding"),
        _ => format!("the server responded with the status code {code} but did not return more information"),
    }
}

enum Trouble {
    /// The call failed, or its answer is none.
    Call(String),
    /// The webhook refuses the request.
    Denied(Box<Status>),
}

fn read(call: &WebhookCall, body: &Value) -> Result<Verdict, Trouble> {
    let invalid = |why: String| Trouble::Call(format!("received invalid webhook response: {why}"));
    let text = |at: &str| body.pointer(at).and_then(Value::as_str).unwrap_or_default();
    let (kind, version) = (text("/kind"), text("/apiVersion"));
    if kind != "AdmissionReview" || version != "admission.k8s.io/v1" {
        let (group, short) = version.split_once('/').unwrap_or(("", version));
        let found = format!("{group}/{short}, Kind={kind}");
        return Err(invalid(format!("expected webhook response of admission.k8s.io/v1, Kind=AdmissionReview, got {found}")));
    }
    let Some(response) = body.get("response").filter(|r| r.is_object()) else {
        return Err(Trouble::Call("webhook response was absent".into()));
    };
    if text("/response/uid") != call.uid {
        return Err(invalid(format!("expected response.uid={:?}, got {:?}", call.uid, text("/response/uid"))));
    }
    if response.get("allowed") != Some(&Value::Bool(true)) {
        return Err(Trouble::Denied(Box::new(denied(call, response.get("status")))));
    }
    let warnings = response.get("warnings").and_then(Value::as_array).into_iter().flatten();
    let warnings = warnings.filter_map(Value::as_str).map(str::to_owned).collect();
    let patch = match (text("/response/patchType"), text("/response/patch")) {
        ("", "") => None,
        ("JSONPatch", encoded) if call.phase == Phase::Mutating && !encoded.is_empty() => {
            let bytes = sim_cel::base64_bytes(encoded).ok_or_else(|| invalid("response.patch is not base64".into()))?;
            Some(serde_json::from_slice(&bytes).map_err(|e| invalid(e.to_string()))?)
        }
        ("", _) => return Err(invalid("webhook returned response.patch but not response.patchType".into())),
        ("JSONPatch", "") => return Err(invalid("webhook returned response.patchType but not response.patch".into())),
        ("JSONPatch", _) => None,
        (other, _) => return Err(invalid(format!("webhook returned invalid response.patchType of {other:?}"))),
    };
    Ok(Verdict { patch, warnings })
}

/// The refusal, with the webhook's own code, reason and message where it gives them.
fn denied(call: &WebhookCall, status: Option<&Value>) -> Status {
    let text = |name: &str| status.and_then(|s| s.get(name)).and_then(Value::as_str).unwrap_or_default();
    let code = status.and_then(|s| s.get("code")).and_then(Value::as_i64).unwrap_or(0);
    let who = format!("admission webhook {:?} denied the request", call.name);
    let message = match (text("message"), text("reason")) {
        ("", "") => format!("{who} without explanation"),
        ("", reason) => format!("{who}: {reason}"),
        (message, _) => format!("{who}: {message}"),
    };
    Status::new(reason_of(text("reason"), code), message)
}

fn reason_of(reason: &str, code: i64) -> Reason {
    const REASONS: [(&str, Reason); 12] = [
        ("BadRequest", Reason::BadRequest),
        ("Unauthorized", Reason::Unauthorized),
        ("Forbidden", Reason::Forbidden),
        ("NotFound", Reason::NotFound),
        ("AlreadyExists", Reason::AlreadyExists),
        ("Conflict", Reason::Conflict),
        ("Gone", Reason::Gone),
        ("Invalid", Reason::Invalid),
        ("TooManyRequests", Reason::TooManyRequests),
        ("InternalError", Reason::InternalError),
        ("ServiceUnavailable", Reason::ServiceUnavailable),
        ("RequestEntityTooLarge", Reason::RequestEntityTooLarge),
    ];
    let named = REASONS.iter().find(|(name, _)| *name == reason);
    let coded = REASONS.iter().find(|(_, r)| i64::from(r.code()) == code);
    named.or(coded).map_or(Reason::BadRequest, |(_, reason)| *reason)
}
