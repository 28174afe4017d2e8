//! Validation of objects before they are stored, with Kubernetes' messages.
//! Covers: object metadata for every kind, workloads' replicas and selectors, containers, services, and what may not
//! change. Source: pkg/apis/*/validation. Not covered: the many fields of kinds that no scenario touches.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::DeploymentSpec;
use k8s_openapi::api::core::v1::{Container, PodSpec, Service};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use crate::Kind;
use crate::names;
use crate::object::Object;
use crate::quantity::Quantity;
use crate::selector::Selector;
use crate::status::Cause;

struct Errors(Vec<Cause>);

impl Errors {
    fn add(&mut self, reason: &str, field: &str, message: String) {
        self.0.push(Cause { reason: reason.into(), field: field.into(), message });
    }
    fn required(&mut self, field: &str, detail: &str) {
        let message = if detail.is_empty() { "Required value".to_owned() } else { format!("Required value: {detail}") };
        self.add("FieldValueRequired", field, message);
    }
    fn invalid(&mut self, field: &str, value: impl std::fmt::Debug, detail: &str) {
        self.add("FieldValueInvalid", field, format!("Invalid value: {value:?}: {detail}"));
    }
    fn not_supported(&mut self, field: &str, value: &str, supported: &[&str]) {
        let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
        self.add("FieldValueNotSupported", field, format!("Unsupported value: {value:?}: supported values: {}", list.join(", ")));
    }
    fn duplicate(&mut self, field: &str, value: &str) {
        self.add("FieldValueDuplicate", field, format!("Duplicate value: {value:?}"));
    }
}

/// What is wrong with a new object.
pub fn validate_create(object: &Object) -> Vec<Cause> {
    let mut errors = Errors(vec![]);
    metadata(object, &mut errors);
    content(object, &mut errors);
    errors.0
}

/// What is wrong with the next state of an object.
pub fn validate_update(next: &Object, current: &Object) -> Vec<Cause> {
    let mut errors = Errors(vec![]);
    metadata(next, &mut errors);
    content(next, &mut errors);
    immutable(next, current, &mut errors);
    errors.0
}

fn metadata(object: &Object, errors: &mut Errors) {
    let metadata = object.metadata();
    let wrong = match object.kind() {
        Kind::Service => names::dns1035_label(object.name()),
        Kind::Namespace => names::dns1123_label(object.name()),
        Kind::Role | Kind::ClusterRole | Kind::RoleBinding | Kind::ClusterRoleBinding | Kind::Event => vec![],
        _ => names::dns1123_subdomain(object.name()),
    };
    for detail in wrong {
        errors.invalid("metadata.name", object.name(), &detail);
    }
    labels(metadata.labels.as_ref(), "metadata.labels", errors);
    for key in metadata.annotations.iter().flatten().map(|(k, _)| k) {
        for detail in names::qualified_name(&key.to_ascii_lowercase()) {
            errors.invalid("metadata.annotations", key, &detail);
        }
    }
}

fn labels(labels: Option<&BTreeMap<String, String>>, path: &str, errors: &mut Errors) {
    for (key, value) in labels.into_iter().flatten() {
        for detail in names::qualified_name(key) {
            errors.invalid(path, key, &detail);
        }
        for detail in names::label_value(value) {
            errors.invalid(path, value, &detail);
        }
    }
}

fn content(object: &Object, errors: &mut Errors) {
    match object {
        Object::Pod(o) => match &o.spec {
            Some(spec) => pod_spec(spec, "spec", errors),
            None => errors.required("spec.containers", ""),
        },
        Object::Deployment(o) => match &o.spec {
            Some(spec) => deployment(spec, errors),
            None => errors.required("spec.selector", ""),
        },
        Object::ReplicaSet(o) => {
            if let Some(spec) = &o.spec {
                not_negative(spec.replicas, "spec.replicas", errors);
                if let Some(template) = &spec.template {
                    template_matches(&spec.selector, template.metadata.as_ref().and_then(|m| m.labels.as_ref()), errors);
                    template.spec.iter().for_each(|s| pod_spec(s, "spec.template.spec", errors));
                }
            }
        }
        Object::StatefulSet(o) => {
            if let Some(spec) = &o.spec {
                not_negative(spec.replicas, "spec.replicas", errors);
                template_matches(&spec.selector, spec.template.metadata.as_ref().and_then(|m| m.labels.as_ref()), errors);
                spec.template.spec.iter().for_each(|s| pod_spec(s, "spec.template.spec", errors));
            }
        }
        Object::DaemonSet(o) => {
            if let Some(spec) = &o.spec {
                template_matches(&spec.selector, spec.template.metadata.as_ref().and_then(|m| m.labels.as_ref()), errors);
                spec.template.spec.iter().for_each(|s| pod_spec(s, "spec.template.spec", errors));
            }
        }
        Object::Service(o) => service(o, errors),
        Object::HorizontalPodAutoscaler(o) => {
            let (min, max) = (o.spec.min_replicas.unwrap_or(1), o.spec.max_replicas);
            if min < 1 {
                errors.invalid("spec.minReplicas", min, "must be greater than or equal to 1");
            }
            if max < 1 {
                errors.invalid("spec.maxReplicas", max, "must be greater than 0");
            } else if max < min {
                errors.invalid("spec.maxReplicas", max, "must be greater than or equal to `minReplicas`");
            }
        }
        _ => {}
    }
}

fn not_negative(value: Option<i32>, path: &str, errors: &mut Errors) {
    if let Some(value) = value.filter(|v| *v < 0) {
        errors.invalid(path, value, "must be greater than or equal to 0");
    }
}

fn deployment(spec: &DeploymentSpec, errors: &mut Errors) {
    not_negative(spec.replicas, "spec.replicas", errors);
    let template = &spec.template;
    template_matches(&spec.selector, template.metadata.as_ref().and_then(|m| m.labels.as_ref()), errors);
    match &template.spec {
        Some(pod) => {
            pod_spec(pod, "spec.template.spec", errors);
            if let Some(policy) = pod.restart_policy.as_deref().filter(|p| *p != "Always") {
                errors.not_supported("spec.template.spec.restartPolicy", policy, &["Always"]);
            }
        }
        None => errors.required("spec.template.spec.containers", ""),
    }
    let kind = spec.strategy.as_ref().and_then(|s| s.type_.as_deref()).unwrap_or("RollingUpdate");
    if kind == "Recreate" && spec.strategy.as_ref().is_some_and(|s| s.rolling_update.is_some()) {
        let text = "Forbidden: may not be specified when strategy `type` is 'Recreate'".to_owned();
        errors.add("FieldValueForbidden", "spec.strategy.rollingUpdate", text);
    } else if !matches!(kind, "Recreate" | "RollingUpdate") {
        errors.not_supported("spec.strategy.type", kind, &["Recreate", "RollingUpdate"]);
    }
}

fn template_matches(selector: &LabelSelector, labels: Option<&BTreeMap<String, String>>, errors: &mut Errors) {
    let nothing = BTreeMap::new();
    if selector.match_labels.as_ref().is_none_or(BTreeMap::is_empty) && selector.match_expressions.as_ref().is_none_or(Vec::is_empty) {
        return errors.add("FieldValueInvalid", "spec.selector", "Invalid value: {}: empty selector is invalid for deployment".into());
    }
    let labels = labels.unwrap_or(&nothing);
    if Selector::from_label_selector(selector).is_ok_and(|s| !s.matches(labels)) {
        errors.invalid("spec.template.metadata.labels", labels, "`selector` does not match template `labels`");
    }
}

fn pod_spec(spec: &PodSpec, path: &str, errors: &mut Errors) {
    if spec.containers.is_empty() {
        errors.required(&format!("{path}.containers"), "");
    }
    let mut seen: Vec<&str> = Vec::new();
    let volumes: Vec<&str> = spec.volumes.iter().flatten().map(|v| v.name.as_str()).collect();
    for (index, container) in spec.containers.iter().enumerate() {
        let at = format!("{path}.containers[{index}]");
        one_container(container, &at, &volumes, errors);
        if !container.name.is_empty() && seen.contains(&container.name.as_str()) {
            errors.duplicate(&format!("{at}.name"), &container.name);
        }
        seen.push(&container.name);
    }
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        one_container(container, &format!("{path}.initContainers[{index}]"), &volumes, errors);
    }
    if let Some(policy) = spec.restart_policy.as_deref().filter(|p| !matches!(*p, "Always" | "OnFailure" | "Never")) {
        errors.not_supported(&format!("{path}.restartPolicy"), policy, &["Always", "Never", "OnFailure"]);
    }
}

fn one_container(container: &Container, path: &str, volumes: &[&str], errors: &mut Errors) {
    if container.name.is_empty() {
        errors.required(&format!("{path}.name"), "");
    } else {
        for detail in names::dns1123_label(&container.name) {
            errors.invalid(&format!("{path}.name"), &container.name, &detail);
        }
    }
    if container.image.as_deref().unwrap_or_default().is_empty() {
        errors.required(&format!("{path}.image"), "");
    }
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        if !volumes.contains(&mount.name.as_str()) {
            errors.add("FieldValueNotFound", &format!("{path}.volumeMounts[{index}].name"), format!("Not found: {:?}", mount.name));
        }
    }
    if let Some(policy) = container.image_pull_policy.as_deref().filter(|p| !matches!(*p, "Always" | "IfNotPresent" | "Never")) {
        errors.not_supported(&format!("{path}.imagePullPolicy"), policy, &["Always", "IfNotPresent", "Never"]);
    }
    resources(container, path, errors);
}

fn resources(container: &Container, path: &str, errors: &mut Errors) {
    let Some(resources) = &container.resources else { return };
    for (part, map) in [("limits", &resources.limits), ("requests", &resources.requests)] {
        for (name, quantity) in map.iter().flatten() {
            match Quantity::parse(&quantity.0) {
                Err(text) => errors.invalid(&format!("{path}.resources.{part}[{name}]"), &quantity.0, &text),
                Ok(q) if q < Quantity::from_millis(0) => {
                    errors.invalid(&format!("{path}.resources.{part}[{name}]"), &quantity.0, "must be greater than or equal to 0");
                }
                Ok(q) => {
                    let limit = resources.limits.as_ref().and_then(|l| l.get(name)).and_then(|l| Quantity::parse(&l.0).ok());
                    if part == "requests" && limit.is_some_and(|l| q > l) {
                        let most = limit.map(|l| l.to_string()).unwrap_or_default();
                        errors.invalid(
                            &format!("{path}.resources.requests"),
                            &quantity.0,
                            &format!("must be less than or equal to {name} limit of {most}"),
                        );
                    }
                }
            }
        }
    }
}

fn service(service: &Service, errors: &mut Errors) {
    let Some(spec) = &service.spec else { return };
    let kind = spec.type_.as_deref().unwrap_or("ClusterIP");
    let headless = spec.cluster_ip.as_deref() == Some("None");
    if !matches!(kind, "ClusterIP" | "NodePort" | "LoadBalancer" | "ExternalName") {
        errors.not_supported("spec.type", kind, &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"]);
    }
    if spec.ports.as_ref().is_none_or(Vec::is_empty) && !headless && kind != "ExternalName" {
        errors.required("spec.ports", "");
    }
    let many = spec.ports.as_ref().is_some_and(|p| p.len() > 1);
    for (index, port) in spec.ports.iter().flatten().enumerate() {
        if !(1..=65_535).contains(&port.port) {
            errors.invalid(&format!("spec.ports[{index}].port"), port.port, "must be between 1 and 65535, inclusive");
        }
        if many && port.name.as_deref().unwrap_or_default().is_empty() {
            errors.required(&format!("spec.ports[{index}].name"), "");
        }
    }
}

fn immutable(next: &Object, current: &Object, errors: &mut Errors) {
    let changed = |a: &LabelSelector, b: &LabelSelector| a != b;
    let selector = match (next, current) {
        (Object::Deployment(n), Object::Deployment(c)) => {
            n.spec.as_ref().zip(c.spec.as_ref()).filter(|(n, c)| changed(&n.selector, &c.selector)).map(|(n, _)| &n.selector)
        }
        (Object::ReplicaSet(n), Object::ReplicaSet(c)) => {
            n.spec.as_ref().zip(c.spec.as_ref()).filter(|(n, c)| changed(&n.selector, &c.selector)).map(|(n, _)| &n.selector)
        }
        (Object::DaemonSet(n), Object::DaemonSet(c)) => {
            n.spec.as_ref().zip(c.spec.as_ref()).filter(|(n, c)| changed(&n.selector, &c.selector)).map(|(n, _)| &n.selector)
        }
        _ => None,
    };
    if let Some(selector) = selector {
        errors.add(
            "FieldValueInvalid",
            "spec.selector",
            format!("Invalid value: {}: field is immutable", serde_json::to_string(selector).unwrap_or_default()),
        );
    }
    if let (Object::Pod(n), Object::Pod(c)) = (next, current)
        && frozen(n.spec.as_ref()) != frozen(c.spec.as_ref())
    {
        let text = "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        errors.add("FieldValueForbidden", "spec", text.into());
    }
}

/// A pod's spec without what may change.
fn frozen(spec: Option<&PodSpec>) -> Option<PodSpec> {
    let mut spec = spec?.clone();
    for container in spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten()) {
        container.image = None;
        container.resources = None;
    }
    spec.active_deadline_seconds = None;
    spec.tolerations = None;
    spec.scheduling_gates = None;
    spec.node_name = None;
    spec.ephemeral_containers = None;
    Some(spec)
}
