//! How many replicas would bring a metric to its target. Source: pkg/controller/podautoscaler/replica_calculator.go.
//! Pods that are not ready, or have no metrics, are counted so that they can only soften the change, never drive it.

use std::sync::Arc;

use k8s_openapi::api::autoscaling::v2::{
    ContainerResourceMetricStatus, MetricSpec, MetricStatus, MetricTarget, MetricValueStatus, ResourceMetricStatus,
};
use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::PodMetrics;
use sim_apimachinery::quantity::{Quantity, milli};
use sim_apimachinery::selector::Selector;

use crate::client_go::View;
use crate::time::{MINUTE, Nanos, SECOND, SimTime};

const INITIALIZATION: Nanos = 5 * MINUTE;
const READINESS_DELAY: Nanos = 30 * SECOND;
/// Ratios are integers in these parts.
const ONE: i64 = 1_000_000;

/// The ratio of usage to target, in parts of a million, from usage, requests and the number of pods.
type Ratio = Box<dyn Fn(i64, i64, i64) -> i64>;

/// A metric's proposal.
pub struct Proposal {
    pub replicas: i32,
    pub name: String,
    pub status: MetricStatus,
    /// The sum that led to it, for people.
    pub sum: String,
}

/// Why a metric says nothing.
pub struct Unavailable {
    pub reason: &'static str,
    pub text: String,
    pub metric: String,
}

/// Tolerances for scaling up and down, in parts of a million.
#[derive(Clone, Copy)]
pub struct Tolerances {
    pub up: i64,
    pub down: i64,
}

impl Tolerances {
    fn within(self, ratio: i64) -> bool {
        (ONE - self.down..=ONE + self.up).contains(&ratio)
    }
}

/// The pods a scale's selector selects.
pub fn pods(view: &View<'_>, namespace: &str, selector: &str) -> Vec<Arc<Pod>> {
    let Ok(selector) = Selector::parse(selector) else { return vec![] };
    let nothing = Default::default();
    view.caches
        .in_namespace::<Pod>(namespace)
        .filter(|p| selector.matches(p.metadata.labels.as_ref().unwrap_or(&nothing)))
        .cloned()
        .collect()
}

/// What one metric proposes.
pub fn propose(
    spec: &MetricSpec,
    current: i32,
    pods: &[Arc<Pod>],
    metrics: &[PodMetrics],
    now: SimTime,
    tolerances: Tolerances,
) -> Result<Proposal, Unavailable> {
    match (&spec.resource, &spec.container_resource) {
        (Some(resource), _) => {
            let usage = usage(&resource.name, None, pods, metrics, now);
            judge(&resource.name, None, &resource.target, current, pods, usage, tolerances)
        }
        (_, Some(resource)) => {
            let usage = usage(&resource.name, Some(&resource.container), pods, metrics, now);
            judge(&resource.name, Some(&resource.container), &resource.target, current, pods, usage, tolerances)
        }
        _ => Err(Unavailable {
            reason: if spec.external.is_some() {
                "FailedGetExternalMetric"
            } else if spec.object.is_some() {
                "FailedGetObjectMetric"
            } else {
                "FailedGetPodsMetric"
            },
            text: format!("unable to get metric: no adapter serves {} metrics in this cluster", spec.type_),
            metric: spec.type_.to_ascii_lowercase(),
        }),
    }
}

/// The pods in groups: usage in thousandths of those that count, and how many are missing or not ready.
struct Usage {
    ready: Vec<(Arc<Pod>, i64)>,
    missing: Vec<Arc<Pod>>,
    unready: Vec<Arc<Pod>>,
    any: bool,
}

fn usage(name: &str, container: Option<&str>, pods: &[Arc<Pod>], metrics: &[PodMetrics], now: SimTime) -> Usage {
    let mut found = Usage { ready: vec![], missing: vec![], unready: vec![], any: !metrics.is_empty() };
    for pod in pods {
        let phase = pod.status.as_ref().and_then(|s| s.phase.as_deref()).unwrap_or_default();
        if pod.metadata.deletion_timestamp.is_some() || phase == "Failed" {
            continue;
        }
        let pod_name = pod.metadata.name.as_deref().unwrap_or_default();
        let sample = metrics.iter().find(|m| *m.name == *pod_name);
        match sample {
            _ if phase == "Pending" => found.unready.push(pod.clone()),
            None => found.missing.push(pod.clone()),
            Some(sample) if name == "cpu" && is_initializing(pod, sample, now) => found.unready.push(pod.clone()),
            Some(sample) => {
                let parts = sample.containers.iter().filter(|(c, ..)| container.is_none_or(|wanted| **c == *wanted));
                let amount: u64 = parts.map(|(_, cpu, memory)| if name == "cpu" { cpu.div_ceil(1_000_000) } else { memory * 1000 }).sum();
                found.ready.push((pod.clone(), amount as i64));
            }
        }
    }
    found
}

/// Whether the CPU a pod uses says nothing yet: it is not ready, or its sample is from before it was.
fn is_initializing(pod: &Pod, sample: &PodMetrics, now: SimTime) -> bool {
    let status = pod.status.clone().unwrap_or_default();
    let ready = status.conditions.iter().flatten().find(|c| c.type_ == "Ready");
    let (Some(ready), Some(start)) = (ready, status.start_time.as_ref().map(SimTime::from_time)) else { return true };
    let since = ready.last_transition_time.as_ref().map_or(SimTime(0), SimTime::from_time);
    if start.plus(INITIALIZATION) > now {
        return ready.status == "False" || SimTime(sample.timestamp) < since.plus(sample.window);
    }
    ready.status == "False" && start.plus(READINESS_DELAY) > since
}

fn judge(
    name: &str,
    container: Option<&str>,
    target: &MetricTarget,
    current: i32,
    pods: &[Arc<Pod>],
    usage: Usage,
    tolerances: Tolerances,
) -> Result<Proposal, Unavailable> {
    let by_utilization = target.average_utilization;
    let what = if by_utilization.is_some() { "utilization" } else { "usage" };
    let fail = |text: String| Unavailable {
        reason: if container.is_some() { "FailedGetContainerResourceMetric" } else { "FailedGetResourceMetric" },
        text: format!("failed to get {name} {what}: {text}"),
        metric: format!("{name} resource"),
    };
    if !usage.any {
        return Err(fail(format!("unable to get metrics for resource {name}: no metrics returned from resource metrics API")));
    }
    if pods.is_empty() {
        return Err(fail("no pods returned by selector while calculating replica count".into()));
    }
    if usage.ready.is_empty() {
        return Err(fail("did not receive metrics for targeted pods (pods might be unready)".into()));
    }
    let total: i64 = usage.ready.iter().map(|(_, amount)| amount).sum();
    let count = usage.ready.len() as i64;
    let average = Quantity::from_millis(total / count).to_string();
    let (ratio_of, utilization): (Ratio, Option<i32>) = match by_utilization {
        Some(wanted) => {
            let requests = sum_requests(usage.ready.iter().map(|(p, _)| p), name, container).map_err(&fail)?;
            let now = total * 100 / requests.max(1);
            let wanted = i64::from(wanted);
            (Box::new(move |total, requests, _| total * 100 / requests.max(1) * ONE / wanted.max(1)), Some(now as i32))
        }
        None => {
            let wanted = target.average_value.as_ref().map_or(1, milli).max(1);
            (Box::new(move |total, _, count| total / count.max(1) * ONE / wanted), None)
        }
    };
    let replicas = replicas_for(&usage, name, container, target, current, tolerances, &*ratio_of, total).map_err(&fail)?;
    let value = MetricValueStatus {
        average_utilization: utilization,
        average_value: Some(k8s_openapi::apimachinery::pkg::api::resource::Quantity(average)),
        value: None,
    };
    let requests =
        if by_utilization.is_some() { sum_requests(usage.ready.iter().map(|(p, _)| p), name, container).map_err(&fail)? } else { 0 };
    let ratio = ratio_of(total, requests, count);
    let sum = told_sum(&usage, target, (total, requests, ratio), tolerances.within(ratio));
    Ok(Proposal { replicas, name: metric_name(name, container, utilization.is_some()), status: metric_status(name, container, value), sum })
}

/// The sum as one line: usage against target, the ratio of both, and whom it leaves out.
fn told_sum(usage: &Usage, target: &MetricTarget, (total, requests, ratio): (i64, i64, i64), within: bool) -> String {
    let amount = |thousandths: i64| Quantity::from_millis(thousandths).to_string();
    let count = usage.ready.len();
    let compared = match target.average_utilization {
        Some(wanted) => {
            let percent = total * 100 / requests.max(1);
            format!("{} used of {} requested = {percent}%, {percent}% / {wanted}%", amount(total), amount(requests))
        }
        None => {
            let wanted = target.average_value.as_ref().map_or(1, milli);
            let each = amount(total / count.max(1) as i64);
            format!("{} used / {count} = {each} each, {each} / {}", amount(total), amount(wanted))
        }
    };
    let mut text = format!("{count} measured: {compared} = {}.{:03}", ratio / ONE, ratio % ONE / 1000);
    text.push_str(&if within { ", within tolerance".to_owned() } else { format!(", x {count} rounded up = {}", ceil(ratio, count)) });
    for (group, what) in [(&usage.missing, "without metrics"), (&usage.unready, "not ready")] {
        if !group.is_empty() {
            text.push_str(&format!("; {} {what}", group.len()));
        }
    }
    text
}

fn metric_name(name: &str, container: Option<&str>, by_utilization: bool) -> String {
    match (container, by_utilization) {
        (Some(_), true) => format!("{name} container resource utilization (percentage of request)"),
        (Some(_), false) => format!("{name} container resource"),
        (None, true) => format!("{name} resource utilization (percentage of request)"),
        (None, false) => format!("{name} resource"),
    }
}

fn metric_status(name: &str, container: Option<&str>, current: MetricValueStatus) -> MetricStatus {
    match container {
        Some(container) => MetricStatus {
            type_: "ContainerResource".into(),
            container_resource: Some(ContainerResourceMetricStatus { name: name.into(), container: container.into(), current }),
            ..Default::default()
        },
        None => MetricStatus {
            type_: "Resource".into(),
            resource: Some(ResourceMetricStatus { name: name.into(), current }),
            ..Default::default()
        },
    }
}

#[allow(clippy::too_many_arguments)]
fn replicas_for(
    usage: &Usage,
    name: &str,
    container: Option<&str>,
    target: &MetricTarget,
    current: i32,
    tolerances: Tolerances,
    ratio_of: &dyn Fn(i64, i64, i64) -> i64,
    total: i64,
) -> Result<i32, String> {
    let requests =
        |pods: &[&Arc<Pod>]| if target.average_utilization.is_some() { sum_requests(pods.iter().copied(), name, container) } else { Ok(0) };
    let ready: Vec<&Arc<Pod>> = usage.ready.iter().map(|(p, _)| p).collect();
    let ratio = ratio_of(total, requests(&ready)?, ready.len() as i64);
    let up_with_unready = !usage.unready.is_empty() && ratio > ONE;
    if usage.missing.is_empty() && !up_with_unready {
        return Ok(if tolerances.within(ratio) { current } else { ceil(ratio, ready.len()) });
    }
    let mut counted = ready;
    let mut softened = total;
    if !usage.missing.is_empty() {
        for pod in &usage.missing {
            counted.push(pod);
            if ratio < ONE {
                softened += match target.average_utilization {
                    Some(wanted) => sum_requests([pod].into_iter(), name, container)? * i64::from(wanted.max(100)) / 100,
                    None => target.average_value.as_ref().map_or(0, milli),
                };
            }
        }
    }
    if up_with_unready {
        counted.extend(usage.unready.iter());
    }
    let again = ratio_of(softened, requests(&counted)?, counted.len() as i64);
    let flipped = (again - ONE).signum() != (ratio - ONE).signum();
    if tolerances.within(again) || flipped {
        return Ok(current);
    }
    let replicas = ceil(again, counted.len());
    let against = again < ONE && replicas > current || again > ONE && replicas < current;
    Ok(if against { current } else { replicas })
}

fn ceil(ratio: i64, count: usize) -> i32 {
    let product = i128::from(ratio) * count as i128;
    i32::try_from((product + i128::from(ONE) - 1) / i128::from(ONE)).unwrap_or(i32::MAX)
}

/// The requests of pods, in thousandths.
fn sum_requests<'a>(pods: impl Iterator<Item = &'a Arc<Pod>>, name: &str, container: Option<&str>) -> Result<i64, String> {
    let mut sum = 0;
    for pod in pods {
        for own in pod.spec.iter().flat_map(|s| s.containers.iter()).filter(|c| container.is_none_or(|wanted| c.name == wanted)) {
            let request = own.resources.as_ref().and_then(|r| r.requests.as_ref()).and_then(|r| r.get(name));
            let Some(request) = request else {
                return Err(format!(
                    "missing request for {name} in container {} of Pod {}",
                    own.name,
                    pod.metadata.name.as_deref().unwrap_or_default()
                ));
            };
            sum += milli(request);
        }
    }
    Ok(sum)
}
