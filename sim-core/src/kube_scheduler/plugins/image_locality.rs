//! ImageLocality: nodes that have a pod's images already score higher, weighed by size and spread.

use k8s_openapi::api::core::v1::Pod;

use crate::kube_scheduler::node_info::NodeInfo;

const SMALLEST: i64 = 23 << 20;
const LARGEST: i64 = 1000 << 20;

pub fn scores(pod: &Pod, nodes: &[&NodeInfo], all_nodes: usize) -> Vec<i64> {
    let Some(spec) = &pod.spec else { return vec![0; nodes.len()] };
    let images: Vec<String> = spec.containers.iter().chain(spec.init_containers.iter().flatten()).filter_map(|c| c.image.clone()).collect();
    let most = LARGEST * images.len().max(1) as i64;
    let mut sums = vec![0_i64; nodes.len()];
    for image in &images {
        let sizes: Vec<i64> = nodes.iter().map(|n| size_on(n, image)).collect();
        let having = sizes.iter().filter(|s| **s > 0).count() as i64;
        for (sum, size) in sums.iter_mut().zip(sizes) {
            *sum += size * having / all_nodes.max(1) as i64;
        }
    }
    sums.iter().map(|sum| 100 * (sum.clamp(&SMALLEST, &most) - SMALLEST) / (most - SMALLEST)).collect()
}

fn size_on(node: &NodeInfo, image: &str) -> i64 {
    let tagged = if image.rsplit('/').next().unwrap_or_default().contains(':') { image.to_owned() } else { format!("{image}:latest") };
    let images = node.node.status.iter().flat_map(|s| s.images.iter().flatten());
    let named = |names: &[String]| names.iter().any(|n| *n == tagged || n.ends_with(&format!("/{tagged}")));
    images.filter(|i| named(i.names.as_deref().unwrap_or_default())).map(|i| i.size_bytes.unwrap_or(0)).next().unwrap_or(0)
}
