//! metrics-server: reads the kubelets every 15 seconds and answers `metrics.k8s.io` for pods.
//! Usage of CPU is the difference of the last two readings; a pod with a container that has not two is left out.
//! Node metrics are the sum of nothing yet: only pods are answered.

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

type Pod = (Arc<str>, Arc<str>);
/// The reading before the last, if there was one, and the last.
type Readings = (Option<Reading>, Reading);

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
            let old = before.get_mut(&pod).and_then(|c| c.remove(&sample.container)).map(|(_, last)| last);
            let old = old.filter(|o| o.started == reading.started).or_else(|| first_of_a_young_container(&reading));
            self.pods.entry(pod).or_default().insert(sample.container.clone(), (old, reading));
        }
    }

    /// Usage of the pods of a namespace whose names are chosen.
    pub fn pod_metrics(&self, _now: SimTime, namespace: &str, chosen: &dyn Fn(&str) -> bool) -> Vec<PodMetrics> {
        let pods = self.pods.iter().filter(|((ns, name), _)| (namespace.is_empty() || **ns == *namespace) && chosen(name));
        pods.filter_map(|((namespace, name), containers)| usage(namespace, name, containers)).collect()
    }
}

/// A container that started at least ten seconds ago can be judged from its start.
fn first_of_a_young_container(reading: &Reading) -> Option<Reading> {
    let age = reading.at.since(reading.started);
    (age >= 10 * SECOND).then_some(Reading { at: reading.started, cpu_nanos: 0, memory_bytes: 0, started: reading.started })
}

fn usage(namespace: &Arc<str>, name: &Arc<str>, containers: &BTreeMap<Arc<str>, Readings>) -> Option<PodMetrics> {
    let mut metrics = PodMetrics { namespace: namespace.clone(), name: name.clone(), timestamp: 0, window: 0, containers: vec![] };
    for (container, (old, new)) in containers {
        let old = old.as_ref()?;
        let window = new.at.since(old.at).max(1);
        let cpu = u128::from(new.cpu_nanos.saturating_sub(old.cpu_nanos)) * u128::from(SECOND) / u128::from(window);
        metrics.timestamp = metrics.timestamp.max(new.at.0);
        metrics.window = metrics.window.max(window);
        metrics.containers.push((container.clone(), cpu as u64, new.memory_bytes));
    }
    Some(metrics)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(cpu_nanos: u64) -> Sample {
        Sample { namespace: "n".into(), pod: "p".into(), container: "c".into(), cpu_nanos, memory_bytes: 7, started: SimTime(0) }
    }

    #[test]
    fn usage_is_the_difference_of_two_readings() {
        let mut server = MetricsServer::new();
        server.scrape(SimTime(5 * SECOND), &[sample(SECOND)]);
        assert!(server.pod_metrics(SimTime(5 * SECOND), "n", &|_| true).is_empty());
        server.scrape(SimTime(20 * SECOND), &[sample(4 * SECOND)]);
        let metrics = server.pod_metrics(SimTime(20 * SECOND), "n", &|_| true);
        assert_eq!(metrics[0].containers, [("c".into(), 200_000_000, 7)]);
    }
}
