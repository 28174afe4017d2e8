//! A node cut off from the API server: its kubelet is told of nothing, its requests do not arrive, and its heartbeats are missed,
//! while its containers run on. When the link is back, what waited on either side of it arrives.
//! Not modelled: requests of the kubelet that time out and are given up meanwhile; the node's kube-proxy, which goes on being
//! told; traffic between pods, which is not cut; a kubelet that is started anew while its node is cut off.

use sim_apimachinery::Request;

use super::{Cluster, ComponentId, Process};
use crate::trace::StepId;

/// A request that waits for the link.
#[derive(Clone, Debug)]
pub(super) struct Stuck {
    token: u64,
    request: Request,
    cause: StepId,
}

impl Cluster {
    /// Cuts a node off, or joins it again.
    pub(super) fn cut_off(&mut self, node: &str, is_cut: bool, step: StepId) -> Result<(), String> {
        let component = ComponentId::Kubelet(node.into());
        self.hold(&Process::Kubelet(node.to_owned()), None, is_cut)?;
        if is_cut {
            self.cut.entry(component.clone()).or_default();
        } else {
            for Stuck { token, request, cause } in self.cut.remove(&component).unwrap_or_default() {
                self.send(component.clone(), self.now, token, request, cause);
            }
        }
        self.with_kubelet(node, step, |kubelet, context| kubelet.set_cut_off(is_cut, context));
        self.tell_silence(node, step);
        Ok(())
    }

    /// Keeps a request back if its sender is cut off; gives it back otherwise.
    pub(super) fn kept_back(&mut self, from: &ComponentId, token: u64, request: Request, cause: StepId) -> Option<Request> {
        match self.cut.get_mut(from) {
            Some(waiting) => {
                waiting.push(Stuck { token, request, cause });
                None
            }
            None => Some(request),
        }
    }
}
