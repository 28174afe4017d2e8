//! The OpenAPI documents: `/openapi/v3`, its document for each group version, and `/openapi/v2` in JSON and in protobuf.
//! Paths are made from the table of what is served (`discovery`), schemas come from `schemas.zlib`, which `tables/openapi.py`
//! writes from Kubernetes' own documents; custom resource definitions add theirs. Nothing is made or decompressed before it
//! is asked for; documents without custom resources are made once.
//! Not modelled: the protobuf form of version 3, which clients ask for only beside JSON.

mod archive;
mod custom;
mod gnostic;
mod operation;
mod paths;
mod small;
mod v2;

pub use v2::{V2_PROTOBUF_MEDIA_TYPE, v2_json, v2_protobuf};

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha512};

use crate::discovery::{ServedGroup, ServedVersion, groups};

/// A document as it is sent, and its hash: the `hash` of the index and, quoted, its `ETag`.
#[derive(Clone, Debug)]
pub struct Document {
    /// JSON.
    pub body: Arc<[u8]>,
    /// Upper-case hexadecimal.
    pub hash: String,
}

/// `GET /openapi/v3`: where the document of each path is.
pub fn v3_index(definitions: &[Value]) -> Value {
    let entry = |path: String| {
        let url = format!("/openapi/v3/{path}?hash={}", hash_of(definitions, &path));
        (path, json!({ "serverRelativeURL": url }))
    };
    let paths: Map<String, Value> = document_paths(definitions).into_iter().map(entry).collect();
    json!({ "paths": paths })
}

/// `GET /openapi/v3/PATH`, such as `apis/apps/v1`; none if there is no such document.
pub fn v3_document(definitions: &[Value], path: &str) -> Option<Document> {
    static MADE: LazyLock<Mutex<BTreeMap<String, Document>>> = LazyLock::new(Mutex::default);
    let hash = hash_of(definitions, path);
    if let Some(known) = MADE.lock().unwrap_or_else(PoisonError::into_inner).get(&hash) {
        return Some(known.clone());
    }
    let value = make(definitions, path)?;
    let made = Document { body: serde_json::to_vec(&value).unwrap_or_default().into(), hash: hash.clone() };
    if groups(&[]).iter().any(|group| is_of_group(path, group)) || small::operation_at(path).is_some() {
        MADE.lock().unwrap_or_else(PoisonError::into_inner).insert(hash, made.clone());
    }
    Some(made)
}

fn is_of_group(path: &str, group: &ServedGroup) -> bool {
    path == "api/v1" || path.strip_prefix("apis/").is_some_and(|rest| rest.split('/').next() == Some(&group.name))
}

fn document_paths(definitions: &[Value]) -> BTreeSet<String> {
    let mut paths: BTreeSet<String> = small::FIXED.iter().map(|(path, ..)| (*path).to_owned()).collect();
    let built_in: Vec<String> = groups(&[]).into_iter().map(|group| group.name).collect();
    for group in groups(definitions) {
        if built_in.contains(&group.name) && !group.name.is_empty() {
            paths.insert(format!("apis/{}", group.name));
        }
        paths.extend(group.versions.iter().map(|version| version_path(&group.name, &version.name)));
    }
    paths
}

fn version_path(group: &str, version: &str) -> String {
    if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") }
}

/// Built-in documents change with the program only; those of definitions with the definitions of their group.
fn hash_of(definitions: &[Value], path: &str) -> String {
    let mut hasher = Sha512::new();
    hasher.update(concat!(env!("CARGO_PKG_VERSION"), " v1.36.2 "));
    hasher.update(path);
    for definition in definitions.iter().filter(|definition| custom::is_of_path(definition, path)) {
        hasher.update(definition["spec"].to_string());
    }
    hasher.finalize().iter().fold(String::new(), |mut text, byte| {
        _ = write!(text, "{byte:02X}");
        text
    })
}

fn make(definitions: &[Value], path: &str) -> Option<Value> {
    if let Some((at, operation)) = small::operation_at(path) {
        return Some(document(json!({at: {"get": operation}}), BTreeMap::new(), "", "v1"));
    }
    for group in groups(definitions) {
        if let Some(version) = group.versions.iter().find(|version| version_path(&group.name, &version.name) == path) {
            return Some(version_document(definitions, &group.name, version));
        }
    }
    None
}

fn version_document(definitions: &[Value], group: &str, version: &ServedVersion) -> Value {
    let (paths, own) = version_parts(definitions, group, version);
    let mut made = document(Value::Object(paths), own, group, &version.name);
    if version.resources.iter().all(|resource| resource.custom) {
        made["info"] = json!({"title": "Kubernetes CRD Swagger", "version": "v0.1.0"});
    }
    made
}

/// Paths of a version, and the schemas that only custom resources bring.
fn version_parts(definitions: &[Value], group: &str, version: &ServedVersion) -> (Map<String, Value>, BTreeMap<String, Value>) {
    let mut paths = if version.resources.iter().all(|resource| resource.custom) { Map::new() } else { paths::of_version(group, version) };
    let mut own = BTreeMap::new();
    for resource in version.resources.iter().filter(|resource| resource.custom) {
        paths.extend(paths::of_custom(group, &version.name, resource, &custom::list_kind(definitions, group, resource)));
        own.extend(custom::schemas(definitions, group, &version.name, resource));
    }
    (paths, own)
}

/// A document with all schemas its paths name, directly or through each other.
fn document(paths: Value, own: BTreeMap<String, Value>, group: &str, version: &str) -> Value {
    let schemas = reachable(&paths, own, group, version);
    let mut components = json!({"securitySchemes": security_schemes()});
    if !schemas.is_empty() {
        components["schemas"] = schemas.into_iter().collect();
    }
    json!({"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "1.36"}, "paths": paths, "components": components})
}

fn security_schemes() -> Value {
    json!({"BearerToken": {"description": "Bearer Token authentication", "in": "header", "name": "authorization", "type": "apiKey"}})
}

fn reachable(paths: &Value, mut own: BTreeMap<String, Value>, group: &str, version: &str) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    let mut wanted = BTreeSet::new();
    references(paths, &mut wanted);
    while let Some(name) = wanted.pop_first() {
        if found.contains_key(&name) {
            continue;
        }
        let Some(mut schema) = own.remove(&name).or_else(|| archive::entry(&name)) else { continue };
        keep_kinds(&mut schema, group, version);
        references(&schema, &mut wanted);
        found.insert(name, schema);
    }
    found
}

/// `DeleteOptions` and `WatchEvent` are kinds of every group; a document tells of the core group's and its own.
fn keep_kinds(schema: &mut Value, group: &str, version: &str) {
    if let Some(kinds) = schema.get_mut("x-kubernetes-group-version-kind").and_then(Value::as_array_mut)
        && kinds.len() > 1
    {
        kinds.retain(|kind| kind["group"] == "" || (kind["group"] == group && kind["version"] == version));
    }
}

const REFERENCE: &str = "#/components/schemas/";

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            let name = fields.get("$ref").and_then(Value::as_str).and_then(|text| text.strip_prefix(REFERENCE));
            found.extend(name.map(str::to_owned));
            fields.values().for_each(|field| references(field, found));
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
