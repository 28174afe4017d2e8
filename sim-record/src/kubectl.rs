//! The time that kubectl takes. A step is done by plain requests, without a program that starts and reads schemas, so that
//! time is waited instead, as long as the scenario's cluster profile says: else every change would come too early, in the
//! recording of a real cluster as in that of a simulated one. A simulated cluster answers at once; the ways of requests and
//! answers are then waited as well. The numbers are those `ksim run` draws with the same seed.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sim_core::cluster::UserLinks;
use sim_core::scenario::{USER, profile};
use tokio::time::Instant;

use crate::plan::{Plan, What};
use crate::session::Session;
use crate::simulated::Simulated;

/// The user of a recording: the links to the cluster, and how far the user is.
pub struct Kubectl {
    /// Nothing for a file of commands: there kubectl itself is run.
    links: Option<Mutex<UserLinks>>,
    answers_at_once: bool,
    /// The moment the user has come to. It goes on by what things take, not by when this machine came to do them, so that small
    /// delays do not add up.
    at: Mutex<Instant>,
}

impl Kubectl {
    /// The user of a plan.
    pub fn of(plan: &Plan, simulated: Option<&Simulated>) -> Result<Kubectl, String> {
        let links = plan.loaded.as_ref().map(|loaded| {
            let seed = simulated.map_or(loaded.scenario.seed, |s| s.seed);
            profile(&loaded.scenario.cluster).map(|profile| Mutex::new(UserLinks::new(&profile, seed, USER)))
        });
        Ok(Kubectl { links: links.transpose()?, answers_at_once: simulated.is_some(), at: Mutex::new(Instant::now()) })
    }

    fn draw(&self, what: impl FnOnce(&mut UserLinks) -> u64) -> u64 {
        self.links.as_ref().map_or(0, |links| what(&mut lock(links)))
    }
}

impl Session {
    /// The moment the user has come to.
    pub fn user_at(&self) -> Instant {
        *lock(&self.kubectl.at)
    }

    /// The user does nothing until then.
    pub async fn user_waits(&self, until: Instant) {
        let until = {
            let mut at = lock(&self.kubectl.at);
            *at = until.max(*at);
            *at
        };
        tokio::time::sleep_until(until).await;
    }

    /// The user has waited for something that came now.
    pub fn user_is_here(&self) {
        let mut at = lock(&self.kubectl.at);
        *at = Instant::now().max(*at);
    }

    /// Waits as long as kubectl takes to start, and to read the schemas for what it applies.
    pub async fn command_starts(&self, schema_kinds: u64) {
        self.passes(self.kubectl.draw(|links| links.command_starts(schema_kinds))).await;
    }

    /// A request of kubectl that reads.
    pub async fn reads<T>(&self, request: impl Future<Output = T>) -> T {
        self.asks(true, request).await
    }

    /// A request of kubectl that changes something.
    pub async fn writes<T>(&self, request: impl Future<Output = T>) -> T {
        self.asks(false, request).await
    }

    async fn asks<T>(&self, reads: bool, request: impl Future<Output = T>) -> T {
        if !self.kubectl.answers_at_once {
            let answer = request.await;
            self.user_is_here();
            return answer;
        }
        self.passes(self.kubectl.draw(|links| links.request(reads))).await;
        let answer = request.await;
        self.passes(self.kubectl.draw(UserLinks::answer)).await;
        answer
    }

    async fn passes(&self, nanos: u64) {
        self.user_waits(self.user_at() + self.wall(nanos)).await;
    }
}

impl Plan {
    /// Whether kubectl is started for a step, and how many kinds the schemas tell of that it reads then.
    pub fn command(&self, what: &What) -> Option<u64> {
        match what {
            What::Step(step) if step.is_command() => Some(match &step.apply {
                Some(_) => sim_core::scenario::schema_kinds(self.manifests(step).iter()),
                None => 0,
            }),
            _ => None,
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
