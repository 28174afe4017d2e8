//! What of a plan cannot be done to a real cluster, or must not be: a table of steps, looked through before anything is done.

use serde_json::Value;
use sim_core::scenario::format::{Condition, ContainerFault, FaultStep, Http, HttpTarget, Load, RolloutAction, Source, Step};

use crate::plan::{Plan, What};
use crate::resource::built_in;

/// What keeps a step from being recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Objection {
    /// The step.
    pub place: String,
    /// What is wrong with it.
    pub what: String,
}

/// What no real cluster can be told.
pub fn impossible(plan: &Plan) -> Vec<Objection> {
    objections(plan, &|step| impossible_step(step).into_iter().collect())
}

/// What reaches beyond the recording's namespace: nodes, objects of the whole cluster, other namespaces.
pub fn outside(plan: &Plan) -> Vec<Objection> {
    let others = plan.other_namespaces();
    let mut found = objections(plan, &|step| outside_step(plan, step));
    found.extend(others.into_iter().map(|n| Objection { place: plan.name.clone(), what: format!("the namespace {n}") }));
    found
}

fn objections(plan: &Plan, look: &dyn Fn(&Step) -> Vec<String>) -> Vec<Objection> {
    let of = |what: &What| match what {
        What::Step(step) => look(step),
        What::Shell(_) => vec![],
    };
    let told = plan.steps.iter().flat_map(|s| of(&s.what).into_iter().map(|what| Objection { place: s.place.clone(), what }));
    told.collect()
}

fn impossible_step(step: &Step) -> Option<String> {
    match step {
        Step { fault: Some(fault), .. } => impossible_fault(fault),
        Step { http: Some(Http { to, from, .. }), .. } => impossible_request(Some(to), from.as_ref()),
        Step { load: Some(Load { to, from, stop: false, .. }), .. } => impossible_request(to.as_ref(), from.as_ref()),
        Step { wait: Some(wait), .. } => impossible_condition(&wait.condition),
        Step { rollout: Some(rollout), .. } => {
            let is_deployment = sim_apimachinery::Kind::from_word(&rollout.object.kind) == Some(sim_apimachinery::Kind::Deployment);
            let needs_it = matches!(rollout.action, RolloutAction::Undo | RolloutAction::History);
            (needs_it && !is_deployment).then(|| format!("rollout undo and history are of deployments, not of {}", rollout.object.kind))
        }
        _ => None,
    }
}

/// Only what the application's own endpoint does can be done to a container.
fn impossible_fault(fault: &FaultStep) -> Option<String> {
    let what = match fault {
        FaultStep { container: Some(ContainerFault { crash: Some(1), .. }), .. } => return None,
        FaultStep { container: Some(ContainerFault { crash: Some(code), .. }), .. } => {
            return Some(format!("a crash with exit code {code}: the application's endpoint /crash exits with 1"));
        }
        FaultStep { container: Some(_), .. } => {
            "the fault of a container: only crash: 1 can be had, from the application's endpoint /crash"
        }
        FaultStep { hold_watch: Some(_), .. } | FaultStep { delay_watch: Some(_), .. } => "a fault of a watch",
        FaultStep { delay_requests: Some(_), .. } => "requests of a component that take longer",
        FaultStep { partition: Some(_), .. } | FaultStep { join: Some(_), .. } => "a node that is cut off",
        FaultStep { stop: Some(_), .. } | FaultStep { start: Some(_), .. } => "stopping and starting components",
        FaultStep { etcd: Some(_), .. } => "a fault of etcd",
        FaultStep { node: Some(_), .. } => "a fault of a node",
        _ => "a fault",
    };
    Some(what.into())
}

fn impossible_request(to: Option<&HttpTarget>, from: Option<&Source>) -> Option<String> {
    if from.is_some_and(|f| *f != Source::default()) {
        return Some("a request from a pod or an address: it comes through the API server's proxy".into());
    }
    let to = to?;
    (to.pod.is_none() && to.service.is_none())
        .then(|| "a request to a node's port or a host name: the API server's proxy reaches pods and services".into())
}

fn impossible_condition(condition: &Condition) -> Option<String> {
    condition.step.as_ref().map(|_| "waiting for a step of the simulator's trace".into())
}

fn outside_step(plan: &Plan, step: &Step) -> Vec<String> {
    let node = |what: &str, node: &str| vec![format!("{what} of the node {node}")];
    match step {
        Step { taint: Some(t), .. } => return node("a taint", &t.node),
        Step { cordon: Some(n), .. } | Step { uncordon: Some(n), .. } => return node("the schedulability", &n.node),
        Step { drain: Some(d), .. } => return node("the pods", &d.node),
        _ => {}
    }
    let selections = [
        step.delete.as_ref().and_then(|d| d.object.as_ref()),
        step.patch.as_ref().map(|p| &p.object),
        step.label.as_ref().map(|l| &l.object),
    ];
    let cluster_wide = |word: &str| sim_apimachinery::Kind::from_word(word).is_some_and(|k| !k.is_namespaced());
    let selected =
        selections.into_iter().flatten().filter(|s| cluster_wide(&s.kind)).map(|s| format!("objects of the whole cluster: {}", s.kind));
    let manifests = plan.manifests(step).into_iter().chain(plan.documents(step.delete.iter().flat_map(|d| &d.files)));
    selected.chain(manifests.filter_map(|m| outside_manifest(&m))).collect()
}

fn outside_manifest(manifest: &Value) -> Option<String> {
    let word = |name: &str| manifest[name].as_str().unwrap_or_default();
    let resource = built_in(word("apiVersion"), word("kind"))?;
    let name = manifest.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
    (!resource.is_namespaced).then(|| format!("an object of the whole cluster: {}", resource.shown(name)))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::plan;

    fn plan_of(steps: &str) -> Plan {
        let text = format!("{{apiVersion: ksim.dev/v1, kind: Scenario, metadata: {{name: s}}, about: '', steps: [{steps}]}}");
        let path = std::env::temp_dir().join(format!("ksim-objections-{}-{}.yaml", std::process::id(), sim_hash(steps)));
        std::fs::write(&path, text).expect("a file");
        let read = plan::read(Path::new(&path));
        std::fs::remove_file(&path).expect("it can be removed");
        read.expect("it is a scenario")
    }

    fn sim_hash(text: &str) -> u64 {
        text.bytes().fold(7, |h, b| h.wrapping_mul(31).wrapping_add(u64::from(b)))
    }

    fn whats(found: Vec<Objection>) -> Vec<String> {
        found.into_iter().map(|o| o.what).collect()
    }

    #[test]
    fn faults_that_a_real_cluster_cannot_be_told_are_listed_with_their_places() {
        let plan = plan_of(
            "{fault: {etcd: {state: noQuorum}}}, {scale: {object: {kind: deploy, name: a}, replicas: 1}}, \
             {fault: {container: {pod: {name: a}, crash: 1}}}, {fault: {container: {pod: {name: a}, crash: 137}}}, \
             {http: {to: {host: a, port: 80}, path: /}}, {fault: {node: {name: a, state: down}}}",
        );
        let found = impossible(&plan);
        assert_eq!(found.len(), 4, "{found:#?}");
        assert!(found[0].what.contains("etcd") && found[0].place.contains("steps[0]"), "{found:#?}");
        assert!(found[1].what.contains("137") && found[2].what.contains("host name") && found[3].what.contains("node"), "{found:#?}");
    }

    #[test]
    fn what_reaches_beyond_the_namespace_is_found() {
        let plan = plan_of(
            "{apply: {objects: [{apiVersion: v1, kind: ConfigMap, metadata: {name: a, namespace: default}}, \
             {apiVersion: v1, kind: List, items: [{apiVersion: v1, kind: Namespace, metadata: {name: other}}]}]}}, \
             {cordon: {node: worker}}, {delete: {object: {kind: pods, namespace: elsewhere}}}, {delete: {object: {kind: pv, name: a}}}",
        );
        let found = whats(outside(&plan));
        let expected = [
            "an object of the whole cluster: namespace/other",
            "the schedulability of the node worker",
            "objects of the whole cluster: pv",
            "the namespace elsewhere",
        ];
        assert_eq!(found, expected);
    }
}
