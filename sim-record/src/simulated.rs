//! A cluster that `ksim serve` simulates, by its control API: what its clock does, and a branch of it for a recording.
//! In the branch nothing has happened yet, as at the beginning of `ksim run` with the same seed, so that the two tell the same;
//! what was there before waits meanwhile, and comes back untouched when the branch is left.

use http::Method;
use jiff::Timestamp;
use serde_json::{Value, json};
use sim_core::cluster::Profile;
use sim_core::scenario::Loaded;
use tokio::time::Instant;

use crate::cluster::{Cluster, JSON};
use crate::failure::{ApiError, Failure};
use crate::session::Made;

/// The path of the control API.
const CONTROL: &str = "/ksim/v1/control";

/// How a simulated cluster stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Simulated {
    /// Its seed of chance.
    pub seed: u64,
    /// How many times faster than real time its clock runs; nothing if it stands still or runs as fast as it can.
    pub speed: Option<f64>,
    /// The same in the server's words.
    pub speed_told: String,
    /// The branch that is live.
    pub branch: String,
    /// The digest of its profile as this seed makes it.
    profile: String,
}

impl Simulated {
    /// Asks whether a cluster is a simulated one whose clock and branches may be used.
    pub async fn find(cluster: &Cluster) -> Result<Option<Simulated>, ApiError> {
        match cluster.get(CONTROL).await {
            Ok(status) => Ok(Simulated::of(&status)),
            // Any other server, or one who asks is not its administrator.
            Err(ApiError::Refused { .. }) => Ok(None),
            Err(lost) => Err(lost),
        }
    }

    fn of(status: &Value) -> Option<Simulated> {
        let speed_told = status["speed"].as_str()?.to_owned();
        let speed = speed_told.parse().ok().filter(|speed| *speed > 0.0);
        let word = |name: &str| status[name].as_str().map(str::to_owned);
        Some(Simulated { seed: status["seed"].as_u64()?, speed, speed_told, branch: word("branch")?, profile: word("profile")? })
    }

    /// Whether it is the cluster that a profile describes.
    pub fn is_of(&self, profile: &Profile) -> bool {
        profile.clone().of_run(self.seed).digest() == self.profile
    }

    /// What there is to leave once the branch with this name is begun.
    pub fn branch(&self, name: &str) -> Made {
        Made::Branch { name: name.to_owned(), before: self.branch.clone(), speed: self.speed_told.clone() }
    }

    /// The speed of a recording in the cluster as it stands: its clock's.
    pub fn speed_here(&self, given: Option<f64>) -> Result<f64, Failure> {
        match (self.speed, given) {
            (None, _) => Err(Failure::Input(format!(
                "the time of this simulated cluster is {}: what happens when cannot be recorded (ksim ctl speed 1)",
                self.speed_told
            ))),
            (Some(own), Some(given)) if own != given => {
                Err(Failure::Input(format!("--speed {given}, but the clock of this simulated cluster runs at {own}")))
            }
            (Some(own), _) => Ok(own),
        }
    }
}

/// The seed of chance for a scenario: the simulated cluster's, or else its own.
pub fn seed(loaded: &Loaded, simulated: Option<&Simulated>) -> u64 {
    simulated.map_or(loaded.scenario.seed, |s| s.seed)
}

/// Begins a branch, whose time stands still.
pub async fn begin(cluster: &Cluster, name: &str) -> Result<(), ApiError> {
    act(cluster, &json!("pause")).await?;
    act(cluster, &json!({"begin": name})).await?;
    Ok(())
}

/// Lets time go no further than so many nanoseconds after the session began, and the moments of requests.
pub async fn hold(cluster: &Cluster, nanos: u64) -> Result<(), ApiError> {
    act(cluster, &json!({"hold": {"nanos": nanos}})).await?;
    Ok(())
}

/// Lets time go on.
pub async fn release(cluster: &Cluster) -> Result<(), ApiError> {
    act(cluster, &json!("release")).await?;
    Ok(())
}

/// A simulated clock that runs: where it was at a moment of this machine's.
#[derive(Clone, Copy, Debug)]
pub struct Running {
    /// The moment.
    pub at: Instant,
    /// How long the session had lasted then, in nanoseconds of its own time.
    pub elapsed: u64,
    /// The simulated time.
    pub now: Option<Timestamp>,
}

/// Lets time run.
pub async fn run(cluster: &Cluster, speed: f64) -> Result<Running, ApiError> {
    running(act(cluster, &json!({"speed": speed.to_string()}))).await
}

/// Looks where the clock is.
pub async fn look(cluster: &Cluster) -> Result<Running, ApiError> {
    running(cluster.get(CONTROL)).await
}

async fn running(asked: impl Future<Output = Result<Value, ApiError>>) -> Result<Running, ApiError> {
    let begun = Instant::now();
    let status = asked.await?;
    let seconds = status["elapsedSeconds"].as_f64().unwrap_or(0.0);
    let now = status["now"].as_str().and_then(|now| now.parse().ok());
    Ok(Running { at: begun + begun.elapsed() / 2, elapsed: (seconds * 1e9).round() as u64, now })
}

/// Goes back to the branch that was live before, whose time runs as it did, and forgets the one that was begun.
pub async fn leave(cluster: &Cluster, name: &str, before: &str, speed: &str) -> Result<(), ApiError> {
    release(cluster).await?;
    act(cluster, &json!("pause")).await?;
    act(cluster, &json!({"switch": before})).await?;
    match act(cluster, &json!({"drop": name})).await {
        // It was never begun.
        Err(ApiError::Refused { .. }) => {}
        dropped => _ = dropped?,
    }
    act(cluster, &json!({"speed": speed})).await?;
    Ok(())
}

async fn act(cluster: &Cluster, action: &Value) -> Result<Value, ApiError> {
    cluster.send(Method::POST, CONTROL, JSON, action).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(speed: &str) -> Simulated {
        let profile = Profile::docker_desktop().of_run(3).digest();
        Simulated::of(&json!({"seed": 3, "speed": speed, "branch": "main", "profile": profile})).expect("it is one")
    }

    #[test]
    fn a_clock_that_does_not_run_evenly_cannot_be_recorded_here() {
        for told in ["paused", "max"] {
            assert!(standing(told).speed_here(Some(1.0)).is_err(), "{told}");
        }
        assert_eq!(standing("2.5").speed_here(None), Ok(2.5));
        assert_eq!(standing("2.5").speed_here(Some(2.5)), Ok(2.5));
        assert!(standing("2.5").speed_here(Some(1.0)).is_err());
    }

    #[test]
    fn clusters_are_told_apart_by_their_profiles() {
        assert!(standing("1").is_of(&Profile::docker_desktop()));
        assert!(!standing("1").is_of(&Profile::three_nodes()));
    }

    #[test]
    fn other_servers_are_not_simulated() {
        assert_eq!(Simulated::of(&json!({"kind": "Status"})), None);
    }
}
