//! The templates a stateful set has had, kept as controller revisions, and which of them a pod is made from.
//! Source: pkg/controller/history, pkg/controller/statefulset/stateful_set_utils.go.
//! Not modelled: collisions of hashes.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use serde_json::{Value, json};
use sim_apimachinery::names::safe_encode;
use sim_apimachinery::validation::go_value;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Verb};

use crate::client_go::{Ask, Plan, Step, Tolerate};
use crate::kube_controller_manager::controllers::pod_control::owner_reference;

/// A revision's name may not be longer than this before its hash.
const NAME_MAX: usize = 223;
const HASH: &str = "controller.kubernetes.io/hash";

/// The revision pods were made from so far, and the one they are to be made from.
#[derive(Clone, Debug, Default)]
pub struct Revisions {
    /// Name of the current one.
    pub current: String,
    /// Name of the one to update to.
    pub update: String,
    current_template: PodTemplateSpec,
    update_template: PodTemplateSpec,
}

/// The revision a pod was made from.
pub fn of_pod(pod: &Pod) -> &str {
    pod.metadata.labels.as_ref().and_then(|l| l.get("controller-revision-hash")).map_or("", String::as_str)
}

impl Revisions {
    /// The revisions of a set; one that is missing is asked for.
    pub fn of(set: &Arc<StatefulSet>, kept: &[Arc<ControllerRevision>], plan: &mut Plan) -> Revisions {
        let template = set.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
        let data = patch_of(&template);
        let update = update_revision(set, kept, &data, plan);
        let named = set.status.as_ref().and_then(|s| s.current_revision.as_deref()).unwrap_or_default();
        let current = kept.iter().find(|r| r.metadata.name.as_deref() == Some(named));
        Revisions {
            current: current.and_then(|r| r.metadata.name.clone()).unwrap_or_else(|| update.clone()),
            current_template: current.map_or_else(|| template.clone(), |r| template_of(r)),
            update,
            update_template: template,
        }
    }

    /// The template and the revision of the pod in this slot.
    pub fn template_for(&self, set: &StatefulSet, slot: i32) -> (PodTemplateSpec, &str) {
        let strategy = set.spec.as_ref().and_then(|s| s.update_strategy.clone()).unwrap_or_default();
        let kept = set.status.as_ref().and_then(|s| s.current_replicas).unwrap_or(0);
        let below = match strategy.rolling_update.map(|r| r.partition.unwrap_or(0)) {
            Some(partition) => partition,
            None => kept,
        };
        match strategy.type_.as_deref() == Some("RollingUpdate") && slot < below {
            true => (self.current_template.clone(), self.current.as_str()),
            false => (self.update_template.clone(), self.update.as_str()),
        }
    }

    /// Deletes the oldest revisions that nothing uses, beyond the limit.
    pub fn cleanup(&self, set: &StatefulSet, kept: &[Arc<ControllerRevision>], pods: &[Arc<Pod>]) -> Vec<Step> {
        let limit = set.spec.as_ref().and_then(|s| s.revision_history_limit).unwrap_or(10);
        let used = |name: &str| name == self.current || name == self.update || pods.iter().any(|p| of_pod(p) == name);
        let name_of = |r: &ControllerRevision| r.metadata.name.clone().unwrap_or_default();
        let mut old: Vec<&Arc<ControllerRevision>> = kept.iter().filter(|r| !used(&name_of(r))).collect();
        old.sort_by_key(|r| r.revision);
        let excess = if limit < 0 { 0 } else { old.len().saturating_sub(limit as usize) };
        let namespace = set.metadata.namespace.clone().unwrap_or_default();
        let deletion = |r: &&Arc<ControllerRevision>| {
            let key = ObjectKey::new(Kind::ControllerRevision, &namespace, &name_of(r));
            Step::Ask(
                Ask::new(Verb::Delete { key, options: Default::default() }, "the history is long enough").tolerating(Tolerate::NotFound),
            )
        };
        old.iter().take(excess).map(deletion).collect()
    }
}

fn update_revision(set: &Arc<StatefulSet>, kept: &[Arc<ControllerRevision>], data: &Value, plan: &mut Plan) -> String {
    let last = kept.iter().map(|r| r.revision).max().unwrap_or(0);
    let same = kept.iter().find(|r| r.data.as_ref().is_some_and(|d| d.0 == *data));
    if let Some(found) = same {
        if found.revision < last {
            let mut next = (**found).clone();
            next.revision = last + 1;
            plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Main }, "an old template is wanted again"));
        }
        return found.metadata.name.clone().unwrap_or_default();
    }
    let owner = Object::StatefulSet(set.clone());
    let hash = hash_of(&go_value::json(data));
    let base: String = owner.name().chars().take(NAME_MAX).collect();
    let name = format!("{base}-{hash}");
    let mut labels = set.spec.as_ref().and_then(|s| s.template.metadata.as_ref()).and_then(|m| m.labels.clone()).unwrap_or_default();
    labels.insert(HASH.into(), hash);
    let revision = ControllerRevision {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            namespace: set.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: set.metadata.annotations.clone(),
            owner_references: Some(vec![owner_reference(&owner)]),
            ..Default::default()
        },
        data: Some(RawExtension(data.clone())),
        revision: last + 1,
    };
    plan.ask(Ask::new(Verb::Create { object: revision.into() }, "the template is new").tolerating(Tolerate::AlreadyExists));
    name
}

/// The patch that brings a set back to this template.
pub fn patch_of(template: &PodTemplateSpec) -> Value {
    let mut template = serde_json::to_value(template).unwrap_or_default();
    template["$patch"] = "replace".into();
    json!({"spec": {"template": template}})
}

fn template_of(revision: &ControllerRevision) -> PodTemplateSpec {
    let found = revision.data.as_ref().and_then(|d| d.0.pointer("/spec/template")).cloned().unwrap_or_default();
    serde_json::from_value(found).unwrap_or_default()
}

/// FNV-1 (not 1a) of the data and of a collision count of zero, in the alphabet of generated names.
fn hash_of(data: &str) -> String {
    let step = |hash: u32, byte: u8| hash.wrapping_mul(0x0100_0193) ^ u32::from(byte);
    let hash = data.bytes().chain(*b"0").fold(0x811c_9dc5, step);
    safe_encode(&hash.to_string())
}
