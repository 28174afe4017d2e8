//! Gives pods the overhead and the scheduling rules of their runtime class (RuntimeClass).
//! Source: plugin/pkg/admission/runtimeclass.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{PodSpec, Toleration};
use k8s_openapi::api::node::v1::RuntimeClass;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use sim_apimachinery::quantity::Quantity;
use sim_apimachinery::{Kind, Object, ObjectKey, Typed};

use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};

pub(super) const PLUGIN: Plugin = Plugin { name: "RuntimeClass", change: Some(change), check: Some(check) };

const MISMATCH: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

type Amounts = BTreeMap<String, ApiQuantity>;

fn change(server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let Some(class) = class_of(server, object, asked)? else { return Ok(()) };
    let Object::Pod(pod) = &*object else { return Ok(()) };
    let mut spec = pod.spec.clone().unwrap_or_default();
    if let Some(overhead) = overhead_of(&class) {
        if spec.overhead.as_ref().is_some_and(|said| !said.is_empty() && !is_same(said, overhead)) {
            return Err(forbidden(object, MISMATCH));
        }
        spec.overhead = Some(overhead.clone());
    }
    if let Some(scheduling) = &class.scheduling {
        select_nodes(&mut spec, scheduling.node_selector.as_ref()).map_err(|why| forbidden(object, &why))?;
        tolerate(&mut spec, scheduling.tolerations.as_deref().unwrap_or_default());
    }
    if let Object::Pod(pod) = object {
        Arc::make_mut(pod).spec = Some(spec);
    }
    Ok(())
}

fn check(server: &mut ApiServer, object: &Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let Object::Pod(pod) = object else { return Ok(()) };
    if !asked.is_create() {
        return Ok(());
    }
    let said = pod.spec.as_ref().and_then(|s| s.overhead.as_ref());
    let class = class_of(server, object, asked)?;
    match class.as_ref().and_then(|c| overhead_of(c)) {
        Some(overhead) if said.is_none_or(|said| !is_same(said, overhead)) => Err(forbidden(object, MISMATCH)),
        None if said.is_some() => {
            let text = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead";
            Err(forbidden(object, text))
        }
        _ => Ok(()),
    }
}

/// The class that a new pod names.
fn class_of(server: &ApiServer, object: &Object, asked: &Asked<'_>) -> Outcome<Option<Arc<RuntimeClass>>> {
    let Object::Pod(pod) = object else { return Ok(None) };
    let name = pod.spec.as_ref().and_then(|s| s.runtime_class_name.as_deref());
    let Some(name) = name.filter(|_| asked.is_create()) else { return Ok(None) };
    let found = server.etcd.get(&ObjectKey::new(Kind::RuntimeClass, "", name)).and_then(RuntimeClass::from_object);
    let missing = || forbidden(object, &format!("pod rejected: RuntimeClass \"{name}\" not found"));
    found.cloned().map(Some).ok_or_else(missing)
}

fn overhead_of(class: &RuntimeClass) -> Option<&Amounts> {
    class.overhead.as_ref().and_then(|o| o.pod_fixed.as_ref())
}

fn is_same(a: &Amounts, b: &Amounts) -> bool {
    let read = |q: &ApiQuantity| Quantity::parse(&q.0).ok();
    a.len() == b.len() && a.iter().all(|(name, amount)| b.get(name).is_some_and(|other| read(other) == read(amount)))
}

fn select_nodes(spec: &mut PodSpec, wanted: Option<&BTreeMap<String, String>>) -> Result<(), String> {
    for (key, value) in wanted.into_iter().flatten() {
        let selector = spec.node_selector.get_or_insert_default();
        if let Some(said) = selector.get(key).filter(|said| *said != value) {
            return Err(format!("conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; pod.spec.nodeSelector[{key}] = {said}"));
        }
        selector.insert(key.clone(), value.clone());
    }
    Ok(())
}

/// Adds tolerations but for those that another one already implies.
fn tolerate(spec: &mut PodSpec, wanted: &[Toleration]) {
    let all: Vec<Toleration> = spec.tolerations.iter().flatten().chain(wanted).cloned().collect();
    let mut kept: Vec<Toleration> = Vec::new();
    for (index, toleration) in all.iter().enumerate() {
        let implied =
            all.iter().enumerate().any(|(other, t)| other != index && implies(t, toleration) && (other < index || !implies(toleration, t)));
        if !implied {
            kept.push(toleration.clone());
        }
    }
    if !kept.is_empty() {
        spec.tolerations = Some(kept);
    }
}

/// Whether a toleration covers all that another one does. Source: pkg/util/tolerations.
fn implies(wide: &Toleration, narrow: &Toleration) -> bool {
    if wide == narrow {
        return true;
    }
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let same_key = text(&wide.key).is_empty() || wide.key == narrow.key;
    let same_effect = text(&wide.effect).is_empty() || wide.effect == narrow.effect;
    let as_long = match (wide.toleration_seconds, narrow.toleration_seconds) {
        (None, _) => true,
        (Some(wide), Some(narrow)) => wide >= narrow,
        (Some(_), None) => false,
    };
    let exists = text(&wide.operator) == "Exists";
    let same_value = exists || text(&narrow.operator) != "Exists" && text(&wide.value) == text(&narrow.value);
    same_key && same_effect && as_long && same_value
}
