//! Which kind a word or a manifest means, and a manifest as an object of it. Kinds that custom resource definitions add
//! count like built-in ones.

use serde_json::Value;
use sim_apimachinery::decoding::{self, Expected, Media, split_api_version};
use sim_apimachinery::{FieldValidation, Kind, Object, ObjectKey};

use super::select::DEFAULT_NAMESPACE;
use super::{Done, Player, StepError};

impl Player {
    /// The kind a word means, as on kubectl's command line.
    pub(super) fn kind(&self, word: &str) -> Done<Kind> {
        let known = Kind::from_word(word).or_else(|| self.cluster.apiserver().custom_kind_of_word(word));
        known.ok_or_else(|| StepError::Failed(format!("error: the server doesn't have a resource type \"{word}\"")))
    }

    /// Whether the scenario brings a definition of such a kind: until it is applied there are no objects of it.
    pub(super) fn will_define(&self, word: &str) -> bool {
        let word = word.to_ascii_lowercase();
        let applied = self.scenario.scenario.steps.iter().flat_map(|s| s.apply.iter().flat_map(|a| &a.objects));
        let manifests = self.manifests.values().flatten().map(|d| &d.value).chain(applied);
        let definitions = manifests.filter(|m| text(m, "/kind") == "CustomResourceDefinition");
        let definitions: Vec<_> = definitions.filter_map(|m| serde_json::from_value(m.clone()).ok()).collect();
        definitions.iter().any(|crd| self.cluster.apiserver().would_answer(crd, &word))
    }

    /// The object a manifest is about. Its namespace is filled in.
    pub(super) fn key_of(&self, manifest: &mut Value, namespace: Option<&str>) -> Done<ObjectKey> {
        let (api_version, word) = (text(manifest, "/apiVersion"), text(manifest, "/kind"));
        let unset = [("apiVersion", &api_version), ("kind", &word)].into_iter().filter(|(_, v)| v.is_empty());
        let unset: Vec<String> = unset.map(|(field, _)| format!("{field} not set")).collect();
        if !unset.is_empty() {
            let unset = if unset.len() > 1 { format!("[{}]", unset.join(", ")) } else { unset.concat() };
            return Err(StepError::Failed(format!("error: error validating data: {unset}")));
        }
        let (name, own) = (text(manifest, "/metadata/name"), text(manifest, "/metadata/namespace"));
        let kind = self.kind_of_manifest(&api_version, &word).ok_or_else(|| {
            let why = format!("no matches for kind \"{word}\" in version \"{api_version}\"\nensure CRDs are installed first");
            StepError::Failed(format!("error: resource mapping not found for name: \"{name}\" namespace: \"{own}\": {why}"))
        })?;
        let namespace = match (kind.is_namespaced(), own.as_str()) {
            (false, _) => String::new(),
            (true, "") => namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned(),
            (true, own) => own.to_owned(),
        };
        if let (true, Some(metadata)) = (kind.is_namespaced(), manifest.get_mut("metadata").and_then(Value::as_object_mut)) {
            metadata.insert("namespace".into(), namespace.clone().into());
        }
        Ok(ObjectKey::new(kind, &namespace, &name))
    }

    fn kind_of_manifest(&self, api_version: &str, word: &str) -> Option<Kind> {
        let (group, version) = split_api_version(api_version);
        let built_in = Kind::find(group, word).or_else(|| (group == "events.k8s.io" && word == "Event").then_some(Kind::Event));
        match built_in {
            Some(kind) => Expected::built_in(group, version, word).map(|_| kind),
            None => self.cluster.apiserver().custom_resource_of_kind(group, version, word).map(|r| r.kind()),
        }
    }

    /// The object a manifest describes, read as strictly as kubectl asks for.
    pub(super) fn decode(&self, kind: Kind, manifest: Value) -> Done<Object> {
        let api_version = text(&manifest, "/apiVersion");
        if let Kind::Custom(_) = kind {
            let (group, version) = split_api_version(&api_version);
            let resource = self.cluster.apiserver().custom_resource_of_kind(group, version, &text(&manifest, "/kind"));
            let resource = resource.ok_or_else(|| StepError::Failed(format!("error: no matches for {api_version}")))?;
            return Ok(resource.decode(manifest, FieldValidation::Strict)?.0);
        }
        let body = manifest.to_string();
        Ok(decoding::decode(kind, &api_version, None, Media::Json, body.as_bytes(), FieldValidation::Strict)?.0)
    }
}

/// A text in a manifest, empty if there is none.
pub(super) fn text(value: &Value, path: &str) -> String {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned()
}
