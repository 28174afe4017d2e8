//! The cluster a scenario asks for: a shipped profile with the scenario's changes.

use sim_apimachinery::quantity::Quantity;

use super::format::ClusterChoice;
use crate::cluster::Profile;
use crate::kubelet::NodeConfig;

/// A cluster has at most this many nodes.
const NODES_MAX: u32 = 5000;

/// The profile a scenario asks for.
pub fn profile(choice: &ClusterChoice) -> Result<Profile, String> {
    let mut profile = Profile::named(&choice.profile).ok_or_else(|| format!("there is no cluster profile {:?}", choice.profile))?;
    if let Some(count) = choice.nodes {
        if count == 0 || count > NODES_MAX {
            return Err(format!("a cluster has 1 to {NODES_MAX} nodes"));
        }
        profile.nodes = (1..=count).map(NodeConfig::worker).collect();
    }
    let amount = |text: &Option<String>| text.as_deref().map(Quantity::parse).transpose();
    let (cpu, memory) = (amount(&choice.node_cpu)?, amount(&choice.node_memory)?);
    for node in &mut profile.nodes {
        if let Some(cpu) = cpu {
            node.cpu_millis = cpu.milli_value();
        }
        if let Some(memory) = memory {
            node.memory_bytes = memory.value();
        }
        if let Some(pods) = choice.node_pods {
            node.pods = i64::from(pods);
        }
        for (image, size) in &choice.images {
            node.images.insert(image.clone(), Quantity::parse(size)?.value().max(0) as u64);
        }
    }
    profile.registry.missing.extend(choice.missing_images.iter().cloned());
    profile.load_balancer = choice.load_balancer.unwrap_or(profile.load_balancer);
    Ok(profile)
}
