//! metrics-server: asks the kubelets every 15 seconds and answers `metrics.k8s.io` for pods.
//! What it tells is the use each kubelet worked out last, with the moment of asking, as the recordings of a real cluster show
//! it: a container uses nothing before its second reading, and load shows 10 to 35 seconds late.
//! Not modelled: node metrics; that metrics-server's own time stamps are those of the kubelets' readings.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_apimachinery::PodMetrics;

use crate::component::Sample;
use crate::time::{SECOND, SimTime};

/// How long a window it says it has measured.
const WINDOW: u64 = 15 * SECOND;

type Pod = (Arc<str>, Arc<str>);
type Containers = Vec<(Arc<str>, u64, u64)>;

/// The metrics server.
#[derive(Clone, Debug, Default)]
pub struct MetricsServer {
    asked: SimTime,
    pods: BTreeMap<Pod, Containers>,
}

impl MetricsServer {
    /// One that has asked nobody yet.
    pub fn new() -> Self {
        MetricsServer::default()
    }

    /// Takes in what all kubelets told at one moment; containers they did not tell of are forgotten.
    pub fn scrape(&mut self, now: SimTime, samples: &[Sample]) {
        self.asked = now;
        self.pods.clear();
        for sample in samples {
            let pod = (sample.namespace.clone(), sample.pod.clone());
            self.pods.entry(pod).or_default().push((sample.container.clone(), sample.cpu_nano_cores, sample.memory_bytes));
        }
    }

    /// How many pods of a namespace (of all if it is empty) it knows.
    pub fn pods_in(&self, namespace: &str) -> u64 {
        self.pods.keys().filter(|(of, _)| namespace.is_empty() || **of == *namespace).count() as u64
    }

    /// Usage of the pods of a namespace (of all if it is empty) whose names are chosen.
    pub fn pod_metrics(&self, namespace: &str, chosen: &dyn Fn(&str) -> bool) -> Vec<PodMetrics> {
        let pods = self.pods.iter().filter(|((ns, name), _)| (namespace.is_empty() || **ns == *namespace) && chosen(name));
        let told = |((namespace, name), containers): (&Pod, &Containers)| PodMetrics {
            namespace: namespace.clone(),
            name: name.clone(),
            timestamp: self.asked.0,
            window: WINDOW,
            containers: containers.clone(),
        };
        pods.map(told).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(pod: &str, cpu_nano_cores: u64) -> Sample {
        Sample { namespace: "n".into(), pod: pod.into(), container: "c".into(), cpu_nano_cores, memory_bytes: 7 }
    }

    #[test]
    fn the_last_answer_of_the_kubelets_is_told() {
        let mut server = MetricsServer::new();
        assert!(server.pod_metrics("n", &|_| true).is_empty());
        server.scrape(SimTime(5 * SECOND), &[sample("a", 1), sample("b", 2)]);
        server.scrape(SimTime(20 * SECOND), &[sample("b", 3)]);
        let told = server.pod_metrics("n", &|_| true);
        assert_eq!((told.len(), &*told[0].name, told[0].timestamp, told[0].containers[0].1), (1, "b", 20 * SECOND, 3));
        assert!(server.pod_metrics("other", &|_| true).is_empty() && server.pod_metrics("n", &|name| name == "a").is_empty());
    }
}
