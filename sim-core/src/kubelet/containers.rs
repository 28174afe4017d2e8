//! What the container runtime of a node holds for one pod: its sandbox and its containers, each with its process.
//! The runtime's truth (`state`) and what the kubelet has seen of it (`seen`, set by a relist) are two things; the kubelet
//! decides by what it has seen. Of each container the newest instance and the one before it are kept.
//! Not modelled: cgroups, namespaces, several runtimes, containers that exist without a kubelet knowing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, Pod};
use sim_workload::{LogLine, Process};

use super::causes::Origin;
use crate::time::SimTime;

/// The place of a container in its pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    /// Runs to its end before the next one.
    Init,
    /// An init container that stays (`restartPolicy: Always`).
    Sidecar,
    /// A regular container.
    App,
    /// One that was added to debug the pod: started once, never again, and no part of the pod's phase.
    Ephemeral,
}

/// How a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// Made, not started.
    Created,
    /// Its process runs.
    Running { since: SimTime },
    /// Its process is gone.
    Exited { since: Option<SimTime>, at: SimTime, code: i32, reason: String, message: Option<String> },
}

impl State {
    /// Whether the process runs.
    pub fn is_running(&self) -> bool {
        matches!(self, State::Running { .. })
    }

    /// The exit code, if the process is gone.
    pub fn exit_code(&self) -> Option<i32> {
        if let State::Exited { code, .. } = self { Some(*code) } else { None }
    }
}

/// One container of the runtime.
#[derive(Clone, Debug)]
pub struct Instance {
    /// `containerd://…`.
    pub id: String,
    /// How many there were before it.
    pub attempt: i32,
    /// The image as the runtime names it.
    pub image: String,
    /// The image's id.
    pub image_id: String,
    /// How it is.
    pub state: State,
    /// How the kubelet last saw it; nothing before the first relist.
    pub seen: Option<State>,
    /// Its process while it runs, and after that for its logs.
    pub process: Option<Process>,
    /// What led to how the process is.
    pub origin: Origin,
}

/// The instances of one container of a pod.
#[derive(Clone, Debug, Default)]
pub struct Record {
    /// The newest.
    pub current: Option<Instance>,
    /// The one before.
    pub previous: Option<Instance>,
}

impl Record {
    /// The newest instance as the kubelet sees it.
    pub fn seen(&self) -> Option<(&Instance, &State)> {
        let newest = self.current.iter().find_map(|i| i.seen.as_ref().map(|s| (i, s)));
        newest.or_else(|| self.previous.iter().find_map(|i| i.seen.as_ref().map(|s| (i, s))))
    }

    /// The instance before the one `seen` names, as the kubelet sees it.
    pub fn seen_before(&self) -> Option<(&Instance, &State)> {
        let newest_is_seen = self.current.as_ref().is_some_and(|i| i.seen.is_some());
        let before = self.previous.as_ref().filter(|_| newest_is_seen)?;
        before.seen.as_ref().map(|s| (before, s))
    }

    /// Whether its process runs.
    pub fn is_running(&self) -> bool {
        self.current.as_ref().is_some_and(|i| i.state.is_running())
    }

    /// The running process.
    pub fn process(&self) -> Option<&Process> {
        self.current.as_ref().filter(|i| i.state.is_running())?.process.as_ref()
    }

    /// The running process, to be changed.
    pub fn process_mut(&mut self) -> Option<&mut Process> {
        self.current.as_mut().filter(|i| i.state.is_running())?.process.as_mut()
    }

    /// What the newest instance, or the one before it, has written.
    pub fn logs(&self, previous: bool) -> &[LogLine] {
        let instance = if previous { self.previous.as_ref() } else { self.current.as_ref() };
        instance.and_then(|i| i.process.as_ref()).map_or(&[], |p| p.logs())
    }
}

/// A pod's sandbox: its network and what holds its containers together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sandbox {
    /// Whether it is up.
    pub ready: bool,
    /// Whether the kubelet has seen it up.
    pub seen_ready: bool,
    /// The pod's address.
    pub ip: Option<String>,
    /// How many were made before.
    pub attempt: u32,
}

/// The containers of a pod with their roles: init containers first, in the order of the spec.
pub fn all_containers(pod: &Pod) -> Vec<(Role, &Container)> {
    let Some(spec) = &pod.spec else { return vec![] };
    let init = spec.init_containers.iter().flatten().map(|c| (role_of_init(c), c));
    init.chain(spec.containers.iter().map(|c| (Role::App, c))).collect()
}

fn role_of_init(container: &Container) -> Role {
    if container.restart_policy.as_deref() == Some("Always") { Role::Sidecar } else { Role::Init }
}

/// The ephemeral containers of a pod, as the containers they are to the runtime.
pub fn ephemeral_containers(pod: &Pod) -> Vec<Container> {
    let each = pod.spec.iter().flat_map(|s| s.ephemeral_containers.iter().flatten());
    // They have the fields of containers, and the name of the container they look at.
    each.filter_map(|c| serde_json::from_value(serde_json::to_value(c).ok()?).ok()).collect()
}

/// One container of a pod by its name.
pub fn container<'a>(pod: &'a Pod, name: &str) -> Option<(Role, Cow<'a, Container>)> {
    let lasting = all_containers(pod).into_iter().find(|(_, c)| c.name == name).map(|(role, c)| (role, Cow::Borrowed(c)));
    lasting.or_else(|| ephemeral_containers(pod).into_iter().find(|c| c.name == name).map(|c| (Role::Ephemeral, Cow::Owned(c))))
}

/// The part of the pod an event about a container names.
pub fn field_path(pod: &Pod, name: &str) -> String {
    match container(pod, name) {
        Some((Role::Ephemeral, _)) => format!("spec.ephemeralContainers{{{name}}}"),
        Some((Role::App, _)) | None => format!("spec.containers{{{name}}}"),
        Some(_) => format!("spec.initContainers{{{name}}}"),
    }
}

/// All records of a pod, by container name.
pub type Records = BTreeMap<String, Record>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_no_relist_saw_does_not_hide_the_one_before() {
        let instance = |attempt, seen: Option<State>| Instance {
            id: String::new(),
            attempt,
            image: String::new(),
            image_id: String::new(),
            state: State::Created,
            seen,
            process: None,
            origin: Origin::default(),
        };
        let record = Record { current: Some(instance(1, None)), previous: Some(instance(0, Some(State::Created))) };
        assert_eq!(record.seen().map(|(i, _)| i.attempt), Some(0));
        assert!(record.seen_before().is_none());
    }
}
