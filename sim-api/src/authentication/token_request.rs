//! The subresource `token` of service accounts: a TokenRequest is answered with a signed token, bound to the account and
//! perhaps to a pod, a secret or a node. The token that a kubelet asks for with 3607 seconds is good for a year, and only
//! frowned upon after that hour, as long as `--service-account-extend-token-expiration` is on, which it is by default.
//! Source: pkg/registry/core/serviceaccount/storage/token.go.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::{Value, json};
use sim_apimachinery::{Cause, Kind, Object, ObjectKey, Reason, Status};
use sim_core::cluster::Cluster;
use sim_core::time::SECOND;

use super::ISSUER;
use super::service_account::{Bound, Wanted, issue};
use crate::frontend::Outcome;
use crate::respond::bad_request;

const GROUP: &str = "authentication.k8s.io";
const SECONDS_DEFAULT: i64 = 3600;
const SECONDS_MIN: i64 = 600;
const SECONDS_MAX: i64 = 1 << 32;
/// The lifetime by which a kubelet's requests are known, and what they get.
const SECONDS_OF_KUBELET: i64 = 3607;
const SECONDS_EXTENDED: i64 = 365 * 24 * 3600;

/// The lifetime of requests that name none; set while the body is decoded, so that it counts as the sender's.
pub fn default_seconds(request: &mut Value) {
    if request["spec"]["expirationSeconds"].is_null() {
        request["spec"]["expirationSeconds"] = SECONDS_DEFAULT.into();
    }
}

/// Answers a TokenRequest, decoded, defaulted and with its managed fields, for an account.
pub fn create(cluster: &mut Cluster, namespace: &str, name: &str, mut request: Value) -> Outcome<Value> {
    let account = account(cluster, namespace, name, &request)?;
    fill(cluster, &account, &mut request);
    let seconds = request["spec"]["expirationSeconds"].as_i64().unwrap_or_default();
    check_seconds(seconds)?;
    let bound = bound(cluster, namespace, name, &request["spec"]["boundObjectRef"])?;
    let audiences: Vec<String> =
        request["spec"]["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let extended = bound.iter().any(|(kind, _)| *kind == "pod") && seconds == SECONDS_OF_KUBELET && audiences.iter().all(|a| a == ISSUER);
    let id = cluster.apiserver_mut().credential_id();
    let bound: Vec<Bound<'_>> = bound.iter().map(|(kind, metadata)| (*kind, metadata)).collect();
    let lifetime = if extended { SECONDS_EXTENDED } else { seconds };
    let wanted = Wanted { account: &account, bound, audiences: &audiences, seconds: lifetime, warn_after: extended.then_some(seconds), id };
    let ends: Time = cluster.now().plus(u64::try_from(seconds).unwrap_or_default().saturating_mul(SECOND)).to_time();
    request["status"] = json!({"token": issue(cluster, &wanted), "expirationTimestamp": ends});
    Ok(request)
}

/// The account, if it is the one the request means.
fn account(cluster: &Cluster, namespace: &str, name: &str, request: &Value) -> Outcome<ObjectMeta> {
    let sent = |field: &str| request["metadata"][field].as_str().unwrap_or_default().to_owned();
    for (field, own, word) in [("name", name, "name"), ("namespace", namespace, "namespace")] {
        let given = sent(field);
        if !given.is_empty() && given != own {
            let message = format!("Invalid value: {given:?}: must match the service account {word} if specified");
            return Err(invalid(name, &format!("metadata.{field}"), message));
        }
    }
    let key = ObjectKey::new(Kind::ServiceAccount, namespace, name);
    let Some(found) = cluster.etcd().get(&key) else { return Err(Box::new(Status::not_found(Kind::ServiceAccount, name))) };
    let uid = sent("uid");
    if !uid.is_empty() && uid != found.uid() {
        let why = format!("the UID in the token request ({uid}) does not match the UID of the service account ({})", found.uid());
        return Err(conflict(GROUP, "TokenRequest", name, &why));
    }
    Ok(found.metadata().clone())
}

fn fill(cluster: &Cluster, account: &ObjectMeta, request: &mut Value) {
    if request["spec"]["audiences"].as_array().is_none_or(Vec::is_empty) {
        request["spec"]["audiences"] = json!([ISSUER]);
    }
    let metadata = &mut request["metadata"];
    metadata["name"] = json!(account.name);
    metadata["namespace"] = json!(account.namespace);
    metadata["uid"] = json!(account.uid);
    metadata["creationTimestamp"] = json!(cluster.now().to_time());
}

fn check_seconds(seconds: i64) -> Outcome<()> {
    let why = match seconds {
        s if s < SECONDS_MIN => "may not specify a duration less than 10 minutes",
        s if s > SECONDS_MAX => "may not specify a duration larger than 2^32 seconds",
        _ => return Ok(()),
    };
    Err(invalid("", "spec.expirationSeconds", format!("Invalid value: {seconds}: {why}")))
}

/// What the token is to be bound to; for a pod that is on a node, the node too.
fn bound(cluster: &Cluster, namespace: &str, account: &str, reference: &Value) -> Outcome<Vec<(&'static str, ObjectMeta)>> {
    if !reference.is_object() {
        return Ok(vec![]);
    }
    let text = |field: &str| reference[field].as_str().unwrap_or_default();
    let (name, api_version) = (text("name"), text("apiVersion"));
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let (kind, word, namespace) = match (group, text("kind")) {
        ("", "Pod") => (Kind::Pod, "pod", namespace),
        ("", "Node") => (Kind::Node, "node", ""),
        ("", "Secret") => (Kind::Secret, "secret", namespace),
        (_, other) => return Err(bad_request(format!("cannot bind token to object of type {group}/{version}, Kind={other}"))),
    };
    let found = cluster.etcd().get(&ObjectKey::new(kind, namespace, name));
    let Some(found) = found else { return Err(Box::new(Status::not_found(kind, name))) };
    let mut bound = vec![(word, found.metadata().clone())];
    if let Object::Pod(pod) = found {
        bound.extend(node_of(cluster, account, pod)?);
    }
    let wanted = text("uid");
    if !wanted.is_empty() && wanted != found.uid() {
        let why = format!(
            "the UID in the bound object reference ({wanted}) does not match the UID in record. The object might have been deleted and then recreated"
        );
        return Err(conflict("", text("kind"), name, &why));
    }
    Ok(bound)
}

fn node_of(cluster: &Cluster, account: &str, pod: &k8s_openapi::api::core::v1::Pod) -> Outcome<Option<(&'static str, ObjectMeta)>> {
    let spec = pod.spec.as_ref();
    if spec.and_then(|s| s.service_account_name.as_deref()) != Some(account) {
        let text = format!("cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name.");
        return Err(bad_request(text));
    }
    let Some(node) = spec.and_then(|s| s.node_name.as_deref()).filter(|n| !n.is_empty()) else { return Ok(None) };
    let known = cluster.etcd().get(&ObjectKey::new(Kind::Node, "", node)).map(|n| n.metadata().clone());
    Ok(Some(("node", known.unwrap_or_else(|| ObjectMeta { name: Some(node.into()), ..Default::default() }))))
}

fn invalid(name: &str, field: &str, message: String) -> Box<Status> {
    let text = format!("TokenRequest.{GROUP} {name:?} is invalid: {field}: {message}");
    let causes = vec![Cause { reason: "FieldValueInvalid".into(), message, field: field.into() }];
    let status =
        Status { group: GROUP.into(), kind: "TokenRequest".into(), name: name.into(), causes, ..Status::new(Reason::Invalid, text) };
    Box::new(status)
}

fn conflict(group: &str, resource: &str, name: &str, why: &str) -> Box<Status> {
    let qualified = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    let text = format!("Operation cannot be fulfilled on {qualified} {name:?}: {why}");
    let status = Status { group: group.into(), kind: resource.into(), name: name.into(), ..Status::new(Reason::Conflict, text) };
    Box::new(status)
}
