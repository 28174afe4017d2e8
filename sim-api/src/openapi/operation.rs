//! The parts operations are made of: parameters, bodies, answers.

use serde_json::{Map, Value, json};

use super::{REFERENCE, archive};
use crate::discovery::TypeName;

/// Which media types an operation speaks. CBOR is off by default.
#[derive(Clone, Copy)]
pub(super) enum Media {
    /// The encodings of objects.
    Object,
    /// The encodings of objects and of streams of them.
    Stream,
    /// Text or the encodings of objects: logs.
    Text,
    /// Anything: connections.
    Any,
    /// The encodings of custom objects.
    Custom,
    /// The encodings of discovery.
    Discovery,
    /// JSON alone.
    Json,
    /// A set of keys.
    KeySet,
}

impl Media {
    fn types(self) -> &'static [&'static str] {
        const OBJECT: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];
        const STREAM: [&str; 5] =
            [OBJECT[0], OBJECT[1], OBJECT[2], "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];
        const TEXT: [&str; 4] = ["text/plain", OBJECT[0], OBJECT[1], OBJECT[2]];
        match self {
            Media::Object | Media::Discovery => &OBJECT,
            Media::Stream => &STREAM,
            Media::Text => &TEXT,
            Media::Any => &["*/*"],
            Media::Custom => &OBJECT[..2],
            Media::Json => &OBJECT[..1],
            Media::KeySet => &["application/jwk-set+json"],
        }
    }
}

/// Media types of patches.
pub(super) const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// Media types of patches to custom objects.
pub(super) const CUSTOM_PATCHES: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

pub(super) const CREATE: [&str; 3] = ["dryRun", "fieldManager", "fieldValidation"];
pub(super) const PATCH: [&str; 4] = ["dryRun", "fieldManager patch", "fieldValidation", "force"];
pub(super) const DELETE: [&str; 5] =
    ["dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential", "orphanDependents", "propagationPolicy"];
pub(super) const LIST: [&str; 11] = [
    "allowWatchBookmarks",
    "continue",
    "fieldSelector",
    "labelSelector",
    "limit",
    "resourceVersion",
    "resourceVersionMatch",
    "sendInitialEvents",
    "shardSelector",
    "timeoutSeconds",
    "watch",
];

/// Parameters of deleting a collection: those of deleting, and those of listing but for watching.
pub(super) fn delete_collection() -> Vec<&'static str> {
    let listing = LIST.into_iter().filter(|name| !matches!(*name, "allowWatchBookmarks" | "watch"));
    DELETE.into_iter().chain(listing).collect()
}

/// Query parameters by their names in the archive.
pub(super) fn query(names: &[&str]) -> Vec<Value> {
    names.iter().filter_map(|name| archive::entry(&format!("?{name}"))).collect()
}

/// The parameter of a path's `{name}`, `{namespace}` or `{path}`; `kind` is what is named.
pub(super) fn path_parameter(name: &str, kind: &str) -> Value {
    let description = match name {
        "name" => format!("name of the {kind}"),
        "namespace" => "object name and auth scope, such as for teams and projects".to_owned(),
        _ => "path to the resource".to_owned(),
    };
    json!({"description": description, "in": "path", "name": name, "required": true, "schema": {"type": "string", "uniqueItems": true}})
}

/// An operation in the making.
pub(super) struct Operation(Map<String, Value>);

impl Operation {
    pub(super) fn new(description: &str, id: String, tag: &str) -> Self {
        let made = json!({"description": description, "operationId": id, "tags": [tag]});
        Operation(made.as_object().cloned().unwrap_or_default())
    }

    /// What the operation does, and to which kind.
    pub(super) fn action(mut self, action: &str, of: &TypeName) -> Self {
        self.0.insert("x-kubernetes-action".into(), action.into());
        let kind = json!({"group": of.group, "version": of.version, "kind": of.kind});
        self.0.insert("x-kubernetes-group-version-kind".into(), kind);
        self
    }

    /// Answers of a schema (a string if it has no name) with these codes.
    pub(super) fn answers(mut self, schema: &str, codes: &[u16], media: Media) -> Self {
        let content = content(schema, media.types());
        let mut answers = Map::new();
        for code in codes {
            let word = match code {
                201 => "Created",
                202 => "Accepted",
                _ => "OK",
            };
            answers.insert(code.to_string(), json!({"description": word, "content": content}));
        }
        answers.insert("401".into(), json!({"description": "Unauthorized"}));
        self.0.insert("responses".into(), Value::Object(answers));
        self
    }

    pub(super) fn parameters(mut self, parameters: Vec<Value>) -> Self {
        self.0.insert("parameters".into(), sorted(parameters));
        self
    }

    pub(super) fn body(mut self, schema: &str, types: &[&str], required: bool) -> Self {
        let mut body = json!({"content": content(schema, types)});
        if required {
            body["required"] = true.into();
        }
        self.0.insert("requestBody".into(), body);
        self
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }
}

fn content(schema: &str, types: &[&str]) -> Value {
    let schema = if schema.is_empty() { json!({"type": "string"}) } else { json!({"$ref": format!("{REFERENCE}{schema}")}) };
    types.iter().map(|media| ((*media).to_owned(), json!({"schema": schema}))).collect()
}

/// Parameters in order of their names and places.
pub(super) fn sorted(mut parameters: Vec<Value>) -> Value {
    let key = |parameter: &Value| [&parameter["name"], &parameter["in"]].map(|part| part.as_str().unwrap_or_default().to_owned());
    parameters.sort_by_key(key);
    parameters.dedup();
    Value::Array(parameters)
}
