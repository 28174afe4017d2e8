//! The fields by which objects can be selected, kind by kind: which paths a field selector may name, and their values.
//! Sources: pkg/apis/*/v1/conversion.go (the paths), pkg/registry/*/*/strategy.go (the values).
//! Every kind has `metadata.name` and, where it has no list of its own, `metadata.namespace`. A path that a kind does not
//! have is refused with that kind's words. A custom resource's own paths are given by its definition.

use k8s_openapi::api::core::v1::{Event, Pod};

use crate::kinds::Kind;
use crate::object::Object;
use crate::selector::FieldSelector;

const NAME: &str = "metadata.name";
const NAMESPACE: &str = "metadata.namespace";

/// The paths of a kind that has a list of its own.
fn own_paths(kind: Kind) -> Option<&'static [&'static str]> {
    Some(match kind {
        Kind::Pod => &[
            NAME,
            NAMESPACE,
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        ],
        Kind::Node => &[NAME, "spec.unschedulable"],
        Kind::ReplicationController => &[NAME, NAMESPACE, "status.replicas"],
        Kind::Namespace => &[NAME, "status.phase"],
        Kind::Secret => &[NAME, NAMESPACE, "type"],
        Kind::Service => &[NAME, NAMESPACE, "spec.clusterIP", "spec.type"],
        Kind::Job => &[NAME, NAMESPACE, "status.successful"],
        Kind::CertificateSigningRequest | Kind::ClusterTrustBundle => &[NAME, "spec.signerName"],
        Kind::PodCertificateRequest => &[NAME, "spec.signerName", "spec.podName", "spec.nodeName"],
        Kind::ResourceSlice => &[NAME, "spec.nodeName", "spec.driver"],
        Kind::Event => &[
            NAME,
            NAMESPACE,
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
        ],
        _ => return None,
    })
}

/// Gives the paths of a selector the names under which `value` knows them, or says which path the kind does not have.
/// `events_v1` is for events asked for through `events.k8s.io`, whose paths have other names; `custom` holds the selectable
/// paths of a custom resource, without the leading dot.
pub fn convert(selector: FieldSelector, kind: Kind, events_v1: bool, custom: &[String]) -> Result<FieldSelector, String> {
    selector.convert(|path| match kind {
        Kind::Event if events_v1 => event_path(path).ok_or_else(|| format!("field label not supported: {path}")),
        Kind::Custom(_) if custom.iter().any(|c| c == path) => Ok(path.to_owned()),
        _ => built_in(kind, path),
    })
}

fn built_in(kind: Kind, path: &str) -> Result<String, String> {
    if kind == Kind::Pod && path == "spec.host" {
        return Ok("spec.nodeName".to_owned());
    }
    let known = own_paths(kind).unwrap_or(&[NAME, NAMESPACE]);
    if known.contains(&path) {
        return Ok(path.to_owned());
    }
    Err(match kind {
        Kind::Job => format!("field label {path:?} not supported for Job"),
        Kind::ResourceSlice => format!("field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: {path}"),
        Kind::Custom(_) => format!("field label not supported: {path}"),
        _ if own_paths(kind).is_some() => format!("field label not supported: {path}"),
        _ => format!("{path:?} is not a known field selector: only {NAME:?}, {NAMESPACE:?}"),
    })
}

/// What core/v1 calls a path of `events.k8s.io/v1`.
fn event_path(path: &str) -> Option<String> {
    match path {
        "reason" | "type" | NAME | NAMESPACE => Some(path.to_owned()),
        "reportingController" => Some("reportingComponent".to_owned()),
        "regarding.kind"
        | "regarding.namespace"
        | "regarding.name"
        | "regarding.uid"
        | "regarding.apiVersion"
        | "regarding.resourceVersion"
        | "regarding.fieldPath" => Some(path.replace("regarding", "involvedObject")),
        _ => None,
    }
}

/// The value of a field by its path in core words; `None` where it has none.
pub fn value(object: &Object, path: &str) -> Option<String> {
    match path {
        NAME => return Some(object.name().to_owned()),
        NAMESPACE => return Some(object.namespace().to_owned()),
        _ => {}
    }
    match object {
        Object::Pod(pod) => pod_value(pod, path),
        Object::Event(event) => event_value(event, path),
        Object::Node(node) => Some(node.spec.as_ref().and_then(|s| s.unschedulable).unwrap_or(false).to_string()),
        Object::ReplicationController(o) => Some(o.status.as_ref().map_or(0, |s| s.replicas).to_string()),
        Object::Namespace(o) => o.status.as_ref()?.phase.clone(),
        Object::Secret(o) => o.type_.clone(),
        Object::Service(o) if path == "spec.type" => o.spec.as_ref()?.type_.clone(),
        Object::Service(o) => o.spec.as_ref()?.cluster_ip.clone(),
        Object::Job(o) => Some(o.status.as_ref().and_then(|s| s.succeeded).unwrap_or(0).to_string()),
        Object::CertificateSigningRequest(o) => Some(o.spec.signer_name.clone()),
        Object::ResourceSlice(o) if path == "spec.driver" => Some(o.spec.driver.clone()),
        Object::ResourceSlice(o) => o.spec.node_name.clone(),
        other => json_value(other, path),
    }
}

fn pod_value(pod: &Pod, path: &str) -> Option<String> {
    let (spec, status) = (pod.spec.as_ref(), pod.status.as_ref());
    match path {
        "spec.nodeName" => spec?.node_name.clone(),
        "spec.restartPolicy" => spec?.restart_policy.clone(),
        "spec.schedulerName" => spec?.scheduler_name.clone(),
        "spec.serviceAccountName" => spec?.service_account_name.clone(),
        "spec.hostNetwork" => Some(spec.and_then(|s| s.host_network).unwrap_or(false).to_string()),
        "status.phase" => status?.phase.clone(),
        "status.podIP" => status?.pod_ips.as_ref()?.first().map(|ip| ip.ip.clone()),
        "status.nominatedNodeName" => status?.nominated_node_name.clone(),
        _ => None,
    }
}

fn event_value(event: &Event, path: &str) -> Option<String> {
    let about = &event.involved_object;
    match path {
        "involvedObject.kind" => about.kind.clone(),
        "involvedObject.namespace" => about.namespace.clone(),
        "involvedObject.name" => about.name.clone(),
        "involvedObject.uid" => about.uid.clone(),
        "involvedObject.apiVersion" => about.api_version.clone(),
        "involvedObject.resourceVersion" => about.resource_version.clone(),
        "involvedObject.fieldPath" => about.field_path.clone(),
        "reason" => event.reason.clone(),
        "reportingComponent" => event.reporting_component.clone(),
        "source" => {
            let source = event.source.as_ref().and_then(|s| s.component.clone()).filter(|c| !c.is_empty());
            source.or_else(|| event.reporting_component.clone())
        }
        "type" => event.type_.clone(),
        _ => None,
    }
}

/// Strings, numbers and booleans on a path of a custom resource (or of a rarely selected kind).
fn json_value(object: &Object, path: &str) -> Option<String> {
    let mut value = &object.to_json();
    for part in path.split('.') {
        value = value.get(part)?;
    }
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(kind: Kind, text: &str) -> Option<String> {
        convert(FieldSelector::parse(text).ok()?, kind, false, &[]).err()
    }

    #[test]
    fn a_path_that_a_kind_does_not_have_is_refused_in_its_words() {
        for (kind, text, expected) in [
            (Kind::ConfigMap, "data.a=b", r#""data.a" is not a known field selector: only "metadata.name", "metadata.namespace""#),
            (Kind::Pod, "spec.x=1", "field label not supported: spec.x"),
            (Kind::Node, "metadata.namespace=", "field label not supported: metadata.namespace"),
            (Kind::Job, "status.x=1", r#"field label "status.x" not supported for Job"#),
            (Kind::ResourceSlice, "a=b", "field label not supported for resource.k8s.io/v1, Kind=ResourceSlice: a"),
        ] {
            assert_eq!(error(kind, text).as_deref(), Some(expected));
        }
        assert_eq!(error(Kind::Pod, "spec.nodeName=n,status.phase!=Running,spec.host=n"), None);
    }

    #[test]
    fn events_have_other_names_in_their_own_group() {
        let parsed = FieldSelector::parse("regarding.name=x,reportingController=y").ok();
        let converted = parsed.and_then(|s| convert(s, Kind::Event, true, &[]).ok()).map(|s| s.to_string());
        assert_eq!(converted.as_deref(), Some("involvedObject.name=x,reportingComponent=y"));
    }
}
