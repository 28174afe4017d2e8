//! `kubectl apply`: the client's three-way merge with its annotation, or the intent as it is for the server to merge.

use serde_json::{Value, json};
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Part, Patch, Reason, Reply, Request, Verb};

use super::select::DEFAULT_NAMESPACE;
use super::unsimulated::unsimulated;
use super::{Done, Player, StepError};
use crate::cluster::Cluster;
use crate::scenario::format::Apply;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const MANAGER: &str = "kubectl-client-side-apply";

impl Player {
    pub(super) fn apply(&mut self, apply: &Apply, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let mut values: Vec<Value> = Vec::new();
        for file in apply.kustomize.iter().chain(&apply.files) {
            values.extend(self.manifests.get(file).into_iter().flatten().map(|d| d.value.clone()));
        }
        values.extend(apply.objects.iter().cloned());
        let mut output = String::new();
        for value in flatten_lists(values) {
            let line = if apply.server_side { self.apply_on_server(value, apply, watch)? } else { self.apply_one(value, apply, watch)? };
            output.push_str(&line);
            output.push_str(if apply.dry_run { " (server dry run)\n" } else { "\n" });
        }
        Ok(output)
    }

    fn send(&mut self, apply: &Apply, manager: &str, verb: Verb, watch: &mut dyn FnMut(&Cluster)) -> Answer {
        self.ask_as(Request { dry_run: apply.dry_run, ..Request::new(&manager.into(), verb) }, watch)
    }

    /// Server-side apply: the intent as it is, and the server merges.
    fn apply_on_server(&mut self, mut manifest: Value, apply: &Apply, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let key = self.key_of(&mut manifest, apply.namespace.as_deref())?;
        if let Ok(object) = decode(key.kind, manifest.clone()) {
            self.warn_of_unsimulated(&object);
        }
        let patch = Patch::Apply { intent: manifest, force: apply.force_conflicts };
        self.send(apply, "kubectl", Verb::Patch { key: key.clone(), part: Part::Main, patch }, watch)?;
        Ok(format!("{} serverside-applied", shown(&key)))
    }

    fn apply_one(&mut self, mut manifest: Value, apply: &Apply, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let key = self.key_of(&mut manifest, apply.namespace.as_deref())?;
        set_annotations(&mut manifest);
        let annotated = with_last_applied(&manifest);
        let name = shown(&key);
        match self.ask(MANAGER, Verb::Get { key: key.clone() }, watch) {
            Err(status) if status.reason == Reason::NotFound => {
                let object = decode(key.kind, annotated)?;
                self.warn_of_unsimulated(&object);
                self.send(apply, MANAGER, Verb::Create { object }, watch)?;
                Ok(format!("{name} created"))
            }
            Err(status) => Err(status.into()),
            Ok(Reply::Object(current)) => self.apply_over(&key, &current, &annotated, apply, watch),
            Ok(_) => Err(StepError::Failed(format!("unexpected answer for {name}"))),
        }
    }

    fn apply_over(
        &mut self,
        key: &ObjectKey,
        current: &Object,
        annotated: &Value,
        apply: &Apply,
        watch: &mut dyn FnMut(&Cluster),
    ) -> Done<String> {
        let live = current.to_json();
        let last = live.pointer("/metadata/annotations").and_then(|a| a.get(LAST_APPLIED)).and_then(Value::as_str);
        let last: Value = last.and_then(|t| serde_json::from_str(t).ok()).unwrap_or_else(|| json!({}));
        let mut merged = sim_apimachinery::patch::three_way(&last, annotated, &live)?;
        let next = decode(key.kind, merged.clone())?;
        let mut defaulted = next.clone();
        sim_apimachinery::defaults::default_object(&mut defaulted);
        if defaulted == *current {
            return Ok(format!("{} unchanged", shown(key)));
        }
        self.warn_of_unsimulated(&next);
        if let Some(metadata) = merged.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        let patch = Patch::Merge(replacing(&live, &merged));
        self.send(apply, MANAGER, Verb::Patch { key: key.clone(), part: Part::Main, patch }, watch)?;
        Ok(format!("{} configured", shown(key)))
    }

    /// The object a manifest is about. Its namespace is filled in.
    pub(super) fn key_of(&self, manifest: &mut Value, namespace: Option<&str>) -> Done<ObjectKey> {
        let text = |v: &Value, path: &str| v.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (version, kind) = (text(manifest, "/apiVersion"), text(manifest, "/kind"));
        if kind.is_empty() || version.is_empty() {
            return Err(StepError::Failed("error: error validating data: [apiVersion not set, kind not set]".into()));
        }
        let group = version.split_once('/').map_or("", |(group, _)| group);
        let Some(found) = Kind::find(group, &kind) else {
            let text = format!("no matches for kind \"{kind}\" in version \"{version}\"\nensure CRDs are installed first");
            return Err(StepError::Failed(format!("error: resource mapping not found for name: \"{}\": {text}", text_of_name(manifest))));
        };
        if found.resource().version != version.rsplit('/').next().unwrap_or_default() {
            let text = format!("{version} {kind} is not converted; use {}", found.resource().api_version());
            return Err(StepError::NotSimulated(text));
        }
        let name = text(manifest, "/metadata/name");
        let own = text(manifest, "/metadata/namespace");
        let namespace = match (found.is_namespaced(), own.as_str()) {
            (false, _) => String::new(),
            (true, "") => namespace.unwrap_or(DEFAULT_NAMESPACE).to_owned(),
            (true, own) => own.to_owned(),
        };
        if found.is_namespaced() {
            manifest["metadata"]["namespace"] = namespace.clone().into();
        }
        Ok(ObjectKey::new(found, &namespace, &name))
    }

    /// Fields that are accepted and do nothing here.
    fn warn_of_unsimulated(&mut self, object: &Object) {
        for field in unsimulated(object) {
            self.warn(format!("{}: {field} is accepted but not simulated", object.key()));
        }
    }
}

fn text_of_name(manifest: &Value) -> String {
    manifest.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default().to_owned()
}

fn flatten_lists(values: Vec<Value>) -> Vec<Value> {
    values
        .into_iter()
        .flat_map(|value| match (value.get("kind").and_then(Value::as_str), value.get("items")) {
            (Some("List"), Some(Value::Array(items))) => items.clone(),
            _ => vec![value],
        })
        .collect()
}

/// kubectl writes an empty map of annotations into what it remembers.
fn set_annotations(manifest: &mut Value) {
    if manifest.pointer("/metadata/annotations").is_none_or(Value::is_null) {
        manifest["metadata"]["annotations"] = json!({});
    }
}

fn with_last_applied(manifest: &Value) -> Value {
    let mut annotated = manifest.clone();
    annotated["metadata"]["annotations"][LAST_APPLIED] = format!("{manifest}\n").into();
    annotated
}

/// A merge patch that makes one value into the other.
fn replacing(from: &Value, to: &Value) -> Value {
    match (from, to) {
        (Value::Object(from), Value::Object(to)) => {
            let mut patch = serde_json::Map::new();
            for key in from.keys().filter(|k| !to.contains_key(*k)) {
                patch.insert(key.clone(), Value::Null);
            }
            for (key, value) in to {
                match from.get(key) {
                    Some(before) if before == value => {}
                    Some(before) => _ = patch.insert(key.clone(), replacing(before, value)),
                    None => _ = patch.insert(key.clone(), value.clone()),
                }
            }
            Value::Object(patch)
        }
        _ => to.clone(),
    }
}

pub(super) fn decode(kind: Kind, value: Value) -> Done<Object> {
    Object::from_json(kind, value).map_err(|e| StepError::Failed(format!("Error from server (BadRequest): {kind} cannot be handled: {e}")))
}

/// `deployment.apps/web`.
pub(super) fn shown(key: &ObjectKey) -> String {
    let resource = key.kind.resource();
    let group = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
    format!("{}{group}/{}", resource.singular, key.name)
}
