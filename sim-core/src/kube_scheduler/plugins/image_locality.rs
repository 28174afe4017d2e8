//! ImageLocality: a node that has the pod's images already is better, the more so the larger they are and the more nodes
//! have them. Source: pkg/scheduler/framework/plugins/imagelocality.

use crate::kube_scheduler::cache::SchedulerCache;
use crate::kube_scheduler::node_info::{NodeInfo, Slot};
use crate::kube_scheduler::pod_info::PodInfo;

const MEBIBYTE: i64 = 1024 * 1024;
const SMALLEST: i64 = 23 * MEBIBYTE;
const LARGEST_PER_CONTAINER: i64 = 1000 * MEBIBYTE;

/// 0 to 100 for each node; `None` (which is 0 for all) if no node has any of the images.
pub fn score(pod: &PodInfo, nodes: &[Slot], cache: &SchedulerCache) -> Option<Vec<i64>> {
    let volumes = pod.pod.spec.as_ref().and_then(|s| s.volumes.as_deref()).unwrap_or_default();
    let of_volumes = volumes.iter().filter_map(|v| v.image.as_ref()?.reference.as_deref());
    let wanted: Vec<&str> = pod.containers().map(|c| c.image.as_deref().unwrap_or("")).chain(of_volumes).collect();
    let known = |name: &&str| cache.image_nodes.get_key_value(&normalized(name)).map(|(k, n)| (k.as_str(), i64::from(*n)));
    let images: Vec<(&str, i64)> = wanted.iter().filter_map(known).collect();
    if images.is_empty() {
        return None;
    }
    let total = cache.node_count().max(1) as i64;
    Some(nodes.iter().map(|s| of_node(&cache.nodes[*s as usize], &images, total, wanted.len() as i64)).collect())
}

fn of_node(node: &NodeInfo, images: &[(&str, i64)], total: i64, containers: i64) -> i64 {
    let spread = |size: i64, having: i64| (size as f64 * (having as f64 / total as f64)) as i64;
    let sum: i64 = images.iter().filter_map(|(name, having)| Some(spread(*node.images.get(*name)?, *having))).sum();
    let largest = LARGEST_PER_CONTAINER * containers;
    100 * (sum.clamp(SMALLEST, largest) - SMALLEST) / (largest - SMALLEST)
}

/// An image's name with its tag: `:latest` if it has none.
fn normalized(name: &str) -> String {
    let tagged = match (name.rfind(':'), name.rfind('/')) {
        (Some(colon), Some(slash)) => colon > slash,
        (colon, _) => colon.is_some(),
    };
    if tagged { name.to_owned() } else { format!("{name}:latest") }
}
