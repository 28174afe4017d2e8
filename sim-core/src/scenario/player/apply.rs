//! `kubectl apply`: the client's three-way merge with its annotation, or the intent as it is for the server to merge.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sim_apimachinery::{Answer, Kind, Object, ObjectKey, Part, Patch, Reason, Reply, Request, Verb, conversion};

use super::kinds::text;
use super::script::{Task, Then, ask};
use super::unsimulated::unsimulated;
use super::{Done, Player, StepError};
use crate::scenario::format::Apply;

const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
const MANAGER: &str = "kubectl-client-side-apply";

/// A manifest on its way to the server: the object as it is has been asked for.
#[derive(Clone, Debug)]
pub(super) struct Applying {
    key: ObjectKey,
    /// The manifest with what kubectl remembers of it.
    annotated: Value,
    dry_run: bool,
}

impl Player {
    pub(super) fn apply(&mut self, number: usize, apply: &Apply) {
        let values = self.manifests_of(apply);
        self.plan(values.into_iter().map(|value| Task::Apply(Box::new(value), number)));
    }

    fn manifests_of(&self, apply: &Apply) -> Vec<Value> {
        let mut values: Vec<Value> = Vec::new();
        for file in apply.kustomize.iter().chain(&apply.files) {
            values.extend(self.manifests.get(file).into_iter().flatten().map(|d| d.value.clone()));
        }
        values.extend(apply.objects.iter().cloned());
        flatten_lists(values)
    }

    /// How many kinds the schemas tell of that `kubectl apply` reads before it sends anything.
    pub(super) fn schema_kinds(&self, apply: &Apply) -> u64 {
        schema_kinds(self.manifests_of(apply).iter())
    }

    pub(super) fn apply_manifest(&mut self, mut manifest: Value, apply: &Apply) -> Done<()> {
        let key = self.key_of(&mut manifest, apply.namespace.as_deref())?;
        if apply.server_side {
            return self.apply_on_server(key, manifest, apply);
        }
        set_annotations(&mut manifest);
        let annotated = with_last_applied(&manifest);
        let then = Then::Apply(Box::new(Applying { key: key.clone(), annotated, dry_run: apply.dry_run }));
        self.plan([ask(MANAGER, Verb::Get { key }, then)]);
        Ok(())
    }

    /// Server-side apply: the intent as it is, and the server merges.
    fn apply_on_server(&mut self, key: ObjectKey, manifest: Value, apply: &Apply) -> Done<()> {
        if let Ok(object) = self.decode(key.kind, manifest.clone()) {
            self.warn_of_unsimulated(&object);
        }
        let api_version = text(&manifest, "/apiVersion");
        let patch = Patch::Apply { intent: manifest, force: apply.force_conflicts };
        let request = Request::new(&"kubectl".into(), Verb::Patch { key: key.clone(), part: Part::Main, patch });
        self.write(&key, &api_version, request, "serverside-applied", apply.dry_run);
        Ok(())
    }

    fn write(&mut self, key: &ObjectKey, api_version: &str, request: Request, done: &str, dry_run: bool) {
        let other = conversion::is_converted(key.kind, api_version).then(|| api_version.into());
        let request = Request { dry_run, api_version: other, ..request };
        let then = Then::Say(said(key, done, dry_run));
        self.plan([Task::Ask(Box::new(request), then)]);
    }

    /// The object as it is, or the news that there is none, has come.
    pub(super) fn apply_over(&mut self, answer: Answer, applying: Applying) -> Done<()> {
        let Applying { key, annotated, dry_run } = applying;
        let api_version = text(&annotated, "/apiVersion");
        let current = match answer {
            Err(status) if status.reason == Reason::NotFound => {
                let object = self.decode(key.kind, annotated)?;
                self.warn_of_unsimulated(&object);
                self.write(&key, &api_version, Request::new(&MANAGER.into(), Verb::Create { object }), "created", dry_run);
                return Ok(());
            }
            Err(status) => return Err(status.into()),
            Ok(Reply::Object(current)) => current,
            Ok(_) => return Err(StepError::Failed(format!("unexpected answer for {}", shown(&key)))),
        };
        let live = conversion::from_held(key.kind, &api_version, current.to_json());
        let last = live.pointer("/metadata/annotations").and_then(|a| a.get(LAST_APPLIED)).and_then(Value::as_str);
        let last: Value = last.and_then(|t| serde_json::from_str(t).ok()).unwrap_or_else(|| json!({}));
        let mut merged = sim_apimachinery::patch::three_way(&last, &annotated, &live)?;
        let next = self.decode(key.kind, merged.clone())?;
        let mut defaulted = next.clone();
        sim_apimachinery::defaults::default_object(&mut defaulted);
        if defaulted == current {
            self.say(&said(&key, "unchanged", dry_run));
            return Ok(());
        }
        self.warn_of_unsimulated(&next);
        if let Some(metadata) = merged.get_mut("metadata").and_then(Value::as_object_mut) {
            metadata.remove("resourceVersion");
        }
        let patch = Patch::Merge(replacing(&live, &merged));
        let request = Request::new(&MANAGER.into(), Verb::Patch { key: key.clone(), part: Part::Main, patch });
        self.write(&key, &api_version, request, "configured", dry_run);
        Ok(())
    }

    /// Fields that are accepted and do nothing here.
    fn warn_of_unsimulated(&mut self, object: &Object) {
        for field in unsimulated(object) {
            self.warn(format!("{}: {field} is accepted but not simulated", object.key()));
        }
    }
}

/// How many kinds the schemas tell of that `kubectl apply` reads before it sends anything: it asks for the OpenAPI document of each
/// group version among the manifests, and the more kinds a group has, the longer that takes.
/// Source: kubectl pkg/cmd/apply/apply.go (`Validator`), cli-runtime pkg/resource/query_param_verifier_v3.go.
pub fn schema_kinds<'a>(manifests: impl Iterator<Item = &'a Value>) -> u64 {
    let versions: BTreeSet<String> = manifests.map(|m| text(m, "/apiVersion")).collect();
    let kinds = |version: &String| {
        let group = version.split_once('/').map_or("", |(group, _)| group);
        Kind::ALL.iter().filter(|k| k.resource().group == group).count().max(1) as u64
    };
    versions.iter().map(kinds).sum()
}

/// What kubectl prints when an object is applied.
fn said(key: &ObjectKey, done: &str, dry_run: bool) -> String {
    format!("{} {done}{}\n", shown(key), if dry_run { " (server dry run)" } else { "" })
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

/// `deployment.apps/web`.
pub(super) fn shown(key: &ObjectKey) -> String {
    let resource = key.kind.resource();
    let group = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
    format!("{}{group}/{}", resource.singular, key.name)
}
