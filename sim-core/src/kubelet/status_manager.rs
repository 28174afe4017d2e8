//! Sends pod statuses to the API server: one pod at a time, a read and then a patch, and the final deletion.
//! A status that says the same is not sent. A pod's end is held back until none of its containers can run.
//! Source: kubelet status/status_manager.go. The read is waited for but not sent: nobody can see it.
//! Every ten seconds a condition of its own that somebody else changed (the node controller, while the node was out of reach) is
//! told again. Not modelled: the same for other parts of a status.

use std::collections::{BTreeMap, VecDeque};

use k8s_openapi::api::core::v1::PodStatus;
use sim_apimachinery::{Answer, DeleteOptions, Part, Patch, Reason, TypedPatch, Verb};

use super::pod_worker::{PodWorker, Stage};
use super::status::is_terminal;
use super::{Asked, Kubelet, Timer, Uid};
use crate::component::Context;
use crate::time::SECOND;

/// What waits to be sent, and what was sent.
#[derive(Clone, Debug, Default)]
pub struct StatusManager {
    waiting: VecDeque<Uid>,
    busy: Option<Uid>,
    sent: BTreeMap<Uid, PodStatus>,
}

impl StatusManager {
    /// What the API server has already.
    pub fn known(&mut self, uid: &Uid, status: PodStatus) {
        self.sent.insert(uid.clone(), status);
    }

    /// Forgets a pod.
    pub fn forget(&mut self, uid: &Uid) {
        self.sent.remove(uid);
        self.waiting.retain(|u| u != uid);
    }
}

impl Kubelet {
    /// Stores a pod's status; it is sent if it says something new.
    pub(super) fn set_status(&mut self, uid: &Uid, status: PodStatus, context: &mut Context) {
        let Some(worker) = self.pods.get_mut(uid) else { return };
        if worker.status.as_ref() != Some(&status) {
            worker.cause = context.cause;
        }
        worker.status = Some(status);
        self.queue_status(uid, context);
    }

    /// The pod's status is to be looked at by the status manager.
    pub(super) fn push_status(&mut self, uid: &Uid, context: &mut Context) {
        if let Some(worker) = self.pods.get_mut(uid) {
            worker.cause = context.cause;
        }
        self.queue_status(uid, context);
    }

    fn queue_status(&mut self, uid: &Uid, context: &mut Context) {
        if !self.status.waiting.contains(uid) {
            self.status.waiting.push_back(uid.clone());
        }
        self.next_status(context);
    }

    fn next_status(&mut self, context: &mut Context) {
        while self.status.busy.is_none() {
            let Some(uid) = self.status.waiting.pop_front() else { return };
            let has_news = self.has_news(&uid);
            if let Some(worker) = self.pods.get_mut(&uid).filter(|_| has_news) {
                self.status.busy = Some(uid.clone());
                let takes = self.config.latencies.status_read.draw(&mut worker.luck.worker);
                self.later(context.now.plus(takes), Timer::StatusRead(uid), context);
            }
        }
    }

    fn has_news(&self, uid: &str) -> bool {
        self.pods.get(uid).is_some_and(|w| !w.deleted && (self.news(w).is_some() || may_be_deleted(w)))
    }

    /// What is to be sent of a pod's status, if it differs from what was sent.
    fn news(&self, worker: &PodWorker) -> Option<PodStatus> {
        let mut status = worker.status.clone()?;
        let sent = self.status.sent.get(&worker.uid);
        let before = sent.or(worker.pod.status.as_ref());
        let ended = is_terminal(before.and_then(|s| s.phase.as_deref()));
        if worker.stage < Stage::Terminated && is_terminal(status.phase.as_deref()) && !ended {
            status.phase = before.and_then(|s| s.phase.clone());
            status.reason = before.and_then(|s| s.reason.clone());
            status.message = before.and_then(|s| s.message.clone());
        }
        (sent != Some(&status)).then_some(status)
    }

    pub(super) fn status_read(&mut self, uid: &Uid, context: &mut Context) {
        let Some(worker) = self.pods.get(uid).filter(|w| !w.deleted) else { return self.status_done(context) };
        context.cause = worker.cause;
        match self.news(worker) {
            Some(status) => {
                let verb = Verb::Patch {
                    key: worker.key.clone(),
                    part: Part::Status,
                    patch: Patch::Typed(TypedPatch::PodStatus(Box::new(status.clone()))),
                };
                self.status.sent.insert(uid.clone(), status);
                self.ask(verb, Asked::Status(uid.clone()), context);
            }
            None => self.delete_if_done(uid, context),
        }
    }

    pub(super) fn status_answered(&mut self, uid: &Uid, answer: Answer, context: &mut Context) {
        if let Err(status) = answer {
            if status.reason != Reason::NotFound {
                self.status.sent.remove(uid);
                self.status.waiting.push_back(uid.clone());
            }
            return self.status_done(context);
        }
        self.delete_if_done(uid, context);
    }

    /// Deletes a pod for good when all that was of it here is gone.
    fn delete_if_done(&mut self, uid: &Uid, context: &mut Context) {
        let Some(worker) = self.pods.get(uid).filter(|w| may_be_deleted(w)) else { return self.status_done(context) };
        let options = DeleteOptions { grace_period_seconds: Some(0), uid: Some(uid.to_string()), ..Default::default() };
        let verb = Verb::Delete { key: worker.key.clone(), options };
        self.ask(verb, Asked::Delete(uid.clone()), context);
    }

    pub(super) fn delete_answered(&mut self, _uid: &Uid, _answer: Answer, context: &mut Context) {
        self.status_done(context);
    }

    fn status_done(&mut self, context: &mut Context) {
        self.status.busy = None;
        self.next_status(context);
    }
}

/// The conditions that are the kubelet's to tell.
const OWN: [&str; 4] = ["PodReadyToStartContainers", "Initialized", "ContainersReady", "Ready"];

impl Kubelet {
    /// Somebody changed a pod's status: whether it is what was sent is looked at by and by.
    pub(super) fn look_at_status(&mut self, uid: &Uid, context: &Context) {
        if self.is_overruled(uid) {
            let at = self.ticks.with_period(10 * SECOND).after(context.now);
            self.later(at, Timer::Reconcile(uid.clone()), context);
        }
    }

    /// Tells a status again that is still not what was sent.
    pub(super) fn reconcile_status(&mut self, uid: &Uid, context: &mut Context) {
        if self.is_overruled(uid) && self.status.busy.as_ref() != Some(uid) {
            self.status.sent.remove(uid);
            self.push_status(uid, context);
        }
    }

    fn is_overruled(&self, uid: &Uid) -> bool {
        let (Some(worker), Some(sent)) = (self.pods.get(uid), self.status.sent.get(uid)) else { return false };
        let told = |status: &PodStatus, name: &str| status.conditions.iter().flatten().find(|c| c.type_ == name).map(|c| c.status.clone());
        worker
            .pod
            .status
            .as_ref()
            .is_some_and(|now| OWN.iter().any(|name| told(sent, name).is_some() && told(now, name) != told(sent, name)))
    }
}

fn may_be_deleted(worker: &PodWorker) -> bool {
    worker.stage == Stage::Finished && worker.pod.metadata.deletion_timestamp.is_some() && !worker.deleted
}
