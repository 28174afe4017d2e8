//! Nodes, limits, quotas, endpoints, priority classes, volumes' sources. Sources: pkg/apis/core/v1/defaults.go,
//! pkg/apis/discovery/v1/defaults.go, pkg/apis/scheduling/v1/defaults.go.

use k8s_openapi::api::core::v1::{ConfigMap, Endpoints, LimitRange, LimitRangeItem, Node, NodeSpec, PersistentVolumeSpec, ResourceQuota};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::scheduling::v1::PriorityClass;

use super::canonicalise;

/// What can be given away is all there is, unless the kubelet says less.
pub fn node(node: &mut Node) {
    node.spec.iter_mut().for_each(agree_on_ranges);
    let Some(status) = node.status.as_mut() else { return };
    canonicalise(status.capacity.as_mut());
    canonicalise(status.allocatable.as_mut());
    if status.allocatable.is_none() {
        status.allocatable = status.capacity.clone();
    }
}

/// A node has a list of ranges for its pods and the first of them on its own. Where the two differ the single one counts.
/// Source: `Convert_v1_NodeSpec_To_core_NodeSpec`.
fn agree_on_ranges(spec: &mut NodeSpec) {
    let own = spec.pod_cidr.take().filter(|range| !range.is_empty());
    let first = spec.pod_cidrs.as_ref().and_then(|ranges| ranges.first()).cloned();
    if let Some(own) = own.as_ref().filter(|own| first.as_ref() != Some(own)) {
        spec.pod_cidrs = Some(vec![own.clone()]);
    }
    spec.pod_cidr = own.or(first);
}

/// A container's default limit is the maximum, its default request the default limit, or else the minimum.
pub fn limit_range(range: &mut LimitRange) {
    for limit in range.spec.iter_mut().flat_map(|s| &mut s.limits) {
        for amounts in [&mut limit.max, &mut limit.min, &mut limit.default, &mut limit.default_request, &mut limit.max_limit_request_ratio]
        {
            canonicalise(amounts.as_mut());
        }
        if limit.type_ == "Container" {
            container_limits(limit);
        }
    }
}

fn container_limits(limit: &mut LimitRangeItem) {
    let mut defaults = limit.default.take().unwrap_or_default();
    for (name, amount) in limit.max.iter().flatten() {
        defaults.entry(name.clone()).or_insert_with(|| amount.clone());
    }
    let mut requests = limit.default_request.take().unwrap_or_default();
    for (name, amount) in defaults.iter().chain(limit.min.iter().flatten()) {
        requests.entry(name.clone()).or_insert_with(|| amount.clone());
    }
    limit.default = (!defaults.is_empty()).then_some(defaults);
    limit.default_request = (!requests.is_empty()).then_some(requests);
}

/// Quantities in their canonical form.
pub fn resource_quota(quota: &mut ResourceQuota) {
    quota.spec.iter_mut().for_each(|s| canonicalise(s.hard.as_mut()));
    for status in quota.status.iter_mut() {
        canonicalise(status.hard.as_mut());
        canonicalise(status.used.as_mut());
    }
}

/// Ports are TCP.
pub fn endpoints(endpoints: &mut Endpoints) {
    let ports = endpoints.subsets.iter_mut().flatten().flat_map(|s| s.ports.iter_mut().flatten());
    for port in ports {
        super::fill(&mut port.protocol, "TCP");
    }
}

/// Ports have a name, if an empty one, and are TCP.
pub fn endpoint_slice(slice: &mut EndpointSlice) {
    for port in slice.ports.iter_mut().flatten() {
        port.name.get_or_insert_default();
        port.protocol.get_or_insert_with(|| "TCP".into());
    }
}

/// Pods of a class preempt others.
pub fn priority_class(class: &mut PriorityClass) {
    class.preemption_policy.get_or_insert_with(|| "PreemptLowerPriority".into());
}

/// What is empty is not there.
pub fn config_map(map: &mut ConfigMap) {
    if map.data.as_ref().is_some_and(|d| d.is_empty()) {
        map.data = None;
    }
    if map.binary_data.as_ref().is_some_and(|d| d.is_empty()) {
        map.binary_data = None;
    }
}

/// The sources of volumes that have defaults.
pub fn volume_source(spec: &mut PersistentVolumeSpec) {
    if let Some(path) = spec.host_path.as_mut() {
        path.type_.get_or_insert_default();
    }
    if let Some(iscsi) = spec.iscsi.as_mut() {
        super::fill(&mut iscsi.iscsi_interface, "default");
    }
    if let Some(rbd) = spec.rbd.as_mut() {
        super::fill(&mut rbd.pool, "rbd");
        super::fill(&mut rbd.user, "admin");
        super::fill(&mut rbd.keyring, "/etc/ceph/keyring");
    }
    if let Some(disk) = spec.azure_disk.as_mut() {
        disk.caching_mode.get_or_insert_with(|| "ReadWrite".into());
        disk.kind.get_or_insert_with(|| "Shared".into());
        disk.fs_type.get_or_insert_with(|| "ext4".into());
        disk.read_only.get_or_insert(false);
    }
    if let Some(scale) = spec.scale_io.as_mut() {
        super::fill(&mut scale.storage_mode, "ThinProvisioned");
        super::fill(&mut scale.fs_type, "xfs");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nodes_single_range_counts_more_than_its_list() {
        let agreed = |own: Option<&str>, all: &[&str]| {
            let all = Some(all.iter().map(|r| (*r).to_owned()).collect());
            let mut spec = NodeSpec { pod_cidr: own.map(str::to_owned), pod_cidrs: all, ..NodeSpec::default() };
            agree_on_ranges(&mut spec);
            (spec.pod_cidr, spec.pod_cidrs.unwrap_or_default())
        };
        let (a, b) = ("10.1.0.0/24".to_owned(), "fd00::/64".to_owned());
        assert_eq!(agreed(Some(&a), &["10.2.0.0/24", &b]), (Some(a.clone()), vec![a.clone()]));
        assert_eq!(agreed(None, &[&a, &b]), (Some(a.clone()), vec![a.clone(), b]));
        assert_eq!(agreed(Some(&a), &[]), (Some(a.clone()), vec![a]));
    }
}
