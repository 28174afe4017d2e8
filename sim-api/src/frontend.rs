//! From a request to its answer: who asks, whether he may, what is asked, and who does it.
//! The order is the API server's: authentication, impersonation, authorization, then the resource.

use std::sync::Arc;

use sim_apimachinery::{FieldValidation, Kind, Reason, Status, UserInfo, Verb};
use sim_core::cluster::Cluster;
use sim_core::kube_apiserver::admission_webhooks::{Attempt, Served as Attempted, WebhookCall, unanswered};
use sim_core::kube_apiserver::authorization::Attributes;
use sim_core::kube_apiserver::flow_control::Classification;

use crate::attributes::attributes;
use crate::authentication::{self, Authentication};
use crate::http::{Answer, Request, Response};
use crate::negotiation::{Accepted, Encoding, Produces, check_route, negotiate};
use crate::options::{OptionsOf, write_options};
use crate::query::Query;
use crate::respond::{bad_request, no_resource, refusal, warn, wrong_method};
use crate::route::{ResourcePath, Route};
use crate::served::Served;
use crate::texts::Texts;
use crate::{component_statuses, discovery, metrics, pages, reviews, subresources, verbs};

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
    authentication: Authentication,
    /// Where the request in progress belongs by priority and fairness.
    classified: Option<Classification>,
    texts: Texts,
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
    /// Whether nothing is to be stored.
    pub dry_run: bool,
    /// What becomes of unknown fields.
    pub field_validation: FieldValidation,
    /// What strict decoding said of a patch's text; the API server decides what becomes of it.
    pub strict_errors: Vec<String>,
    /// Texts that were written before.
    pub texts: Texts,
    /// What webhooks have said.
    pub attempt: Attempt,
    /// Webhooks that must be called before there can be an answer.
    pub asks: Vec<WebhookCall>,
}

/// An answer or a refusal.
pub type Outcome<T> = Result<T, Box<Status>>;

impl Frontend {
    /// A face with these settings.
    pub fn new(settings: Settings) -> Frontend {
        Frontend { authentication: Authentication::new(&settings.tokens), classified: None, texts: Texts::default() }
    }

    /// Answers a request at the cluster's present moment; webhooks outside of the cluster are not called.
    pub fn handle(&mut self, cluster: &mut Cluster, request: &Request) -> Answer {
        match self.handle_asking(cluster, request, &mut Attempt::default()) {
            Answer::Webhooks(_) => {
                let status = Status::new(Reason::InternalError, "Internal error occurred: nobody here calls webhooks");
                refusal(&status, Encoding::Json).into()
            }
            answer => answer,
        }
    }

    /// Answers a request at the cluster's present moment, or says which webhooks must be called before it can be.
    pub fn handle_asking(&mut self, cluster: &mut Cluster, request: &Request, attempt: &mut Attempt) -> Answer {
        let encoding = negotiate(request).map_or(Encoding::Json, |a| a.encoding);
        self.classified = None;
        let mut answer = match self.answer(cluster, request, attempt) {
            Ok(answer) => answer,
            Err(status) => refusal(&status, encoding).into(),
        };
        if let Answer::Complete(response) = &mut answer {
            finish(response);
            if let Some(found) = self.classified.take() {
                response.headers.push(("X-Kubernetes-Pf-Flowschema-Uid".into(), found.flow_schema));
                response.headers.push(("X-Kubernetes-Pf-Prioritylevel-Uid".into(), found.priority_level));
            }
        }
        answer
    }

    fn answer(&mut self, cluster: &mut Cluster, request: &Request, attempt: &mut Attempt) -> Outcome<Answer> {
        let route = Route::parse(&request.path);
        let admitted = self.admit(cluster, request, &route);
        if request.certificate.is_none() && !matches!(&admitted, Err(status) if status.reason == Reason::Unauthorized) {
            Authentication::note_use(cluster, request);
        }
        let user = admitted?;
        if request.body.len() > BODY_BYTES_MAX {
            return Err(too_large());
        }
        match route {
            Route::Resource(path) if path.group == metrics::GROUP && cluster.profile().metrics_server => {
                Ok(metrics::answer(cluster, request, &path)?.into())
            }
            Route::Resource(path) if component_statuses::is_meant(&path) => Ok(component_statuses::answer(cluster, request, &path)?.into()),
            Route::Resource(path) => match reviews::serve(&self.authentication, cluster, request, &path, &user) {
                Some(answer) => answer,
                None => resource(cluster, request, path, user, (attempt, &mut self.texts)),
            },
            Route::NoResource => Err(no_resource()),
            Route::Path(path) if authentication::is_openid_path(&path) => Ok(authentication::serve_openid(cluster, request).into()),
            Route::Path(path) => Ok(pages::answer(cluster, request, &path)?.into()),
        }
    }

    /// The user as whom the request is done, if that user may.
    fn admit(&mut self, cluster: &Cluster, request: &Request, route: &Route) -> Outcome<Arc<UserInfo>> {
        let sender = self.authentication.authenticate(cluster, request, request.certificate.clone())?;
        let asked = attributes(request, &request.query(), route, &sender);
        let user = self.authentication.impersonate(cluster, request, &asked)?;
        let asked = Attributes { user: user.clone(), ..asked };
        self.classified = cluster.apiserver().classify(&asked);
        let decision = cluster.apiserver().authorize(&asked);
        if !decision.allowed {
            return Err(Box::new(asked.forbidden(&decision.reason)));
        }
        check_upgrade(cluster, asked)?;
        Ok(user)
    }
}

/// A stream into a pod that is opened with GET, as WebSockets are, also needs the right to create it, which opening one
/// with POST always needed (AuthorizePodWebsocketUpgradeCreatePermission).
fn check_upgrade(cluster: &Cluster, asked: Attributes) -> Outcome<()> {
    let streams = asked.group.is_empty() && asked.resource == "pods" && matches!(&*asked.subresource, "exec" | "attach" | "portforward");
    if !streams || asked.verb == "create" {
        return Ok(());
    }
    let asked = Attributes { verb: "create".into(), ..asked };
    let decision = cluster.apiserver().authorize(&asked);
    let refused = || Box::new(Status::forbidden(sim_apimachinery::Kind::Pod, &asked.name, &decision.reason));
    if decision.allowed { Ok(()) } else { Err(refused()) }
}

fn finish(response: &mut Response) {
    if response.header("cache-control").is_none() {
        response.headers.push(("Cache-Control".into(), "no-cache, private".into()));
    }
}

fn too_large() -> Box<Status> {
    Box::new(Status::new(Reason::RequestEntityTooLarge, format!("Request entity too large: limit is {BODY_BYTES_MAX}")))
}

/// A path at which no resource is: groups that only definitions make answer as paths do that nobody knows.
fn nothing_at(group: &str) -> Outcome<Answer> {
    let is_built_in = discovery::groups(&[]).iter().any(|served| served.name == group);
    if is_built_in { Err(no_resource()) } else { Ok(pages::not_found().into()) }
}

fn resource(
    cluster: &mut Cluster,
    request: &Request,
    path: ResourcePath,
    user: Arc<UserInfo>,
    (attempt, texts): (&mut Attempt, &mut Texts),
) -> Outcome<Answer> {
    let (group, version) = (path.group.clone(), path.version.clone());
    if group.is_empty() && version == "v1" && path.resource == "bindings" && !path.watch_prefix {
        return legacy_binding(cluster, request, path, user);
    }
    let custom = cluster.apiserver().custom_resource(&group, &version, &path.resource);
    let of_custom = || custom.as_ref().map(|r| Served { kind: r.kind(), group: &group, version: &version });
    let Some(served) = Served::built_in(&group, &version, &path.resource).or_else(of_custom) else {
        return nothing_at(&group);
    };
    if !served.is_namespaced() && !path.namespace.is_empty() && path.resource != "namespaces" {
        return nothing_at(&group);
    }
    let in_namespace = !path.namespace.is_empty();
    let no_path = || if custom.is_some() { Box::new(Status::not_found(served.kind, &path.name)) } else { no_resource() };
    let methods = served.methods(&path.name, &path.subresource, in_namespace).ok_or_else(no_path)?;
    // Only the handler of custom resources takes HEAD for a GET; the routes of built-in ones know no HEAD.
    let method = if request.method == "HEAD" && custom.is_some() { "GET" } else { request.method.as_str() };
    if served.is_namespaced() && !in_namespace && !path.name.is_empty() {
        return nothing_at(&group);
    }
    if !methods.contains(&method) {
        return Err(wrong_method());
    }
    if custom.is_none() {
        check_route(request, produced(&path, method))?;
    }
    let accepted = negotiate(request)?;
    if accepted.encoding == Encoding::Protobuf && matches!(served.kind, Kind::Custom(_)) {
        let message = "only the following media types are accepted: application/json, application/yaml";
        return Err(Box::new(Status::new(Reason::NotAcceptable, message)));
    }
    let warnings = custom.as_ref().and_then(|r| r.version().deprecation_warning.clone()).or_else(|| deprecation(served.kind));
    let warnings = warnings.into_iter().collect();
    let mut exchange = Exchange { warnings, ..Exchange::new(cluster, request, path, served, accepted, user) };
    exchange.attempt = std::mem::take(attempt);
    exchange.texts = std::mem::take(texts);
    let answer = if exchange.path.subresource.is_empty() {
        verbs::dispatch(&mut exchange, method)
    } else {
        subresources::dispatch(&mut exchange, method)
    };
    *attempt = std::mem::take(&mut exchange.attempt);
    *texts = std::mem::take(&mut exchange.texts);
    if !exchange.asks.is_empty() {
        return Ok(Answer::Webhooks(exchange.asks));
    }
    Ok(match answer {
        Ok(Answer::Complete(response)) => warn(response, &exchange.warnings).into(),
        Ok(other) => other,
        Err(status) if exchange.warnings.is_empty() => return Err(status),
        Err(status) => warn(refusal(&status, exchange.accepted.encoding), &exchange.warnings).into(),
    })
}

/// What every request for a built-in kind that goes away some day is warned of (`APILifecycleDeprecated` in k8s.io/api).
fn deprecation(kind: Kind) -> Option<String> {
    match kind.resource().kind {
        "Endpoints" => Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".into()),
        "ComponentStatus" => Some("v1 ComponentStatus is deprecated in v1.19+".into()),
        _ => None,
    }
}

/// What the route of a method on a path writes.
fn produced(path: &ResourcePath, method: &str) -> Produces {
    match (method, path.subresource.as_str()) {
        ("GET", "log") => Produces::Text,
        (_, "exec" | "attach" | "portforward" | "proxy") => Produces::Anything,
        ("GET", "") if path.name.is_empty() || path.watch_prefix => Produces::Lists,
        _ => Produces::Objects,
    }
}

/// `POST /api/v1/namespaces/N/bindings`: the binding of the pod that the body names.
fn legacy_binding(cluster: &mut Cluster, request: &Request, path: ResourcePath, user: Arc<UserInfo>) -> Outcome<Answer> {
    if path.namespace.is_empty() || !path.name.is_empty() {
        return Err(no_resource());
    }
    if request.method != "POST" {
        return Err(wrong_method());
    }
    check_route(request, Produces::Objects)?;
    let accepted = negotiate(request)?;
    let served = Served { kind: Kind::Pod, group: "", version: "v1" };
    let mut exchange = Exchange::new(cluster, request, path, served, accepted, user);
    match verbs::pods::bind(&mut exchange)? {
        Answer::Complete(response) => Ok(warn(response, &exchange.warnings).into()),
        other => Ok(other),
    }
}

impl<'a> Exchange<'a> {
    fn new(
        cluster: &'a mut Cluster,
        request: &'a Request,
        path: ResourcePath,
        served: Served<'a>,
        accepted: Accepted,
        user: Arc<UserInfo>,
    ) -> Exchange<'a> {
        Exchange {
            cluster,
            request,
            query: request.query(),
            path,
            served,
            accepted,
            user,
            warnings: vec![],
            strict_errors: vec![],
            texts: Texts::default(),
            attempt: Attempt::default(),
            asks: vec![],
            dry_run: false,
            field_validation: FieldValidation::Warn,
        }
    }
}

impl Exchange<'_> {
    /// Sends a request to the API server as this user; warnings are kept for the answer.
    pub fn ask(&mut self, verb: Verb) -> sim_apimachinery::Answer {
        let request = sim_apimachinery::Request {
            manager: self.manager()?.into(),
            verb,
            dry_run: self.dry_run,
            user: Some(self.user.clone()),
            field_validation: self.field_validation,
            api_version: Some(self.served.api_version().into()),
            strict_errors: std::mem::take(&mut self.strict_errors),
        };
        let text = format!("{} {}", self.request.method, self.request.path);
        match self.cluster.serve_asking(request, &text, &mut self.attempt) {
            Attempted::Done(answer, warnings) => {
                self.warnings.extend(warnings);
                answer
            }
            Attempted::Asks(calls) => {
                self.asks = calls;
                Err(unanswered())
            }
        }
    }

    /// The field manager.
    pub fn manager(&self) -> Outcome<String> {
        Ok(crate::options::manager(self.request, &self.query))
    }

    /// Reads the options of a write from the query, or refuses them.
    pub fn read_options(&mut self, of: OptionsOf) -> Outcome<()> {
        let options = write_options(&self.query, of)?;
        (self.dry_run, self.field_validation) = (options.dry_run, options.field_validation);
        Ok(())
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
