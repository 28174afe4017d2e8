//! `kubectl rollout`.

use serde_json::{Value, json};
use sim_apimachinery::Kind;
use sim_core::scenario::format::{Rollout, RolloutAction};
use sim_core::scenario::load::duration;
use tokio::time::Instant;

use crate::cluster::{JSON_PATCH, MERGE, STRATEGIC, name_of};
use crate::resource::Resource;
use crate::session::{Done, Session, StepError};

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";
const RESTARTED_AT: &str = "kubectl.kubernetes.io/restartedAt";
/// For how long a rollout is awaited if nothing is said.
const ROLLOUT_TIME_MAX: u64 = 600_000_000_000;

impl Session {
    pub(super) async fn rollout(&self, rollout: &Rollout, out: &mut String) -> Done<()> {
        match rollout.action {
            RolloutAction::Restart => {
                let stamp = self.cluster_time().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                let patch = json!({"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: stamp}}}}});
                self.change(rollout, STRATEGIC, &patch, "restarted", out).await
            }
            RolloutAction::Pause => self.change(rollout, MERGE, &json!({"spec": {"paused": true}}), "paused", out).await,
            RolloutAction::Resume => self.change(rollout, MERGE, &json!({"spec": {"paused": false}}), "resumed", out).await,
            RolloutAction::Undo => self.undo(rollout, out).await,
            RolloutAction::History => self.history(rollout, out).await,
            RolloutAction::Status => self.status(rollout, out).await,
        }
    }

    async fn change(&self, rollout: &Rollout, media: &str, patch: &Value, done: &str, out: &mut String) -> Done<()> {
        let (resource, path, object) = self.one(&self.reading().await, &rollout.object).await?;
        self.writing().await.patch(&format!("{path}?fieldManager=kubectl-rollout"), media, patch).await?;
        out.push_str(&format!("{} {done}\n", resource.shown(name_of(&object))));
        Ok(())
    }

    /// The replica sets of a deployment by their revisions, the oldest first.
    async fn revisions(&self, deployment: &Value) -> Done<Vec<(i64, Value)>> {
        let namespace = deployment["metadata"]["namespace"].as_str().unwrap_or_default();
        let uid = &deployment["metadata"]["uid"];
        let sets = self.reading().await.objects(&Resource::of(Kind::ReplicaSet).path(namespace), "").await?;
        let is_owned = |set: &Value| set["metadata"]["ownerReferences"].as_array().into_iter().flatten().any(|o| o["uid"] == *uid);
        let mut found: Vec<(i64, Value)> = sets.into_iter().filter(is_owned).map(|set| (revision(&set), set)).collect();
        found.sort_by_key(|(revision, _)| *revision);
        Ok(found)
    }

    async fn undo(&self, rollout: &Rollout, out: &mut String) -> Done<()> {
        let (resource, path, object) = self.one(&self.cluster, &rollout.object).await?;
        if object["spec"]["paused"] == true {
            let text = "error: you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again";
            return Err(StepError::Failed(text.into()));
        }
        let sets = self.revisions(&object).await?;
        let found = match rollout.to_revision.filter(|r| *r != 0) {
            Some(wanted) => sets.iter().find(|(revision, _)| *revision == wanted),
            None => sets.iter().rev().nth(1),
        };
        let Some((_, set)) = found else { return Err(StepError::Failed("error: no rollout history found for deployment".into())) };
        let mut template = set["spec"]["template"].clone();
        if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove(HASH);
        }
        let patch = json!([{"op": "replace", "path": "/spec/template", "value": template}]);
        self.writing().await.patch(&format!("{path}?fieldManager=kubectl-rollout"), JSON_PATCH, &patch).await?;
        out.push_str(&format!("{} rolled back\n", resource.shown(name_of(&object))));
        Ok(())
    }

    async fn history(&self, rollout: &Rollout, out: &mut String) -> Done<()> {
        let (resource, _, object) = self.one(&self.cluster, &rollout.object).await?;
        let sets = self.revisions(&object).await?;
        let lines: Vec<String> = sets.iter().map(|(revision, _)| format!("{revision:<10}<none>")).collect();
        out.push_str(&format!("{} \nREVISION  CHANGE-CAUSE\n{}\n", resource.shown(name_of(&object)), lines.join("\n")));
        Ok(())
    }

    async fn status(&self, rollout: &Rollout, out: &mut String) -> Done<()> {
        let end = Instant::now() + self.wall(rollout.timeout.as_deref().map_or(Ok(ROLLOUT_TIME_MAX), duration)?);
        let mut told = String::new();
        loop {
            let changed = self.changed.notified();
            let (resource, _, object) = self.one(&self.cluster, &rollout.object).await?;
            let name = name_of(&object);
            let Some(waiting) = rollout_state(&resource.kind, &object) else {
                out.push_str(&format!("{} \"{name}\" successfully rolled out\n", resource.singular));
                return Ok(());
            };
            if waiting.starts_with("error:") {
                return Err(StepError::Failed(waiting));
            }
            if Instant::now() > end {
                return Err(StepError::Failed("error: timed out waiting for the condition".into()));
            }
            if told != waiting {
                out.push_str(&format!("{waiting}\n"));
                told = waiting;
            }
            _ = tokio::time::timeout(self.wall(super::wait::POLL), changed).await;
        }
    }
}

fn revision(object: &Value) -> i64 {
    object["metadata"]["annotations"][REVISION].as_str().and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// What a rollout still waits for, in kubectl's words.
fn rollout_state(kind: &str, object: &Value) -> Option<String> {
    let number = |path: &str| object.pointer(path).and_then(Value::as_i64).unwrap_or(0);
    let name = name_of(object);
    if number("/metadata/generation") > number("/status/observedGeneration") {
        return Some(format!("Waiting for {} spec update to be observed...", kind.to_ascii_lowercase()));
    }
    let wanted = object.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(1);
    match kind {
        "Deployment" => deployment_state(object, name, wanted, &number),
        "DaemonSet" => {
            let desired = number("/status/desiredNumberScheduled");
            let (updated, available) = (number("/status/updatedNumberScheduled"), number("/status/numberAvailable"));
            let prefix = format!("Waiting for daemon set \"{name}\" rollout to finish:");
            if updated < desired {
                return Some(format!("{prefix} {updated} out of {desired} new pods have been updated..."));
            }
            (available < desired).then(|| format!("{prefix} {available} of {desired} updated pods are available..."))
        }
        "StatefulSet" => {
            let ready = number("/status/readyReplicas");
            if ready < wanted {
                return Some(format!("Waiting for {} pods to be ready...", wanted - ready));
            }
            let is_current = object["status"]["currentRevision"] == object["status"]["updateRevision"];
            (!is_current)
                .then(|| format!("waiting for statefulset rolling update to complete {} pods...", number("/status/updatedReplicas")))
        }
        other => Some(format!("error: no status viewer has been implemented for {other}")),
    }
}

fn deployment_state(object: &Value, name: &str, wanted: i64, number: &dyn Fn(&str) -> i64) -> Option<String> {
    let is_over = |c: &Value| c["type"] == "Progressing" && c["reason"] == "ProgressDeadlineExceeded";
    if object["status"]["conditions"].as_array().into_iter().flatten().any(is_over) {
        return Some(format!("error: deployment \"{name}\" exceeded its progress deadline"));
    }
    let prefix = format!("Waiting for deployment \"{name}\" rollout to finish:");
    let (updated, all, available) = (number("/status/updatedReplicas"), number("/status/replicas"), number("/status/availableReplicas"));
    if updated < wanted {
        return Some(format!("{prefix} {updated} out of {wanted} new replicas have been updated..."));
    }
    if all > updated {
        return Some(format!("{prefix} {} old replicas are pending termination...", all - updated));
    }
    (available < updated).then(|| format!("{prefix} {available} of {updated} updated replicas are available..."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_is_told_in_kubectls_words() {
        let deployment = |updated: u32, all: u32, available: u32| {
            json!({"metadata": {"name": "web", "generation": 2}, "spec": {"replicas": 3},
                "status": {"observedGeneration": 2, "updatedReplicas": updated, "replicas": all, "availableReplicas": available}})
        };
        let told = |object| rollout_state("Deployment", &object).unwrap_or_default();
        assert!(told(deployment(1, 4, 3)).ends_with("1 out of 3 new replicas have been updated..."));
        assert!(told(deployment(3, 4, 3)).ends_with("1 old replicas are pending termination..."));
        assert!(told(deployment(3, 3, 2)).ends_with("2 of 3 updated replicas are available..."));
        assert_eq!(told(deployment(3, 3, 3)), "");
        let mut old = deployment(3, 3, 3);
        old["status"]["observedGeneration"] = 1.into();
        assert!(told(old).starts_with("Waiting for deployment spec update"));
        assert!(rollout_state("Pod", &json!({"metadata": {"name": "a"}})).is_some_and(|t| t.starts_with("error:")));
    }
}
