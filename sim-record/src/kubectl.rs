//! The time that kubectl takes. A step is done by plain requests, without a program that starts and reads schemas, so that
//! time is waited instead, as long as the scenario's cluster profile says: else every change would come too early, in the
//! recording of a real cluster as in that of a simulated one. A simulated cluster answers at once: the ways of requests and
//! answers are then counted as well, and each request names the moment at which it takes effect, so that nothing depends on when
//! this machine came to send it. The numbers are those `ksim run` draws with the same seed.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use sim_core::cluster::UserLinks;
use sim_core::scenario::format::{RolloutAction, Step};
use sim_core::scenario::{USER, profile};
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::plan::{Plan, Planned, What};
use crate::session::{Done, Session};
use crate::simulated::{self, Running, Simulated};

/// How long before its moment a request is sent to a simulated cluster, whose time is held for it.
const REQUEST_AHEAD: Duration = Duration::from_millis(50);
/// How long before a step its time is held, so that a machine that is busy just then is not too late.
const HOLD_AHEAD: Duration = Duration::from_millis(500);
/// How long what has happened may take to be seen through the watches.
const SEEN_AFTER: Duration = Duration::from_millis(200);

/// The user of a recording: the links to the cluster, and how far the user is.
pub struct Kubectl {
    /// Nothing for a file of commands: there kubectl itself is run.
    links: Option<Mutex<UserLinks>>,
    is_simulated: bool,
    /// The clock when the first step could begin.
    began: OnceLock<Running>,
    /// How far the user is, in nanoseconds of the cluster's time since then. It goes on by what things take, not by when this
    /// machine came to do them, so that small delays do not add up.
    at: Mutex<u64>,
}

impl Kubectl {
    /// The user of a plan.
    pub fn of(plan: &Plan, simulated: Option<&Simulated>) -> Result<Kubectl, String> {
        let links = plan.loaded.as_ref().map(|loaded| {
            let seed = simulated::seed(loaded, simulated);
            profile(&loaded.scenario.cluster).map(|profile| Mutex::new(UserLinks::new(&profile, seed, USER)))
        });
        Ok(Kubectl { links: links.transpose()?, is_simulated: simulated.is_some(), began: OnceLock::new(), at: Mutex::new(0) })
    }

    /// The user begins now.
    pub fn begin(&self, clock: Running) {
        _ = self.began.set(clock);
    }

    fn draw(&self, what: impl FnOnce(&mut UserLinks) -> u64) -> u64 {
        self.links.as_ref().map_or(0, |links| what(&mut lock(links)))
    }

    fn began(&self) -> Running {
        *self.began.get_or_init(|| Running { at: Instant::now(), elapsed: 0, now: None })
    }

    fn passes(&self, nanos: u64) -> u64 {
        let mut at = lock(&self.at);
        *at += nanos;
        *at
    }
}

impl Session {
    /// Whether the cluster is a simulated one.
    pub fn is_simulated(&self) -> bool {
        self.kubectl.is_simulated
    }

    /// What time it is where the cluster is, for the user.
    pub fn cluster_time(&self) -> Timestamp {
        match self.kubectl.began().now {
            Some(began) => began.checked_add(Duration::from_nanos(self.user_at())).unwrap_or(began),
            None => Timestamp::now(),
        }
    }

    /// How far the user is, in nanoseconds of the cluster's time since the first step could begin.
    pub fn user_at(&self) -> u64 {
        *lock(&self.kubectl.at)
    }

    /// The user does nothing until then.
    pub async fn user_waits(&self, until: u64) {
        let until = {
            let mut at = lock(&self.kubectl.at);
            *at = until.max(*at);
            *at
        };
        tokio::time::sleep_until(self.machine_time(until)).await;
    }

    /// What the user waited for has come now.
    pub fn user_is_here(&self) {
        let passed = self.kubectl.began().at.elapsed().as_secs_f64() * self.speed * 1e9;
        let mut at = lock(&self.kubectl.at);
        *at = (passed as u64).max(*at);
    }

    /// The time of a step comes. If it is a command to a simulated cluster, time is held there, and goes on with its requests.
    pub async fn step_comes(&self, planned: &Planned) -> Done<()> {
        let at = self.begins(planned);
        if self.is_held(planned) {
            self.comes(at, HOLD_AHEAD).await;
            self.hold(at).await?;
        }
        self.user_waits(at).await;
        Ok(())
    }

    /// The last request of a step is answered: time goes on, unless it is held for the next one already, and the step is over
    /// when its answer has come.
    pub async fn step_goes(&self, planned: &Planned) -> Done<()> {
        if self.is_held(planned) && !self.next_is_near(planned) {
            simulated::release(&self.cluster).await?;
        }
        self.user_waits(self.user_at()).await;
        Ok(())
    }

    /// The end of the recording comes. A simulated cluster is held there, so that the watches tell all that happened before
    /// and nothing else.
    pub async fn ends(&self, at: u64) -> Done<()> {
        if self.is_simulated() {
            self.comes(at, HOLD_AHEAD).await;
            self.hold(at).await?;
        }
        self.user_waits(at).await;
        if self.is_simulated() {
            tokio::time::sleep(SEEN_AFTER).await;
        }
        Ok(())
    }

    async fn hold(&self, at: u64) -> Done<()> {
        Ok(simulated::hold(&self.cluster, self.kubectl.began().elapsed + at).await?)
    }

    fn next_is_near(&self, planned: &Planned) -> bool {
        let next = self.plan.steps.iter().skip_while(|step| !std::ptr::eq(*step, planned)).nth(1);
        next.is_some_and(|next| self.is_held(next) && self.machine_time(self.begins(next)) <= Instant::now() + REQUEST_AHEAD)
    }

    /// When a step begins after the one before.
    fn begins(&self, planned: &Planned) -> u64 {
        planned.at.unwrap_or(self.user_at() + planned.after.unwrap_or(0)).max(self.user_at())
    }

    /// Whether time is held for a step: it consists of requests, the moments of which are known.
    pub fn is_held(&self, planned: &Planned) -> bool {
        matches!(&planned.what, What::Step(step) if self.is_knock(step) || step.is_command() && !self.is_awaited(step))
    }

    /// Whether a step is one request to an application, which takes no time of a simulated cluster.
    fn is_knock(&self, step: &Step) -> bool {
        self.is_simulated() && (step.http.is_some() || step.fault.is_some())
    }

    /// A command has started, and what it will do is no matter of requests to the API.
    pub async fn command_acts(&self, step: &Step) -> Done<()> {
        let at = self.user_at();
        if self.is_knock(step) {
            self.hold(at).await?;
        }
        if self.is_knock(step) || self.is_awaited(step) {
            self.user_waits(at).await;
        }
        Ok(())
    }

    /// Whether the end of a step is not known before it comes.
    pub fn is_awaited(&self, step: &Step) -> bool {
        let status = step.rollout.as_ref().is_some_and(|r| r.action == RolloutAction::Status);
        let waits = status || step.wait.is_some() || step.drain.is_some() || step.delete.as_ref().is_some_and(|d| d.wait);
        waits || step.http.is_some() || step.exec.is_some() || !self.is_simulated()
    }

    /// Waits as long as kubectl takes to start, and to read the schemas for what it applies.
    pub async fn command_starts(&self, schema_kinds: u64) {
        let at = self.kubectl.passes(self.kubectl.draw(|links| links.command_starts(schema_kinds)));
        self.comes(at, REQUEST_AHEAD).await;
    }

    /// The cluster for kubectl's next request, which reads.
    pub async fn reading(&self) -> Cluster {
        self.asked(true).await
    }

    /// The cluster for kubectl's next request, which changes something.
    pub async fn writing(&self) -> Cluster {
        self.asked(false).await
    }

    async fn asked(&self, reads: bool) -> Cluster {
        if !self.kubectl.is_simulated {
            return self.cluster.clone();
        }
        let at = self.kubectl.passes(self.kubectl.draw(|links| links.request(reads)));
        self.kubectl.passes(self.kubectl.draw(UserLinks::answer));
        self.comes(at, REQUEST_AHEAD).await;
        self.cluster.at(self.kubectl.began().elapsed + at)
    }

    /// A moment comes; for a simulated cluster it suffices that it will come soon.
    async fn comes(&self, at: u64, ahead: Duration) {
        let ahead = if self.kubectl.is_simulated { ahead } else { Duration::ZERO };
        let at = self.machine_time(at);
        tokio::time::sleep_until(at.checked_sub(ahead).unwrap_or(at)).await;
    }

    fn machine_time(&self, at: u64) -> Instant {
        self.kubectl.began().at + self.wall(at)
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
