//! Validating policies: what they say of a request, and what becomes of it.
//! Source: apiserver pkg/admission/plugin/policy/validating/{dispatcher,validator}.go.

use sim_apimachinery::{Cause, Kind, Reason, Status};
use sim_cel::Value;

use super::program::{Policy, Validation};
use super::scope::{PolicyScope, shown};
use super::{Attributes, Binding};
use crate::kube_apiserver::{ApiServer, Call, Outcome};

const MESSAGE_BYTES_MAX: usize = 5 * 1024;

/// What a policy has against a request.
struct Objection {
    message: String,
    reason: Option<String>,
}

impl ApiServer {
    /// Asks the validating policies.
    pub(in crate::kube_apiserver) fn ask_policies(&self, request: &Attributes<'_>, call: &mut Call<'_>) -> Outcome<()> {
        if self.policies.validating.is_empty() || request.is_exempt() {
            return Ok(());
        }
        let mut refusal = None;
        for policy in self.policies.validating.values() {
            if !self.request_matches(&policy.resources, request) {
                continue;
            }
            for binding in self.bindings_of(Kind::ValidatingAdmissionPolicyBinding, &policy.name) {
                if binding.resources.as_ref().is_some_and(|r| !self.request_matches(r, request)) {
                    continue;
                }
                for objection in self.objections(policy, &binding, request, call) {
                    act(policy, &binding, &objection, request, call, &mut refusal);
                }
            }
        }
        refusal.map_or(Ok(()), Err)
    }

    fn objections(&self, policy: &Policy, binding: &Binding, request: &Attributes<'_>, call: &Call<'_>) -> Vec<Objection> {
        let parameters = match self.parameters(policy.parameters.as_ref(), binding.parameters.as_ref(), request) {
            Ok(parameters) => parameters,
            Err(why) => return of_error(policy, format!("failed to configure binding: {why}")).into_iter().collect(),
        };
        let object = request.posted.cloned().or_else(|| request.object.map(shown));
        let mut found = vec![];
        for parameter in parameters {
            let scope = PolicyScope::new(self, policy, request, object.as_ref(), parameter.as_ref(), call);
            match conditions_hold(policy, &scope) {
                Ok(true) => found.extend(policy.validations.iter().filter_map(|v| objection(policy, v, &scope))),
                Ok(false) => {}
                Err(why) => found.extend(of_error(policy, why)),
            }
        }
        found
    }
}

/// An error counts only if the policy says so.
fn of_error(policy: &Policy, message: String) -> Option<Objection> {
    policy.fails.then_some(Objection { message, reason: None })
}

/// Whether all match conditions are true. One that is false decides, whatever errors others have.
pub(super) fn conditions_hold(policy: &Policy, scope: &PolicyScope<'_>) -> Result<bool, String> {
    let mut error = None;
    for condition in &policy.conditions {
        let outcome = condition.program.as_ref().map_err(Clone::clone).and_then(|p| p.evaluate(scope).0.map_err(|e| e.0));
        match outcome {
            Ok(Value::Bool(true)) => {}
            Ok(_) => return Ok(false),
            Err(why) => error = Some(format!("expression '{}' resulted in error: {why}", condition.source)),
        }
    }
    error.map_or(Ok(true), Err)
}

fn objection(policy: &Policy, validation: &Validation, scope: &PolicyScope<'_>) -> Option<Objection> {
    let source = validation.expression.source.trim();
    let program = match &validation.expression.program {
        Ok(program) => program,
        Err(why) => return of_error(policy, format!("compilation error: compilation failed: {why}")),
    };
    match program.evaluate(scope).0 {
        Ok(Value::Bool(true)) => None,
        Ok(_) => {
            let own = if validation.message.is_empty() { format!("failed expression: {source}") } else { validation.message.clone() };
            Some(Objection { message: message(validation, scope).unwrap_or(own), reason: validation.reason.clone() })
        }
        Err(why) => of_error(policy, format!("expression '{}' resulted in error: {}", validation.expression.source, why.0)),
    }
}

/// What the message expression says, if it says something in one line.
fn message(validation: &Validation, scope: &PolicyScope<'_>) -> Option<String> {
    let program = validation.message_expression.as_ref()?.program.as_ref().ok()?;
    let (Ok(Value::String(text)), _) = program.evaluate(scope) else { return None };
    let text = text.trim();
    (!text.is_empty() && !text.contains('\n') && text.len() <= MESSAGE_BYTES_MAX).then(|| text.to_owned())
}

/// Refuses or warns; the first refusal stands.
fn act(
    policy: &Policy,
    binding: &Binding,
    objection: &Objection,
    request: &Attributes<'_>,
    call: &mut Call<'_>,
    refusal: &mut Option<Box<Status>>,
) {
    let who = format!("ValidatingAdmissionPolicy '{}' with binding '{}'", policy.name, binding.name);
    for action in &binding.actions {
        match action.as_str() {
            "Deny" if refusal.is_none() => {
                *refusal = Some(Box::new(denied(request, &format!("{who} denied request: {}", objection.message), objection)));
            }
            "Warn" => call.warnings.push(format!("Validation failed for {who}: {}", objection.message)),
            _ => {}
        }
    }
}

fn denied(request: &Attributes<'_>, text: &str, objection: &Objection) -> Status {
    let name = match (request.name, request.object) {
        ("", Some(object)) if !object.name().is_empty() => object.name(),
        ("", Some(object)) => object.metadata().generate_name.as_deref().unwrap_or("Unknown"),
        ("", None) => "Unknown",
        (name, _) => name,
    };
    let mut status = Status::forbidden(request.kind, name, text);
    status.reason = match objection.reason.as_deref() {
        Some("Forbidden") => Reason::Forbidden,
        Some("Unauthorized") => Reason::Unauthorized,
        Some("RequestEntityTooLarge") => Reason::RequestEntityTooLarge,
        _ => Reason::Invalid,
    };
    status.causes.push(Cause { message: text.to_owned(), ..Cause::default() });
    status
}
