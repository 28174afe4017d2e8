//! Gives pods the priority of their class, and lets there be one default class (Priority).
//! Source: plugin/pkg/admission/priority.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;
use k8s_openapi::api::scheduling::v1::PriorityClass;
use sim_apimachinery::{Kind, Object, ObjectKey, Typed};

use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};

pub(super) const PLUGIN: Plugin = Plugin { name: "Priority", change: Some(change), check: Some(check) };

/// What a class gives: its name, the priority, and whether pods of it displace others.
type Given = (Option<String>, i32, Option<String>);

fn change(server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let Object::Pod(pod) = &*object else { return Ok(()) };
    let Some(spec) = pod.spec.as_ref().filter(|_| asked.is_main()) else { return Ok(()) };
    let next = match asked.old {
        Some(Object::Pod(old)) => kept(spec, old.spec.as_ref()),
        _ => given(server, spec, object)?,
    };
    if let Some(next) = next
        && let Object::Pod(pod) = object
    {
        Arc::make_mut(pod).spec = Some(next);
    }
    Ok(())
}

/// An update that does not say keeps what was there.
fn kept(spec: &PodSpec, old: Option<&PodSpec>) -> Option<PodSpec> {
    let old = old?;
    let priority = spec.priority.or(old.priority);
    let policy = spec.preemption_policy.clone().or_else(|| old.preemption_policy.clone());
    let is_same = priority == spec.priority && policy == spec.preemption_policy;
    (!is_same).then(|| PodSpec { priority, preemption_policy: policy, ..spec.clone() })
}

fn given(server: &ApiServer, spec: &PodSpec, object: &Object) -> Outcome<Option<PodSpec>> {
    let (class, priority, policy) = class_of(server, spec, object)?;
    if let Some(said) = spec.priority.filter(|said| *said != priority) {
        let text = format!(
            "the integer value of priority ({said}) must not be provided in pod spec; priority admission controller computed {priority} from the given PriorityClass name"
        );
        return Err(forbidden(object, &text));
    }
    if let (Some(said), Some(policy)) = (&spec.preemption_policy, &policy)
        && said != policy
    {
        let text = format!(
            "the string value of PreemptionPolicy ({said}) must not be provided in pod spec; priority admission controller computed {policy} from the given PriorityClass name"
        );
        return Err(forbidden(object, &text));
    }
    let preemption_policy = policy.or_else(|| spec.preemption_policy.clone());
    Ok(Some(PodSpec { priority_class_name: class, priority: Some(priority), preemption_policy, ..spec.clone() }))
}

fn class_of(server: &ApiServer, spec: &PodSpec, object: &Object) -> Outcome<Given> {
    let found = match spec.priority_class_name.as_deref().filter(|n| !n.is_empty()) {
        Some(name) => {
            let class = server.etcd.get(&ObjectKey::new(Kind::PriorityClass, "", name)).and_then(PriorityClass::from_object);
            Some(class.ok_or_else(|| forbidden(object, &format!("no PriorityClass with name {name} was found")))?)
        }
        None => default_class(server),
    };
    Ok(match found {
        Some(class) => (class.metadata.name.clone(), class.value.unwrap_or(0), class.preemption_policy.clone()),
        None => (None, 0, Some("PreemptLowerPriority".into())),
    })
}

/// The class for pods that name none: of several the one with the lowest priority.
fn default_class(server: &ApiServer) -> Option<&Arc<PriorityClass>> {
    let classes = server.etcd.list(Kind::PriorityClass, "").filter_map(PriorityClass::from_object);
    classes.filter(|c| c.global_default == Some(true)).min_by_key(|c| c.value.unwrap_or(0))
}

fn check(server: &mut ApiServer, object: &Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let Object::PriorityClass(class) = object else { return Ok(()) };
    if class.global_default != Some(true) {
        return Ok(());
    }
    let other = default_class(server).and_then(|c| c.metadata.name.clone());
    match other.filter(|name| asked.is_create() || *name != object.name()) {
        None => Ok(()),
        Some(name) => {
            let text = format!("PriorityClass {name} is already marked as default. Only one default can exist");
            Err(forbidden(object, &text))
        }
    }
}
