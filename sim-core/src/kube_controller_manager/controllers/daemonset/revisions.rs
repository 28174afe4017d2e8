//! The templates a daemon set has had, kept as controller revisions. Source: pkg/controller/daemon/update.go.
//! Not modelled: collisions of hashes, removal of doubled revisions.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ControllerRevision, DaemonSet};
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::runtime::RawExtension;
use sim_apimachinery::template_hash::compute_hash;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Verb};

use super::pods::{HASH, hash_of};
use crate::client_go::{Ask, Plan, Step, Tolerate};
use crate::kube_controller_manager::controllers::pod_control::owner_reference;
use crate::kube_controller_manager::controllers::statefulset::revisions::patch_of;

fn hash_in(revision: &ControllerRevision) -> &str {
    revision.metadata.labels.as_ref().and_then(|l| l.get(HASH)).map_or("", String::as_str)
}

/// The hash of the present template; its revision is asked for if it is missing, or raised if it is an old one.
pub fn current(set: &Arc<DaemonSet>, kept: &[Arc<ControllerRevision>], plan: &mut Plan) -> String {
    let template = set.spec.as_ref().map(|s| s.template.clone()).unwrap_or_default();
    let data = patch_of(&template);
    let last = kept.iter().map(|r| r.revision).max().unwrap_or(0);
    if let Some(found) = kept.iter().find(|r| r.data.as_ref().is_some_and(|d| d.0 == data)) {
        if found.revision < last {
            let mut next = (**found).clone();
            next.revision = last + 1;
            plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Main }, "an old template is wanted again"));
        }
        return hash_in(found).to_owned();
    }
    let hash = compute_hash(&template, set.status.as_ref().and_then(|s| s.collision_count));
    let owner = Object::DaemonSet(set.clone());
    let mut labels = template.metadata.as_ref().and_then(|m| m.labels.clone()).unwrap_or_default();
    labels.insert(HASH.into(), hash.clone());
    let revision = ControllerRevision {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", owner.name())),
            namespace: set.metadata.namespace.clone(),
            labels: Some(labels),
            annotations: set.metadata.annotations.clone(),
            owner_references: Some(vec![owner_reference(&owner)]),
            ..Default::default()
        },
        data: Some(RawExtension(data)),
        revision: last + 1,
    };
    plan.ask(Ask::new(Verb::Create { object: revision.into() }, "the template is new").tolerating(Tolerate::AlreadyExists));
    hash
}

/// Deletes the oldest revisions that no pod was made from, beyond the limit.
pub fn cleanup(set: &DaemonSet, kept: &[Arc<ControllerRevision>], current: &str, pods: &[Arc<Pod>]) -> Vec<Step> {
    let limit = set.spec.as_ref().and_then(|s| s.revision_history_limit).unwrap_or(10).max(0) as usize;
    let used = |hash: &str| hash == current || pods.iter().any(|p| hash_of(p) == hash);
    let mut old: Vec<&Arc<ControllerRevision>> = kept.iter().filter(|r| !used(hash_in(r))).collect();
    old.sort_by_key(|r| r.revision);
    let excess = old.len().saturating_sub(limit);
    let namespace = set.metadata.namespace.clone().unwrap_or_default();
    let deletion = |r: &Arc<ControllerRevision>| {
        let key = ObjectKey::new(Kind::ControllerRevision, &namespace, r.metadata.name.as_deref().unwrap_or_default());
        Step::Ask(Ask::new(Verb::Delete { key, options: Default::default() }, "the history is long enough").tolerating(Tolerate::NotFound))
    };
    old.into_iter().take(excess).map(deletion).collect()
}
