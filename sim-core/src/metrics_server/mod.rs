//! metrics-server: reads the kubelets every 15 seconds and answers `metrics.k8s.io` for pods.
//! What a kubelet tells at a reading is the usage it had worked out by the reading before: CPU is the difference of the two
//! readings before the last (or from the container's start), and carries the time of the last. So load shows 15 to 30
//! seconds late, as in the recordings of a real cluster.
//! Not modelled: node metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_apimachinery::PodMetrics;

use crate::component::Sample;
use crate::time::{SECOND, SimTime};

#[derive(Clone, Debug, PartialEq)]
struct Reading {
    at: SimTime,
    cpu_nanos: u64,
    memory_bytes: u64,
    started: SimTime,
}

/// How long a window a reading covers.
const WINDOW: u64 = 15 * SECOND;

type Pod = (Arc<str>, Arc<str>);
/// The last three readings, newest first.
type Readings = Vec<Reading>;

/// The metrics server.
#[derive(Clone, Debug, Default)]
pub struct MetricsServer {
    pods: BTreeMap<Pod, BTreeMap<Arc<str>, Readings>>,
}

impl MetricsServer {
    /// One that has read nothing yet.
    pub fn new() -> Self {
        MetricsServer::default()
    }

    /// Takes in what all kubelets told at one moment; containers they did not tell of are forgotten.
    pub fn scrape(&mut self, now: SimTime, samples: &[Sample]) {
        let mut before = std::mem::take(&mut self.pods);
        for sample in samples {
            let pod: Pod = (sample.namespace.clone(), sample.pod.clone());
            let reading = Reading { at: now, cpu_nanos: sample.cpu_nanos, memory_bytes: sample.memory_bytes, started: sample.started };
            let mut readings = before.get_mut(&pod).and_then(|c| c.remove(&sample.container)).unwrap_or_default();
            readings.retain(|r| r.started == reading.started);
            readings.insert(0, reading);
            readings.truncate(3);
            self.pods.entry(pod).or_default().insert(sample.container.clone(), readings);
        }
    }

    /// Usage of the pods of a namespace whose names are chosen.
    pub fn pod_metrics(&self, _now: SimTime, namespace: &str, chosen: &dyn Fn(&str) -> bool) -> Vec<PodMetrics> {
        let pods = self.pods.iter().filter(|((ns, name), _)| (namespace.is_empty() || **ns == *namespace) && chosen(name));
        pods.filter_map(|((namespace, name), containers)| usage(namespace, name, containers)).collect()
    }
}

fn usage(namespace: &Arc<str>, name: &Arc<str>, containers: &BTreeMap<Arc<str>, Readings>) -> Option<PodMetrics> {
    let mut metrics = PodMetrics { namespace: namespace.clone(), name: name.clone(), timestamp: 0, window: WINDOW, containers: vec![] };
    for (container, readings) in containers {
        let newest = readings.first()?;
        let end = readings.get(1).unwrap_or(newest);
        let (from, used_before) = readings.get(2).map_or((end.started, 0), |r| (r.at, r.cpu_nanos));
        let window = end.at.since(from).max(1);
        let cpu = u128::from(end.cpu_nanos.saturating_sub(used_before)) * u128::from(SECOND) / u128::from(window);
        metrics.timestamp = metrics.timestamp.max(newest.at.0);
        metrics.containers.push((container.clone(), cpu as u64, newest.memory_bytes));
    }
    Some(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu_nanos: u64) -> Sample {
        Sample { namespace: "n".into(), pod: "p".into(), container: "c".into(), cpu_nanos, memory_bytes: 7, started: SimTime(0) }
    }

    fn cpu(server: &MetricsServer) -> Vec<u64> {
        server.pod_metrics(SimTime(0), "n", &|_| true).iter().map(|m| m.containers[0].1).collect()
    }

    #[test]
    fn usage_is_told_one_reading_late() {
        let mut server = MetricsServer::new();
        assert!(cpu(&server).is_empty());
        let mut told = Vec::new();
        for (at, used) in [(10, 1), (25, 4), (40, 4), (55, 4)] {
            server.scrape(SimTime(at * SECOND), &[sample(used * SECOND)]);
            told.extend(cpu(&server));
        }
        assert_eq!(told, [100_000_000, 100_000_000, 200_000_000, 0]);
    }
}
