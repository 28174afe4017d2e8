//! APIServices. Source: kube-aggregator pkg/apis/apiregistration/validation.

use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::APIService;

use super::errors::Errors;
use super::metadata;
use super::path::Path;
use crate::names;

const GROUP_PRIORITY_MAX: i32 = 20_000;
const VERSION_PRIORITY_MAX: i32 = 1_000;

/// What is wrong with a new APIService.
pub fn create(service: &APIService, errors: &mut Errors) {
    let spec = service.spec.clone().unwrap_or_default();
    let (group, version) = (spec.group.as_deref().unwrap_or_default(), spec.version.as_deref().unwrap_or_default());
    name(service, &format!("{version}.{group}"), errors);
    let at = Path::root("spec");
    match group {
        "" if version != "v1" => errors.required(&at.child("group"), "only v1 may have an empty group and it better be legacy kube"),
        "" => {}
        group => errors.invalid_each(&at.child("group"), group, names::dns1123_subdomain(group)),
    }
    errors.invalid_each(&at.child("version"), version, names::dns1035_label(version));
    for (field, value, most) in [
        ("groupPriorityMinimum", spec.group_priority_minimum, GROUP_PRIORITY_MAX),
        ("versionPriority", spec.version_priority, VERSION_PRIORITY_MAX),
    ] {
        if value <= 0 || value > most {
            errors.invalid(&at.child(field), value, &format!("must be positive and less than {most}"));
        }
    }
    let bundle = spec.ca_bundle.as_ref().map_or(0, |b| b.0.len());
    let insecure = spec.insecure_skip_tls_verify.unwrap_or(false);
    let skip = at.child("insecureSkipTLSVerify");
    let Some(found) = &spec.service else {
        if bundle != 0 {
            errors.invalid(&at.child("caBundle"), format!("{bundle} bytes"), "local APIServices may not have a caBundle");
        }
        if insecure {
            errors.invalid(&skip, insecure, "local APIServices may not have insecureSkipTLSVerify");
        }
        return;
    };
    let field = at.child("service");
    for (part, value) in [("namespace", &found.namespace), ("name", &found.name)] {
        if value.as_deref().unwrap_or_default().is_empty() {
            errors.required(&field.child(part), "");
        }
    }
    let port = found.port.unwrap_or(443);
    let wrong = names::port_number(port);
    if !wrong.is_empty() {
        errors.invalid(&field.child("port"), port, &format!("port is not valid: {}", wrong.join(", ")));
    }
    if insecure && bundle > 0 {
        errors.invalid(&skip, insecure, "may not be true if caBundle is present");
    }
}

/// The name is `version.group`; a name that could not be part of a URL is told of as such.
fn name(service: &APIService, wanted: &str, errors: &mut Errors) {
    let before = errors.len();
    metadata::validate(&service.metadata, false, names::path_segment, errors);
    let found = service.metadata.name.as_deref().unwrap_or_default();
    if errors.len() == before && found != wanted {
        let text = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        errors.invalid(&Path::root("metadata").child("name"), found, &text);
    }
}

/// What is wrong with an APIService's next state.
pub fn update(next: &APIService, current: &APIService, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    create(next, errors);
}

/// What is wrong with an APIService's next status.
pub fn update_status(next: &APIService, current: &APIService, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    let status = Path::root("status");
    let list = status.child("conditions");
    let conditions = next.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
    for (index, condition) in conditions.iter().enumerate() {
        if !matches!(condition.status.as_str(), "True" | "False" | "Unknown") {
            errors.not_supported(&list.index(index).child("status"), &condition.status, &["True", "False", "Unknown"]);
        }
    }
}
