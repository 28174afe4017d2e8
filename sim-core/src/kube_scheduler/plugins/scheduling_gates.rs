//! SchedulingGates: a pod with gates is not tried at all until they are gone.

use crate::kube_scheduler::pod_info::PodInfo;

/// Whether the pod must wait.
pub fn holds_back(pod: &PodInfo) -> bool {
    pod.pod.spec.as_ref().and_then(|s| s.scheduling_gates.as_ref()).is_some_and(|g| !g.is_empty())
}
