//! NodeVolumeLimits: a node takes so many volumes of a CSI driver as its CSINode says.
//! Source: pkg/scheduler/framework/plugins/nodevolumelimits/csi.go.
//! Not modelled: in-tree volumes migrated to CSI, VolumeAttachments of pods that are gone, inline CSI volumes.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::{CSINode, StorageClass};

use crate::kube_scheduler::cache::SchedulerCache;
use crate::kube_scheduler::framework::{Plugin, Rejection, Verdict};
use crate::kube_scheduler::node_info::NodeInfo;
use crate::kube_scheduler::pod_info::PodInfo;

/// Volumes by driver.
type Volumes = BTreeMap<String, BTreeSet<String>>;

/// Refuses nodes that would get too many volumes of a driver.
pub fn filter(pod: &PodInfo, node: &NodeInfo, cache: &SchedulerCache) -> Verdict {
    if pod.claims.is_empty() {
        return Ok(());
    }
    let Some(csi_node) = cache.listers.get::<CSINode>("", &node.name) else { return Ok(()) };
    let mut wanted = Volumes::new();
    add_volumes(pod, cache, &mut wanted);
    let mut there = Volumes::new();
    node.pods.iter().for_each(|p| add_volumes(p, cache, &mut there));
    for driver in &csi_node.spec.drivers {
        let Some(limit) = driver.allocatable.as_ref().and_then(|a| a.count) else { continue };
        let (Some(new), old) = (wanted.get(&driver.name), there.entry(driver.name.clone()).or_default()) else { continue };
        let added = new.difference(old).count();
        if added > 0 && (old.len() + added) as i64 > i64::from(limit) {
            return Err(Rejection::new(Plugin::NodeVolumeLimits, "node(s) exceed max volume count"));
        }
    }
    Ok(())
}

fn add_volumes(pod: &PodInfo, cache: &SchedulerCache, volumes: &mut Volumes) {
    for claim in &pod.claims {
        let found = cache.listers.get::<PersistentVolumeClaim>(pod.namespace(), &claim.name);
        if let Some((driver, handle)) = found.and_then(|c| volume_of(c, cache)) {
            volumes.entry(driver).or_default().insert(handle);
        }
    }
}

fn volume_of(claim: &PersistentVolumeClaim, cache: &SchedulerCache) -> Option<(String, String)> {
    let spec = claim.spec.as_ref()?;
    if let Some(name) = spec.volume_name.as_deref().filter(|n| !n.is_empty()) {
        let csi = cache.listers.get::<PersistentVolume>("", name)?.spec.as_ref()?.csi.as_ref()?;
        return Some((csi.driver.clone(), csi.volume_handle.clone()));
    }
    let class = cache.listers.get::<StorageClass>("", spec.storage_class_name.as_deref()?)?;
    let (namespace, name) = (claim.metadata.namespace.as_deref()?, claim.metadata.name.as_deref()?);
    Some((class.provisioner.clone(), format!("{namespace}/{name}")))
}
