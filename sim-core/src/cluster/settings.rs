//! What a cluster is begun with besides its profile: parts that are left out, so that a real one or the user's own takes
//! their place through the API, and the moment at which virtual time begins.

use std::sync::Arc;

use crate::credentials::Authority;
use crate::kube_controller_manager::controller_names;
use crate::time::SimTime;

/// Parts that can be left out besides single controllers. `all` leaves the API server and etcd alone.
pub const PARTS: [&str; 7] = ["all", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "coredns", "metrics-server"];

/// What a cluster is begun with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// When virtual time begins; a fixed day if none is given.
    pub start: Option<SimTime>,
    /// Parts left out, by their name.
    pub without: Vec<String>,
    /// Whether whoever serves the cluster calls webhooks at addresses outside of it.
    pub calls_out: bool,
    /// Whether it is remembered when each watch was told of each change and what pods used when, so that it can be shown later.
    pub remembers_deliveries: bool,
    /// The certificate authority; one that everybody knows if none is given.
    pub authority: Option<Arc<Authority>>,
}

impl Settings {
    /// Whether a part is there.
    pub fn has(&self, part: &str) -> bool {
        !self.without.iter().any(|w| w == "all" || w == part)
    }

    /// Refuses names of parts that do not exist.
    pub fn check(&self) -> Result<(), String> {
        let controllers = controller_names();
        match self.without.iter().find(|w| !PARTS.contains(&w.as_str()) && !controllers.contains(&w.as_str())) {
            None => Ok(()),
            Some(wrong) => {
                Err(format!("there is no part {wrong:?}; parts are: {}; controllers are: {}", PARTS.join(", "), controllers.join(", ")))
            }
        }
    }
}
