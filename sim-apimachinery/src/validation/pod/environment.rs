//! Environment variables, their sources, and fields of the pod told to containers.
//! Source: `ValidateEnv`, `ValidateEnvFrom` and what they call in pkg/apis/core/validation.

use k8s_openapi::api::core::v1::{
    EnvFromSource, EnvVar, EnvVarSource, FileKeySelector, ObjectFieldSelector, PodSpec, ResourceFieldSelector,
};

use super::volume_paths::no_backsteps;
use crate::names;
use crate::quantity::Quantity;
use crate::validation::errors::Errors;
use crate::validation::path::Path;

const ENVIRONMENT_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// The fields that a volume of the downward API may tell.
pub const VOLUME_FIELDS: [&str; 5] = ["metadata.annotations", "metadata.labels", "metadata.name", "metadata.namespace", "metadata.uid"];
const RESOURCE_FIELDS: [&str; 6] =
    ["limits.cpu", "limits.ephemeral-storage", "limits.memory", "requests.cpu", "requests.ephemeral-storage", "requests.memory"];
const POD_FIELDS: [&str; 14] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.serviceAccountName",
    "spec.schedulerName",
    "status.phase",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
const BYTE_DIVISORS: [&str; 13] = ["1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei"];
const TOO_MANY_SOURCES: &str = "may not have more than one field specified at a time";

/// What is wrong with environment variables.
pub fn variables(variables: &[EnvVar], at: &Path<'_>, errors: &mut Errors) {
    for (index, variable) in variables.iter().enumerate() {
        let at = at.index(index);
        match variable.name.as_str() {
            "" => errors.required(&at.child("name"), ""),
            name => errors.invalid_each(&at.child("name"), name, names::environment_variable(name)),
        }
        if let Some(source) = &variable.value_from {
            value_from(source, variable.value.as_deref().unwrap_or_default(), &at.child("valueFrom"), errors);
        }
    }
}

fn value_from(source: &EnvVarSource, value: &str, at: &Path<'_>, errors: &mut Errors) {
    let mut sources = 0;
    if let Some(field) = &source.field_ref {
        sources += 1;
        object_field(field, &ENVIRONMENT_FIELDS, &at.child("fieldRef"), errors);
    }
    if let Some(field) = &source.resource_field_ref {
        sources += 1;
        resource_field(field, false, &at.child("resourceFieldRef"), errors);
    }
    if let Some(reference) = &source.config_map_key_ref {
        sources += 1;
        key_of(&reference.name, &reference.key, &at.child("configMapKeyRef"), errors);
    }
    if let Some(reference) = &source.secret_key_ref {
        sources += 1;
        key_of(&reference.name, &reference.key, &at.child("secretKeyRef"), errors);
    }
    if let Some(file) = &source.file_key_ref {
        sources += 1;
        file_key(file, &at.child("fileKeyRef"), errors);
    }
    match (sources, value) {
        (0, _) => {
            let text = "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
            errors.invalid(at, "", text);
        }
        (1.., value) if !value.is_empty() => errors.invalid(at, "", "may not be specified when `value` is not empty"),
        (2.., _) => errors.invalid(at, "", TOO_MANY_SOURCES),
        _ => {}
    }
}

fn key_of(name: &str, key: &str, at: &Path<'_>, errors: &mut Errors) {
    errors.invalid_each(&at.child("name"), name, names::dns1123_subdomain(name));
    match key {
        "" => errors.required(&at.child("key"), ""),
        key => errors.invalid_each(&at.child("key"), key, names::config_map_key(key)),
    }
}

fn file_key(file: &FileKeySelector, at: &Path<'_>, errors: &mut Errors) {
    match file.key.as_str() {
        "" => errors.required(&at.child("key"), ""),
        key => errors.invalid_each(&at.child("key"), key, names::environment_variable(key)),
    }
    match file.volume_name.as_str() {
        "" => errors.required(&at.child("volumeName"), ""),
        name => errors.invalid_each(&at.child("volumeName"), name, names::dns1123_label(name)),
    }
    match file.path.as_str() {
        "" => errors.required(&at.child("path"), ""),
        path => no_backsteps(path, &at.child("path"), errors),
    }
}

/// What is wrong with a field of the pod that is told to a container, one of `allowed` or an entry of a map.
pub fn object_field(field: &ObjectFieldSelector, allowed: &[&str], at: &Path<'_>, errors: &mut Errors) {
    let version = field.api_version.as_deref().unwrap_or_default();
    if version.is_empty() {
        return errors.required(&at.child("apiVersion"), "");
    }
    let path = field.field_path.as_str();
    if path.is_empty() {
        return errors.required(&at.child("fieldPath"), "");
    }
    if version != "v1" {
        let text = format!("error converting fieldPath: unsupported pod version: {version}");
        return errors.invalid(&at.child("fieldPath"), path, &text);
    }
    match subscripted(path) {
        Some(("metadata.annotations", key)) => errors.invalid_each(at, key.to_lowercase(), names::qualified_name(&key.to_lowercase())),
        Some(("metadata.labels", key)) => errors.invalid_each(at, key, names::qualified_name(key)),
        Some(_) => {
            let text = format!("error converting fieldPath: field label does not support subscript: {path}");
            errors.invalid(&at.child("fieldPath"), path, &text);
        }
        None => plain_field(path, allowed, &at.child("fieldPath"), errors),
    }
}

fn plain_field(path: &str, allowed: &[&str], at: &Path<'_>, errors: &mut Errors) {
    let current = if path == "spec.host" { "spec.nodeName" } else { path };
    if !POD_FIELDS.contains(&current) {
        errors.invalid(at, path, &format!("error converting fieldPath: field label not supported: {path}"));
    } else if !allowed.contains(&current) {
        errors.not_supported(at, current, allowed);
    }
}

/// `metadata.labels['key']` in two parts.
fn subscripted(path: &str) -> Option<(&str, &str)> {
    let (field, rest) = path.split_once("['")?;
    let key = rest.strip_suffix("']")?;
    (!field.is_empty()).then_some((field, key))
}

/// What is wrong with a resource of a container that is told to a container; in a volume it names the container.
pub fn resource_field(field: &ResourceFieldSelector, in_volume: bool, at: &Path<'_>, errors: &mut Errors) {
    let resource = field.resource.as_str();
    if in_volume && field.container_name.as_deref().unwrap_or_default().is_empty() {
        errors.required(&at.child("containerName"), "");
    } else if resource.is_empty() {
        errors.required(&at.child("resource"), "");
    } else if !RESOURCE_FIELDS.contains(&resource) && !is_huge_page_field(resource) {
        errors.not_supported(&at.child("resource"), resource, &RESOURCE_FIELDS);
    }
    let divisor = field.divisor.as_ref().and_then(|d| Quantity::parse(&d.0).ok());
    if let Some(divisor) = divisor.filter(|d| !d.is_zero()) {
        divides(resource, &divisor.to_string(), &at.child("divisor"), errors);
    }
}

fn is_huge_page_field(resource: &str) -> bool {
    resource.starts_with("requests.hugepages-") || resource.starts_with("limits.hugepages-")
}

fn divides(resource: &str, divisor: &str, at: &Path<'_>, errors: &mut Errors) {
    let what = match resource {
        "limits.cpu" | "requests.cpu" => {
            if !matches!(divisor, "1m" | "1") {
                errors.invalid(at, resource, "only divisor's values 1m and 1 are supported with the cpu resource");
            }
            return;
        }
        "limits.memory" | "requests.memory" => "memory",
        "limits.ephemeral-storage" | "requests.ephemeral-storage" => "local ephemeral storage",
        other if is_huge_page_field(other) => "hugepages",
        _ => return,
    };
    if !BYTE_DIVISORS.contains(&divisor) {
        let text = format!("only divisor's values {} are supported with the {what} resource", BYTE_DIVISORS.join(", "));
        errors.invalid(at, resource, &text);
    }
}

/// What is wrong with the sources of many variables at once.
pub fn sources(sources: &[EnvFromSource], list: &Path<'_>, errors: &mut Errors) {
    for (index, source) in sources.iter().enumerate() {
        let at = list.index(index);
        if let Some(prefix) = source.prefix.as_deref().filter(|p| !p.is_empty()) {
            errors.invalid_each(&at.child("prefix"), prefix, names::environment_variable(prefix));
        }
        let config_map = source.config_map_ref.as_ref().map(|r| ("configMapRef", &r.name));
        let secret = source.secret_ref.as_ref().map(|r| ("secretRef", &r.name));
        let named: Vec<(&str, &String)> = config_map.into_iter().chain(secret).collect();
        for (field, name) in &named {
            let at = at.child(field);
            match name.as_str() {
                "" => errors.required(&at.child("name"), ""),
                name => errors.invalid_each(&at.child("name"), name, names::dns1123_subdomain(&names::as_prefix(name))),
            }
        }
        match named.len() {
            0 => errors.invalid(list, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => errors.invalid(list, "", TOO_MANY_SOURCES),
        }
    }
}

/// Variables from files need the volume to be an empty directory of the pod.
pub fn files_are_in_empty_directories(spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    super::each_container(spec, at, |container, at| {
        for (index, variable) in container.env.iter().flatten().enumerate() {
            let Some(file) = variable.value_from.as_ref().and_then(|s| s.file_key_ref.as_ref()) else { continue };
            let list = at.child("env");
            let entry = list.index(index);
            let (value, name) = (entry.child("valueFrom"), &file.volume_name);
            let reference = value.child("fileKeyRef");
            match spec.volumes.iter().flatten().rfind(|v| v.name == *name) {
                None => errors.not_found(&reference.child("volumeName"), name, ""),
                Some(volume) if volume.empty_dir.is_none() => {
                    errors.invalid(&reference.child("volumeName"), name, "referenced volume must be of type emptyDir");
                }
                Some(_) => {}
            }
        }
    });
}
