//! The control API: time can be paused, stepped, run on to a moment or a condition, and wound back; faults can be set; a
//! cluster can be kept, forked and taken up again. Each action is an input like any other and is written down.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sim_core::scenario::Player;
use sim_core::time::{MICROSECOND, SECOND, SimTime};

use crate::clock::Speed;
use crate::session::{Session, World};
use crate::view::Standing;

/// Events one action may run through.
const EVENTS_MAX: u64 = 20_000_000;
/// Virtual seconds a condition is waited for if nothing else is said.
const UNTIL_SECONDS_DEFAULT: f64 = 600.0;
/// Nanoseconds one jump may go.
const JUMP_MAX: u64 = 365 * 86_400 * SECOND;
/// Checkpoints and branches that are kept.
const KEPT_MAX: usize = 64;

/// What is asked of the control API.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Action {
    /// Says how things stand.
    Status,
    /// Says the digest of all that has happened.
    Digest,
    /// Says how the scenario that is played and each of its expectations stand.
    Verdicts,
    /// Virtual time stands still.
    Pause,
    /// Virtual time runs on as before the pause.
    Resume,
    /// Virtual time runs at this speed: a number, `max` or `paused`.
    Speed(String),
    /// Virtual time does not go beyond so many nanoseconds after the session began, until `release`, or until nothing is heard
    /// for five seconds; requests that name their moment (`Ksim-At`) move it on to that.
    Hold {
        /// How far it may go.
        nanos: u64,
    },
    /// Virtual time is held no more, and is soon where it would have been.
    Release,
    /// Handles so many events, wherever they lie; virtual time stands still afterwards.
    Step {
        /// How many.
        events: u64,
    },
    /// Handles events until an object has changed; virtual time stands still afterwards.
    NextChange,
    /// Runs as fast as possible for so many milliseconds of virtual time.
    Jump {
        /// How far.
        millis: u64,
    },
    /// Runs as fast as possible until a condition holds.
    Until(Condition),
    /// Sets or ends a fault, as a scenario's `fault` step.
    Fault(Value),
    /// Keeps the present under a name.
    Checkpoint(String),
    /// Goes back: to a checkpoint's name.
    Rewind(String),
    /// Goes back by so many milliseconds of virtual time.
    Back {
        /// How far.
        millis: u64,
    },
    /// Goes back to a moment: so many microseconds after the session began, to the end of that microsecond.
    BackTo {
        /// Which one.
        micros: u64,
    },
    /// Keeps the present as a branch of this name and goes on with a copy.
    Fork(String),
    /// Goes on with another branch; the present one is kept under the name it had.
    Switch(String),
    /// Keeps the present as the branch it is and goes on with a new one of this name, in which nothing has happened yet: the
    /// cluster as `ksim run` with this seed has it at its beginning, at that moment, and no scenario is played on it.
    Begin(String),
    /// Forgets a branch that waits.
    Drop(String),
}

/// Something to wait for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Condition {
    /// `kind/name`, such as `deployment/web`.
    pub object: String,
    /// Its namespace.
    #[serde(default = "default_namespace")]
    pub namespace: String,
    /// `condition=Available`, `phase=Running`, `delete`, `exists`, or `path.to.field=value`.
    pub holds: String,
    /// For how many virtual seconds at most.
    #[serde(default)]
    pub timeout_seconds: Option<u64>,
}

fn default_namespace() -> String {
    "default".into()
}

impl Action {
    /// Whether it changes nothing, so that it need not be done again when the session is.
    pub fn only_looks(&self) -> bool {
        matches!(self, Action::Status | Action::Digest | Action::Verdicts | Action::Hold { .. } | Action::Release)
    }

    /// Whether another world takes the place of the present one, so that what watchers know may never have been.
    pub fn replaces(&self) -> bool {
        matches!(self, Action::Rewind(_) | Action::Back { .. } | Action::BackTo { .. } | Action::Switch(_) | Action::Begin(_))
    }
}

/// The worlds of a session besides the present one.
#[derive(Debug)]
pub struct Branches {
    checkpoints: BTreeMap<String, World>,
    branches: BTreeMap<String, World>,
    current: String,
    resumed: Speed,
}

impl Default for Branches {
    fn default() -> Branches {
        Branches { checkpoints: BTreeMap::new(), branches: BTreeMap::new(), current: "main".into(), resumed: Speed::Milli(1000) }
    }
}

impl Branches {
    /// Keeps the present as the branch it is; what comes is another.
    fn branch_off(&mut self, name: &str, present: &World) -> Result<(), String> {
        if self.branches.contains_key(name) || name == self.current {
            return Err(format!("there is a branch {name:?} already; go on with it with `switch`"));
        }
        check_name(name)?;
        keep(&mut self.branches, &self.current.clone(), present)?;
        name.clone_into(&mut self.current);
        Ok(())
    }
}

impl Session {
    /// Does what is asked.
    pub(crate) fn act(&mut self, action: &Action) -> Result<Value, String> {
        match action {
            Action::Status => {}
            Action::Hold { nanos } => self.clock.hold(self.world.origin.cluster.now().plus(*nanos)),
            Action::Release => self.clock.release(),
            Action::Digest => return Ok(json!({"digest": format!("{:016x}", crate::session::digest(self.world.cluster()))})),
            Action::Verdicts => return Ok(crate::story::verdicts(&self.world.player)),
            Action::Pause => self.pause(),
            Action::Resume if self.clock.speed() == Speed::Paused => self.clock.set(self.branches.resumed, self.world.now()),
            Action::Resume => {}
            Action::Speed(text) => match text.parse()? {
                Speed::Paused => self.pause(),
                speed => self.clock.set(speed, self.world.now()),
            },
            Action::Step { .. } | Action::NextChange | Action::Jump { .. } | Action::Until(_) => {
                let moved = self.move_on(action);
                self.clock.set(self.clock.speed(), self.world.now());
                moved?;
            }
            Action::Fault(fault) => sim_core::scenario::inject_fault(&mut self.world.player, fault)?,
            _ => self.change_world(action)?,
        }
        Ok(self.status())
    }

    /// Lets virtual time come to another place.
    fn move_on(&mut self, action: &Action) -> Result<(), String> {
        match action {
            Action::Step { events } => {
                self.pause();
                (0..(*events).min(EVENTS_MAX)).all(|_| self.world.player.step(SimTime(u64::MAX)));
            }
            Action::NextChange => {
                self.pause();
                next_change(&mut self.world.player);
            }
            Action::Jump { millis } => {
                let by = millis.saturating_mul(1_000_000).min(JUMP_MAX);
                self.world.run_until(self.world.now().plus(by));
            }
            Action::Until(condition) => {
                self.world.remember();
                until(&mut self.world.player, condition)?;
            }
            _ => {}
        }
        Ok(())
    }

    /// Keeps the present, or goes on with another.
    fn change_world(&mut self, action: &Action) -> Result<(), String> {
        let kept = &mut self.branches;
        match action {
            Action::Checkpoint(name) => keep(&mut kept.checkpoints, name, &self.world)?,
            Action::Rewind(name) => {
                self.world = kept.checkpoints.get(name).cloned().ok_or_else(|| missing("checkpoint", name, &kept.checkpoints))?;
            }
            Action::Back { millis } => {
                let target = SimTime(self.world.now().0.saturating_sub(millis.saturating_mul(1_000_000)));
                self.rewind_to(target.max(self.world.origin.cluster.now()));
            }
            Action::BackTo { micros } => {
                let moment = SimTime((self.world.origin.began().0 / MICROSECOND).saturating_add(*micros).saturating_mul(MICROSECOND));
                if moment > self.world.now() {
                    return Err(format!("{micros} µs lie ahead, one cannot go back to them"));
                }
                let target = moment.plus(MICROSECOND - 1).min(self.world.now());
                self.rewind_to(target.max(self.world.origin.cluster.now()));
            }
            Action::Fork(name) => kept.branch_off(name, &self.world)?,
            Action::Begin(name) => {
                let anew = self.anew()?;
                self.branches.branch_off(name, &self.world)?;
                self.world = anew;
            }
            Action::Drop(name) if *name == kept.current => {
                return Err(format!("the branch {name:?} is live; go on with another first, with `switch`"));
            }
            Action::Drop(name) => {
                kept.branches.remove(name).ok_or_else(|| missing("branch", name, &kept.branches))?;
            }
            Action::Switch(name) if *name != kept.current => {
                let next = kept.branches.get(name).cloned().ok_or_else(|| missing("branch", name, &kept.branches))?;
                keep(&mut kept.branches, &kept.current.clone(), &self.world)?;
                self.world = next;
                kept.branches.remove(name);
                kept.current.clone_from(name);
            }
            _ => {}
        }
        self.clock.set(self.clock.speed(), self.world.now());
        Ok(())
    }

    fn pause(&mut self) {
        if self.clock.speed() != Speed::Paused {
            self.branches.resumed = self.clock.speed();
        }
        self.clock.set(Speed::Paused, self.world.now());
    }

    /// How things stand, for the browser view.
    pub(crate) fn standing(&self) -> Standing {
        let branches = self.branches.branches.keys().cloned().collect();
        Standing { speed: self.clock.speed().to_string(), branch: self.branches.current.clone(), branches }
    }

    fn status(&self) -> Value {
        let cluster = self.world.cluster();
        json!({
            "now": cluster.now().to_micro_time().0.to_string(),
            "elapsedSeconds": cluster.now().since(self.world.origin.cluster.now()) as f64 / SECOND as f64,
            "speed": self.clock.speed().to_string(),
            "revision": cluster.etcd().revision(),
            "events": self.world.player.moves(),
            "steps": cluster.trace.len(),
            "seed": cluster.seed(),
            "profile": cluster.profile().digest(),
            "branch": self.branches.current,
            "checkpoints": self.branches.checkpoints.keys().collect::<Vec<_>>(),
            "branches": self.branches.branches.keys().collect::<Vec<_>>(),
        })
    }
}

fn check_name(name: &str) -> Result<(), String> {
    if name.is_empty() || name.len() > 64 { Err("a name has 1 to 64 characters".into()) } else { Ok(()) }
}

fn keep(places: &mut BTreeMap<String, World>, name: &str, world: &World) -> Result<(), String> {
    check_name(name)?;
    if places.len() >= KEPT_MAX && !places.contains_key(name) {
        return Err(format!("at most {KEPT_MAX} of them are kept"));
    }
    places.insert(name.to_owned(), world.clone());
    Ok(())
}

fn missing(what: &str, name: &str, places: &BTreeMap<String, World>) -> String {
    let known: Vec<&str> = places.keys().map(String::as_str).collect();
    if known.is_empty() {
        format!("there is no {what} {name:?}; none is kept")
    } else {
        format!("there is no {what} {name:?}; kept are: {}", known.join(", "))
    }
}

fn next_change(player: &mut Player) {
    let before = player.cluster.etcd().revision();
    for _ in 0..EVENTS_MAX {
        if !player.step(SimTime(u64::MAX)) || player.cluster.etcd().revision() != before {
            return;
        }
    }
}

fn until(player: &mut Player, condition: &Condition) -> Result<(), String> {
    let (word, name) = condition.object.split_once('/').ok_or_else(|| format!("{:?} is no kind/name", condition.object))?;
    let kind = sim_apimachinery::Kind::from_word(word)
        .or_else(|| player.cluster.apiserver().custom_kind_of_word(word))
        .ok_or_else(|| format!("there is no kind {word:?}"))?;
    let namespace = if kind.is_namespaced() { condition.namespace.as_str() } else { "" };
    let seconds = condition.timeout_seconds.map_or(UNTIL_SECONDS_DEFAULT, |s| s as f64).min(365.0 * 86_400.0);
    let end = player.cluster.now().plus((seconds * SECOND as f64) as u64);
    let mut seen = None;
    loop {
        let cluster = &player.cluster;
        if seen != Some(cluster.etcd().revision()) {
            seen = Some(cluster.etcd().revision());
            let object = cluster.object(kind, namespace, name).map(sim_apimachinery::Object::to_json);
            if holds(object.as_ref(), &condition.holds) {
                return Ok(());
            }
        }
        if !player.step(end) {
            player.run_until(end);
            return Err(format!("{} did not come to {} within {seconds} s of virtual time", condition.object, condition.holds));
        }
    }
}

fn holds(object: Option<&Value>, what: &str) -> bool {
    let Some(object) = object else { return what == "delete" };
    match what.split_once('=') {
        None => what == "exists",
        Some(("condition", wanted)) => has_condition(object, wanted),
        Some(("phase", wanted)) => object.pointer("/status/phase").and_then(Value::as_str) == Some(wanted),
        Some((path, wanted)) => {
            let pointer = format!("/{}", path.trim_matches(['{', '}', '.']).replace('.', "/"));
            object.pointer(&pointer).is_some_and(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned) == wanted)
        }
    }
}

fn has_condition(object: &Value, wanted: &str) -> bool {
    let (name, status) = wanted.split_once('=').unwrap_or((wanted, "True"));
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|c| c["type"].as_str().is_some_and(|t| t.eq_ignore_ascii_case(name)) && c["status"] == status)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_read_from_the_object() {
        let object = json!({"status": {"phase": "Running", "readyReplicas": 3, "conditions": [{"type": "Ready", "status": "True"}]}});
        for yes in ["exists", "phase=Running", "condition=ready", "status.readyReplicas=3"] {
            assert!(holds(Some(&object), yes), "{yes}");
        }
        for no in ["delete", "phase=Pending", "condition=Ready=False", "status.readyReplicas=4", "nonsense"] {
            assert!(!holds(Some(&object), no), "{no}");
        }
        assert!(holds(None, "delete"));
    }

    #[test]
    fn actions_are_read_as_the_documentation_writes_them() {
        let read = |text: &str| serde_json::from_str::<Action>(text);
        assert_eq!(read("\"pause\"").ok(), Some(Action::Pause));
        assert_eq!(read("{\"step\":{\"events\":3}}").ok(), Some(Action::Step { events: 3 }));
        assert!(read("{\"until\":{\"object\":\"pod/x\",\"holds\":\"phase=Running\",\"bogus\":1}}").is_err());
    }
}
