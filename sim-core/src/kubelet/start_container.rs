//! Starting one container: back-off, image, configuration, creation, start, and its postStart hook, each with its event.
//! A container that cannot be started leaves a waiting reason; the others of the pod are tried all the same.
//! Source: kuberuntime_container.go startContainer, kuberuntime_manager.go doBackOff.
//! Not modelled: security contexts besides `runAsNonRoot` with user 0, devices, working directories.

use k8s_openapi::api::core::v1::{Container, LifecycleHandler, Pod};
use sim_apimachinery::duration;
use sim_workload::{NoBackends, Process, Spec, expand_references};

use super::causes::Origin;
use super::containers::{Instance, State, container};
use super::env::{Surroundings, environment, hostname};
use super::pod_worker::Task;
use super::probe_check::{Outcome, Target, command, http};
use super::resources::{cpu_limit, memory_limit};
use super::sync_pod::Flow;
use super::volumes::{Content, mounts};
use super::{Kubelet, Uid};
use crate::component::Context;
use crate::time::{MINUTE, Nanos, SECOND};

impl Kubelet {
    pub(super) fn start_container(&mut self, uid: &Uid, name: &str, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        let Some((_, spec)) = container(&worker.pod, name) else { return Flow::Go };
        if let Some(run) = worker.run.as_mut() {
            context.cause = *run.starts.get_or_insert(context.cause);
        }
        let key = format!("{}{:?}", spec.image.as_deref().unwrap_or_default(), spec.resources);
        let exit = worker.records.get(name).and_then(|r| r.seen()).and_then(|(_, s)| match s {
            State::Exited { at, .. } => Some(*at),
            _ => None,
        });
        let full = worker.full_name();
        if let Some(at) = exit {
            let backoff = worker.backoff.entry(name.to_owned()).or_default();
            if let Some((delay, until)) = backoff.waiting(&key, at, context.now) {
                let message = format!("back-off {} restarting failed container={name} pod={full}", duration::go_string(delay));
                let event = format!("Back-off restarting failed container {name} in pod {full}");
                self.tell(uid, Some(name), true, "BackOff", &event, context);
                self.cannot_start(uid, name, "CrashLoopBackOff", &message);
                self.fail(uid, Some(until));
                return Flow::Go;
            }
            backoff.next(at, context.now);
        }
        self.push_tasks(uid, vec![Task::EnsureImage(name.to_owned())]);
        Flow::Go
    }

    /// The container waits, for this reason.
    pub(super) fn cannot_start(&mut self, uid: &str, name: &str, reason: &str, message: &str) {
        if let Some(worker) = self.pods.get_mut(uid) {
            worker.waiting.insert(name.to_owned(), (reason.to_owned(), message.to_owned()));
        }
    }

    /// Calls with the pod, one of its containers' map of names and what surrounds it.
    pub(super) fn with_surroundings<T>(&self, uid: &str, with: impl FnOnce(&Pod, &Self, &Surroundings) -> T) -> Option<T> {
        let worker = self.pods.get(uid)?;
        let services: Vec<&k8s_openapi::api::core::v1::Service> = self.caches.all().map(|s| &**s).collect();
        let around = Surroundings {
            sources: &self.sources,
            services: &services,
            pod_ip: worker.sandbox.ip.as_deref().unwrap_or_default(),
            host_ip: &self.config.node_config.address,
            allocatable: (self.config.cpu_millis(), self.config.allocatable_memory()),
        };
        Some(with(&worker.pod, self, &around))
    }

    pub(super) fn create_container(&mut self, uid: &Uid, name: &str, context: &mut Context) -> Flow {
        let config = self.with_surroundings(uid, |pod, _, around| {
            let (_, spec) = container(pod, name)?;
            Some(environment(pod, &spec, around).and_then(|_| allowed_user(pod, &spec)))
        });
        if let Some(Err(text)) = config.flatten() {
            self.tell(uid, Some(name), true, "Failed", &format!("Error: {text}"), context);
            self.cannot_start(uid, name, "CreateContainerConfigError", &text);
            self.fail(uid, None);
            return Flow::Go;
        }
        self.push_tasks(uid, vec![Task::ContainerCreated(name.to_owned())]);
        self.work(uid, self.config.latencies.create_container, context)
    }

    pub(super) fn container_created(&mut self, uid: &Uid, name: &str, context: &mut Context) -> Flow {
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        let id = format!("containerd://{}", worker.luck.runtime.hex(64));
        let image = container(&worker.pod, name).and_then(|(_, c)| c.image.clone()).unwrap_or_default();
        let (image, image_id) = self.images.in_runtime(&image);
        let record = worker.records.entry(name.to_owned()).or_default();
        let attempt = record.current.as_ref().map(|i| i.attempt + 1).or_else(|| worker.attempts.remove(name)).unwrap_or(0);
        let instance =
            Instance { id, attempt, image, image_id, state: State::Created, seen: None, process: None, origin: Origin::default() };
        if let Some(before) = record.current.replace(instance) {
            record.previous = Some(before);
        }
        self.tell(uid, Some(name), false, "Created", "Container created", context);
        self.push_tasks(uid, vec![Task::ContainerStarted(name.to_owned())]);
        self.work(uid, self.config.latencies.start_container, context)
    }

    pub(super) fn container_started(&mut self, uid: &Uid, name: &str, context: &mut Context) -> Flow {
        let Some((spec, disks)) = self.process_spec(uid, name) else { return Flow::Go };
        let profile = self.profiles.find(&spec.image).clone();
        self.changed_in_runtime(uid, context);
        if let Err(error) = profile.check_start(&spec) {
            return self.not_startable(uid, name, &error, context);
        }
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        let mut process = Process::start(&profile, spec, context.now.0, worker.luck.runtime.bits());
        self.limit(uid, name, &mut process);
        if self.faults.slow_start > 0 {
            process.set_extra_startup(self.faults.slow_start);
        }
        for (path, content) in disks {
            let disk = self.take_disk(uid, &content);
            process.mount(&path, disk);
        }
        let wake = process.next_wake();
        let Some(worker) = self.pods.get_mut(uid) else { return Flow::End };
        worker.waiting.remove(name);
        worker.restarting_all = false;
        let post_start = container(&worker.pod, name).and_then(|(_, c)| c.lifecycle.as_ref()?.post_start.clone());
        if let Some(instance) = worker.records.get_mut(name).and_then(|r| r.current.as_mut()) {
            instance.state = State::Running { since: context.now };
            instance.process = Some(process);
        }
        self.processes.plan(uid, name, wake);
        self.watch_usage(uid, name, context.now);
        self.tell(uid, Some(name), false, "Started", "Container started", context);
        if let Some(instance) = self.pods.get_mut(uid).and_then(|w| w.records.get_mut(name)).and_then(|r| r.current.as_mut()) {
            instance.origin = instance.process.as_ref().map(|process| Origin::started(process, context.cause)).unwrap_or_default();
        }
        match post_start {
            Some(hook) => self.post_start(uid, name, &hook, context),
            None => Flow::Go,
        }
    }

    fn not_startable(&mut self, uid: &Uid, name: &str, error: &str, context: &mut Context) -> Flow {
        let text = format!(
            "failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start \
             container process: {error}: unknown"
        );
        let state = State::Exited { since: None, at: context.now, code: 128, reason: "StartError".into(), message: Some(text.clone()) };
        if let Some(i) = self.pods.get_mut(uid).and_then(|w| w.records.get_mut(name)).and_then(|r| r.current.as_mut()) {
            i.state = state;
        }
        self.tell(uid, Some(name), true, "Failed", &format!("Error: {text}"), context);
        self.cannot_start(uid, name, "RunContainerError", &text);
        self.fail(uid, None);
        Flow::Go
    }

    /// What the process is started with, and the disks it sees.
    fn process_spec(&self, uid: &str, name: &str) -> Option<(Spec, Vec<(String, Content)>)> {
        self.with_surroundings(uid, |pod, _, around| {
            let (_, spec) = container(pod, name)?;
            let env = environment(pod, &spec, around).ok()?;
            let (files, disks) = mounts(pod, &spec, around);
            let expand = |words: &Option<Vec<String>>| words.iter().flatten().map(|w| expand_references(w, &env)).collect();
            let spec = Spec {
                image: spec.image.clone().unwrap_or_default(),
                command: expand(&spec.command),
                args: expand(&spec.args),
                hostname: hostname(pod),
                stdin: spec.stdin.unwrap_or(false),
                stdin_once: spec.stdin_once.unwrap_or(false),
                tty: spec.tty.unwrap_or(false),
                files,
                unix_seconds_at_zero: 0,
                env,
            };
            Some((spec, disks))
        })?
    }

    fn limit(&self, uid: &str, name: &str, process: &mut Process) {
        let Some((_, spec)) = self.pods.get(uid).and_then(|w| container(&w.pod, name)) else { return };
        process.set_cpu_limit(Some(cpu_limit(&spec).unwrap_or(self.config.cpu_millis())));
        process.set_memory_limit(memory_limit(&spec));
    }

    fn post_start(&mut self, uid: &Uid, name: &str, hook: &LifecycleHandler, context: &mut Context) -> Flow {
        let (outcome, takes) = self.run_hook(uid, name, hook, 2 * MINUTE, context);
        self.push_tasks(uid, vec![Task::PostStarted { container: name.to_owned(), failed: outcome != Outcome::Success }]);
        self.wait(uid, takes, context)
    }

    /// Runs a lifecycle hook; says what came of it and how long it takes.
    pub(super) fn run_hook(
        &mut self,
        uid: &Uid,
        name: &str,
        hook: &LifecycleHandler,
        limit: Nanos,
        context: &mut Context,
    ) -> (Outcome, Nanos) {
        let Some(worker) = self.pods.get_mut(uid) else { return (Outcome::Success, 0) };
        let pod = worker.pod.clone();
        let Some((_, spec)) = container(&pod, name) else { return (Outcome::Success, 0) };
        let ip = worker.sandbox.ip.clone().unwrap_or_default();
        let process = worker.records.get_mut(name).and_then(|r| r.process_mut());
        let target = Target { container: &spec, ip: &ip, process };
        let result = match hook {
            LifecycleHandler { exec: Some(exec), .. } => command(exec, target, context.now, limit),
            LifecycleHandler { http_get: Some(get), .. } => http(get, target, context.now, limit, &mut NoBackends),
            LifecycleHandler { sleep: Some(sleep), .. } => {
                (Outcome::Success, (u64::try_from(sleep.seconds).unwrap_or(0).saturating_mul(SECOND)).min(limit))
            }
            _ => (Outcome::Success, 0),
        };
        self.touched(uid, name);
        self.refresh_touched(context);
        result
    }

    pub(super) fn post_started(&mut self, uid: &Uid, name: &str, failed: bool, context: &mut Context) -> Flow {
        if !failed {
            return Flow::Go;
        }
        self.tell(uid, Some(name), true, "FailedPostStartHook", "PostStartHook failed", context);
        self.cannot_start(uid, name, "PostStartHookError", "PostStartHook failed");
        self.fail(uid, None);
        self.push_tasks(uid, vec![Task::Kill(vec![(name.to_owned(), "FailedPostStartHook".into())])]);
        Flow::Go
    }
}

fn allowed_user(pod: &Pod, container: &Container) -> Result<(), String> {
    let own = container.security_context.as_ref();
    let whole = pod.spec.as_ref().and_then(|s| s.security_context.as_ref());
    let non_root = own.and_then(|c| c.run_as_non_root).or(whole.and_then(|c| c.run_as_non_root)) == Some(true);
    let user = own.and_then(|c| c.run_as_user).or(whole.and_then(|c| c.run_as_user));
    if non_root && user == Some(0) {
        let (name, namespace, uid) = (&pod.metadata.name, &pod.metadata.namespace, &pod.metadata.uid);
        let full = format!("{}_{}({})", text(name), text(namespace), text(uid));
        return Err(format!("container's runAsUser breaks non-root policy (pod: \"{full}\", container: {})", container.name));
    }
    Ok(())
}

fn text(value: &Option<String>) -> &str {
    value.as_deref().unwrap_or_default()
}
