//! Objects as the API server writes them.

use serde_json::Value;

use crate::decoding::split_api_version;
use crate::{Object, conversion, schema};

/// The JSON of an object at an `apiVersion` of its kind: fields that are always there with their zero value, others only
/// if they hold something. A custom resource comes as it is held.
pub fn encode(object: &Object, api_version: &str) -> Value {
    let held = object.to_json();
    if matches!(object, Object::Custom(_)) {
        return held;
    }
    let (group, version) = split_api_version(api_version);
    let value = conversion::from_held(object.kind(), api_version, held);
    match schema::lookup(group, version, object.kind().resource().kind) {
        Some(of) => schema::as_encoded(of, value),
        None => value,
    }
}
