//! `kubectl get`, `delete`, `patch`, `scale`, `set` and `label`.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use sim_core::scenario::format::{Delete, Label, PatchStep, PatchType, PropagationPolicy, Scale, Selection, Set};
use tokio::time::Instant;

use crate::cluster::{JSON_PATCH, MERGE, STRATEGIC, name_of};
use crate::session::{Done, Session, StepError, path_of};

/// For how long a deletion is awaited.
const GONE_TIME_MAX: u64 = 600_000_000_000;

impl Session {
    pub(super) async fn get(&self, selection: &Selection, out: &mut String) -> Done<()> {
        let (resource, found) = self.selected(&self.reading().await, selection).await?;
        found.iter().for_each(|object| out.push_str(&format!("{}\n", resource.shown(name_of(object)))));
        Ok(())
    }

    pub(super) async fn delete(&self, delete: &Delete, out: &mut String) -> Done<()> {
        let mut paths = Vec::new();
        if let Some(selection) = &delete.object {
            let (resource, found) = self.selected(&self.cluster, selection).await?;
            paths.extend(found.iter().map(|object| (path_of(&resource, object), resource.shown(name_of(object)))));
        }
        for manifest in self.plan.documents(delete.files.iter()) {
            let (resource, namespace, manifest) = self.placed(manifest, None).await?;
            let name = name_of(&manifest);
            paths.push((format!("{}/{name}", resource.path(&namespace)), resource.shown(name)));
        }
        if paths.is_empty() {
            return Err(StepError::Failed("No resources found".into()));
        }
        let policy = match delete.propagation.unwrap_or(PropagationPolicy::Background) {
            PropagationPolicy::Background => "Background",
            PropagationPolicy::Foreground => "Foreground",
            PropagationPolicy::Orphan => "Orphan",
        };
        let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy});
        if let Some(seconds) = delete.grace_period_seconds {
            options["gracePeriodSeconds"] = seconds.into();
        }
        let mut deleted = Vec::new();
        for (path, shown) in paths {
            let told = self.writing().await.delete(&path, &options).await?;
            out.push_str(&format!("{} deleted\n", shown.replacen('/', " \"", 1) + "\""));
            let uid = told.pointer("/details/uid").or(told.pointer("/metadata/uid")).and_then(Value::as_str).unwrap_or_default();
            deleted.push((path, uid.to_owned()));
        }
        if delete.wait { self.gone(deleted).await } else { Ok(()) }
    }

    /// Waits until objects with these paths and uids are gone: another of the same name may be there by then.
    async fn gone(&self, mut deleted: Vec<(String, String)>) -> Done<()> {
        let end = Instant::now() + self.wall(GONE_TIME_MAX);
        loop {
            let changed = self.changed.notified();
            while let Some((path, uid)) = deleted.last()
                && !self.is_still_there(path, uid).await?
            {
                deleted.pop();
            }
            if deleted.is_empty() {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(StepError::Failed("error: timed out waiting for the condition".into()));
            }
            _ = tokio::time::timeout(self.wall(super::wait::POLL), changed).await;
        }
    }

    async fn is_still_there(&self, path: &str, uid: &str) -> Done<bool> {
        match self.cluster.get(path).await {
            Err(error) if error.is_not_found() => Ok(false),
            found => Ok(found?.pointer("/metadata/uid").and_then(Value::as_str).is_none_or(|found| uid.is_empty() || found == uid)),
        }
    }

    pub(super) async fn patch(&self, step: &PatchStep, out: &mut String) -> Done<()> {
        let media = match step.kind {
            PatchType::Json => JSON_PATCH,
            PatchType::Merge => MERGE,
            PatchType::Strategic => STRATEGIC,
        };
        let (resource, path, object) = self.one(&self.reading().await, &step.object).await?;
        self.writing().await.patch(&format!("{path}?fieldManager=kubectl-patch"), media, &step.patch).await?;
        out.push_str(&format!("{} patched\n", resource.shown(name_of(&object))));
        Ok(())
    }

    pub(super) async fn scale(&self, scale: &Scale, out: &mut String) -> Done<()> {
        let (resource, path, object) = self.one(&self.reading().await, &scale.object).await?;
        let patch = json!({"spec": {"replicas": scale.replicas}});
        self.writing().await.patch(&format!("{path}/scale?fieldManager=kubectl"), MERGE, &patch).await?;
        out.push_str(&format!("{} scaled\n", resource.shown(name_of(&object))));
        Ok(())
    }

    pub(super) async fn set(&self, set: &Set, out: &mut String) -> Done<()> {
        let (resource, path, object) = self.one(&self.reading().await, &set.object).await?;
        let mut containers = object.pointer("/spec/template/spec/containers").and_then(Value::as_array).cloned().unwrap_or_default();
        for container in &mut containers {
            let name = container["name"].as_str().unwrap_or_default();
            if let Some(image) = set.image.get(name).or_else(|| set.image.get("*")) {
                container["image"] = image.clone().into();
            }
            set_env(container, &set.env);
        }
        let patch = json!({"spec": {"template": {"spec": {"containers": containers}}}});
        self.writing().await.patch(&format!("{path}?fieldManager=kubectl-set"), MERGE, &patch).await?;
        let what = if set.image.is_empty() { "env" } else { "image" };
        out.push_str(&format!("{} {what} updated\n", resource.shown(name_of(&object))));
        Ok(())
    }

    pub(super) async fn label(&self, label: &Label, out: &mut String) -> Done<()> {
        let (resource, found) = self.selected(&self.cluster, &label.object).await?;
        let patch = json!({"metadata": {"labels": label.labels}});
        for object in &found {
            let path = path_of(&resource, object);
            self.writing().await.patch(&format!("{path}?fieldManager=kubectl-label"), MERGE, &patch).await?;
            out.push_str(&format!("{} labeled\n", resource.shown(name_of(object))));
        }
        Ok(())
    }
}

fn set_env(container: &mut Value, env: &BTreeMap<String, Option<String>>) {
    if env.is_empty() {
        return;
    }
    let mut list = container["env"].as_array().cloned().unwrap_or_default();
    for (name, value) in env {
        let position = list.iter().position(|e| e["name"] == name.as_str());
        match (value, position) {
            (Some(value), Some(at)) => list[at] = json!({"name": name, "value": value}),
            (Some(value), None) => list.push(json!({"name": name, "value": value})),
            (None, Some(at)) => _ = list.remove(at),
            (None, None) => {}
        }
    }
    container["env"] = list.into();
}
