//! `kubectl taint`, `cordon`, `uncordon` and `drain`. Nodes belong to everybody on the cluster: what is changed about one is
//! put back at the end, and draining evicts only the pods of the recording's own namespace.

use serde_json::{Value, json};
use sim_apimachinery::Kind;
use sim_core::scenario::format::{Drain, Taint};
use sim_core::scenario::load::duration;
use tokio::time::Instant;

use crate::cluster::{MERGE, name_of};
use crate::failure::ApiError;
use crate::resource::Resource;
use crate::session::{Done, Made, Session, StepError};

/// For how long a drain is tried if nothing is said.
const DRAIN_TIME_MAX: u64 = 600_000_000_000;
/// A refusal by a budget is tried again after so long, as kubectl does.
const EVICT_AGAIN: u64 = 5_000_000_000;

impl Session {
    pub(super) async fn taint(&self, taint: &Taint, out: &mut String) -> Done<()> {
        let (path, node) = self.node(&taint.node).await?;
        let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
        let (taints, is_removed) = with_taint(taints, &taint.taint)?;
        let patch = json!({"spec": {"taints": taints}});
        self.writing().await.patch(&format!("{path}?fieldManager=kubectl-taint"), MERGE, &patch).await?;
        out.push_str(&format!("node/{} {}\n", taint.node, if is_removed { "untainted" } else { "tainted" }));
        Ok(())
    }

    pub(super) async fn cordon(&self, node: &str, on: bool, out: &mut String) -> Done<()> {
        let (path, _) = self.node(node).await?;
        let patch = json!({"spec": {"unschedulable": if on { json!(true) } else { Value::Null }}});
        self.writing().await.patch(&format!("{path}?fieldManager=kubectl-cordon"), MERGE, &patch).await?;
        out.push_str(&format!("node/{node} {}\n", if on { "cordoned" } else { "uncordoned" }));
        Ok(())
    }

    /// A node that is about to be changed: how it is now is remembered.
    async fn node(&self, name: &str) -> Done<(String, Value)> {
        let path = format!("{}/{name}", Resource::of(Kind::Node).path(""));
        let node = self.cluster.get(&path).await?;
        let before = json!({"spec": {"unschedulable": node["spec"]["unschedulable"], "taints": node["spec"]["taints"]}});
        let mut made = self.made.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if !made.iter().any(|m| matches!(m, Made::Node { path: known, .. } if *known == path)) {
            made.push(Made::Node { path: path.clone(), before });
        }
        Ok((path, node))
    }

    pub(super) async fn drain(&self, drain: &Drain, out: &mut String) -> Done<()> {
        self.cordon(&drain.node, true, out).await?;
        let end = Instant::now() + self.wall(drain.timeout.as_deref().map_or(Ok(DRAIN_TIME_MAX), duration)?);
        let pods = Resource::of(Kind::Pod).path(&self.namespace);
        loop {
            let found = self.cluster.objects(&pods, "").await?;
            let left: Vec<&Value> = found.iter().filter(|p| p["spec"]["nodeName"] == drain.node.as_str()).collect();
            if left.is_empty() {
                out.push_str(&format!("node/{} drained\n", drain.node));
                return Ok(());
            }
            if Instant::now() > end {
                let text = format!("error when evicting pods: global timeout reached; {} pods are left", left.len());
                return Err(StepError::Failed(text));
            }
            for pod in left.iter().filter(|p| p["metadata"]["deletionTimestamp"].is_null()) {
                self.evict(&pods, name_of(pod)).await?;
            }
            self.user_waits(self.user_at() + EVICT_AGAIN).await;
        }
    }

    async fn evict(&self, pods: &str, name: &str) -> Done<()> {
        let eviction = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": self.namespace}});
        match self.writing().await.create(&format!("{pods}/{name}/eviction"), &eviction).await {
            // A budget forbids it, or the pod is gone: it is looked at again.
            Err(ApiError::Refused { code: 429 | 404, .. }) => Ok(()),
            answered => answered.map(|_| ()).map_err(StepError::from),
        }
    }
}

/// The taints with one more or less, written as kubectl takes it; and whether one was taken away.
fn with_taint(mut taints: Vec<Value>, written: &str) -> Done<(Vec<Value>, bool)> {
    let is_removed = written.ends_with('-');
    let text = written.trim_end_matches('-');
    let (pair, effect) = text.rsplit_once(':').ok_or_else(|| StepError::Failed(format!("error: invalid taint spec: {text}")))?;
    let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
    taints.retain(|t| t["key"] != key || t["effect"] != effect);
    if !is_removed {
        let mut taint = json!({"key": key, "effect": effect});
        if !value.is_empty() {
            taint["value"] = value.into();
        }
        taints.push(taint);
    }
    Ok((taints, is_removed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn taints_come_and_go_as_kubectl_writes_them() {
        let (taints, _) = with_taint(vec![], "a=b:NoSchedule").expect("a taint");
        assert_eq!(taints, [json!({"key": "a", "value": "b", "effect": "NoSchedule"})]);
        assert_eq!(with_taint(taints, "a:NoSchedule-").expect("a taint"), (vec![], true));
        assert!(with_taint(vec![], "nothing").is_err());
    }
}
