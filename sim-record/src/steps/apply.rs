//! `kubectl apply`: the client's three-way merge with its annotation, or the intent as it is for the server to merge.

use http::Method;
use serde_json::{Value, json};
use sim_apimachinery::patch::three_way;
use sim_core::scenario::format::{Apply, Step};

use crate::cluster::{APPLY, MERGE, name_of};
use crate::resource::{self, Resource};
use crate::scrub::LAST_APPLIED;
use crate::session::{Done, Made, Session, StepError};

/// kubectl's name as a client that applies.
const MANAGER: &str = "kubectl-client-side-apply";

impl Session {
    pub(super) async fn apply(&self, step: &Step, apply: &Apply, out: &mut String) -> Done<()> {
        for manifest in self.plan.manifests(step) {
            let (resource, namespace, manifest) = self.placed(manifest, apply.namespace.as_deref()).await?;
            let path = resource.path(&namespace);
            let done = match apply.server_side {
                true => self.apply_on_server(&resource, &path, &manifest, apply).await?,
                false => self.apply_here(&resource, &path, manifest.clone(), apply.dry_run).await?,
            };
            let dry = if apply.dry_run { " (server dry run)" } else { "" };
            out.push_str(&format!("{} {done}{dry}\n", resource.shown(name_of(&manifest))));
        }
        Ok(())
    }

    /// A manifest with its resource and its namespace filled in.
    pub(super) async fn placed(&self, mut manifest: Value, namespace: Option<&str>) -> Done<(Resource, String, Value)> {
        let word = |name: &str| manifest[name].as_str().unwrap_or_default().to_owned();
        let (api_version, kind) = (word("apiVersion"), word("kind"));
        if api_version.is_empty() || kind.is_empty() || name_of(&manifest).is_empty() {
            return Err(StepError::Failed("error: error validating data: apiVersion, kind and metadata.name must be set".into()));
        }
        let resource = resource::of_manifest(&self.cluster, &api_version, &kind).await?;
        if !resource.is_namespaced {
            return Ok((resource, String::new(), manifest));
        }
        let own = manifest.pointer("/metadata/namespace").and_then(Value::as_str).or(namespace);
        let namespace = self.namespace(own);
        manifest["metadata"]["namespace"] = namespace.clone().into();
        Ok((resource, namespace, manifest))
    }

    async fn apply_on_server(&self, resource: &Resource, path: &str, manifest: &Value, apply: &Apply) -> Done<&'static str> {
        let object = format!("{path}/{}", name_of(manifest));
        let is_there = self.is_there(&object).await?;
        if !is_there && !apply.dry_run {
            self.remember(Made::Object { path: object.clone(), shown: resource.shown(name_of(manifest)) });
        }
        let force = if apply.force_conflicts { "&force=true" } else { "" };
        let dry = if apply.dry_run { "&dryRun=All" } else { "" };
        let path = format!("{object}?fieldManager=kubectl{force}{dry}&fieldValidation=Strict");
        self.writing().await.patch(&path, APPLY, manifest).await?;
        Ok("serverside-applied")
    }

    async fn apply_here(&self, resource: &Resource, path: &str, mut manifest: Value, dry_run: bool) -> Done<&'static str> {
        let options = format!("fieldManager={MANAGER}&fieldValidation=Strict{}", if dry_run { "&dryRun=All" } else { "" });
        let name = name_of(&manifest).to_owned();
        if manifest.pointer("/metadata/annotations").is_none_or(Value::is_null) {
            manifest["metadata"]["annotations"] = json!({});
        }
        let remembered = format!("{manifest}\n");
        manifest["metadata"]["annotations"][LAST_APPLIED] = remembered.into();
        let live = match self.reading().await.get(&format!("{path}/{name}")).await {
            Err(error) if error.is_not_found() => {
                if !dry_run {
                    self.remember(Made::Object { path: format!("{path}/{name}"), shown: resource.shown(&name) });
                }
                self.writing().await.create(&format!("{path}?{options}"), &manifest).await?;
                return Ok("created");
            }
            live => live?,
        };
        let patch = difference(&live, &merged(&manifest, &live)?);
        if patch == json!({}) {
            return Ok("unchanged");
        }
        self.writing().await.send(Method::PATCH, &format!("{path}/{name}?{options}"), MERGE, &patch).await?;
        Ok("configured")
    }

    pub(super) async fn is_there(&self, path: &str) -> Done<bool> {
        match self.cluster.get(path).await {
            Err(error) if error.is_not_found() => Ok(false),
            found => found.map(|_| true).map_err(StepError::from),
        }
    }
}

/// What the object becomes: fields of the last manifest that are gone go, those of the new one come.
fn merged(manifest: &Value, live: &Value) -> Done<Value> {
    let last = live.pointer("/metadata/annotations").and_then(|a| a.get(LAST_APPLIED)).and_then(Value::as_str);
    let last: Value = last.and_then(|t| serde_json::from_str(t).ok()).unwrap_or_else(|| json!({}));
    let mut merged = three_way(&last, manifest, live)?;
    if let Some(metadata) = merged.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("resourceVersion");
    }
    Ok(merged)
}

/// A merge patch that makes one value into the other. The version is left to the server.
fn difference(from: &Value, to: &Value) -> Value {
    let (Value::Object(from), Value::Object(to)) = (from, to) else { return to.clone() };
    let mut patch = serde_json::Map::new();
    for key in from.keys().filter(|k| !to.contains_key(*k) && *k != "resourceVersion") {
        patch.insert(key.clone(), Value::Null);
    }
    for (key, value) in to {
        match from.get(key) {
            Some(before) if before == value => {}
            Some(before) => {
                let inner = difference(before, value);
                // Only the version differs.
                if inner != json!({}) {
                    patch.insert(key.clone(), inner);
                }
            }
            None => _ = patch.insert(key.clone(), value.clone()),
        }
    }
    Value::Object(patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_holds_what_differs_and_nothing_of_the_version() {
        let live = json!({"metadata": {"resourceVersion": "7", "labels": {"a": "1", "b": "2"}}, "spec": {"list": [1], "same": 1}});
        let next = json!({"metadata": {"labels": {"a": "1"}}, "spec": {"list": [2], "same": 1, "new": true}});
        assert_eq!(difference(&live, &next), json!({"metadata": {"labels": {"b": null}}, "spec": {"list": [2], "new": true}}));
        let same = json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"list": [1], "same": 1}});
        assert_eq!(difference(&live, &same), json!({}));
    }

    #[test]
    fn what_the_manifest_no_longer_says_goes_and_what_others_set_stays() {
        let last = "{\"metadata\":{\"name\":\"a\"},\"data\":{\"old\":\"1\",\"kept\":\"1\"}}\n";
        let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"old": "1", "kept": "1", "others": "1"},
            "metadata": {"name": "a", "annotations": {LAST_APPLIED: last}}});
        let manifest = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"kept": "2"}});
        assert_eq!(merged(&manifest, &live).expect("it merges")["data"], json!({"kept": "2", "others": "1"}));
    }
}
