//! Bodies of requests become objects, with the API server's words for what is wrong with them.
//! `decode` reads an object of a kind as a version of it is written; `decode_value` reads any other type of the API (a
//! `Scale`, an `Eviction`, `DeleteOptions`) and leaves it JSON.
//! What comes out is as the server would hold it: fields that no type has are gone, quantities and times are canonical,
//! null is nothing. Defaults are not set here.
//! Sources: apimachinery runtime/serializer/json, apiserver endpoints/handlers/{create,rest}.go.

mod canonical;
mod patch_body;
mod words;
mod yaml_text;
mod zero_times;

use serde_json::Value;

pub use canonical::canonical;
pub use patch_body::{DecodedPatch, PatchType, decode_patch};
pub use words::{no_conversion, not_registered, summary};
pub use yaml_text::{YamlText, read_yaml};

use crate::json::{self, Node};
use crate::request::FieldValidation;
use crate::schema::{self, TypeRef};
use crate::status::{Cause, Reason, Status};
use crate::{Kind, Object, conversion};

/// What a body is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`.
    Json,
    /// `application/yaml`.
    Yaml,
}

/// What a URL wants in its body.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    /// API group.
    pub group: &'a str,
    /// Version.
    pub version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// The type of it.
    pub of: TypeRef<'a>,
    /// Whether a definition made the kind: then only its metadata is typed while it is decoded.
    pub is_custom: bool,
}

impl<'a> Expected<'a> {
    /// A type of the API by its name; none if there is no such type.
    pub fn built_in(group: &'a str, version: &'a str, kind: &'a str) -> Option<Expected<'a>> {
        Some(Expected { group, version, kind, of: schema::lookup(group, version, kind)?, is_custom: false })
    }

    /// A kind at an `apiVersion`; `custom` is the type of a kind that a definition made.
    pub fn kind(kind: Kind, api_version: &'a str, custom: Option<TypeRef<'a>>) -> Option<Expected<'a>> {
        let (group, version) = split_api_version(api_version);
        let kind = kind.resource().kind;
        match custom {
            Some(of) => Some(Expected { group, version, kind, of, is_custom: true }),
            None => Expected::built_in(group, version, kind),
        }
    }

    fn api_version(&self) -> String {
        join(self.group, self.version)
    }
}

fn join(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// Group and version of an `apiVersion`.
pub fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// What was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The value, canonical, with `apiVersion` and `kind`.
    pub value: Value,
    /// What strict decoding would refuse, one text for each warning.
    pub warnings: Vec<String>,
}

/// Reads an object of a kind, written at an `apiVersion` of it (the URL's). It comes back at the version it is held at, with the
/// warnings that go with it.
pub fn decode(
    kind: Kind,
    api_version: &str,
    custom: Option<TypeRef<'_>>,
    media: Media,
    body: &[u8],
    validation: FieldValidation,
) -> Result<(Object, Vec<String>), Box<Status>> {
    let unknown = || bad_request(format!("no version {api_version:?} of {kind} is known"));
    let expected = Expected::kind(kind, api_version, custom).ok_or_else(unknown)?;
    let Decoded { value, warnings } = decode_value(&expected, media, body, validation)?;
    Ok((to_object(kind, api_version, value)?, warnings))
}

/// A value of a kind at an `apiVersion` as an object.
pub fn to_object(kind: Kind, api_version: &str, value: Value) -> Result<Object, Box<Status>> {
    let mut held = conversion::to_held(kind, api_version, value);
    keep_empty_selector(kind, &mut held);
    let resource = kind.resource();
    if let Some(of) = schema::lookup(resource.group, resource.version, resource.kind) {
        zero_times::fill(of, &mut held);
    }
    Object::from_json(kind, held).map_err(|e| bad_request(e.to_string()))
}

/// For some kinds a selector that is empty is another mistake than none at all. The typed form cannot tell the two apart
/// unless the empty one holds an empty map.
fn keep_empty_selector(kind: Kind, held: &mut Value) {
    let matters = matches!(kind, Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet);
    let selector = held.pointer_mut("/spec/selector").filter(|_| matters);
    if let Some(Value::Object(selector)) = selector
        && selector.is_empty()
    {
        selector.insert("matchLabels".into(), Value::Object(Default::default()));
    }
}

/// Reads a value of the expected type.
pub fn decode_value(expected: &Expected<'_>, media: Media, body: &[u8], validation: FieldValidation) -> Result<Decoded, Box<Status>> {
    decode_value_at(expected, &[], media, body, validation)
}

/// Reads a value of the expected type, which may also be written at one of these other versions, if it looks the same there.
pub fn decode_value_at(
    expected: &Expected<'_>,
    versions: &[&str],
    media: Media,
    body: &[u8],
    validation: FieldValidation,
) -> Result<Decoded, Box<Status>> {
    let unrecognized = |why: String| {
        let summary = summary(body);
        bad_request(format!("the object provided is unrecognized (must be of type {}): {why} ({summary})", expected.kind))
    };
    let (node, mut strict) = read(media, body).map_err(unrecognized)?;
    let named = TypeMeta::read(&node).map_err(unrecognized)?;
    if expected.is_custom {
        named.check_custom(body).map_err(unrecognized)?;
    }
    let mut named = named.or(expected);
    if named.kind == expected.kind && versions.contains(&join(&named.group, &named.version).as_str()) {
        (named.group, named.version) = (expected.group.to_owned(), expected.version.to_owned());
    }
    let refused =
        |why: String| bad_request(format!("{} in version {:?} cannot be handled as a {}: {why}", named.kind, named.version, expected.kind));
    let of = type_of(expected, &named).map_err(refused)?;
    if let Some(error) = type_error(expected, of, &node) {
        return Err(refused(error));
    }
    strict.extend(schema::strict_errors(of, &node));
    if validation == FieldValidation::Strict && !strict.is_empty() {
        return Err(refused(format!("strict decoding error: {}", strict.join(", "))));
    }
    if named.kind != expected.kind && !expected.is_custom {
        return Err(refused(no_conversion(&named.version, &named.kind, expected.group, expected.kind)));
    }
    if (named.group.as_str(), named.version.as_str()) != (expected.group, expected.version) {
        let (given, wanted) = (join(&named.group, &named.version), expected.api_version());
        return Err(bad_request(format!("the API version in the data ({given}) does not match the expected API version ({wanted})")));
    }
    if expected.is_custom && named.kind != expected.kind {
        return Err(wrong_custom_kind(expected, &named.kind, &node));
    }
    let value = stamped(expected, canonical(of, &node));
    let warnings = if validation == FieldValidation::Warn { words::warnings(&strict) } else { vec![] };
    Ok(Decoded { value, warnings })
}

/// A custom object of another kind is well-formed, but not valid.
fn wrong_custom_kind(expected: &Expected<'_>, kind: &str, node: &Node) -> Box<Status> {
    let name = node.get("metadata").and_then(|m| m.get("name")).and_then(Node::as_text).unwrap_or_default();
    let message = format!("Invalid value: {kind:?}: must be {}", expected.kind);
    let text = format!("{kind}.{} {name:?} is invalid: kind: {message}", expected.group);
    let mut status = Status::new(Reason::Invalid, text);
    (status.group, status.kind, status.name) = (expected.group.into(), kind.into(), name.into());
    status.causes = vec![Cause { reason: "FieldValueInvalid".into(), message, field: "kind".into() }];
    Box::new(status)
}

fn bad_request(message: String) -> Box<Status> {
    Box::new(Status::new(Reason::BadRequest, message))
}

/// The body as it is written, and what strict decoding says of the writing itself.
fn read(media: Media, body: &[u8]) -> Result<(Node, Vec<String>), String> {
    match media {
        Media::Json => json::parse(body).map(|n| (n, vec![])).map_err(|e| format!("couldn't get version/kind; json parse error: {e}")),
        Media::Yaml => {
            let text = read_yaml(body)?;
            let strict = text.duplicates_error();
            Ok((Node::from(&text.value), strict.into_iter().collect()))
        }
    }
}

fn stamped(expected: &Expected<'_>, value: Value) -> Value {
    let mut map = match value {
        Value::Object(map) => map,
        _ => serde_json::Map::new(),
    };
    map.insert("apiVersion".into(), expected.api_version().into());
    map.insert("kind".into(), expected.kind.into());
    Value::Object(map)
}

/// `apiVersion` and `kind` of a body, empty where they are not given.
#[derive(Clone, Debug)]
struct TypeMeta {
    group: String,
    version: String,
    kind: String,
}

impl TypeMeta {
    fn read(node: &Node) -> Result<TypeMeta, String> {
        let wrong =
            |got: &str, into: &str| format!("couldn't get version/kind; json parse error: json: cannot unmarshal {got} into Go {into}");
        if !matches!(node, Node::Map(_) | Node::Null) {
            return Err(wrong(node.go_type(), &format!("value of type {}", words::FIND_KIND)));
        }
        let text = |key: &str| match node.get(key) {
            None | Some(Node::Null) => Ok(String::new()),
            Some(Node::Text(text)) => Ok(text.clone()),
            Some(other) => Err(wrong(other.go_type(), &format!("struct field .{key} of type string"))),
        };
        let api_version = text("apiVersion")?;
        let kind = text("kind")?;
        let (group, version) = match api_version.split_once('/') {
            Some((_, rest)) if rest.contains('/') => return Err(format!("unexpected GroupVersion string: {api_version}")),
            Some((group, version)) => (group, version),
            None => ("", api_version.as_str()),
        };
        Ok(TypeMeta { group: group.to_owned(), version: version.to_owned(), kind })
    }

    /// Custom resources must say what they are.
    fn check_custom(&self, body: &[u8]) -> Result<(), String> {
        let missing = |what: &str| Err(format!("Object '{what}' is missing in '{}'", String::from_utf8_lossy(body)));
        match (self.kind.is_empty(), self.version.is_empty()) {
            (true, _) => missing("Kind"),
            (_, true) => missing("apiVersion"),
            _ => Ok(()),
        }
    }

    /// With what the URL says where the body says nothing.
    fn or(self, expected: &Expected<'_>) -> TypeMeta {
        let kind = if self.kind.is_empty() { expected.kind.to_owned() } else { self.kind };
        let (group, version) = match (self.group.is_empty(), self.version.is_empty()) {
            (true, true) => (expected.group.to_owned(), expected.version.to_owned()),
            (false, true) if self.group == expected.group => (self.group, expected.version.to_owned()),
            _ => (self.group, self.version),
        };
        TypeMeta { group, version, kind }
    }
}

fn type_of<'a>(expected: &Expected<'a>, named: &TypeMeta) -> Result<TypeRef<'a>, String> {
    if expected.is_custom || named.kind == expected.kind && named.group == expected.group && named.version == expected.version {
        return Ok(expected.of);
    }
    schema::lookup(&named.group, &named.version, &named.kind)
        .ok_or_else(|| not_registered(&join(&named.group, &named.version), &named.kind))
}

/// The error of the decoder; of a custom resource only the metadata is typed.
fn type_error(expected: &Expected<'_>, of: TypeRef<'_>, node: &Node) -> Option<String> {
    if !expected.is_custom {
        return schema::decode_error(of, node).map(|e| e.message);
    }
    let metadata = schema::named("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta")?;
    schema::decode_error(metadata, node.get("metadata")?).map(|e| e.message)
}

#[cfg(test)]
mod tests;
