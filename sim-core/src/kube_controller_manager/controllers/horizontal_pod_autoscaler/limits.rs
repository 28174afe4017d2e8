//! How far and how fast a proposal is followed: stabilisation windows, policies, and the bounds of the spec.
//! Without `behavior` the older rules hold: the highest recommendation of five minutes, and at most double (or 4).
//! Source: pkg/controller/podautoscaler/horizontal.go.

use k8s_openapi::api::autoscaling::v2::HPAScalingRules;
use sim_apimachinery::quantity::milli;

use super::replicas::Tolerances;
use super::{Look, bounds};
use crate::time::{MINUTE, Nanos, SECOND, SimTime};

const DOWN_WINDOW: Nanos = 5 * MINUTE;
/// 10 %, in parts of a million.
const TOLERANCE: i64 = 100_000;
/// Nothing older than this is remembered.
const MEMORY: Nanos = 60 * MINUTE;

/// What was recommended and done lately.
#[derive(Clone, Debug, Default)]
pub struct Changes {
    recommendations: Vec<(SimTime, i32)>,
    changes: Vec<(SimTime, i32)>,
}

impl Changes {
    /// A rescale was done.
    pub fn note(&mut self, now: SimTime, from: i32, to: i32) {
        self.changes.retain(|(at, _)| now.since(*at) < MEMORY);
        self.changes.push((now, to - from));
    }

    /// The first look at an autoscaler recommends the size there is.
    pub fn begin(&mut self, now: SimTime, current: i32) {
        if self.recommendations.is_empty() {
            self.recommendations.push((now, current));
        }
    }

    fn recommend(&mut self, now: SimTime, replicas: i32) {
        self.recommendations.retain(|(at, _)| now.since(*at) < MEMORY);
        self.recommendations.push((now, replicas));
    }

    fn within(&self, now: SimTime, window: Nanos) -> impl Iterator<Item = i32> {
        self.recommendations.iter().filter(move |(at, _)| now.since(*at) < window).map(|(_, replicas)| *replicas)
    }

    /// The size at the beginning of a period, from the size now and what changed since.
    fn start(&self, now: SimTime, period: Nanos, current: i32) -> i32 {
        let changed: i32 = self.changes.iter().filter(|(at, _)| now.since(*at) < period).map(|(_, by)| *by).sum();
        current - changed
    }
}

impl Look {
    pub(super) fn tolerances(&self) -> Tolerances {
        let of = |rules: Option<&HPAScalingRules>| rules.and_then(|r| r.tolerance.as_ref()).map_or(TOLERANCE, |q| milli(q) * 1000);
        let behavior = self.autoscaler.spec.behavior.as_ref();
        Tolerances { up: of(behavior.and_then(|b| b.scale_up.as_ref())), down: of(behavior.and_then(|b| b.scale_down.as_ref())) }
    }

    /// The size to go to, with the conditions that say why it is not the proposal.
    pub(super) fn limit(&mut self, changes: &mut Changes, current: i32, proposal: i32) -> i32 {
        let Some(behavior) = self.autoscaler.spec.behavior.clone() else { return self.limit_without_behavior(changes, current, proposal) };
        let (up, down) = (behavior.scale_up.unwrap_or_default(), behavior.scale_down.unwrap_or_default());
        let window =
            |rules: &HPAScalingRules, default: Nanos| rules.stabilization_window_seconds.map_or(default, |s| s.max(0) as u64 * SECOND);
        let least_up = changes.within(self.now, window(&up, 0)).chain([proposal]).min().unwrap_or(proposal);
        let most_down = changes.within(self.now, window(&down, DOWN_WINDOW)).chain([proposal]).max().unwrap_or(proposal);
        changes.recommend(self.now, proposal);
        let stabilised = current.max(least_up).min(most_down.max(current.min(least_up)));
        let stabilised = if current < least_up {
            least_up
        } else if current > most_down {
            most_down
        } else {
            stabilised
        };
        match stabilised != proposal {
            true if proposal >= current => self.set(
                "AbleToScale",
                true,
                "ScaleUpStabilized",
                "recent recommendations were lower than current one, applying the lowest recent recommendation",
            ),
            true => self.set(
                "AbleToScale",
                true,
                "ScaleDownStabilized",
                "recent recommendations were higher than current one, applying the highest recent recommendation",
            ),
            false => self.set("AbleToScale", true, "ReadyForNewScale", "recommended size matches current size"),
        }
        self.limit_rate(changes, current, stabilised, &up, &down)
    }

    fn limit_rate(&mut self, changes: &Changes, current: i32, wanted: i32, up: &HPAScalingRules, down: &HPAScalingRules) -> i32 {
        let (min, max) = bounds(&self.autoscaler);
        if wanted > current {
            let rate = allowed(changes, self.now, current, up, true).max(current);
            if wanted > rate.min(max) {
                let (reason, text) = if rate < max {
                    ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
                } else {
                    ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
                };
                self.set("ScalingLimited", true, reason, text);
                return rate.min(max);
            }
        } else if wanted < current {
            let rate = allowed(changes, self.now, current, down, false).min(current);
            if wanted < rate.max(min) {
                let (reason, text) = if rate > min {
                    ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")
                } else {
                    ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
                };
                self.set("ScalingLimited", true, reason, text);
                return rate.max(min);
            }
        }
        self.within_range();
        wanted
    }

    fn within_range(&mut self) {
        self.set("ScalingLimited", false, "DesiredWithinRange", "the desired count is within the acceptable range");
    }

    fn limit_without_behavior(&mut self, changes: &mut Changes, current: i32, proposal: i32) -> i32 {
        let stabilised = changes.within(self.now, DOWN_WINDOW).chain([proposal]).max().unwrap_or(proposal);
        changes.recommend(self.now, proposal);
        if stabilised != proposal {
            self.set(
                "AbleToScale",
                true,
                "ScaleDownStabilized",
                "recent recommendations were higher than current one, applying the highest recent recommendation",
            );
        } else {
            self.set("AbleToScale", true, "ReadyForNewScale", "recommended size matches current size");
        }
        let (min, max) = bounds(&self.autoscaler);
        let rate = (2 * current).max(4);
        let upper = max.min(rate);
        if stabilised > upper {
            let (reason, text) = if rate < max {
                ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
            } else {
                ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
            };
            self.set("ScalingLimited", true, reason, text);
            return upper;
        }
        if stabilised < min {
            self.set("ScalingLimited", true, "TooFewReplicas", "the desired replica count is less than the minimum replica count");
            return min;
        }
        self.within_range();
        stabilised
    }
}

/// The size the policies allow.
fn allowed(changes: &Changes, now: SimTime, current: i32, rules: &HPAScalingRules, up: bool) -> i32 {
    let select = rules.select_policy.as_deref().unwrap_or("Max");
    if select == "Disabled" {
        return current;
    }
    let sizes = rules.policies.iter().flatten().map(|policy| {
        let start = changes.start(now, policy.period_seconds.max(0) as u64 * SECOND, current);
        match (policy.type_.as_str(), up) {
            ("Pods", true) => start + policy.value,
            ("Pods", false) => start - policy.value,
            (_, true) => (i64::from(start) * i64::from(100 + policy.value)).div_ceil_to(100),
            (_, false) => (i64::from(start) * i64::from(100 - policy.value) / 100) as i32,
        }
    });
    let most_change = (select == "Max") == up;
    if most_change { sizes.max().unwrap_or(current) } else { sizes.min().unwrap_or(current) }
}

trait DivCeil {
    fn div_ceil_to(self, by: i64) -> i32;
}

impl DivCeil for i64 {
    fn div_ceil_to(self, by: i64) -> i32 {
        i32::try_from((self + by - 1).div_euclid(by)).unwrap_or(i32::MAX)
    }
}
