//! What reaches into containers besides commands: requests to their ports, their logs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sim_api::Response;
use sim_apimachinery::UserInfo;
use sim_core::cluster::{Client, Cluster, HttpCall, Target};
use sim_core::time::SECOND;
use sim_core::trace::BEGINNING;
use sim_workload::{BackendCommand, HttpRequest, LogLine, Operation, Reply};

use crate::journal::{KeptRequest, KeptUser};
use crate::simulation::LogWanted;

/// A request to a container's port.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProxyCall {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The port.
    pub port: u16,
    /// The method.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: String,
}

impl ProxyCall {
    /// Sends it; nothing comes back where nobody answers.
    pub fn send(&self, cluster: &mut Cluster) -> Option<Response> {
        let (path, query) = self.path.split_once('?').unwrap_or((&self.path, ""));
        let query: BTreeMap<String, String> =
            query.split('&').filter_map(|p| p.split_once('=')).map(|(n, v)| (n.into(), v.into())).collect();
        let headers = self.headers.iter().map(|(n, v)| (n.to_ascii_lowercase(), v.clone())).collect();
        let request =
            HttpRequest { method: self.method.clone(), path: path.into(), query, headers, body: self.body.clone(), port: self.port };
        let target = Target::Pod { namespace: self.namespace.clone(), name: self.pod.clone(), port: self.port };
        let outcome = cluster.http_now(&HttpCall { from: Client::Anyone, target, request, timeout: 30 * SECOND }, BEGINNING);
        let headers = vec![("Content-Type".into(), "application/json".into())];
        outcome.error.is_none().then(|| Response { status: outcome.status, headers, body: outcome.body.into_bytes() })
    }
}

/// A command to a Redis server in a container.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RedisCall {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The port.
    pub port: u16,
    /// The password of the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// The command.
    pub words: Vec<String>,
}

impl RedisCall {
    /// Sends it; nothing comes back where nobody answers.
    pub fn send(&self, cluster: &mut Cluster) -> Option<Reply> {
        let operation = Operation::parse(&self.words).ok()?;
        let command = BackendCommand { password: self.password.clone(), operation };
        cluster.redis(&self.namespace, &self.pod, self.port, &command, BEGINNING)
    }
}

/// The lines that an instance of a container wrote, from one on, and whether more may come.
pub fn log_from(cluster: &Cluster, wanted: &LogWanted) -> Option<(Vec<LogLine>, bool)> {
    let LogWanted { namespace, pod, container, instance, from } = wanted;
    let (lines, more) = cluster.instance_logs(namespace, pod, container, instance)?;
    Some((lines.get(*from..).unwrap_or_default().to_vec(), more))
}

impl KeptRequest {
    /// As it is written down: without credentials.
    pub fn from_request(request: &sim_api::Request) -> KeptRequest {
        use base64::Engine;
        KeptRequest {
            method: request.method.clone(),
            path: request.path.clone(),
            query: request.query.clone(),
            headers: request.headers.clone(),
            body: base64::prelude::BASE64_STANDARD.encode(&request.body),
            host: request.host.clone(),
            certificate: request.certificate.clone().map(|user| KeptUser { name: user.name, groups: user.groups, extra: user.extra }),
        }
    }

    /// The request again; nothing if the body is not base64.
    pub fn into_request(self) -> Option<sim_api::Request> {
        use base64::Engine;
        let body = base64::prelude::BASE64_STANDARD.decode(&self.body).ok()?;
        let certificate =
            self.certificate.map(|user| UserInfo { name: user.name, uid: String::new(), groups: user.groups, extra: user.extra });
        let KeptRequest { method, path, query, headers, host, .. } = self;
        Some(sim_api::Request { method, path, query, headers, body, host, certificate })
    }
}
