//! Admission: plugins that change or refuse what is asked before it is stored, one file each, in Kubernetes' order.
//! All that change run first, then the object is validated, then all that only refuse run.
//! Source: pkg/kubeapiserver/options/plugins.go for the order and what a default cluster turns on, plugin/pkg/admission for
//! the plugins. (NamespaceLifecycle is in `create` and `delete`.)
//! Not modelled: the plugins that a default cluster leaves off.

mod certificate_signers;
mod certificate_subject_restriction;
mod default_ingress_class;
mod default_storage_class;
mod default_toleration_seconds;
mod limit_ranger;
mod node_declared_features;
mod node_restriction;
mod persistent_volume_claim_resize;
mod pod_resize;
mod pod_security;
mod pod_topology_labels;
mod priority;
mod resource_quota;
mod runtime_class;
mod service_account;
mod storage_object_in_use_protection;
mod taint_nodes_by_condition;
#[cfg(test)]
mod tests;

pub(super) use pod_topology_labels::topology_labels;

use sim_apimachinery::{Cause, Object, Part, Status};

use super::admission_policies::Attributes;
use super::admission_webhooks::Rounds;
use super::update::subresource;
use super::{ApiServer, Call, Outcome};

/// What is asked, as plugins see it.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    /// The object as it is stored; `None` when it is being made.
    pub old: Option<&'a Object>,
    /// What part of it is being written.
    pub part: Part,
}

impl Asked<'_> {
    /// An object is being made.
    pub fn create() -> Self {
        Asked { old: None, part: Part::Main }
    }

    /// Whether an object is being made.
    pub fn is_create(&self) -> bool {
        self.old.is_none()
    }

    /// Whether the object itself is asked for and none of its subresources.
    pub fn is_main(&self) -> bool {
        self.part == Part::Main
    }
}

type Change = fn(&mut ApiServer, &mut Object, &Asked<'_>, &mut Call<'_>) -> Outcome<()>;
type Check = fn(&mut ApiServer, &Object, &Asked<'_>, &mut Call<'_>) -> Outcome<()>;

/// A plugin: its name, what it changes and what it refuses.
pub(super) struct Plugin {
    /// Kubernetes' name for it.
    #[allow(dead_code, reason = "the table is read by people too")]
    pub name: &'static str,
    /// The part that may change the object.
    pub change: Option<Change>,
    /// The part that only looks.
    pub check: Option<Check>,
}

/// The plugins in Kubernetes' order.
const PLUGINS: [Plugin; 18] = [
    limit_ranger::PLUGIN,
    service_account::PLUGIN,
    node_restriction::PLUGIN,
    taint_nodes_by_condition::PLUGIN,
    pod_security::PLUGIN,
    priority::PLUGIN,
    default_toleration_seconds::PLUGIN,
    default_storage_class::PLUGIN,
    storage_object_in_use_protection::PLUGIN,
    persistent_volume_claim_resize::PLUGIN,
    runtime_class::PLUGIN,
    certificate_signers::PLUGIN,
    certificate_subject_restriction::PLUGIN,
    default_ingress_class::PLUGIN,
    pod_topology_labels::PLUGIN,
    node_declared_features::PLUGIN,
    pod_resize::PLUGIN,
    resource_quota::PLUGIN,
];

impl ApiServer {
    /// The plugins that may change the object, before it is validated.
    pub(super) fn admit(&mut self, object: &mut Object, asked: &Asked<'_>, call: &mut Call<'_>) -> Outcome<()> {
        let mut rounds = Rounds::default();
        self.mutate(object, asked, &mut rounds, call)?;
        // What webhooks changed the others see again, in one more round.
        if rounds.begin_second() { self.mutate(object, asked, &mut rounds, call) } else { Ok(()) }
    }

    fn mutate(&mut self, object: &mut Object, asked: &Asked<'_>, rounds: &mut Rounds, call: &mut Call<'_>) -> Outcome<()> {
        PLUGINS.iter().filter_map(|p| p.change).try_for_each(|change| change(self, object, asked, call))?;
        self.mutate_by_policies(object, asked.old, subresource(asked.part), call)?;
        self.mutate_by_webhooks(object, asked.old, subresource(asked.part), rounds, call)
    }

    /// The plugins that only look, after it was found valid.
    pub(super) fn admit_valid(&mut self, object: &Object, asked: &Asked<'_>, call: &mut Call<'_>) -> Outcome<()> {
        // ResourceQuota is the last, so that nothing is charged for what a policy refuses.
        let (others, quota) = PLUGINS.split_at(PLUGINS.len() - 1);
        others.iter().filter_map(|p| p.check).try_for_each(|check| check(self, object, asked, call))?;
        let attributes = match asked.old {
            None => Attributes::create(object),
            Some(old) => Attributes::update(object, old, subresource(asked.part)),
        };
        self.ask_policies(&attributes, call)?;
        self.ask_webhooks(&attributes, call)?;
        quota.iter().filter_map(|p| p.check).try_for_each(|check| check(self, object, asked, call))
    }
}

/// The refusal that most plugins give: `pods "x" is forbidden: why`.
pub(super) fn forbidden(object: &Object, why: &str) -> Box<Status> {
    Box::new(Status::forbidden(object.kind(), object.name(), why))
}

/// The refusal of a create in a namespace that is going away.
pub fn terminating(object: &Object, namespace: &str) -> Status {
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let cause = Cause {
        reason: "NamespaceTerminating".into(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".into(),
    };
    Status { causes: vec![cause], ..Status::forbidden(object.kind(), object.name(), &why) }
}
