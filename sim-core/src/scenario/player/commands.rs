//! What a user does, step by step, as kubectl does it: the same requests in the same order.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use serde_json::{Value, json};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Page, Part, Patch, Propagation, Reply, Typed, Verb};

use super::apply::shown;
use super::select::DEFAULT_NAMESPACE;
use super::{Done, Player, StepError, WAIT_TIMEOUT};
use crate::cluster::Cluster;
use crate::scenario::format::{
    Delete, Drain, Exec, Label, PatchStep, PatchType, PropagationPolicy, Rollout, RolloutAction, Scale, Selection, Set, Step, Taint, Wait,
};
use crate::scenario::load::duration;
use crate::time::{MINUTE, SECOND};

const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

impl Player {
    pub(super) fn act(&mut self, step: &Step, line: usize, watch: &mut dyn FnMut(&Cluster)) -> Done<()> {
        let text = step.name.clone().unwrap_or_else(|| describe(step));
        if let Some(expectation) = &step.expect {
            self.watch(expectation.clone(), line);
            self.seen = 0;
            self.look(watch);
            return Ok(());
        }
        self.begin(&text, line);
        if needs_kubectl(step) {
            let travel = self.cluster.command_latency();
            self.run_until(self.cluster.now().plus(travel), watch)?;
        }
        let output = self.do_step(step, watch)?;
        self.end(&text, output);
        watch(&self.cluster);
        Ok(())
    }

    fn do_step(&mut self, step: &Step, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        match step {
            Step { apply: Some(apply), .. } => self.apply(apply, watch),
            Step { delete: Some(delete), .. } => self.delete(delete, watch),
            Step { patch: Some(patch), .. } => self.patch(patch, watch),
            Step { scale: Some(scale), .. } => self.scale(scale, watch),
            Step { set: Some(set), .. } => self.set(set, watch),
            Step { rollout: Some(rollout), .. } => self.rollout(rollout, watch),
            Step { label: Some(label), .. } => self.label(label, watch),
            Step { taint: Some(taint), .. } => self.taint(taint, watch),
            Step { cordon: Some(node), .. } => self.cordon(&node.node, true, watch),
            Step { uncordon: Some(node), .. } => self.cordon(&node.node, false, watch),
            Step { drain: Some(drain), .. } => self.drain(drain, watch),
            Step { http: Some(http), .. } => self.http(http, watch),
            Step { load: Some(load), .. } => self.load(load),
            Step { exec: Some(exec), .. } => self.exec(exec),
            Step { fault: Some(fault), .. } => self.fault(fault),
            Step { wait: Some(wait), .. } => self.wait(wait, watch),
            _ => Ok(String::new()),
        }
    }

    fn delete(&mut self, delete: &Delete, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
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
        let mut output = String::new();
        for key in &keys {
            self.ask("kubectl", Verb::Delete { key: key.clone(), options: options.clone() }, watch)?;
            output.push_str(&format!("{} deleted\n", shown(key).replacen('/', " \"", 1) + "\""));
        }
        if delete.wait {
            self.wait_until(10 * MINUTE, watch, move |p| {
                Ok(keys.iter().all(|k| p.cluster.object(k.kind, &k.namespace, &k.name).is_none()))
            })?;
        }
        Ok(output)
    }

    fn patch(&mut self, step: &PatchStep, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let patch = match step.kind {
            PatchType::Json => Patch::Json(step.patch.clone()),
            PatchType::Merge => Patch::Merge(step.patch.clone()),
            PatchType::Strategic => Patch::Strategic(step.patch.clone()),
        };
        self.send_patch(&step.object, "kubectl-patch", patch, "patched", watch)
    }

    fn send_patch(
        &mut self,
        selection: &Selection,
        manager: &str,
        patch: Patch,
        verb: &str,
        watch: &mut dyn FnMut(&Cluster),
    ) -> Done<String> {
        let key = self.one(selection)?.key();
        self.ask(manager, Verb::Get { key: key.clone() }, watch)?;
        self.ask(manager, Verb::Patch { key: key.clone(), part: Part::Main, patch }, watch)?;
        Ok(format!("{} {verb}\n", shown(&key)))
    }

    fn scale(&mut self, scale: &Scale, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let key = self.one(&scale.object)?.key();
        self.ask("kubectl", Verb::GetScale { key: key.clone() }, watch)?;
        self.ask("kubectl", Verb::UpdateScale { key: key.clone(), replicas: scale.replicas, resource_version: None }, watch)?;
        Ok(format!("{} scaled\n", shown(&key)))
    }

    fn set(&mut self, set: &Set, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
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
        self.send_patch(&set.object, "kubectl-set", patch, verb, watch)
    }

    fn rollout(&mut self, rollout: &Rollout, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let paused = |on: bool| Patch::Merge(json!({"spec": {"paused": on}}));
        match rollout.action {
            RolloutAction::Restart => {
                let stamp = self.cluster.now().to_time().0.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
                let patch = json!({"spec": {"template": {"metadata": {"annotations": {"kubectl.kubernetes.io/restartedAt": stamp}}}}});
                self.send_patch(&rollout.object, "kubectl-rollout", Patch::Strategic(patch), "restarted", watch)
            }
            RolloutAction::Pause => self.send_patch(&rollout.object, "kubectl-rollout", paused(true), "paused", watch),
            RolloutAction::Resume => self.send_patch(&rollout.object, "kubectl-rollout", paused(false), "resumed", watch),
            RolloutAction::Undo => self.undo(rollout, watch),
            RolloutAction::History => self.history(rollout, watch),
            RolloutAction::Status => self.rollout_status(rollout, watch),
        }
    }

    /// Puts the template of an earlier replica set back.
    fn undo(&mut self, rollout: &Rollout, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let object = self.one(&rollout.object)?;
        let Some(deployment) = Deployment::from_object(&object) else {
            return Err(StepError::NotSimulated(format!("rollout undo of {}", object.key())));
        };
        if deployment.spec.as_ref().and_then(|s| s.paused) == Some(true) {
            return Err(StepError::Failed(
                "error: you cannot rollback a paused deployment; resume it first with 'kubectl rollout resume' and try again".into(),
            ));
        }
        let list = Verb::List { kind: Kind::ReplicaSet, namespace: object.namespace().into(), options: Box::default() };
        let Reply::List(Page { items, .. }) = self.ask("kubectl-rollout", list, watch)? else { return Ok(String::new()) };
        let uid = object.uid().to_owned();
        let mut sets: Vec<(i64, Object)> =
            items.into_iter().filter(|o| o.controller().is_some_and(|c| c.uid == uid)).map(|o| (revision(&o), o)).collect();
        sets.sort_by_key(|(revision, _)| *revision);
        let found = match rollout.to_revision.filter(|r| *r != 0) {
            Some(wanted) => sets.iter().find(|(revision, _)| *revision == wanted),
            None => sets.iter().rev().nth(1),
        };
        let Some((_, set)) = found else { return Err(StepError::Failed("error: no rollout history found for deployment".into())) };
        let Some(set) = ReplicaSet::from_object(set) else { return Ok(String::new()) };
        let mut template = serde_json::to_value(set.spec.as_ref().and_then(|s| s.template.as_ref())).unwrap_or_default();
        if let Some(labels) = template.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            labels.remove(HASH);
        }
        let patch = Patch::Json(json!([{"op": "replace", "path": "/spec/template", "value": template}]));
        let key = object.key();
        self.ask("kubectl-rollout", Verb::Patch { key: key.clone(), part: Part::Main, patch }, watch)?;
        Ok(format!("{} rolled back\n", shown(&key)))
    }

    fn history(&mut self, rollout: &Rollout, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let object = self.one(&rollout.object)?;
        let list = Verb::List { kind: Kind::ReplicaSet, namespace: object.namespace().into(), options: Box::default() };
        let Reply::List(Page { items, .. }) = self.ask("kubectl", list, watch)? else { return Ok(String::new()) };
        let mut revisions: Vec<i64> =
            items.iter().filter(|o| o.controller().is_some_and(|c| c.uid == object.uid())).map(revision).collect();
        revisions.sort_unstable();
        let lines: Vec<String> = revisions.iter().map(|r| format!("{r:<10}<none>")).collect();
        Ok(format!("{} \nREVISION  CHANGE-CAUSE\n{}\n", shown(&object.key()), lines.join("\n")))
    }

    fn rollout_status(&mut self, rollout: &Rollout, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let timeout = rollout.timeout.as_deref().map_or(Ok(10 * MINUTE), duration)?;
        let selection = rollout.object.clone();
        let done = self.wait_until(timeout, watch, move |p| Ok(rollout_state(&p.one(&selection)?).is_none()))?;
        let object = self.one(&rollout.object)?;
        match rollout_state(&object) {
            None => Ok(format!("deployment \"{}\" successfully rolled out\n", object.name())),
            Some(text) if !done => Err(StepError::Failed(format!("error: timed out waiting for the condition: {text}"))),
            Some(text) => Err(StepError::Failed(text)),
        }
    }

    fn label(&mut self, label: &Label, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let mut output = String::new();
        for object in self.selected(&label.object)? {
            let key = object.key();
            let patch = Patch::Merge(json!({"metadata": {"labels": label.labels}}));
            self.ask("kubectl-label", Verb::Patch { key: key.clone(), part: Part::Main, patch }, watch)?;
            output.push_str(&format!("{} labeled\n", shown(&key)));
        }
        Ok(output)
    }

    fn taint(&mut self, taint: &Taint, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
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
        self.ask("kubectl-taint", Verb::Patch { key: node.key(), part: Part::Main, patch }, watch)?;
        Ok(format!("node/{} {}\n", taint.node, if removing { "untainted" } else { "tainted" }))
    }

    fn cordon(&mut self, node: &str, on: bool, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let key = self.one(&Selection { kind: "node".into(), name: Some(node.into()), ..Default::default() })?.key();
        let patch = Patch::Merge(json!({"spec": {"unschedulable": if on { json!(true) } else { Value::Null }}}));
        self.ask("kubectl-cordon", Verb::Patch { key, part: Part::Main, patch }, watch)?;
        Ok(format!("node/{node} {}\n", if on { "cordoned" } else { "uncordoned" }))
    }

    /// Cordons, and evicts all pods that a controller can make anew, again and again where a budget forbids it.
    fn drain(&mut self, drain: &Drain, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let mut output = self.cordon(&drain.node, true, watch)?;
        let end = self.cluster.now().plus(drain.timeout.as_deref().map_or(Ok(10 * MINUTE), duration)?);
        loop {
            let pods: Vec<ObjectKey> =
                self.cluster.etcd().list(Kind::Pod, "").filter(|o| on_node(o, &drain.node)).map(Object::key).collect();
            if pods.is_empty() {
                output.push_str(&format!("node/{} drained\n", drain.node));
                return Ok(output);
            }
            if self.cluster.now() >= end {
                return Err(StepError::Failed(format!("error when evicting pods: global timeout reached; {} pods are left", pods.len())));
            }
            for pod in pods {
                if self.cluster.object(Kind::Pod, &pod.namespace, &pod.name).is_some_and(|o| !o.is_deleting()) {
                    // A refusal by a budget is tried again after five seconds, as kubectl does.
                    let _allowed_or_later = self.ask("kubectl-drain", Verb::Evict { pod, options: DeleteOptions::default() }, watch);
                }
            }
            self.run_until(self.cluster.now().plus(5 * SECOND), watch)?;
        }
    }

    fn exec(&mut self, exec: &Exec) -> Done<String> {
        let pods = self.pods(&exec.pod, exec.namespace.as_deref())?;
        let pod = pods.first().ok_or_else(|| StepError::Failed("no such pod".into()))?.clone();
        let container = self.container(&pod, exec.container.as_deref())?;
        let cause = self.cause;
        let result = self.cluster.exec(&pod.namespace, &pod.name, &container, &exec.command, cause);
        let Some((stdout, stderr, code)) = result else {
            return Err(StepError::Failed(format!("error: unable to upgrade connection: container not found (\"{container}\")")));
        };
        let output = format!("{stdout}{stderr}");
        if code != exec.exit {
            return Err(StepError::Failed(format!("command terminated with exit code {code}, expected {}: {output}", exec.exit)));
        }
        match exec.output.as_ref().filter(|wanted| !output.contains(*wanted)) {
            Some(wanted) => Err(StepError::Failed(format!("expected output with {wanted:?}, got {output:?}"))),
            None => Ok(output),
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

    fn wait(&mut self, wait: &Wait, watch: &mut dyn FnMut(&Cluster)) -> Done<String> {
        let timeout = wait.timeout.as_deref().map_or(Ok(WAIT_TIMEOUT), duration)?;
        let condition = wait.condition.clone();
        if self.wait_until(timeout, watch, move |p| Ok(p.judge(&condition)?.holds))? {
            return Ok("condition met\n".into());
        }
        let found = self.judge(&wait.condition)?.found;
        Err(StepError::Failed(format!("error: timed out waiting for the condition: {found}")))
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

fn needs_kubectl(step: &Step) -> bool {
    step.fault.is_none() && step.load.is_none() && step.wait.is_none()
}

/// The step as a command, for the trace.
fn describe(step: &Step) -> String {
    let object = |s: &Selection| {
        let name = s.name.clone().unwrap_or_else(|| format!("-l {}", s.selector.clone().unwrap_or_default()));
        format!("{} {name}", s.kind.to_ascii_lowercase())
    };
    match step {
        Step { apply: Some(a), .. } => {
            let folder = a.kustomize.as_ref().map(|k| format!(" -k {k}")).unwrap_or_default();
            let files = if a.files.is_empty() && a.kustomize.is_none() {
                " -f -".into()
            } else {
                a.files.iter().map(|f| format!(" -f {f}")).collect::<String>()
            };
            let options = [(a.server_side, " --server-side"), (a.force_conflicts, " --force-conflicts"), (a.dry_run, " --dry-run=server")];
            let options: String = options.iter().filter(|(on, _)| *on).map(|(_, text)| *text).collect();
            format!("kubectl apply{options}{folder}{files}")
        }
        Step { delete: Some(d), .. } => {
            format!("kubectl delete {}", d.object.as_ref().map_or_else(|| format!("-f {}", d.files.join(" -f ")), object))
        }
        Step { patch: Some(p), .. } => format!("kubectl patch {} -p '{}'", object(&p.object), p.patch),
        Step { scale: Some(s), .. } => format!("kubectl scale {} --replicas={}", object(&s.object), s.replicas),
        Step { set: Some(s), .. } if !s.image.is_empty() => {
            format!("kubectl set image {} {}", object(&s.object), pairs(s.image.iter().map(|(k, v)| (k, Some(v)))))
        }
        Step { set: Some(s), .. } => format!("kubectl set env {} {}", object(&s.object), pairs(s.env.iter().map(|(k, v)| (k, v.as_ref())))),
        Step { rollout: Some(r), .. } => {
            format!("kubectl rollout {} {}", format!("{:?}", r.action).to_ascii_lowercase(), object(&r.object))
        }
        Step { label: Some(l), .. } => {
            format!("kubectl label {} {}", object(&l.object), pairs(l.labels.iter().map(|(k, v)| (k, v.as_ref()))))
        }
        Step { taint: Some(t), .. } => format!("kubectl taint nodes {} {}", t.node, t.taint),
        Step { cordon: Some(n), .. } => format!("kubectl cordon {}", n.node),
        Step { uncordon: Some(n), .. } => format!("kubectl uncordon {}", n.node),
        Step { drain: Some(d), .. } => format!("kubectl drain {} --ignore-daemonsets", d.node),
        Step { http: Some(h), .. } => {
            format!("{} {} to {}", h.method, h.path, h.to.service.as_ref().or(h.to.host.as_ref()).cloned().unwrap_or_else(|| "pods".into()))
        }
        Step { load: Some(l), .. } if l.stop => format!("stop the load {}", l.name),
        Step { load: Some(l), .. } => format!("load {}: {} {} a second", l.name, l.path, l.per_second),
        Step { exec: Some(e), .. } => format!("kubectl exec {} -- {}", e.pod.name.clone().unwrap_or_default(), e.command.join(" ")),
        Step { fault: Some(f), .. } => format!("fault {}", serde_json::to_value(f).unwrap_or_default()),
        Step { wait: Some(_), .. } => "wait".into(),
        _ => String::new(),
    }
}

fn pairs<'a>(pairs: impl Iterator<Item = (&'a String, Option<&'a String>)>) -> String {
    let texts: Vec<String> = pairs.map(|(k, v)| v.map_or_else(|| format!("{k}-"), |v| format!("{k}={v}"))).collect();
    texts.join(" ")
}

/// The namespace meant when none is named, for other steps.
pub(super) fn namespace_or_default(namespace: Option<&String>) -> String {
    namespace.cloned().unwrap_or_else(|| DEFAULT_NAMESPACE.into())
}
