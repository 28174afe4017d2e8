//! Admission plugin ResourceQuota: what a write uses is charged to the quotas of its namespace, or the write is refused.
//! Usage is counted from the quotas' own status, so a quota nobody has counted yet is not enforced; deleting gives nothing
//! back here, the controller counts anew.
//! Source: apiserver pkg/admission/plugin/resourcequota/controller.go.
//! Not modelled: limited resources, which no default cluster has.

use std::sync::Arc;

use k8s_openapi::api::core::v1::ResourceQuota;
use sim_apimachinery::quantity::Quantity;
use sim_apimachinery::quota::{self, Usage};
use sim_apimachinery::{Kind, Object, Part, Status, Typed};

use super::{ApiServer, Asked, Call, Outcome, Plugin};
use crate::etcd::Tracking;
use crate::time::SimTime;

pub(super) const PLUGIN: Plugin = Plugin { name: "ResourceQuota", change: None, check: Some(check) };

fn check(server: &mut ApiServer, object: &Object, asked: &Asked<'_>, call: &mut Call<'_>) -> Outcome<()> {
    server.charge_quota(object, asked.old, asked.part, call)
}

impl ApiServer {
    /// Charges a write that is otherwise fine; `current` is the state before, `None` for a new object.
    fn charge_quota(&mut self, next: &Object, current: Option<&Object>, part: Part, call: &mut Call<'_>) -> Outcome<()> {
        if next.namespace().is_empty() || !quota::handles(next, current, part) {
            return Ok(());
        }
        let quotas: Vec<Arc<ResourceQuota>> =
            self.etcd.list(Kind::ResourceQuota, next.namespace()).filter_map(ResourceQuota::from_object).cloned().collect();
        let mut charged = Vec::new();
        for one in &quotas {
            if let Some(used) = charge(one, next, current, part, call.now)? {
                charged.push((one.clone(), used));
            }
        }
        if call.dry_run {
            return Ok(());
        }
        for (before, used) in charged {
            let mut after = (*before).clone();
            after.status.get_or_insert_default().used = Some(quota::to_quantities(&used));
            let mut own = Call::of_component(call.now, &Arc::from("kube-apiserver"), call.trace);
            own.cause = call.cause;
            own.tracking = Some(Box::new(Tracking { api_version: None, part: Part::Status, written: None, managers: None }));
            self.store_next(&Object::ResourceQuota(before), after.into(), &mut own)?;
        }
        Ok(())
    }
}

/// What a quota's usage becomes, if the write changes it.
fn charge(quota: &ResourceQuota, next: &Object, current: Option<&Object>, part: Part, now: SimTime) -> Outcome<Option<Usage>> {
    let status = quota.status.clone().unwrap_or_default();
    let (hard, used) = (quota::from_quantities(status.hard.as_ref()), quota::from_quantities(status.used.as_ref()));
    let kind = next.kind();
    let mut restricted = hard.keys().filter(|name| quota::counts_towards(kind, name)).peekable();
    if restricted.peek().is_none() || !quota::in_scopes(quota, next) {
        return Ok(None);
    }
    let restricted: Vec<&str> = restricted.map(String::as_str).collect();
    let name = quota.metadata.name.as_deref().unwrap_or_default();
    let refuse = |why: String| Err(Box::new(Status::forbidden(kind, next.name(), &why)));
    if let Object::Pod(pod) = next
        && let Some(missing) = quota::missing_in_pod(pod, restricted.iter().copied())
    {
        return refuse(format!("failed quota: {name}: {missing}"));
    }
    if restricted.iter().any(|r| !used.contains_key(*r)) {
        return refuse(format!("status unknown for quota: {name}, resources: {}", restricted.join(",")));
    }
    let requested = added(quota, next, current, now, &hard);
    if requested.is_empty() {
        return Ok(None);
    }
    let mut after = used.clone();
    quota::add(&mut after, &requested);
    let exceeded: Vec<&String> = requested.keys().filter(|r| after.get(*r) > hard.get(*r)).collect();
    if !exceeded.is_empty() && part != Part::Status {
        let shown = |amounts: &Usage| shown(amounts, &exceeded);
        return refuse(format!(
            "exceeded quota: {name}, requested: {}, used: {}, limited: {}",
            shown(&requested),
            shown(&used),
            shown(&hard)
        ));
    }
    Ok(Some(after))
}

/// What the write uses more than before, of what the quota limits.
fn added(quota: &ResourceQuota, next: &Object, current: Option<&Object>, now: SimTime, hard: &Usage) -> Usage {
    let zero = Quantity::from_millis(0);
    let before = current.filter(|c| quota::in_scopes(quota, c)).map(|c| quota::usage(c, now.0)).unwrap_or_default();
    let mut usage = quota::usage(next, now.0);
    for (name, old) in before {
        if let Some(amount) = usage.get_mut(&name) {
            *amount = amount.minus(old).max(zero);
        }
    }
    usage.retain(|name, amount| hard.contains_key(name) && !amount.is_zero());
    usage
}

fn shown(amounts: &Usage, names: &[&String]) -> String {
    let parts: Vec<String> = names.iter().filter_map(|name| Some(format!("{name}={}", amounts.get(*name)?))).collect();
    parts.join(",")
}
