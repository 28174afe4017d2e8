//! What certificate signing requests, drivers of storage, devices' taints and the like do with an object before it is stored.
//! Sources: pkg/registry/{certificates,storage,resource}/*/strategy.go.

use std::sync::Arc;

use k8s_openapi::api::certificates::v1::{
    CertificateSigningRequest, CertificateSigningRequestCondition, CertificateSigningRequestSpec, CertificateSigningRequestStatus,
};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, TypedLocalObjectReference, TypedObjectReference};
use k8s_openapi::api::discovery::v1::{Endpoint, EndpointSlice};
use k8s_openapi::api::resource::v1::ResourceSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use sim_apimachinery::{Object, Part, UserInfo};

const HOSTNAME: &str = "kubernetes.io/hostname";

/// A new object: who asks for a certificate is who sends the request.
pub fn prepare_for_create(object: &mut Object, user: Option<&UserInfo>, now: &Time) {
    match object {
        Object::CertificateSigningRequest(request) => {
            let request = Arc::make_mut(request);
            set_requester(&mut request.spec, user);
            request.status = Some(CertificateSigningRequestStatus::default());
        }
        Object::ResourceSlice(slice) => date_taints(Arc::make_mut(slice), now),
        Object::EndpointSlice(slice) => drop_topology(None, Arc::make_mut(slice)),
        Object::PersistentVolumeClaim(claim) => settle_sources(None, Arc::make_mut(claim)),
        // Behind a feature gate that is off.
        Object::CSIDriver(driver) => Arc::make_mut(driver).spec.prevent_pod_scheduling_if_missing = None,
        _ => {}
    }
}

/// The next state of an object, after what holds for all kinds.
pub fn prepare_for_update(current: &Object, next: &mut Object, part: Part, now: &Time) {
    match (current, next) {
        (Object::CertificateSigningRequest(current), Object::CertificateSigningRequest(next)) => {
            prepare_request(current, Arc::make_mut(next), part, now);
        }
        (Object::CSIDriver(current), Object::CSIDriver(next)) if part == Part::Main && current.spec != next.spec => {
            // A driver's changes are counted, though its first state is not.
            let next = Arc::make_mut(next);
            next.metadata.generation = Some(current.metadata.generation.unwrap_or(0) + 1);
        }
        (_, Object::ResourceSlice(slice)) => date_taints(Arc::make_mut(slice), now),
        (Object::PersistentVolumeClaim(current), Object::PersistentVolumeClaim(next)) if part == Part::Main => {
            let before = current.spec.as_ref();
            let had = before.is_some_and(|s| s.data_source.is_some() || s.data_source_ref.is_some());
            let has = next.spec.as_ref().is_some_and(|s| s.data_source.is_some() || s.data_source_ref.is_some());
            if had || has {
                settle_sources(before, Arc::make_mut(next));
            }
        }
        (Object::EndpointSlice(current), Object::EndpointSlice(next)) => drop_topology(Some(current), Arc::make_mut(next)),
        _ => {}
    }
}

fn set_requester(spec: &mut CertificateSigningRequestSpec, user: Option<&UserInfo>) {
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    spec.username = user.and_then(|u| text(&u.name));
    spec.uid = user.and_then(|u| text(&u.uid));
    spec.groups = user.map(|u| u.groups.clone()).filter(|g| !g.is_empty());
    spec.extra = user.map(|u| u.extra.clone()).filter(|e| !e.is_empty());
}

/// A request does not change after it was made; its status takes the certificate, its approval the conditions.
fn prepare_request(current: &CertificateSigningRequest, next: &mut CertificateSigningRequest, part: Part, now: &Time) {
    next.spec = current.spec.clone();
    match part {
        Part::Status => {
            keep_decisions(current, next);
            date_conditions(current, next, now);
        }
        Part::Approval => {
            date_conditions(current, next, now);
            let conditions = next.status.take().and_then(|s| s.conditions);
            next.status = Some(CertificateSigningRequestStatus { conditions, ..current.status.clone().unwrap_or_default() });
        }
        _ => next.status = current.status.clone(),
    }
}

fn conditions(request: &CertificateSigningRequest) -> &[CertificateSigningRequestCondition] {
    request.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default()
}

/// Decisions stay as they were, if there are as many.
fn keep_decisions(current: &CertificateSigningRequest, next: &mut CertificateSigningRequest) {
    for decision in ["Approved", "Denied"] {
        let before: Vec<_> = conditions(current).iter().filter(|c| c.type_ == decision).collect();
        if conditions(next).iter().filter(|c| c.type_ == decision).count() != before.len() {
            continue;
        }
        let list = next.status.as_mut().and_then(|s| s.conditions.as_mut());
        let now = list.into_iter().flatten().filter(|c| c.type_ == decision);
        now.zip(before).for_each(|(condition, before)| condition.clone_from(before));
    }
}

fn date_conditions(current: &CertificateSigningRequest, next: &mut CertificateSigningRequest, now: &Time) {
    for condition in next.status.as_mut().and_then(|s| s.conditions.as_mut()).into_iter().flatten() {
        condition.last_update_time.get_or_insert_with(|| now.clone());
        if condition.last_transition_time.is_none() {
            let same = |c: &&CertificateSigningRequestCondition| c.type_ == condition.type_ && c.status == condition.status;
            let before = conditions(current).iter().filter(same).find_map(|c| c.last_transition_time.clone());
            condition.last_transition_time = Some(before.unwrap_or_else(|| now.clone()));
        }
    }
}

/// The two ways to say what a claim is filled with are brought into step. What the older one cannot hold is dropped, as ever;
/// sources in other namespaces belong to a feature that is off.
/// Source: `EnforceDataSourceBackwardsCompatibility` and `NormalizeDataSources` in pkg/api/persistentvolumeclaim/util.go.
fn settle_sources(before: Option<&PersistentVolumeClaimSpec>, claim: &mut PersistentVolumeClaim) {
    let Some(spec) = claim.spec.as_mut() else { return };
    let elsewhere = spec.data_source_ref.as_ref().is_some_and(|r| r.namespace.as_deref().is_some_and(|n| !n.is_empty()));
    if elsewhere && before.is_none_or(|b| b.data_source_ref.is_none()) {
        spec.data_source_ref = None;
    }
    let had_source = before.is_some_and(|b| b.data_source.is_some() || b.data_source_ref.is_some());
    let is_known = |s: &TypedLocalObjectReference| match s.api_group.as_deref().unwrap_or_default() {
        "" => s.kind == "PersistentVolumeClaim",
        group => group == "snapshot.storage.k8s.io" && s.kind == "VolumeSnapshot",
    };
    if !had_source && spec.data_source_ref.is_none() {
        spec.data_source = spec.data_source.take().filter(is_known);
    }
    match (&spec.data_source, &spec.data_source_ref) {
        (Some(source), None) => {
            let TypedLocalObjectReference { api_group, kind, name } = source.clone();
            spec.data_source_ref = Some(TypedObjectReference { api_group, kind, name, namespace: None });
        }
        (None, Some(reference)) if reference.namespace.as_deref().is_none_or(str::is_empty) => {
            let TypedObjectReference { api_group, kind, name, .. } = reference.clone();
            spec.data_source = Some(TypedLocalObjectReference { api_group, kind, name });
        }
        _ => {}
    }
}

/// Where an endpoint is has fields of its own; the old map of it cannot be written any more. A node that it named before, and
/// names still, becomes the field.
fn drop_topology(current: Option<&EndpointSlice>, next: &mut EndpointSlice) {
    if current.is_some_and(|c| c.endpoints == next.endpoints) {
        return;
    }
    let named = |e: &Endpoint| e.deprecated_topology.as_ref().and_then(|t| t.get(HOSTNAME)).cloned();
    let before: Vec<String> = current.iter().flat_map(|c| c.endpoints.iter().flatten().filter_map(named)).collect();
    for endpoint in next.endpoints.iter_mut().flatten() {
        let node = named(endpoint).filter(|node| before.contains(node));
        if endpoint.node_name.is_none() && node.is_some() {
            endpoint.node_name = node;
        }
        endpoint.deprecated_topology = None;
    }
}

/// A taint without a time is new.
fn date_taints(slice: &mut ResourceSlice, now: &Time) {
    for taint in slice.spec.devices.iter_mut().flatten().flat_map(|d| d.taints.iter_mut().flatten()) {
        taint.time_added.get_or_insert_with(|| now.clone());
    }
}
