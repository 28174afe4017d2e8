//! `componentstatuses`: how the scheduler, the controller manager and etcd are, asked of them at the moment of the request.
//! Deprecated since v1.19, and still served. Selectors are not modelled.
//! Source: pkg/registry/core/componentstatus/rest.go.

use serde_json::{Value, json};
use sim_apimachinery::{Reason, Status};
use sim_core::cluster::{Cluster, Process};

use crate::frontend::Outcome;
use crate::http::{Request, Response};
use crate::negotiation::{Form, negotiate};
use crate::printers::{self, Printer, Row, TableOptions};
use crate::respond::{no_resource, value, wrong_method};
use crate::route::ResourcePath;
use crate::verbs::table;

const WARNING: &str = "299 - \"v1 ComponentStatus is deprecated in v1.19+\"";

/// Whether a path is theirs.
pub fn is_meant(path: &ResourcePath) -> bool {
    path.group.is_empty() && path.version == "v1" && path.resource == "componentstatuses" && !path.watch_prefix
}

/// Answers a request for them.
pub fn answer(cluster: &Cluster, request: &Request, path: &ResourcePath) -> Outcome<Response> {
    if !path.namespace.is_empty() || !path.subresource.is_empty() {
        return Err(no_resource());
    }
    if request.method != "GET" {
        return Err(wrong_method());
    }
    let accepted = negotiate(request)?;
    let all = [
        one("controller-manager", cluster.is_running_process(&Process::KubeControllerManager), 10257),
        one("scheduler", cluster.is_running_process(&Process::KubeScheduler), 10259),
        one("etcd-0", true, 2379),
    ];
    let chosen: Vec<&Value> = all.iter().filter(|item| path.name.is_empty() || item["metadata"]["name"] == path.name).collect();
    if chosen.is_empty() {
        return Err(Box::new(Status::new(Reason::Unknown, format!("Component not found: {}", path.name))));
    }
    let shown = match (accepted.form, path.name.is_empty()) {
        (Form::Table(version), _) => {
            let include = table::include(request.query().get("includeObject"))?;
            let options = TableOptions { now: cluster.now().to_time().0, include, headers: true, version };
            let rows: Vec<Row<'_>> = chosen.iter().map(|item| Row { stored: item, shown: item }).collect();
            printers::table(Printer::Named("ComponentStatus"), &rows, &Value::Null, &options)
        }
        (_, true) => json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": {}, "items": chosen}),
        (_, false) => chosen[0].clone(),
    };
    let mut response = value(200, &shown, accepted.encoding);
    response.headers.push(("Warning".into(), WARNING.into()));
    Ok(response)
}

fn one(name: &str, is_running: bool, port: u16) -> Value {
    let condition = if is_running {
        json!({"type": "Healthy", "status": "True", "message": "ok"})
    } else {
        let message = format!("Get \"https://127.0.0.1:{port}/healthz\": dial tcp 127.0.0.1:{port}: connect: connection refused");
        json!({"type": "Healthy", "status": "False", "message": message})
    };
    json!({"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name}, "conditions": [condition]})
}
