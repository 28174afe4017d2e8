//! `pods/log`: what a container wrote, all of it or the end of it, and whether the client wants to hear more.
//! Source: pkg/registry/core/pod/rest/log.go, pkg/kubelet/kubelet_pods.go (validateContainerLogStatus).

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStatus, Pod};
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
    let pod = connect::pod(exchange)?;
    let wanted = Wanted::read(&exchange.query, exchange.cluster.now().0)?;
    let container = connect::container(&pod, exchange.query.get("container"))?;
    if pod.spec.as_ref().and_then(|s| s.node_name.as_deref()).unwrap_or_default().is_empty() {
        // Where nothing runs there is nothing to read from, and so no content, not even an empty one.
        return Ok(Response { status: 204, ..Response::default() }.into());
    }
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
        let flag = |name: &str| matches!(query.get(name), "1" | "true" | "True" | "TRUE" | "t" | "T");
        let since_seconds = number("sinceSeconds")?.map(|s| i128::from(now) - i128::from(s) * 1_000_000_000);
        let since_time = match query.get("sinceTime") {
            "" => None,
            text => Some(text.parse::<Timestamp>().map_err(|e| bad_request(e.to_string()))?.as_nanosecond()),
        };
        Ok(Wanted {
            previous: flag("previous"),
            follow: flag("follow"),
            timestamps: flag("timestamps"),
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
