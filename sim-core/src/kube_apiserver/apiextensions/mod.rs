//! Custom resources: definitions, what they make the API server serve, and the rules of their objects
//! (apiextensions-apiserver, which is part of the API server here).
//! An object is held at its definition's storage version. It is read at the version its key's kind names: the row of a custom
//! kind has a version, and two rows of the same group and plural are the same kind.
//! Invariant: the registry says what the stored definitions say; it is made anew whenever one of them changes.

mod cel_rules;
mod cel_types;
mod conversion_webhook;
mod decode;
mod defaulting;
mod definition;
mod definition_rules;
mod embedded;
mod formats;
mod lifecycle;
mod list_types;
mod object_rules;
pub(super) mod problems;
mod pruning;
mod ratchet;
mod scale;
mod schema;
mod strategy;
mod validate;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use sim_apimachinery::schema::Schema;
use sim_apimachinery::{CustomObject, Kind, Object, ObjectKey};

pub use self::definition::{CustomResource, Definition, Version, version_rank};
pub(super) use self::definition_rules::conversion::client_config as webhook_words;
pub(super) use self::lifecycle::begin_deletion;
pub(super) use self::strategy::{begin_definition, default_definition, remember_storage};
use super::{ApiServer, Call, Outcome};

/// The definitions by name.
#[derive(Clone, Debug, Default)]
pub(super) struct Registry {
    definitions: BTreeMap<String, Arc<Definition>>,
    /// Groups that have had definitions since their APIServices were last looked at.
    groups: BTreeSet<String>,
    /// Whether a definition changed, or an object of one that is going.
    is_unsettled: bool,
}

impl Registry {
    /// Takes note of a definition as it is stored now.
    fn put(&mut self, definition: Definition) {
        self.groups.insert(definition.group.clone());
        self.definitions.insert(definition.name.clone(), Arc::new(definition));
    }

    /// The types of a custom kind at a version; at the stored one if there is no such version.
    pub(super) fn types(&self, kind: Kind, version: &str) -> Option<&Schema> {
        let Kind::Custom(_) = kind else { return None };
        let row = kind.resource();
        let versions = &self.get(row.group, row.plural)?.versions;
        versions.iter().find(|v| v.name == version).or_else(|| versions.iter().find(|v| v.is_storage)).map(|v| &v.types)
    }

    fn get(&self, group: &str, plural: &str) -> Option<&Arc<Definition>> {
        self.definitions.get(&format!("{plural}.{group}"))
    }
}

impl ApiServer {
    /// The custom resource at a path `/apis/GROUP/VERSION/…/PLURAL`, if its definition is established and the version served.
    pub fn custom_resource(&self, group: &str, version: &str, plural: &str) -> Option<CustomResource> {
        let definition = self.custom.get(group, plural).filter(|d| d.is_established)?;
        definition.version(version).filter(|r| r.version().is_served)
    }

    /// The custom resource with a kind's name at a version, if it is served.
    pub fn custom_resource_of_kind(&self, group: &str, version: &str, kind: &str) -> Option<CustomResource> {
        self.custom_resources().find(|r| r.definition().group == group && r.version().name == version && r.kind_name() == kind)
    }

    /// The kind of a custom resource by a word as on kubectl's command line: `widgets`, `widget`, a short name, `widgets.example.com`.
    pub fn custom_kind_of_word(&self, word: &str) -> Option<Kind> {
        let lower = word.to_ascii_lowercase();
        self.custom.definitions.values().filter(|d| d.is_established && d.answers_to(&lower)).find_map(|d| d.storage()).map(|r| r.kind())
    }

    /// Whether a definition, once it is established, would give a kind that a word in small letters means.
    pub fn would_answer(&self, definition: &CustomResourceDefinition, word: &str) -> bool {
        Definition::read(definition).answers_to(word)
    }

    /// All custom resources that are served, by definition and then version as declared.
    pub fn custom_resources(&self) -> impl Iterator<Item = CustomResource> {
        self.custom.definitions.values().filter(|d| d.is_established).flat_map(|d| d.served())
    }

    /// The kinds of all definitions, each at its storage version: what garbage collection and namespace deletion look through.
    pub fn custom_kinds(&self) -> Vec<Kind> {
        self.custom.definitions.values().filter_map(|d| d.storage()).map(|r| r.kind()).collect()
    }

    /// The custom resource of a kind, at the version the kind's row names.
    pub(super) fn resource_of(&self, kind: Kind) -> Option<CustomResource> {
        let Kind::Custom(_) = kind else { return None };
        let row = kind.resource();
        let definition = self.custom.get(row.group, row.plural)?;
        definition.version(row.version).or_else(|| definition.storage())
    }

    /// An object as it is read at the version of `kind` if no webhook converts it.
    pub(super) fn present(&self, object: &Object, kind: Kind) -> Object {
        match (object, self.resource_of(kind)) {
            (Object::Custom(custom), Some(resource)) => present(custom, &resource),
            _ => object.clone(),
        }
    }

    /// The object under a key, at the version the key's kind names.
    pub(super) fn load(&self, key: &ObjectKey, call: &mut Call<'_>) -> Outcome<Option<Object>> {
        self.etcd.get(key).map(|o| self.read_at(o, key.kind, call)).transpose()
    }

    /// A custom object as its schema lets it be: unknown fields and misplaced nulls are dropped, defaults filled in.
    /// A body is so when it was decoded; what a patch or a policy made of an object is not.
    pub(super) fn fit_to_schema(&self, object: &mut Object) {
        let Some(resource) = self.resource_of(object.kind()) else { return };
        let Object::Custom(custom) = object else { return };
        change_body(Arc::make_mut(custom), |body| {
            pruning::prune_object(body, resource.schema());
            defaulting::drop_nulls(body, resource.schema());
            defaulting::fill(body, resource.schema());
        });
    }

    /// An object as it is stored if no webhook converts it.
    pub(super) fn to_storage(&self, object: Object) -> Object {
        let Object::Custom(custom) = &object else { return object };
        let Some(storage) = self.resource_of(object.kind()).and_then(|r| r.definition().storage()) else { return object };
        Object::Custom(Arc::new(converted(CustomObject::clone(custom), &storage)))
    }

    /// Takes note of what became of a definition, or of an object that one waits for.
    pub(super) fn note_definition(&mut self, key: &ObjectKey) {
        self.note_policy(key);
        if key.kind != Kind::CustomResourceDefinition {
            let is_awaited = self.resource_of(key.kind).is_some_and(|r| r.definition().is_terminating);
            self.custom.is_unsettled |= is_awaited && self.etcd.get(key).is_none();
            return;
        }
        self.custom.is_unsettled = true;
        match self.etcd.get(key) {
            Some(Object::CustomResourceDefinition(crd)) => self.custom.put(Definition::read(crd)),
            _ => _ = self.custom.definitions.remove(&*key.name),
        }
    }
}

/// Reading: defaults of the version it was stored at, then the asked version.
fn present(object: &CustomObject, resource: &CustomResource) -> Object {
    let mut read = object.clone();
    let stored_at = object.api_version.rsplit('/').next().unwrap_or_default();
    if let Some(stored) = resource.definition().version(stored_at) {
        change_body(&mut read, |body| defaulting::fill(body, stored.schema()));
    }
    if read.api_version != resource.api_version() {
        read = converted(read, resource);
    }
    read.of = custom_kind(resource);
    Object::Custom(Arc::new(read))
}

/// The same object at another version: only `apiVersion` changes, and what the version's schema does not know is dropped.
fn converted(mut object: CustomObject, to: &CustomResource) -> CustomObject {
    let version = to.api_version();
    if object.api_version != version {
        object.api_version = version;
        change_body(&mut object, |body| {
            pruning::prune_object(body, to.schema());
            defaulting::drop_nulls(body, to.schema());
        });
    }
    object.of = custom_kind(to);
    object
}

fn custom_kind(resource: &CustomResource) -> sim_apimachinery::CustomKind {
    match resource.kind() {
        Kind::Custom(custom) => custom,
        _ => unreachable!("a custom resource's kind is custom: it is made so in Definition::read"),
    }
}

/// Changes all fields but the metadata.
fn change_body(object: &mut CustomObject, change: impl FnOnce(&mut serde_json::Value)) {
    let mut body = serde_json::Value::Object(std::mem::take(&mut object.body).into_iter().collect());
    change(&mut body);
    if let serde_json::Value::Object(map) = body {
        object.body = map.into_iter().collect();
    }
}

#[cfg(test)]
pub(super) mod tests;
