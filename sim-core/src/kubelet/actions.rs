//! What a sync has to do to a pod's containers, decided from what the kubelet has seen of them.
//! Init containers run one after the other, sidecars among them stay; then the app containers are started in order.
//! Source: kuberuntime_manager.go computePodActions, kuberuntime_container.go computeInitContainerActions.

use k8s_openapi::api::core::v1::Container;

use super::containers::{Role, State, all_containers, ephemeral_containers};
use super::pod_worker::{PodWorker, Task};
use super::probes::ProbeKind;
use super::restart::{AfterExit, after_exit};
use super::sync_pod::Flow;
use super::{Kubelet, Uid};
use crate::component::Context;

/// What is to be done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Actions {
    /// The sandbox is gone and everything is made anew.
    pub sandbox: bool,
    /// A rule starts the whole pod anew.
    pub start_anew: bool,
    /// Containers to stop, with the event's message.
    pub kill: Vec<(String, String)>,
    /// Containers to start, in order.
    pub start: Vec<String>,
}

/// Decides.
pub fn actions(worker: &PodWorker) -> Actions {
    let mut actions = Actions { sandbox: !worker.sandbox.ready, ..Actions::default() };
    if !actions.sandbox && restart_all_wanted(worker) {
        actions.start_anew = true;
        return actions;
    }
    if !actions.sandbox {
        let new = ephemeral_containers(&worker.pod).into_iter().map(|c| c.name).filter(|name| !worker.records.contains_key(name));
        actions.start.extend(new);
    }
    let mut app_seen = false;
    for (role, container) in all_containers(&worker.pod) {
        app_seen |= role == Role::App && seen(worker, container).is_some() && !actions.sandbox;
    }
    for (role, container) in all_containers(&worker.pod) {
        if role == Role::App {
            break;
        }
        if !init_passes(worker, role, container, app_seen, &mut actions) {
            return actions;
        }
    }
    for (role, container) in all_containers(&worker.pod) {
        if role == Role::App {
            keep_running(worker, role, container, &mut actions);
        }
    }
    actions
}

fn seen<'a>(worker: &'a PodWorker, container: &Container) -> Option<&'a State> {
    worker.records.get(&container.name)?.seen().map(|(_, s)| s)
}

fn restart_all_wanted(worker: &PodWorker) -> bool {
    all_containers(&worker.pod).into_iter().any(|(role, container)| {
        let code = seen(worker, container).and_then(|s| s.exit_code());
        code.is_some_and(|code| after_exit(&worker.pod, role, container, code) == AfterExit::RestartAll)
    })
}

/// Looks at one init container; says whether the next one may be looked at.
fn init_passes(worker: &PodWorker, role: Role, container: &Container, app_seen: bool, actions: &mut Actions) -> bool {
    if app_seen && role == Role::Init {
        return true;
    }
    match (role, if actions.sandbox { None } else { seen(worker, container) }) {
        (Role::Init, Some(State::Exited { code: 0, .. })) => true,
        (Role::Init, Some(State::Exited { code, .. })) => {
            if after_exit(&worker.pod, role, container, *code) != AfterExit::Stay {
                actions.start.push(container.name.clone());
            }
            false
        }
        (Role::Sidecar, Some(_)) => {
            keep_running(worker, role, container, actions);
            app_seen || worker.is_started(&container.name)
        }
        (_, None) => {
            actions.start.push(container.name.clone());
            app_seen
        }
        (_, Some(_)) => false,
    }
}

/// Starts a container that is not there or must run again; stops one whose probes say so.
fn keep_running(worker: &PodWorker, role: Role, container: &Container, actions: &mut Actions) {
    let name = &container.name;
    let state = if actions.sandbox { None } else { seen(worker, container) };
    match state {
        None | Some(State::Created) => {
            let done = seen(worker, container).and_then(|s| s.exit_code());
            let stays = done.is_some_and(|code| after_exit(&worker.pod, role, container, code) == AfterExit::Stay);
            if !stays {
                actions.start.push(name.clone());
            }
        }
        Some(State::Exited { code, .. }) => {
            if after_exit(&worker.pod, role, container, *code) != AfterExit::Stay {
                actions.start.push(name.clone());
            }
        }
        Some(State::Running { .. }) => {
            let Some(kind) = failed_probe(worker, name) else { return };
            let what = if role == Role::Sidecar { "Init container" } else { "Container" };
            let again = role == Role::Sidecar || worker.restart_policy() != "Never";
            let suffix = if again && role == Role::App { ", will be restarted" } else { "" };
            actions.kill.push((name.clone(), format!("{what} {name} failed {} probe{suffix}", kind.name().to_lowercase())));
            if again {
                actions.start.push(name.clone());
            }
        }
    }
}

fn failed_probe(worker: &PodWorker, name: &str) -> Option<ProbeKind> {
    let (instance, _) = worker.records.get(name)?.seen()?;
    [ProbeKind::Startup, ProbeKind::Liveness]
        .into_iter()
        .find(|kind| worker.probes.get(&(name.to_owned(), *kind)).is_some_and(|w| w.result_for(&instance.id) == Some(false)))
}

impl Kubelet {
    /// Turns the decision into tasks. Probe workers begin before anything is started.
    pub(super) fn add_actions(&mut self, uid: &Uid, context: &mut Context) -> Flow {
        self.add_probes(uid, context);
        let Some(worker) = self.pods.get(uid) else { return Flow::End };
        let actions = actions(worker);
        let mut tasks = Vec::new();
        if actions.sandbox {
            if actions.start.is_empty() {
                return Flow::Go;
            }
            let changed = worker.sandbox.attempt > 0 || !worker.records.is_empty();
            let running = worker.records.iter().filter(|(_, r)| r.is_running());
            let kill = running.map(|(n, _)| (n.clone(), format!("Stopping container {n}"))).collect();
            if changed {
                self.tell(uid, None, false, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.", context);
            }
            tasks.extend([Task::Kill(kill), Task::CreateSandbox, Task::SandboxCreated]);
        }
        if actions.start_anew {
            let Some(worker) = self.pods.get(uid) else { return Flow::End };
            let running = worker.records.iter().filter(|(_, r)| r.is_running());
            let kill = running.map(|(n, _)| (n.clone(), format!("Stopping container {n}"))).collect();
            self.push_tasks(uid, vec![Task::Kill(kill), Task::StartAnew, Task::Actions]);
            return Flow::Go;
        }
        if !actions.kill.is_empty() {
            tasks.push(Task::Kill(actions.kill));
        }
        tasks.extend(actions.start.into_iter().map(Task::StartContainer));
        let refetch = self.pods.get(uid).and_then(|w| w.run.as_ref()).is_some_and(|r| r.began == context.now);
        if refetch && tasks.iter().any(|t| matches!(t, Task::StartContainer(_))) && self.names_sources_for_env(uid) {
            tasks.insert(0, Task::Fetch);
        }
        self.push_tasks(uid, tasks);
        Flow::Go
    }

    fn names_sources_for_env(&self, uid: &str) -> bool {
        self.pods.get(uid).is_some_and(|w| !super::sources::named_by(&w.pod).is_empty())
    }

    /// Forgets all containers of a pod that a rule starts anew; their numbers go on.
    pub(super) fn start_anew(&mut self, uid: &Uid) -> Flow {
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        worker.restarting_all = true;
        for (name, record) in std::mem::take(&mut worker.records) {
            if let Some(instance) = record.current {
                worker.attempts.insert(name, instance.attempt + 1);
            }
        }
        Flow::Go
    }
}

#[cfg(test)]
mod tests {
    use super::super::containers::{Instance, Record};
    use super::super::pod_worker::Luck;
    use super::*;
    use crate::time::SimTime;
    use std::sync::Arc;

    fn check(spec: serde_json::Value, states: &[(&str, State)], expected: &[&str]) {
        let pod = serde_json::from_value(serde_json::json!({"metadata": {"name": "p"}, "spec": spec})).expect("a pod");
        let mut worker = PodWorker::new(Arc::new(pod), SimTime(0), 0, Luck::of(0, 0));
        worker.sandbox.ready = true;
        for (name, state) in states {
            let instance = Instance {
                id: (*name).into(),
                attempt: 0,
                image: String::new(),
                image_id: String::new(),
                state: state.clone(),
                seen: Some(state.clone()),
                process: None,
                origin: Default::default(),
            };
            worker.records.insert((*name).to_owned(), Record { current: Some(instance), previous: None });
        }
        assert_eq!(actions(&worker).start, expected);
    }

    fn exited(code: i32) -> State {
        State::Exited { since: None, at: SimTime(0), code, reason: String::new(), message: None }
    }

    fn running() -> State {
        State::Running { since: SimTime(0) }
    }

    #[test]
    fn init_containers_come_one_after_the_other_and_then_all_apps() {
        let spec = serde_json::json!({
            "initContainers": [{"name": "i1"}, {"name": "s", "restartPolicy": "Always"}, {"name": "i2"}],
            "containers": [{"name": "a"}, {"name": "b"}]
        });
        check(spec.clone(), &[], &["i1"]);
        check(spec.clone(), &[("i1", running())], &[]);
        check(spec.clone(), &[("i1", exited(1))], &["i1"]);
        check(spec.clone(), &[("i1", exited(0))], &["s"]);
        check(spec.clone(), &[("i1", exited(0)), ("s", running())], &["i2"]);
        check(spec.clone(), &[("i1", exited(0)), ("s", running()), ("i2", exited(0))], &["a", "b"]);
        check(spec, &[("i1", exited(0)), ("s", exited(1)), ("i2", exited(0)), ("a", running()), ("b", running())], &["s"]);
    }

    #[test]
    fn a_finished_container_of_a_job_stays_finished() {
        let spec = serde_json::json!({"restartPolicy": "OnFailure", "containers": [{"name": "a"}, {"name": "b"}]});
        check(spec, &[("a", exited(0)), ("b", exited(3))], &["b"]);
    }
}
