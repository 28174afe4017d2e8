//! Questions about rights, asked through the API: SubjectAccessReview, its local and its self form, and
//! SelfSubjectRulesReview. Each is created, answered in its status, and not kept.
//! A review goes in as JSON, decoded and with its managed fields, and comes out with its status; nothing else changes.
//! Sources: pkg/registry/authorization, pkg/apis/authorization/validation.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value, json};
use sim_apimachinery::selector::{FieldSelector, Selector};
use sim_apimachinery::{Cause, Reason, Status, UserInfo, names};

use super::node::node_identity;
use super::rbac::{Rule, aggregate, missing_role};
use super::{Attributes, Decision};
use crate::kube_apiserver::{ApiServer, Outcome};

const GROUP: &str = "authorization.k8s.io";
/// The fields of `ObjectMeta` as Go prints them.
const METADATA_ORDER: [&str; 13] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];

/// Answers a review of the group `authorization.k8s.io`. `namespace` is the URL's. Errors: what is wrong with the review.
pub fn review(kind: &str, review: Value, namespace: &str, user: &Arc<UserInfo>, apiserver: &ApiServer) -> Outcome<Value> {
    match kind {
        "SelfSubjectRulesReview" => rules_review(&review, user, apiserver),
        "SelfSubjectAccessReview" => access_review(kind, review, user.clone(), apiserver),
        _ => {
            let subject = Arc::new(subject(&review["spec"]));
            let validated = validated(kind, &review)?;
            if kind == "LocalSubjectAccessReview" && review["metadata"]["namespace"].as_str().unwrap_or_default() != namespace {
                return Err(bad_request(format!("spec.resourceAttributes.namespace must match namespace: {namespace}")));
            }
            Ok(with_status(review, &validated, subject, apiserver))
        }
    }
}

fn access_review(kind: &str, review: Value, user: Arc<UserInfo>, apiserver: &ApiServer) -> Outcome<Value> {
    let validated = validated(kind, &review)?;
    Ok(with_status(review, &validated, user, apiserver))
}

/// What a valid review asks.
struct Asked {
    attributes: Attributes,
    ignored: Vec<String>,
}

fn with_status(mut review: Value, asked: &Asked, user: Arc<UserInfo>, apiserver: &ApiServer) -> Value {
    let Decision { allowed, reason } = apiserver.authorize(&Attributes { user, ..asked.attributes.clone() });
    let mut status = json!({ "allowed": allowed });
    for (field, text) in [("reason", reason), ("evaluationError", asked.ignored.join("; "))] {
        if !text.is_empty() {
            status[field] = text.into();
        }
    }
    review["status"] = status;
    review
}

fn validated(kind: &str, review: &Value) -> Outcome<Asked> {
    let spec = &review["spec"];
    let mut errors = spec_errors(kind, spec);
    errors.extend(metadata_error(kind, &review["metadata"]));
    if kind == "LocalSubjectAccessReview" {
        errors.extend(local_errors(review));
    }
    if errors.is_empty() { Ok(asked(spec)) } else { Err(invalid(errors)) }
}

fn spec_errors(kind: &str, spec: &Value) -> Vec<Cause> {
    let (resource, other) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let mut errors = Vec::new();
    match (resource.is_object(), other.is_object()) {
        (true, true) => errors.push(wrong(
            "spec.nonResourceAttributes",
            &path_attributes(other),
            "cannot be specified in combination with resourceAttributes",
        )),
        (false, false) => errors.push(wrong(
            "spec.resourceAttributes",
            "null",
            "exactly one of nonResourceAttributes or resourceAttributes must be specified",
        )),
        _ => {}
    }
    let nobody = spec["user"].as_str().unwrap_or_default().is_empty() && spec["groups"].as_array().is_none_or(Vec::is_empty);
    if kind != "SelfSubjectAccessReview" && nobody {
        errors.push(wrong("spec.user", "\"\"", "at least one of user or group must be specified"));
    }
    errors.extend(selector_errors(&resource["fieldSelector"], "spec.resourceAttributes.fieldSelector", false));
    errors.extend(selector_errors(&resource["labelSelector"], "spec.resourceAttributes.labelSelector", true));
    errors
}

fn metadata_error(kind: &str, metadata: &Value) -> Option<Cause> {
    let local = kind == "LocalSubjectAccessReview";
    let counts = |key: &String| key != "managedFields" && !(local && key == "namespace");
    let full = metadata.as_object()?.iter().any(|(key, value)| counts(key) && !is_nothing(value));
    let said = if local { "must be empty except for namespace" } else { "must be empty" };
    full.then(|| wrong("metadata", &metadata_text(metadata), said))
}

fn local_errors(review: &Value) -> Vec<Cause> {
    let spec = &review["spec"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (own, asked) = (text(&review["metadata"]["namespace"]), text(&spec["resourceAttributes"]["namespace"]));
    let mut errors = Vec::new();
    if spec["resourceAttributes"].is_object() && own != asked {
        errors.push(wrong("spec.resourceAttributes.namespace", &format!("{asked:?}"), "must match metadata.namespace"));
    }
    let other = &spec["nonResourceAttributes"];
    if other.is_object() {
        errors.push(wrong("spec.nonResourceAttributes", &path_attributes(other), "disallowed on this kind of request"));
    }
    errors
}

fn selector_errors(selector: &Value, path: &str, of_labels: bool) -> Vec<Cause> {
    if !selector.is_object() {
        return vec![];
    }
    let raw = selector["rawSelector"].as_str().unwrap_or_default();
    let requirements = selector["requirements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut errors = Vec::new();
    match (raw.is_empty(), requirements.is_empty()) {
        (false, false) => {
            errors.push(wrong(&format!("{path}.rawSelector"), &format!("{raw:?}"), "may not specified at the same time as requirements"));
        }
        (true, true) => errors.push(cause(
            "FieldValueRequired",
            &format!("{path}.requirements"),
            format!("Required value: when {path} is specified, requirements or rawSelector is required"),
        )),
        _ => {}
    }
    for (index, requirement) in requirements.iter().enumerate() {
        errors.extend(requirement_errors(requirement, &format!("{path}.requirements[{index}]"), of_labels));
    }
    errors
}

fn requirement_errors(requirement: &Value, path: &str, of_labels: bool) -> Vec<Cause> {
    let (key, operator) = (requirement["key"].as_str().unwrap_or_default(), requirement["operator"].as_str().unwrap_or_default());
    let values = requirement["values"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut errors = Vec::new();
    if !of_labels && key.is_empty() {
        errors.push(cause("FieldValueRequired", &format!("{path}.key"), "Required value: must be specified".into()));
    }
    let at = format!("{path}.values");
    match operator {
        "In" | "NotIn" if values.is_empty() => {
            let text = "Required value: must be specified when `operator` is 'In' or 'NotIn'";
            errors.push(cause("FieldValueRequired", &at, text.into()));
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let text = "Forbidden: may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            errors.push(cause("FieldValueForbidden", &at, text.into()));
        }
        _ => {}
    }
    if of_labels {
        errors.extend(names::qualified_name(key).iter().map(|why| wrong(&format!("{path}.key"), &format!("{key:?}"), why)));
        for (index, value) in values.iter().filter_map(Value::as_str).enumerate() {
            errors.extend(names::label_value(value).iter().map(|why| wrong(&format!("{at}[{index}]"), &format!("{value:?}"), why)));
        }
    }
    errors
}

fn asked(spec: &Value) -> Asked {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let resource = &spec["resourceAttributes"];
    if !resource.is_object() {
        let other = &spec["nonResourceAttributes"];
        let attributes = Attributes { verb: text(&other["verb"]), path: text(&other["path"]), ..Attributes::default() };
        return Asked { attributes, ignored: vec![] };
    }
    let version = Some(text(&resource["version"])).filter(|v| !v.is_empty()).unwrap_or_else(|| "*".to_owned());
    let (field_equals, ignored_fields) = field_terms(&resource["fieldSelector"]);
    let ignored = [ignored_fields, ignored_labels(&resource["labelSelector"])].into_iter().flatten().collect();
    let attributes = Attributes {
        verb: text(&resource["verb"]),
        group: text(&resource["group"]),
        version,
        resource: text(&resource["resource"]),
        subresource: text(&resource["subresource"]),
        namespace: text(&resource["namespace"]),
        name: text(&resource["name"]),
        field_equals,
        is_resource: true,
        ..Attributes::default()
    };
    Asked { attributes, ignored }
}

/// The equalities of a field selector, and what is said if something in it is not understood.
fn field_terms(selector: &Value) -> (Vec<(String, String)>, Option<String>) {
    let raw = selector["rawSelector"].as_str().unwrap_or_default();
    if !raw.is_empty() {
        return match FieldSelector::parse(raw) {
            Ok(_) => (super::field_equalities(raw), None),
            Err(_) => (vec![], Some(ignored("fieldSelector", false))),
        };
    }
    let (mut terms, mut understood, mut wrong) = (Vec::new(), false, false);
    for requirement in selector["requirements"].as_array().into_iter().flatten() {
        let values: Vec<&str> = requirement["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        match (requirement["operator"].as_str(), values.as_slice()) {
            (Some("In"), [value]) => {
                understood = true;
                terms.push((requirement["key"].as_str().unwrap_or_default().to_owned(), (*value).to_owned()));
            }
            (Some("NotIn"), [_]) => understood = true,
            _ => wrong = true,
        }
    }
    (terms, wrong.then(|| ignored("fieldSelector", understood)))
}

fn ignored_labels(selector: &Value) -> Option<String> {
    let raw = selector["rawSelector"].as_str().unwrap_or_default();
    if !raw.is_empty() {
        return Selector::parse(raw).is_err().then(|| ignored("labelSelector", false));
    }
    let known = |r: &Value| matches!(r["operator"].as_str(), Some("In" | "NotIn" | "Exists" | "DoesNotExist"));
    let requirements = selector["requirements"].as_array().map(Vec::as_slice).unwrap_or_default();
    let understood = requirements.iter().filter(|r| known(r)).count();
    (understood < requirements.len()).then(|| ignored("labelSelector", understood > 0))
}

fn ignored(which: &str, partially: bool) -> String {
    format!("spec.resourceAttributes.{which} {}ignored due to parse error", if partially { "partially " } else { "" })
}

fn subject(spec: &Value) -> UserInfo {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |value: &Value| value.as_array().into_iter().flatten().map(text).collect::<Vec<_>>();
    let extra: BTreeMap<String, Vec<String>> =
        spec["extra"].as_object().into_iter().flatten().map(|(key, values)| (key.clone(), list(values))).collect();
    UserInfo { name: text(&spec["user"]), uid: text(&spec["uid"]), groups: list(&spec["groups"]), extra }
}

fn rules_review(review: &Value, user: &Arc<UserInfo>, apiserver: &ApiServer) -> Outcome<Value> {
    let namespace = review["spec"]["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(bad_request("no namespace on request".into()));
    }
    let found = apiserver.rules_for(user, namespace);
    let resource_rules: Vec<Value> = found.rules.iter().filter(|r| r.resources.is_some()).map(resource_rule).collect();
    let path_rules: Vec<Value> = found.rules.iter().filter(|r| r.non_resource_urls.is_some()).map(path_rule).collect();
    let is_node = node_identity(user).is_some();
    let mut status = json!({ "resourceRules": resource_rules, "nonResourceRules": path_rules, "incomplete": is_node });
    let node_error = is_node.then(|| "node authorizer does not support user rule resolution".to_owned());
    let missing = found.missing.iter().map(|(kind, name)| missing_role(kind, name));
    let errors: Vec<String> = node_error.into_iter().chain(missing).collect();
    if !errors.is_empty() {
        status["evaluationError"] = aggregate(errors).into();
    }
    Ok(json!({"kind": "SelfSubjectRulesReview", "apiVersion": "authorization.k8s.io/v1", "metadata": {}, "spec": {}, "status": status}))
}

fn resource_rule(rule: &Rule) -> Value {
    let mut shown = json!({ "verbs": rule.verbs });
    for (field, list) in [("apiGroups", &rule.api_groups), ("resources", &rule.resources), ("resourceNames", &rule.resource_names)] {
        if let Some(list) = list.as_ref().filter(|l| !l.is_empty()) {
            shown[field] = json!(list);
        }
    }
    shown
}

fn path_rule(rule: &Rule) -> Value {
    json!({ "verbs": rule.verbs, "nonResourceURLs": rule.non_resource_urls })
}

fn is_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}

/// The attributes as Go prints its internal type, which has no JSON names.
fn path_attributes(value: &Value) -> String {
    let text = |field: &str| value[field].as_str().unwrap_or_default().to_owned();
    format!("{{\"Path\":{:?},\"Verb\":{:?}}}", text("path"), text("verb"))
}

fn metadata_text(metadata: &Value) -> String {
    let empty = Map::new();
    let map = metadata.as_object().unwrap_or(&empty);
    let parts = METADATA_ORDER.iter().filter_map(|key| map.get(*key).map(|value| format!("{key:?}:{value}")));
    format!("{{{}}}", parts.collect::<Vec<_>>().join(","))
}

fn cause(reason: &str, field: &str, message: String) -> Cause {
    Cause { reason: reason.into(), message, field: field.into() }
}

fn wrong(field: &str, value: &str, why: &str) -> Cause {
    cause("FieldValueInvalid", field, format!("Invalid value: {value}: {why}"))
}

/// The server builds this error from a kind that decoding has emptied, so it names the group only.
fn invalid(causes: Vec<Cause>) -> Box<Status> {
    let texts: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
    let joined = if texts.len() == 1 { texts.concat() } else { format!("[{}]", texts.join(", ")) };
    let message = format!(".{GROUP} \"\" is invalid: {joined}");
    Box::new(Status { group: GROUP.into(), causes, ..Status::new(Reason::Invalid, message) })
}

fn bad_request(message: String) -> Box<Status> {
    Box::new(Status::new(Reason::BadRequest, message))
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;
