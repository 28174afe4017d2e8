//! The links of a scenario's user by themselves: for one who does the same steps to a served cluster, and takes the time for it
//! that the simulated user takes. With the same profile, seed and requests the times are the same.
//! Not known here: requests to the metrics API, faults of links and a slow store, which lengthen what is told here.

use super::{COMMANDS, ComponentId, LinkLatencies, Profile};
use crate::random::Streams;
use crate::time::Nanos;

/// How long the requests of a scenario's user are on their way.
#[derive(Debug)]
pub struct UserLinks {
    latencies: LinkLatencies,
    streams: Streams<ComponentId>,
    user: ComponentId,
}

impl UserLinks {
    /// The links of the user with this number, in a run of this profile with this seed.
    pub fn new(profile: &Profile, seed: u64, user: u32) -> UserLinks {
        let latencies = profile.clone().of_run(seed).links;
        UserLinks { latencies, streams: Streams::named(seed, "links/"), user: ComponentId::User(user) }
    }

    /// From the next command to its first request, as `Cluster::command_latency`.
    pub fn command_starts(&mut self, schema_kinds: u64) -> Nanos {
        self.latencies.command_starts(self.streams.of(&COMMANDS), schema_kinds)
    }

    /// From the sending of the next request to its effect.
    pub fn request(&mut self, reads: bool) -> Nanos {
        let latency = if reads { self.latencies.read } else { self.latencies.commit };
        latency.draw(self.streams.of(&self.user))
    }

    /// From the effect of the request to its answer.
    pub fn answer(&mut self) -> Nanos {
        self.latencies.answer.draw(self.streams.of(&self.user))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use sim_apimachinery::{Kind, ObjectKey, Request, Verb};
    use sim_workload::ProfileSet;

    use super::*;
    use crate::cluster::Cluster;
    use crate::trace::BEGINNING;

    #[test]
    fn a_request_takes_as_long_as_in_the_cluster() {
        for seed in [1, 7] {
            let mut cluster = Cluster::new(Arc::new(Profile::docker_desktop()), Arc::new(ProfileSet::builtin()), seed);
            let mut links = UserLinks::new(&Profile::docker_desktop(), seed, 1);
            assert_eq!(links.command_starts(7), cluster.command_latency(7));
            for _ in 0..5 {
                let began = cluster.now();
                let read = Verb::Get { key: ObjectKey::new(Kind::Namespace, "", "default") };
                cluster.ask(1, Request::new(&"kubectl".into(), read), BEGINNING).expect("it is there");
                assert_eq!(links.request(true) + links.answer(), cluster.now().since(began));
            }
        }
    }
}
