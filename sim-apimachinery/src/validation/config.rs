//! Config maps and secrets: their keys, sizes, types, and what is frozen once they are immutable.
//! Source: pkg/apis/core/validation.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};

use super::errors::Errors;
use super::metadata;
use super::path::Path;
use crate::names::{self, config_map_key};

const BYTES_MAX: usize = 1024 * 1024;
const FROZEN: &str = "field is immutable when `immutable` is set";
const REDACTED: &str = "<secret contents redacted>";

/// What is wrong with a new config map.
pub fn map_create(map: &ConfigMap, errors: &mut Errors) {
    metadata::validate(&map.metadata, true, names::dns1123_subdomain, errors);
    let nothing = BTreeMap::new();
    let binary = map.binary_data.as_ref().unwrap_or(&nothing);
    let mut size = 0;
    let at = Path::root("data");
    for (key, value) in map.data.iter().flatten() {
        errors.invalid_each(&at.key(key), key, config_map_key(key));
        if binary.contains_key(key) {
            errors.invalid(&at.key(key), key, "duplicate of key present in binaryData");
        }
        size += value.len();
    }
    let at = Path::root("binaryData");
    for (key, value) in binary {
        errors.invalid_each(&at.key(key), key, config_map_key(key));
        size += value.0.len();
    }
    if size > BYTES_MAX {
        errors.too_long(&Path::root(""), BYTES_MAX);
    }
}

/// What is wrong with a config map's next state.
pub fn map_update(next: &ConfigMap, current: &ConfigMap, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    if current.immutable == Some(true) {
        let changes = [
            ("immutable", next.immutable != Some(true)),
            ("data", next.data != current.data),
            ("binaryData", next.binary_data != current.binary_data),
        ];
        for (field, _) in changes.into_iter().filter(|(_, changed)| *changed) {
            errors.forbidden(&Path::root(field), FROZEN);
        }
    }
    map_create(next, errors);
}

/// What is wrong with a new secret.
pub fn secret_create(secret: &Secret, errors: &mut Errors) {
    metadata::validate(&secret.metadata, true, names::dns1123_subdomain, errors);
    let at = Path::root("data");
    let mut size = 0;
    for (key, value) in secret.data.iter().flatten() {
        errors.invalid_each(&at.key(key), key, config_map_key(key));
        size += value.0.len();
    }
    if size > BYTES_MAX {
        errors.too_long(&at, BYTES_MAX);
    }
    typed(secret, &at, errors);
}

/// What a secret of one of Kubernetes' types must hold.
fn typed(secret: &Secret, at: &Path<'_>, errors: &mut Errors) {
    let nothing = BTreeMap::new();
    let data = secret.data.as_ref().unwrap_or(&nothing);
    let need = |key: &str, errors: &mut Errors| {
        if !data.contains_key(key) {
            errors.required(&at.key(key), "");
        }
    };
    match secret.type_.as_deref().unwrap_or_default() {
        "kubernetes.io/service-account-token" => {
            let key = "kubernetes.io/service-account.name";
            if secret.metadata.annotations.as_ref().and_then(|a| a.get(key)).is_none_or(String::is_empty) {
                errors.required(&Path::root("metadata").child("annotations").key(key), "");
            }
        }
        "kubernetes.io/dockercfg" => json_object(data, ".dockercfg", at, errors),
        "kubernetes.io/dockerconfigjson" => json_object(data, ".dockerconfigjson", at, errors),
        "kubernetes.io/basic-auth" if !data.contains_key("username") && !data.contains_key("password") => {
            need("username", errors);
            need("password", errors);
        }
        "kubernetes.io/ssh-auth" if data.get("ssh-privatekey").is_none_or(|v| v.0.is_empty()) => {
            errors.required(&at.key("ssh-privatekey"), "");
        }
        "kubernetes.io/tls" => {
            need("tls.crt", errors);
            need("tls.key", errors);
        }
        _ => {}
    }
}

fn json_object(data: &BTreeMap<String, ByteString>, key: &str, at: &Path<'_>, errors: &mut Errors) {
    let Some(bytes) = data.get(key) else { return errors.required(&at.key(key), "") };
    if let Some(text) = super::go_json::object_error(&bytes.0) {
        errors.invalid(&at.key(key), REDACTED, &text);
    }
}

/// What is wrong with a secret's next state.
pub fn secret_update(next: &Secret, current: &Secret, errors: &mut Errors) {
    metadata::validate_update(&next.metadata, &current.metadata, errors);
    if next.type_ != current.type_ {
        errors.invalid(&Path::root("type"), next.type_.as_deref().unwrap_or_default(), "field is immutable");
    }
    if current.immutable == Some(true) {
        for (field, changed) in [("immutable", next.immutable != Some(true)), ("data", next.data != current.data)] {
            if changed {
                errors.forbidden(&Path::root(field), FROZEN);
            }
        }
    }
    secret_create(next, errors);
}
