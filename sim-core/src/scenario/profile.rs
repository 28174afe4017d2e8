//! The cluster a scenario asks for: a shipped profile with the scenario's changes.

use sim_apimachinery::quantity::Quantity;
use sim_apimachinery::yaml;
use sim_workload::ProfileSet;

use super::format::ClusterChoice;
use super::profile_limits;
use crate::cluster::Profile;
use crate::kubelet::NodeConfig;

/// A cluster has at most this many nodes.
const NODES_MAX: u32 = 5000;

/// Whether a scenario's `cluster.profile` names a file.
pub(super) fn is_file(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

/// The profile a text holds, as `ksim calibrate` writes it.
pub fn profile_of(text: &str) -> Result<Profile, String> {
    let read = yaml::read(text, &yaml::Limits::default()).map_err(|e| format!("line {}: {}", e.position.line, e.message))?;
    let value = read.documents.into_iter().next().ok_or("the file is empty")?.value;
    let profile = serde_path_to_error::deserialize(value).map_err(|e| format!("no cluster profile: {e}"))?;
    let numbers = serde_json::to_value(&profile).map_err(|e| e.to_string())?;
    profile_limits::check(&numbers).map_err(|e| format!("no cluster profile: {e}"))?;
    Ok(profile)
}

/// The profile a scenario asks for.
pub fn profile(choice: &ClusterChoice) -> Result<Profile, String> {
    let own = choice.own.as_deref().cloned();
    let base =
        own.or_else(|| Profile::named(&choice.profile)).ok_or_else(|| format!("there is no cluster profile {:?}", choice.profile))?;
    changed(base, choice)
}

/// How images behave in a cluster a scenario asks for.
pub fn workloads(choice: &ClusterChoice) -> Result<ProfileSet, String> {
    let mut workloads = ProfileSet::builtin();
    match choice.workloads.iter().find(|name| !workloads.prefer(name)) {
        Some(name) => Err(format!("there is no workload profile {name:?}")),
        None => Ok(workloads),
    }
}

/// A profile with what a scenario changes about it.
pub fn changed(base: Profile, choice: &ClusterChoice) -> Result<Profile, String> {
    let mut profile = base;
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
