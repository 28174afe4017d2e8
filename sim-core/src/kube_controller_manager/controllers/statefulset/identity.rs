//! What makes a pod of a stateful set itself: its name, its ordinal, its claims.
//! Source: pkg/controller/statefulset/stateful_set_utils.go.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, Pod, PodTemplateSpec, Volume};
use sim_apimachinery::Object;

use crate::kube_controller_manager::controllers::pod_control;

/// The ordinal in a pod's name.
pub fn ordinal_of(set: &StatefulSet, pod: &Pod) -> Option<i32> {
    let name = pod.metadata.name.as_deref()?;
    name.strip_prefix(set.metadata.name.as_deref()?)?.strip_prefix('-')?.parse().ok()
}

/// The pod of an ordinal, from the template of a revision.
pub fn pod(set: &Arc<StatefulSet>, template: &PodTemplateSpec, revision: &str, ordinal: i32) -> Pod {
    let owner = Object::StatefulSet(set.clone());
    let mut pod = pod_control::pod_of(&owner, template);
    let name = format!("{}-{ordinal}", owner.name());
    pod.metadata.name = Some(name.clone());
    let labels = pod.metadata.labels.get_or_insert_default();
    labels.insert("statefulset.kubernetes.io/pod-name".into(), name.clone());
    labels.insert("apps.kubernetes.io/pod-index".into(), ordinal.to_string());
    labels.insert("controller-revision-hash".into(), revision.to_owned());
    let spec = pod.spec.get_or_insert_default();
    spec.hostname = Some(name);
    spec.subdomain = set.spec.as_ref().and_then(|s| s.service_name.clone()).filter(|s| !s.is_empty());
    let claims = claims(set, ordinal);
    let volume = |(template, claim): (&PersistentVolumeClaim, &PersistentVolumeClaim)| Volume {
        name: template.metadata.name.clone().unwrap_or_default(),
        persistent_volume_claim: Some(PersistentVolumeClaimVolumeSource {
            claim_name: claim.metadata.name.clone().unwrap_or_default(),
            ..Default::default()
        }),
        ..Default::default()
    };
    let mut volumes: Vec<Volume> = templates(set).zip(&claims).map(volume).collect();
    let others = spec.volumes.take().unwrap_or_default();
    let named: Vec<String> = volumes.iter().map(|v| v.name.clone()).collect();
    volumes.extend(others.into_iter().filter(|v| !named.contains(&v.name)));
    spec.volumes = (!volumes.is_empty()).then_some(volumes);
    pod
}

fn templates(set: &StatefulSet) -> impl Iterator<Item = &PersistentVolumeClaim> {
    set.spec.iter().flat_map(|s| s.volume_claim_templates.iter().flatten())
}

/// The claims of an ordinal, in the order of their templates.
pub fn claims(set: &Arc<StatefulSet>, ordinal: i32) -> Vec<PersistentVolumeClaim> {
    let spec = set.spec.as_ref();
    let selected = spec.and_then(|s| s.selector.match_labels.clone()).unwrap_or_default();
    let policy = spec.and_then(|s| s.persistent_volume_claim_retention_policy.as_ref()).and_then(|p| p.when_deleted.as_deref());
    let claim = |template: &PersistentVolumeClaim| {
        let mut claim = template.clone();
        let name = template.metadata.name.clone().unwrap_or_default();
        claim.metadata.name = Some(format!("{name}-{}-{ordinal}", set.metadata.name.as_deref().unwrap_or_default()));
        claim.metadata.namespace = set.metadata.namespace.clone();
        claim.metadata.labels.get_or_insert_default().extend(selected.clone());
        claim.status = None;
        if policy == Some("Delete") {
            let mut reference = pod_control::owner_reference(&Object::StatefulSet(set.clone()));
            reference.controller = None;
            reference.block_owner_deletion = None;
            claim.metadata.owner_references = Some(vec![reference]);
        }
        claim
    };
    templates(set).map(claim).collect()
}
