//! From a request to its answer: who asks, whether he may, what is asked, and who does it.
//! The order is the API server's: authentication, impersonation, authorization, then the resource.

use std::sync::Arc;

use sim_apimachinery::{FieldValidation, Kind, Reason, Status, UserInfo, Verb};
use sim_core::cluster::Cluster;

use crate::http::{Answer, Request, Response};
use crate::negotiation::{Accepted, Encoding, negotiate};
use crate::query::Query;
use crate::respond::{bad_request, no_resource, refusal, warn, wrong_method};
use crate::route::{ResourcePath, Route};
use crate::served::Served;
use crate::{metrics, pages, subresources, verbs};

/// Bodies may have this many bytes.
pub const BODY_BYTES_MAX: usize = 3 << 20;

/// What a server is told at its start.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// Static tokens and who they stand for.
    pub tokens: Vec<(String, UserInfo)>,
}

/// The HTTP face.
#[derive(Clone, Debug, Default)]
pub struct Frontend {
    settings: Settings,
}

/// A request in progress.
pub struct Exchange<'a> {
    /// The cluster.
    pub cluster: &'a mut Cluster,
    /// The request.
    pub request: &'a Request,
    /// Its query.
    pub query: Query,
    /// What its path names.
    pub path: ResourcePath,
    /// The resource.
    pub served: Served<'a>,
    /// The form of the answer.
    pub accepted: Accepted,
    /// Who asks.
    pub user: Arc<UserInfo>,
    /// What the client is warned of.
    pub warnings: Vec<String>,
    /// Whether the body asks that nothing be stored, as that of an eviction may.
    pub dry_run_in_body: bool,
}

/// An answer or a refusal.
pub type Outcome<T> = Result<T, Box<Status>>;

impl Frontend {
    /// A face with these settings.
    pub fn new(settings: Settings) -> Frontend {
        Frontend { settings }
    }

    /// Answers a request at the cluster's present moment.
    pub fn handle(&mut self, cluster: &mut Cluster, request: &Request) -> Answer {
        let encoding = negotiate(request).map_or(Encoding::Json, |a| a.encoding);
        let mut answer = match self.answer(cluster, request) {
            Ok(answer) => answer,
            Err(status) => refusal(&status, encoding).into(),
        };
        if let Answer::Complete(response) = &mut answer {
            finish(response);
        }
        answer
    }

    fn answer(&mut self, cluster: &mut Cluster, request: &Request) -> Outcome<Answer> {
        if request.body.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        let user = self.authenticate(request)?;
        match Route::parse(&request.path) {
            Route::Resource(path) if path.group == metrics::GROUP && cluster.profile().metrics_server => {
                Ok(metrics::answer(cluster, request, &path)?.into())
            }
            Route::Resource(path) => resource(cluster, request, path, user),
            Route::NoResource => Err(no_resource()),
            Route::Path(path) => Ok(pages::answer(cluster, request, &path)?.into()),
        }
    }

    fn authenticate(&self, request: &Request) -> Outcome<Arc<UserInfo>> {
        let token = request.header("authorization").and_then(|v| v.strip_prefix("Bearer "));
        let Some(token) = token.filter(|t| !t.is_empty()) else { return Ok(Arc::new(anonymous())) };
        let found = self.settings.tokens.iter().find(|(known, _)| known == token);
        found.map(|(_, user)| Arc::new(user.clone())).ok_or_else(|| Box::new(Status::new(Reason::Unauthorized, "Unauthorized")))
    }
}

fn anonymous() -> UserInfo {
    UserInfo { name: "system:anonymous".into(), groups: vec!["system:unauthenticated".into()], ..Default::default() }
}

fn finish(response: &mut Response) {
    if response.header("cache-control").is_none() {
        response.headers.push(("Cache-Control".into(), "no-cache, private".into()));
    }
}

fn too_large() -> Box<Status> {
    Box::new(Status::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {BODY_BYTES_MAX}")))
}

fn resource(cluster: &mut Cluster, request: &Request, path: ResourcePath, user: Arc<UserInfo>) -> Outcome<Answer> {
    let (group, version) = (path.group.clone(), path.version.clone());
    let Some(served) = Served::built_in(&group, &version, &path.resource) else {
        return if pages::is_group_served(cluster, &group) { Err(no_resource()) } else { Ok(pages::not_found().into()) };
    };
    if !served.is_namespaced() && !path.namespace.is_empty() && path.resource != "namespaces" {
        return Err(no_resource());
    }
    let in_namespace = !path.namespace.is_empty();
    let methods = served.methods(&path.name, &path.subresource, in_namespace).ok_or_else(no_resource)?;
    let method = if request.method == "HEAD" { "GET" } else { request.method.as_str() };
    if served.is_namespaced() && !in_namespace && !path.name.is_empty() {
        return Err(no_resource());
    }
    if !methods.contains(&method) {
        return Err(wrong_method());
    }
    let accepted = negotiate(request)?;
    if accepted.encoding == Encoding::Protobuf && matches!(served.kind, Kind::Custom(_)) {
        let message = "only the following media types are accepted: application/json, application/yaml";
        return Err(Box::new(Status::new(Reason::NotAcceptable, message)));
    }
    let query = request.query();
    let mut exchange = Exchange { cluster, request, query, path, served, accepted, user, warnings: vec![], dry_run_in_body: false };
    let answer = if exchange.path.subresource.is_empty() {
        verbs::dispatch(&mut exchange, method)
    } else {
        subresources::dispatch(&mut exchange, method)
    }?;
    Ok(match answer {
        Answer::Complete(response) => warn(response, &exchange.warnings).into(),
        other => other,
    })
}

impl Exchange<'_> {
    /// Sends a request to the API server as this user; warnings are kept for the answer.
    pub fn ask(&mut self, verb: Verb) -> sim_apimachinery::Answer {
        let request = sim_apimachinery::Request {
            manager: self.manager()?.into(),
            verb,
            dry_run: self.dry_run()?,
            user: Some(self.user.clone()),
            field_validation: self.field_validation()?,
        };
        let text = format!("{} {}", self.request.method, self.request.path);
        let (answer, warnings) = self.cluster.serve(request, &text);
        self.warnings.extend(warnings);
        answer
    }

    /// The field manager: what the query says, or the first word of the client's name.
    pub fn manager(&self) -> Outcome<String> {
        let named = self.query.get("fieldManager");
        if !named.is_empty() {
            return Ok(named.to_owned());
        }
        let agent = self.request.header("user-agent").unwrap_or_default();
        Ok(agent.split('/').next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(128).collect())
    }

    /// Whether nothing is to be stored.
    pub fn dry_run(&self) -> Outcome<bool> {
        let wrong = self.query.all("dryRun").find(|v| !v.is_empty() && *v != "All");
        match wrong {
            None => Ok(self.dry_run_in_body || self.query.all("dryRun").any(|v| v == "All")),
            Some(value) => Err(wrong_option(self.options_kind(), "dryRun", value, &["All"])),
        }
    }

    fn options_kind(&self) -> &'static str {
        match self.request.method.as_str() {
            "POST" => "CreateOptions",
            "PUT" => "UpdateOptions",
            "PATCH" => "PatchOptions",
            _ => "DeleteOptions",
        }
    }

    /// What becomes of unknown fields.
    pub fn field_validation(&self) -> Outcome<FieldValidation> {
        match self.query.get("fieldValidation") {
            "" | "Warn" => Ok(FieldValidation::Warn),
            "Ignore" => Ok(FieldValidation::Ignore),
            "Strict" => Ok(FieldValidation::Strict),
            other => Err(wrong_option(self.options_kind(), "fieldValidation", other, &["", "Ignore", "Strict", "Warn"])),
        }
    }

    /// Refuses what Go's clients could not have sent: a namespace in the body that is not the URL's.
    pub fn check_namespace(&self, sent: Option<&str>) -> Outcome<()> {
        match sent {
            Some(namespace) if !namespace.is_empty() && namespace != self.path.namespace => {
                Err(bad_request("the namespace of the provided object does not match the namespace sent on the request"))
            }
            _ => Ok(()),
        }
    }
}

/// The refusal of an option's value.
fn wrong_option(kind: &str, field: &str, value: &str, supported: &[&str]) -> Box<Status> {
    let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
    let message = format!("Unsupported value: {value:?}: supported values: {}", list.join(", "));
    let cause = sim_apimachinery::Cause { reason: "FieldValueNotSupported".into(), message: message.clone(), field: field.into() };
    let text = format!("{kind}.meta.k8s.io \"\" is invalid: {field}: {message}");
    let status = Status { group: "meta.k8s.io".into(), kind: kind.into(), causes: vec![cause], ..Status::new(Reason::Invalid, text) };
    Box::new(status)
}
