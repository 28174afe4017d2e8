//! What a user does, step by step, as kubectl does it: the same requests in the same order.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use serde_json::{Value, json};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Page, Part, Patch, Propagation, Reply, Status, Typed, Verb};
use sim_workload::ExecResult;

use super::apply::shown;
use super::command_text::describe;
use super::script::{Awaited, Task, Then, ask};
use super::select::DEFAULT_NAMESPACE;
use super::{Done, Player, StepError, WAIT_TIMEOUT};
use crate::scenario::format::{
    Delete, Drain, Exec, Label, PatchStep, PatchType, PropagationPolicy, Rollout, RolloutAction, Scale, Selection, Set, Step, Taint, Wait,
};
use crate::scenario::load::duration;
use crate::time::{MINUTE, Nanos, SECOND, SimTime};

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

impl Player {
    /// The time of a step is there.
    pub(super) fn act(&mut self, number: usize) -> Done<()> {
        let scenario = self.scenario.clone();
        let step = &scenario.scenario.steps[number];
        if let Some(expectation) = &step.expect {
            self.watch(expectation.clone(), self.line());
            self.seen = 0;
            self.look();
            return Ok(());
        }
        let text = step.name.clone().unwrap_or_else(|| describe(step));
        self.begin(&text, self.line());
        (self.script.text, self.script.output) = (text, String::new());
        self.plan([Task::Do(number), Task::End]);
        if step.is_command() {
            let schema_kinds = step.apply.as_ref().map_or(0, |apply| self.schema_kinds(apply));
            let starts = self.cluster.command_latency(schema_kinds);
            self.pause(self.cluster.now().plus(starts));
        }
        Ok(())
    }

    /// Its command has started: what it will do.
    pub(super) fn do_step(&mut self, number: usize, step: &Step) -> Done<()> {
        match step {
            Step { apply: Some(apply), .. } => self.apply(number, apply),
            Step { get: Some(selection), .. } => self.get(selection)?,
            Step { delete: Some(delete), .. } => self.delete(delete)?,
            Step { patch: Some(patch), .. } => self.patch(patch)?,
            Step { scale: Some(scale), .. } => self.scale(scale)?,
            Step { set: Some(set), .. } => self.set(set)?,
            Step { rollout: Some(rollout), .. } => self.rollout(rollout)?,
            Step { label: Some(label), .. } => self.label(label)?,
            Step { taint: Some(taint), .. } => self.taint(taint)?,
            Step { cordon: Some(node), .. } => self.cordon(&node.node, true)?,
            Step { uncordon: Some(node), .. } => self.cordon(&node.node, false)?,
            Step { drain: Some(drain), .. } => self.drain(drain)?,
            Step { http: Some(http), .. } => self.http(http)?,
            Step { load: Some(load), .. } => self.load(load)?,
            Step { exec: Some(exec), .. } => self.exec(exec)?,
            Step { fault: Some(fault), .. } => self.fault(fault)?,
            Step { wait: Some(wait), .. } => self.wait(wait)?,
            _ => {}
        }
        Ok(())
    }

    /// The objects are read from the server as one list, or one by its name; those told are the selected.
    fn get(&mut self, selection: &Selection) -> Done<()> {
        let (kind, namespace) = self.place(selection)?;
        let verb = match &selection.name {
            Some(_) => Verb::Get { key: self.one(selection)?.key() },
            None => Verb::List { kind, namespace: namespace.into(), options: Box::default() },
        };
        let names: String = self.selected(selection)?.iter().map(|o| format!("{}\n", shown(&o.key()))).collect();
        self.plan([ask("kubectl", verb, Then::Say(names))]);
        Ok(())
    }

    fn delete(&mut self, delete: &Delete) -> Done<()> {
        let mut keys: Vec<ObjectKey> = Vec::new();
        if let Some(selection) = &delete.object {
            keys.extend(self.selected(selection)?.iter().map(Object::key));
        }
        for file in &delete.files {
            for document in self.manifests.get(file).cloned().unwrap_or_default() {
                let mut value = document.value;
                keys.push(self.key_of(&mut value, None)?);
            }
        }
        if keys.is_empty() {
            return Err(StepError::Failed("No resources found".into()));
        }
        let propagation = match delete.propagation.unwrap_or(PropagationPolicy::Background) {
            PropagationPolicy::Background => Propagation::Background,
            PropagationPolicy::Foreground => Propagation::Foreground,
            PropagationPolicy::Orphan => Propagation::Orphan,
        };
        let options =
            DeleteOptions { grace_period_seconds: delete.grace_period_seconds, propagation: Some(propagation), ..Default::default() };
        let mut tasks: Vec<Task> = Vec::new();
        for key in &keys {
            let said = format!("{} deleted\n", shown(key).replacen('/', " \"", 1) + "\"");
            tasks.push(ask("kubectl", Verb::Delete { key: key.clone(), options: options.clone() }, Then::Say(said)));
        }
        if delete.wait {
            tasks.push(Task::Gone(keys));
        }
        self.plan(tasks);
        Ok(())
    }

    fn patch(&mut self, step: &PatchStep) -> Done<()> {
        let (kind, _) = self.place(&step.object)?;
        let patch = match step.kind {
            PatchType::Strategic if matches!(kind, Kind::Custom(_)) => return Err(Box::new(Status::no_strategic_patch()).into()),
            PatchType::Json => Patch::Json(step.patch.clone()),
            PatchType::Merge => Patch::Merge(step.patch.clone()),
            PatchType::Strategic => Patch::Strategic(step.patch.clone()),
        };
        self.send_patch(&step.object, "kubectl-patch", patch, "patched")
    }

    fn send_patch(&mut self, selection: &Selection, manager: &str, patch: Patch, verb: &str) -> Done<()> {
        let key = self.one(selection)?.key();
        let said = format!("{} {verb}\n", shown(&key));
        self.plan([
            ask(manager, Verb::Get { key: key.clone() }, quietly()),
            ask(manager, Verb::Patch { key, part: Part::Main, patch }, Then::Say(said)),
        ]);
        Ok(())
    }

    fn scale(&mut self, scale: &Scale) -> Done<()> {
        let key = self.one(&scale.object)?.key();
        let said = format!("{} scaled\n", shown(&key));
        self.plan([
            ask("kubectl", Verb::GetScale { key: key.clone() }, quietly()),
            ask("kubectl", Verb::UpdateScale { key, replicas: scale.replicas, uid: None, resource_version: None }, Then::Say(said)),
        ]);
        Ok(())
    }

    fn set(&mut self, set: &Set) -> Done<()> {
        let object = self.one(&set.object)?;
        let mut containers =
            object.to_json().pointer("/spec/template/spec/containers").and_then(Value::as_array).cloned().unwrap_or_default();
        for container in &mut containers {
            let name = container["name"].as_str().unwrap_or_default().to_owned();
            if let Some(image) = set.image.get(&name).or_else(|| set.image.get("*")) {
                container["image"] = image.clone().into();
            }
            set_env(container, &set.env);
        }
        let patch = Patch::Merge(json!({"spec": {"template": {"spec": {"containers": containers}}}}));
        let verb = if set.image.is_empty() { "env updated" } else { "image updated" };
        self.send_patch(&set.object, "kubectl-set", patch, verb)
    }

    fn rollout(&mut self, rollout: &Rollout) -> Done<()> {
        let paused = |on: bool| Patch::Merge(json!({"spec": {"paused": on}}));
        match rollout.action {
            RolloutAction::Restart => {
                let stamp = self.cluster.now().to_time().0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                let patch = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": stamp}}}}});
                self.send_patch(&rollout.object, "kubectl-rollout", Patch::Strategic(patch), "restarted")
            }
            RolloutAction::Pause => self.send_patch(&rollout.object, "kubectl-rollout", paused(true), "paused"),
            RolloutAction::Resume => self.send_patch(&rollout.object, "kubectl-rollout", paused(false), "resumed"),
            RolloutAction::Undo => self.undo(rollout),
            RolloutAction::History => {
                let object = self.one(&rollout.object)?;
                self.list_replica_sets("kubectl", &object, Then::History(Box::new(object.clone())));
                Ok(())
            }
            RolloutAction::Status => {
                let timeout = rollout.timeout.as_deref().map_or(Ok(10 * MINUTE), duration)?;
                self.wait_for(Awaited::RolledOut(rollout.object.clone()), timeout)
            }
        }
    }

    fn list_replica_sets(&mut self, manager: &str, object: &Object, then: Then) {
        let list = Verb::List { kind: Kind::ReplicaSet, namespace: object.namespace().into(), options: Box::default() };
        self.plan([ask(manager, list, then)]);
    }

    fn undo(&mut self, rollout: &Rollout) -> Done<()> {
        let object = self.one(&rollout.object)?;
        let Some(deployment) = Deployment::from_object(&object) else {
            return Err(StepError::NotSimulated(format!("rollout undo of {}", object.key())));
        };
        if deployment.spec.as_ref().and_then(|s| s.paused) == Some(true) {
            return Err(StepError::Failed(
                "error: you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again".into(),
            ));
        }
        let revision = rollout.to_revision.filter(|r| *r != 0);
        self.list_replica_sets("kubectl-rollout", &object, Then::Undo(Box::new(object.clone()), revision));
        Ok(())
    }

    /// Puts the template of an earlier replica set back.
    pub(super) fn undo_with(&mut self, sets: Reply, object: &Object, wanted: Option<i64>) -> Done<()> {
        let Reply::List(Page { items, .. }) = sets else { return Ok(()) };
        let uid = object.uid().to_owned();
        let mut sets: Vec<(i64, Object)> =
            items.into_iter().filter(|o| o.controller().is_some_and(|c| c.uid == uid)).map(|o| (revision(&o), o)).collect();
        sets.sort_by_key(|(revision, _)| *revision);
        let found = match wanted {
            Some(wanted) => sets.iter().find(|(revision, _)| *revision == wanted),
            None => sets.iter().rev().nth(1),
        };
        let Some((_, set)) = found else { return Err(StepError::Failed("error: no rollout history found for deployment".into())) };
        let Some(set) = ReplicaSet::from_object(set) else { return Ok(()) };
        let mut template = serde_json::to_value(set.spec.as_ref().and_then(|s| s.template.as_ref())).unwrap_or_default();
        if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove(HASH);
        }
        let patch = Patch::Json(json!([{"op": "replace", "path": "/spec/template", "value": template}]));
        let key = object.key();
        let said = format!("{} rolled back\n", shown(&key));
        self.plan([ask("kubectl-rollout", Verb::Patch { key, part: Part::Main, patch }, Then::Say(said))]);
        Ok(())
    }

    pub(super) fn tell_history(&mut self, sets: Reply, object: &Object) -> Done<()> {
        let Reply::List(Page { items, .. }) = sets else { return Ok(()) };
        let mut revisions: Vec<i64> =
            items.iter().filter(|o| o.controller().is_some_and(|c| c.uid == object.uid())).map(revision).collect();
        revisions.sort_unstable();
        let lines: Vec<String> = revisions.iter().map(|r| format!("{r:<10}<none>")).collect();
        self.say(&format!("{} \nREVISION  CHANGE-CAUSE\n{}\n", shown(&object.key()), lines.join("\n")));
        Ok(())
    }

    fn label(&mut self, label: &Label) -> Done<()> {
        let mut tasks = Vec::new();
        for object in self.selected(&label.object)? {
            let key = object.key();
            let patch = Patch::Merge(json!({"metadata": {"labels": label.labels}}));
            let said = format!("{} labeled\n", shown(&key));
            tasks.push(ask("kubectl-label", Verb::Patch { key, part: Part::Main, patch }, Then::Say(said)));
        }
        self.plan(tasks);
        Ok(())
    }

    fn taint(&mut self, taint: &Taint) -> Done<()> {
        let node = self.one(&Selection { kind: "node".into(), name: Some(taint.node.clone()), ..Default::default() })?;
        let removing = taint.taint.ends_with('-');
        let text = taint.taint.trim_end_matches('-');
        let (pair, effect) = text.rsplit_once(':').ok_or_else(|| StepError::Failed(format!("error: invalid taint spec: {text}")))?;
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        let mut taints = node.to_json().pointer("/spec/taints").and_then(Value::as_array).cloned().unwrap_or_default();
        taints.retain(|t| t["key"] != key || t["effect"] != effect);
        if !removing {
            taints.push(if value.is_empty() {
                json!({"key": key, "effect": effect})
            } else {
                json!({"key": key, "value": value, "effect": effect})
            });
        }
        let patch = Patch::Merge(json!({"spec": {"taints": taints}}));
        let said = format!("node/{} {}\n", taint.node, if removing { "untainted" } else { "tainted" });
        self.plan([ask("kubectl-taint", Verb::Patch { key: node.key(), part: Part::Main, patch }, Then::Say(said))]);
        Ok(())
    }

    fn cordon(&mut self, node: &str, on: bool) -> Done<()> {
        let key = self.one(&Selection { kind: "node".into(), name: Some(node.into()), ..Default::default() })?.key();
        let patch = Patch::Merge(json!({"spec": {"unschedulable": if on { json!(true) } else { Value::Null }}}));
        let said = format!("node/{node} {}\n", if on { "cordoned" } else { "uncordoned" });
        self.plan([ask("kubectl-cordon", Verb::Patch { key, part: Part::Main, patch }, Then::Say(said))]);
        Ok(())
    }

    /// Cordons, and evicts all pods that a controller can make anew, again and again where a budget forbids it.
    fn drain(&mut self, drain: &Drain) -> Done<()> {
        let timeout = drain.timeout.as_deref().map_or(Ok(10 * MINUTE), duration)?;
        self.plan([Task::Drain { node: drain.node.clone(), timeout, end: None }]);
        self.cordon(&drain.node, true)
    }

    pub(super) fn drain_on(&mut self, node: String, timeout: Nanos, end: Option<SimTime>) -> Done<()> {
        let end = end.unwrap_or_else(|| self.cluster.now().plus(timeout));
        let pods: Vec<ObjectKey> = self.cluster.etcd().list(Kind::Pod, "").filter(|o| on_node(o, &node)).map(Object::key).collect();
        if pods.is_empty() {
            self.say(&format!("node/{node} drained\n"));
            return Ok(());
        }
        if self.cluster.now() >= end {
            return Err(StepError::Failed(format!("error when evicting pods: global timeout reached; {} pods are left", pods.len())));
        }
        // A refusal by a budget is tried again after five seconds, as kubectl does.
        let again = [Task::Pause(5 * SECOND), Task::Drain { node, timeout, end: Some(end) }];
        self.plan(pods.into_iter().map(Task::Evict).chain(again).collect::<Vec<_>>());
        Ok(())
    }

    pub(super) fn evict(&mut self, pod: ObjectKey) {
        if self.cluster.object(Kind::Pod, &pod.namespace, &pod.name).is_some_and(|o| !o.is_deleting()) {
            self.plan([ask("kubectl-drain", Verb::Evict { pod, options: DeleteOptions::default() }, Then::Nevermind)]);
        }
    }

    fn exec(&mut self, exec: &Exec) -> Done<()> {
        let pods = self.pods(&exec.pod, exec.namespace.as_deref())?;
        let pod = pods.first().ok_or_else(|| StepError::Failed("no such pod".into()))?.clone();
        let container = self.container(&pod, exec.container.as_deref())?;
        let cause = self.cause;
        let result = self.cluster.exec(&pod.namespace, &pod.name, &container, &exec.command, cause);
        let Some(ExecResult { stdout, stderr, code, .. }) = result else {
            return Err(StepError::Failed(format!("error: unable to upgrade connection: container not found (\"{container}\")")));
        };
        let output = format!("{stdout}{stderr}");
        if code != exec.exit {
            return Err(StepError::Failed(format!("command terminated with exit code {code}, expected {}: {output}", exec.exit)));
        }
        match exec.output.as_ref().filter(|wanted| !output.contains(*wanted)) {
            Some(wanted) => Err(StepError::Failed(format!("expected output with {wanted:?}, got {output:?}"))),
            None => {
                self.say(&output);
                Ok(())
            }
        }
    }

    pub(super) fn container(&self, pod: &ObjectKey, name: Option<&str>) -> Done<String> {
        if let Some(name) = name {
            return Ok(name.to_owned());
        }
        match self.cluster.object(Kind::Pod, &pod.namespace, &pod.name) {
            Some(Object::Pod(found)) => {
                Ok(found.spec.as_ref().and_then(|s| s.containers.first()).map(|c| c.name.clone()).unwrap_or_default())
            }
            _ => Err(StepError::Failed(format!("Error from server (NotFound): pods \"{}\" not found", pod.name))),
        }
    }

    fn wait(&mut self, wait: &Wait) -> Done<()> {
        let timeout = wait.timeout.as_deref().map_or(Ok(WAIT_TIMEOUT), duration)?;
        self.wait_for(Awaited::Holds(Box::new(wait.condition.clone())), timeout)
    }

    /// Whether what is awaited is there.
    pub(super) fn is_come(&mut self, awaited: &Awaited) -> Done<bool> {
        match awaited {
            Awaited::Gone(keys) => Ok(keys.iter().all(|k| self.cluster.object(k.kind, &k.namespace, &k.name).is_none())),
            Awaited::RolledOut(selection) => Ok(rollout_state(&self.one(selection)?).is_none()),
            Awaited::Holds(condition) => Ok(self.judge(condition)?.holds),
        }
    }

    /// What was awaited has come, or has not in time.
    pub(super) fn waited(&mut self, awaited: Awaited, come: bool) -> Done<()> {
        match awaited {
            Awaited::Gone(_) => {}
            Awaited::RolledOut(selection) => {
                let object = self.one(&selection)?;
                match rollout_state(&object) {
                    None => self.say(&format!("deployment \"{}\" successfully rolled out\n", object.name())),
                    Some(text) if !come => {
                        return Err(StepError::Failed(format!("error: timed out waiting for the condition: {text}")));
                    }
                    Some(text) => return Err(StepError::Failed(text)),
                }
            }
            Awaited::Holds(_) if come => self.say("condition met\n"),
            Awaited::Holds(condition) => {
                let found = self.judge(&condition)?.found;
                return Err(StepError::Failed(format!("error: timed out waiting for the condition: {found}")));
            }
        }
        Ok(())
    }
}

/// An answer that must be no refusal, and of which nothing is said.
fn quietly() -> Then {
    Then::Say(String::new())
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

fn revision(object: &Object) -> i64 {
    object.metadata().annotations.as_ref().and_then(|a| a.get(REVISION)).and_then(|v| v.parse().ok()).unwrap_or(0)
}

/// What a rollout still waits for, in kubectl's words.
fn rollout_state(object: &Object) -> Option<String> {
    let deployment = Deployment::from_object(object)?;
    let (spec, status) = (deployment.spec.clone()?, deployment.status.clone().unwrap_or_default());
    let name = object.name();
    if deployment.metadata.generation.unwrap_or(0) > status.observed_generation.unwrap_or(0) {
        return Some("Waiting for deployment spec update to be observed...".into());
    }
    let n = |v: Option<i32>| v.unwrap_or(0);
    if status.conditions.iter().flatten().any(|c| c.type_ == "Progressing" && c.reason.as_deref() == Some("ProgressDeadlineExceeded")) {
        return Some(format!("error: deployment \"{name}\" exceeded its progress deadline"));
    }
    let prefix = format!("Waiting for deployment \"{name}\" rollout to finish:");
    if n(status.updated_replicas) < n(spec.replicas) {
        return Some(format!("{prefix} {} out of {} new replicas have been updated...", n(status.updated_replicas), n(spec.replicas)));
    }
    if n(status.replicas) > n(status.updated_replicas) {
        return Some(format!("{prefix} {} old replicas are pending termination...", n(status.replicas) - n(status.updated_replicas)));
    }
    (n(status.available_replicas) < n(status.updated_replicas))
        .then(|| format!("{prefix} {} of {} updated replicas are available...", n(status.available_replicas), n(status.updated_replicas)))
}

fn on_node(object: &Object, node: &str) -> bool {
    let Object::Pod(pod) = object else { return false };
    pod.spec.as_ref().and_then(|s| s.node_name.as_deref()) == Some(node)
}

/// The namespace meant when none is named, for other steps.
pub(super) fn namespace_or_default(namespace: Option<&String>) -> String {
    namespace.cloned().unwrap_or_else(|| DEFAULT_NAMESPACE.into())
}
