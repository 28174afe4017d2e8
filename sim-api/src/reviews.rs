//! Resources that are only ever created and answered, and never kept: the reviews of rights and of tokens, and the
//! tokens of service accounts. Their bodies are decoded and get managed fields as any object's do.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use sim_apimachinery::UserInfo;
use sim_apimachinery::decoding::{Decoded, Expected, decode_value};
use sim_apimachinery::managed_fields::{self, Manager, Managers, Operation, Set, Write};
use sim_apimachinery::schema::{self, TypeRef};
use sim_core::cluster::Cluster;
use sim_core::kube_apiserver::authorization;

use crate::authentication::{self, Authentication};
use crate::frontend::Outcome;
use crate::http::{Answer, Request};
use crate::negotiation::{Produces, check_route, negotiate};
use crate::respond::{bad_request, no_resource, value, warn, wrong_method};
use crate::review_options::Options;
use crate::route::ResourcePath;

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";
/// What the API server wipes from the metadata of everything that is created.
const WIPED: [&str; 5] = ["creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "uid"];

/// A resource of this kind: group, plural, kind, whether it is in a namespace.
type Row = (&'static str, &'static str, &'static str, bool);
const REVIEWS: [Row; 6] = [
    (AUTHENTICATION, "selfsubjectreviews", "SelfSubjectReview", false),
    (AUTHENTICATION, "tokenreviews", "TokenReview", false),
    (AUTHORIZATION, "localsubjectaccessreviews", "LocalSubjectAccessReview", true),
    (AUTHORIZATION, "selfsubjectaccessreviews", "SelfSubjectAccessReview", false),
    (AUTHORIZATION, "selfsubjectrulesreviews", "SelfSubjectRulesReview", false),
    (AUTHORIZATION, "subjectaccessreviews", "SubjectAccessReview", false),
];

/// Answers a request for one of these; `None` if the path is another's.
pub fn serve(
    authentication: &Authentication,
    cluster: &mut Cluster,
    request: &Request,
    path: &ResourcePath,
    user: &Arc<UserInfo>,
) -> Option<Outcome<Answer>> {
    if path.group.is_empty() && path.version == "v1" && path.resource == "serviceaccounts" && path.subresource == "token" {
        return Some(token(cluster, request, path));
    }
    let row = REVIEWS.iter().find(|(group, plural, ..)| *group == path.group && *plural == path.resource && path.version == "v1")?;
    Some(review(authentication, cluster, request, path, user, *row))
}

fn review(
    authentication: &Authentication,
    cluster: &Cluster,
    request: &Request,
    path: &ResourcePath,
    user: &Arc<UserInfo>,
    (group, _, kind, namespaced): Row,
) -> Outcome<Answer> {
    if !path.name.is_empty() || namespaced == path.namespace.is_empty() {
        return Err(no_resource());
    }
    if request.method != "POST" {
        return Err(wrong_method());
    }
    check_route(request, Produces::Objects)?;
    let body = Body::read(cluster, request, (group, kind), "", &path.namespace, |_| {})?;
    let answer = match kind {
        "SelfSubjectReview" => authentication::self_review(cluster, user),
        "TokenReview" => authentication::token_review(authentication, cluster, body.value)?,
        _ => authorization::review(kind, body.value, &path.namespace, user, cluster.apiserver())?,
    };
    answered(request, (group, kind), answer, &body.warnings)
}

fn token(cluster: &mut Cluster, request: &Request, path: &ResourcePath) -> Outcome<Answer> {
    if path.namespace.is_empty() {
        return Err(no_resource());
    }
    if request.method != "POST" {
        return Err(wrong_method());
    }
    check_route(request, Produces::Objects)?;
    let of = (AUTHENTICATION, "TokenRequest");
    let body = Body::read(cluster, request, of, "token", &path.namespace, authentication::default_seconds)?;
    let answer = authentication::create_token(cluster, &path.namespace, &path.name, body.value)?;
    answered(request, of, answer, &body.warnings)
}

fn answered(request: &Request, (group, kind): (&str, &str), answer: Value, warnings: &[String]) -> Outcome<Answer> {
    let of = schema::lookup(group, "v1", kind).ok_or_else(no_resource)?;
    let mut shown = schema::as_encoded(of, answer);
    shown["apiVersion"] = format!("{group}/v1").into();
    shown["kind"] = kind.into();
    Ok(warn(value(201, &shown, negotiate(request)?.encoding), warnings).into())
}

/// A body that was read.
struct Body {
    value: Value,
    warnings: Vec<String>,
}

impl Body {
    /// Decodes the body, sets defaults, and gives the sender what it set.
    fn read(
        cluster: &Cluster,
        request: &Request,
        (group, kind): (&str, &str),
        subresource: &str,
        namespace: &str,
        set_defaults: impl Fn(&mut Value),
    ) -> Outcome<Body> {
        let query = request.query();
        let options = Options { request, query: &query };
        options.field_validation()?;
        let of = schema::lookup(group, "v1", kind).ok_or_else(no_resource)?;
        let (mut value, warnings) = decoded(of, (group, kind), &options)?;
        if !value["metadata"].is_object() {
            value["metadata"] = Value::Object(Map::new());
        }
        if !value["spec"].is_object() && kind != "SelfSubjectReview" {
            value["spec"] = Value::Object(Map::new());
        }
        in_namespace(&mut value["metadata"], namespace)?;
        let kept_uid = value["metadata"]["uid"].take();
        if let Some(metadata) = value["metadata"].as_object_mut() {
            metadata.retain(|field, _| !WIPED.contains(&field.as_str()) && field != "managedFields");
        }
        if !subresource.is_empty() && !kept_uid.is_null() {
            value["metadata"]["uid"] = kept_uid;
        }
        set_defaults(&mut value);
        let api_version = format!("{group}/v1");
        let manager = Manager::new(&options.manager(), Operation::Update, &api_version, subresource);
        let write = Write { of, manager, api_version, time: cluster.now().to_time().0, ignored: Set::default(), only: &[] };
        let managers = managed_fields::update(&write, &schema::empty(of), &value, Managers::new());
        if !managers.is_empty() {
            value["metadata"]["managedFields"] = json!(managed_fields::encode(&managers));
        }
        Ok(Body { value, warnings })
    }
}

/// The body as a value of the type, with the warnings that go with it; no body says nothing.
fn decoded(of: TypeRef<'_>, (group, kind): (&str, &str), options: &Options<'_>) -> Outcome<(Value, Vec<String>)> {
    if options.request.body.is_empty() {
        return Ok((json!({}), vec![]));
    }
    let expected = Expected { group, version: "v1", kind, of, is_custom: false };
    let (media, body) = options.body()?;
    let Decoded { value, warnings } = decode_value(&expected, media, &body, options.field_validation()?)?;
    Ok((value, warnings))
}

/// The object's namespace is the URL's, or it has none to say.
fn in_namespace(metadata: &mut Value, namespace: &str) -> Outcome<()> {
    match metadata["namespace"].as_str().unwrap_or_default() {
        given if given == namespace => {}
        "" => metadata["namespace"] = namespace.into(),
        _ if namespace.is_empty() => {
            metadata.as_object_mut().map(|m| m.remove("namespace"));
        }
        _ => return Err(bad_request("the namespace of the provided object does not match the namespace sent on the request")),
    }
    Ok(())
}
