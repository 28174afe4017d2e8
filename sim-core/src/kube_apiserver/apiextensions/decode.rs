//! Decoding the body of a request as a custom object: metadata is typed, unknown fields are dropped and told of, defaults are
//! filled in. Source: `unstructuredSchemaCoercer` in apiextensions-apiserver pkg/apiserver/customresource_handler.go.
//! Not done here: that `apiVersion` and `kind` are there and fit the path, which is the same for all kinds.

use std::sync::Arc;

use serde_json::Value;
use sim_apimachinery::json::Node;
use sim_apimachinery::schema::{self, TypeRef};
use sim_apimachinery::{CustomObject, FieldValidation, Object, Reason, Status};

use super::{CustomResource, custom_kind, defaulting, embedded, pruning};

/// OpenAPI's name of the metadata's type.
pub(super) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

impl CustomResource {
    /// Decodes a body as an object of it; the second part is what the user is to be warned of.
    /// The error is a `BadRequest` in the decoder's words.
    pub fn decode(&self, body: Value, validation: FieldValidation) -> Result<(Object, Vec<String>), Box<Status>> {
        let (object, unknown) = decode(self, body)?;
        let unknown: Vec<String> = unknown.iter().map(|path| format!("unknown field \"{path}\"")).collect();
        match validation {
            FieldValidation::Strict if !unknown.is_empty() => {
                Err(cannot_be_handled(self, &format!("strict decoding error: {}", unknown.join(", "))))
            }
            FieldValidation::Warn => Ok((object, unknown)),
            FieldValidation::Strict | FieldValidation::Ignore => Ok((object, vec![])),
        }
    }
}

/// The object and the paths of its unknown fields.
fn decode(resource: &CustomResource, mut body: Value) -> Result<(Object, Vec<String>), Box<Status>> {
    let refuse = |message: &str| cannot_be_handled(resource, message);
    let metadata = body.get("metadata").cloned().unwrap_or(Value::Null);
    let (metadata, mut unknown) = typed_metadata(&metadata, "metadata").map_err(|e| refuse(&e))?;
    let schema = resource.schema();
    unknown.extend(pruning::prune_object(&mut body, schema));
    defaulting::drop_nulls(&mut body, schema);
    unknown.extend(embedded::coerce(&mut body, schema).map_err(|e| refuse(&e))?);
    defaulting::fill(&mut body, schema);
    let Value::Object(mut map) = body else { return Err(refuse("json: cannot unmarshal into Go value of type map[string]interface {}")) };
    map.remove("metadata");
    let mut take = |name: &str| map.remove(name).and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    let (api_version, kind) = (take("apiVersion"), take("kind"));
    let object = CustomObject { of: custom_kind(resource), api_version, kind, metadata, body: map.into_iter().collect() };
    Ok((Object::Custom(Arc::new(object)), unknown))
}

/// Metadata as its type, and the paths of its unknown fields below `at`.
pub(super) fn typed_metadata(
    metadata: &Value,
    at: &str,
) -> Result<(k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta, Vec<String>), String> {
    if metadata.is_null() {
        return Ok(Default::default());
    }
    let of: Option<TypeRef<'static>> = schema::named(OBJECT_META);
    let mut unknown = vec![];
    if let Some(of) = of {
        let node = Node::from(metadata);
        if let Some(error) = schema::decode_error(of, &node) {
            return Err(error.to_string());
        }
        let named = |text: String| text.strip_prefix("unknown field \"").and_then(|t| t.strip_suffix('"')).map(|t| format!("{at}.{t}"));
        unknown = schema::strict_errors(of, &node).into_iter().filter_map(named).collect();
    }
    serde_json::from_value(metadata.clone()).map(|typed| (typed, unknown)).map_err(|e| e.to_string())
}

fn cannot_be_handled(resource: &CustomResource, why: &str) -> Box<Status> {
    let (kind, version) = (resource.kind_name(), &resource.version().name);
    Box::new(Status::new(Reason::BadRequest, format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {why}")))
}
