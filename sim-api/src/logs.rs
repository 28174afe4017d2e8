//! `pods/log`: what a container wrote, all of it or the end of it, and whether the client wants to hear more.
//! Source: pkg/registry/core/pod/rest/log.go, pkg/kubelet/kubelet_pods.go (validateContainerLogStatus).

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
use sim_apimachinery::validation::errors::Errors;
use sim_apimachinery::validation::path::Path;
use sim_apimachinery::{Reason, Status};
use sim_workload::LogLine;

use crate::connect;
use crate::frontend::{Exchange, Outcome};
use crate::http::{Answer, Connect, ConnectKind, Response};
use crate::query::Query;
use crate::respond::bad_request;

/// What of a log is wanted.
struct Wanted {
    previous: bool,
    follow: bool,
    timestamps: bool,
    tail: Option<usize>,
    since: Option<i128>,
    limit_bytes: Option<usize>,
}

/// Shows a log, or begins to follow it.
pub fn logs(exchange: &mut Exchange<'_>) -> Outcome<Answer> {
    let wanted = Wanted::read(&exchange.query, exchange.cluster.now().0)?;
    check_options(&exchange.query, &exchange.path.name)?;
    let pod = connect::pod(exchange)?;
    let container = connect::container(&pod, exchange.query.get("container"))?;
    if pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default().is_empty() {
        // Where nothing runs there is nothing to read from, and so no content, not even an empty one.
        return Ok(Response { status: 204, ..Response::default() }.into());
    }
    connect::check_node(exchange, &pod)?;
    check_status(&pod, &container, wanted.previous)?;
    let (namespace, name) = (exchange.path.namespace.clone(), exchange.path.name.clone());
    let lines = exchange.cluster.logs(&namespace, &name, &container, wanted.previous).unwrap_or_default();
    let body = wanted.select(lines);
    let from = lines.len();
    let instance = exchange.cluster.instance(&namespace, &name, &container);
    let Some(instance) = instance.filter(|_| wanted.follow && !wanted.previous) else { return Ok(text(body).into()) };
    Ok(Answer::Connect(Box::new(Connect {
        namespace,
        pod: name,
        uid: pod.metadata.uid.clone().unwrap_or_default(),
        container,
        kind: ConnectKind::FollowLog { instance, from, timestamps: wanted.timestamps },
        first: body,
        user: exchange.user.clone(),
    })))
}

fn text(body: Vec<u8>) -> Response {
    Response { status: 200, headers: vec![("Content-Type".into(), "text/plain".into())], body }
}

/// A line as it is shown.
pub fn line(line: &LogLine, timestamps: bool) -> String {
    if !timestamps {
        return format!("{}\n", line.text);
    }
    let at = Timestamp::from_nanosecond(i128::from(line.at)).unwrap_or(Timestamp::UNIX_EPOCH);
    format!("{} {}\n", at.strftime("%Y-%m-%dT%H:%M:%S.%9fZ"), line.text)
}

impl Wanted {
    fn read(query: &Query, now: u64) -> Outcome<Wanted> {
        let number = |name: &str| match query.get(name) {
            "" => Ok(None),
            text => text.parse::<i64>().map(Some).map_err(|_| bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"))),
        };
        let since_seconds = number("sinceSeconds")?.map(|s| i128::from(now) - i128::from(s) * 1_000_000_000);
        let since_time = match query.get("sinceTime") {
            "" => None,
            text => Some(text.parse::<Timestamp>().map_err(|e| bad_request(e.to_string()))?.as_nanosecond()),
        };
        Ok(Wanted {
            previous: query.flag("previous"),
            follow: query.flag("follow"),
            timestamps: query.flag("timestamps"),
            tail: number("tailLines")?.and_then(|n| usize::try_from(n).ok()),
            since: since_seconds.or(since_time),
            limit_bytes: number("limitBytes")?.and_then(|n| usize::try_from(n).ok()),
        })
    }

    fn select(&self, lines: &[LogLine]) -> Vec<u8> {
        let recent: Vec<&LogLine> = lines.iter().filter(|l| self.since.is_none_or(|since| i128::from(l.at) >= since)).collect();
        let skipped = self.tail.map_or(0, |tail| recent.len().saturating_sub(tail));
        let mut body = recent[skipped..].iter().map(|l| line(l, self.timestamps)).collect::<String>().into_bytes();
        if let Some(limit) = self.limit_bytes {
            body.truncate(limit);
        }
        body
    }
}

/// Refuses options that make no sense, before the pod is looked for. Source: `ValidatePodLogOptions`.
fn check_options(query: &Query, pod: &str) -> Outcome<()> {
    let number = |name: &str| query.get(name).parse::<i64>().ok();
    let mut errors = Errors::new();
    if let Some(lines) = number("tailLines").filter(|n| *n < 0) {
        errors.invalid(&Path::root("tailLines"), lines, "must be greater than or equal to 0");
    }
    if let Some(bytes) = number("limitBytes").filter(|n| *n < 1) {
        errors.invalid(&Path::root("limitBytes"), bytes, "must be greater than 0");
    }
    match number("sinceSeconds") {
        Some(_) if !query.get("sinceTime").is_empty() => {
            errors.forbidden(&Path::root(""), "at most one of `sinceTime` or `sinceSeconds` may be specified");
        }
        Some(seconds) if seconds < 1 => errors.invalid(&Path::root("sinceSeconds"), seconds, "must be greater than 0"),
        _ => {}
    }
    if query.has("stream") {
        errors.forbidden(&Path::root("stream"), "may not be specified");
    }
    let causes = errors.into_causes();
    if causes.is_empty() {
        return Ok(());
    }
    let texts: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
    let told = if let [only] = texts.as_slice() { only.clone() } else { format!("[{}]", texts.join(", ")) };
    let status = Status::new(Reason::Invalid, format!("PodLogOptions {pod:?} is invalid: {told}"));
    Err(Box::new(Status { kind: "PodLogOptions".into(), name: pod.into(), causes, ..status }))
}

/// Refuses a log that cannot be there, as the kubelet does.
fn check_status(pod: &Pod, container: &str, previous: bool) -> Outcome<()> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref();
    let all = [status.and_then(|s| s.container_statuses.as_ref()), status.and_then(|s| s.init_container_statuses.as_ref())];
    let debug = status.and_then(|s| s.ephemeral_container_statuses.as_ref());
    let found: Option<&ContainerStatus> = all.into_iter().chain([debug]).flatten().flatten().find(|s| s.name == container);
    let Some(found) = found else {
        return Err(bad_request(format!("container {container:?} in pod {name:?} is not available")));
    };
    let last = found.last_state.as_ref().and_then(|s| s.terminated.as_ref());
    let state = found.state.as_ref();
    if previous {
        return last
            .map(|_| ())
            .ok_or_else(|| bad_request(format!("previous terminated container {container:?} in pod {name:?} not found")));
    }
    match state.and_then(|s| s.waiting.as_ref()) {
        Some(waiting) if last.is_none() => {
            let reason = waiting.reason.as_deref().unwrap_or_default();
            let text = match reason {
                "ErrImagePull" => "image can't be pulled",
                "ImagePullBackOff" => "trying and failing to pull image",
                other => other,
            };
            Err(bad_request(format!("container {container:?} in pod {name:?} is waiting to start: {text}")))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_logs_are_refused_before_the_pod_is_looked_for() {
        let refused = |query: &str| check_options(&Query::parse(query), "p").expect_err("refused").message;
        assert_eq!(
            refused("tailLines=-1"),
            "PodLogOptions \"p\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0"
        );
        let both = "PodLogOptions \"p\" is invalid: []: Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified";
        assert_eq!(refused("sinceSeconds=5&sinceTime=2026-01-01T00:00:00Z"), both);
        assert!(check_options(&Query::parse("tailLines=0&sinceSeconds=1&limitBytes=1"), "p").is_ok());
    }
}
