//! The server's own paths: discovery, OpenAPI, version, health, and what else is no resource.
//! Most of them answer any method, as their handlers do; those of Kubernetes' web services answer `GET` alone.
//! Not modelled: `/metrics` and `/logs` of the server itself, profiles below `/debug/pprof/`, the `Expires` header.

use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use sim_apimachinery::Kind;
use sim_core::cluster::Cluster;

use crate::discovery::{self, AGGREGATED_MEDIA_TYPE, wants_aggregated};
use crate::frontend::Outcome;
use crate::http::{Request, Response};
use crate::metrics;
use crate::negotiation::{Produces, check_route, clauses, negotiate};
use crate::openapi::{self, Document, V2_PROTOBUF_MEDIA_TYPE};
use crate::respond::{no_resource, value, wrong_method};

/// The definitions that are there, as JSON.
pub fn definitions(cluster: &Cluster) -> Vec<Value> {
    cluster.etcd().list(Kind::CustomResourceDefinition, "").map(|definition| definition.to_json()).collect()
}

/// Whether a group is served at all: what is asked of others is answered by nobody in particular.
pub fn is_group_served(cluster: &Cluster, group: &str) -> bool {
    discovery::groups(&definitions(cluster)).iter().any(|served| served.name == group)
}

/// The plain answer to a path nobody knows.
pub fn not_found() -> Response {
    Response::text(404, "404 page not found\n").with_header("X-Content-Type-Options", "nosniff")
}

/// Answers a path that names no resource.
pub fn answer(cluster: &Cluster, request: &Request, path: &str) -> Outcome<Response> {
    let words: Vec<&str> = path.trim_matches('/').split('/').collect();
    if path.starts_with("//") {
        return Ok(not_found());
    }
    match words.as_slice() {
        [""] => shown(request, &discovery::root_paths(&definitions(cluster))),
        ["healthz" | "livez" | "readyz", ..] => Ok(health(request, path)),
        ["version"] => routed(request, Produces::Json, Some(discovery::version_info())),
        ["api"] => grouped(cluster, request, true),
        ["apis"] => grouped(cluster, request, false),
        ["api", version] => routed(request, Produces::Objects, discovery::resource_list(&definitions(cluster), "", version)),
        ["apis", metrics::GROUP] if cluster.profile().metrics_server => only_get(request, &metrics::group()),
        ["apis", metrics::GROUP, metrics::VERSION] if cluster.profile().metrics_server => only_get(request, &metrics::resources()),
        ["apis", group, rest @ ..] if is_group_served(cluster, group) => match rest {
            [] => found(request, discovery::group(&definitions(cluster), group)),
            [version] => match discovery::resource_list(&[], group, version) {
                Some(page) => routed(request, Produces::Objects, Some(page)),
                None => found(request, discovery::resource_list(&definitions(cluster), group, version)),
            },
            _ => Err(no_resource()),
        },
        ["openapi", "v2"] => Ok(open_api_v2(cluster, request)),
        ["openapi", "v3", rest @ ..] => Ok(open_api_v3(cluster, request, &rest.join("/"))),
        [".well-known", "openid-configuration"] => only_get(request, &issuer(request)),
        ["debug", "pprof"] if !path.ends_with('/') => Ok(redirect("/debug/pprof/", 302, "Found")),
        _ => Ok(not_found()),
    }
}

fn shown(request: &Request, page: &Value) -> Outcome<Response> {
    Ok(value(200, page, negotiate(request)?.encoding))
}

fn only_get(request: &Request, page: &Value) -> Outcome<Response> {
    if request.method == "GET" { shown(request, page) } else { Err(wrong_method()) }
}

/// A page of Kubernetes' own web services, which find a route before they answer.
fn routed(request: &Request, produces: Produces, page: Option<Value>) -> Outcome<Response> {
    let page = page.ok_or_else(no_resource)?;
    if request.method != "GET" {
        return Err(wrong_method());
    }
    check_route(request, produces)?;
    shown(request, &page)
}

fn found(request: &Request, page: Option<Value>) -> Outcome<Response> {
    only_get(request, &page.ok_or_else(no_resource)?)
}

fn health(request: &Request, path: &str) -> Response {
    let query: Vec<(String, String)> = request.query().pairs().map(|(name, text)| (name.to_owned(), text.to_owned())).collect();
    match discovery::health(path, &query, &[]) {
        Some((status, text)) => Response::text(status, &text).with_header("X-Content-Type-Options", "nosniff"),
        None => not_found(),
    }
}

/// `/api` or `/apis`, aggregated for those who ask for that first.
fn grouped(cluster: &Cluster, request: &Request, core: bool) -> Outcome<Response> {
    for (media, parameters) in clauses(request.header("accept").unwrap_or_default()) {
        if wants_aggregated(&media, &parameters) {
            let mut page = discovery::aggregated(&definitions(cluster), core);
            add_metrics(cluster, core, page.get_mut("items"), metrics::aggregated());
            let body = serde_json::to_vec(&page).unwrap_or_default();
            let hash: String = Sha512::digest(&body).iter().map(|byte| format!("{byte:02X}")).collect();
            return Ok(tagged(request, Document { body: body.into(), hash }, AGGREGATED_MEDIA_TYPE));
        }
        if parameters.iter().all(|(name, _)| name != "as") {
            break;
        }
    }
    if core {
        routed(request, Produces::Objects, Some(discovery::core_versions(&request.host)))
    } else {
        let mut page = discovery::group_list(&definitions(cluster));
        let mut group = metrics::group();
        for word in ["kind", "apiVersion"] {
            group.as_object_mut().map(|g| g.remove(word));
        }
        add_metrics(cluster, core, page.get_mut("groups"), group);
        shown(request, &page)
    }
}

/// The metrics server's group comes after all others, where there is a metrics server.
fn add_metrics(cluster: &Cluster, core: bool, groups: Option<&mut Value>, group: Value) {
    if let Some(groups) = groups.and_then(Value::as_array_mut)
        && cluster.profile().metrics_server
        && !core
    {
        groups.push(group);
    }
}

/// A document with its hash; to a client that has it, nothing but that.
fn tagged(request: &Request, document: Document, media_type: &str) -> Response {
    let tag = format!("\"{}\"", document.hash);
    let known = request.header("if-none-match") == Some(tag.as_str());
    let headers = [("Content-Type", media_type), ("ETag", tag.as_str()), ("Vary", "Accept"), ("Cache-Control", "public")];
    let headers = headers.map(|(name, text)| (name.to_owned(), text.to_owned())).to_vec();
    Response { status: if known { 304 } else { 200 }, headers, body: if known { vec![] } else { document.body.to_vec() } }
}

fn open_api_v2(cluster: &Cluster, request: &Request) -> Response {
    let definitions = definitions(cluster);
    let accepted = clauses(request.header("accept").unwrap_or_default());
    let chosen = accepted.iter().find_map(|(media, _)| match media.as_str() {
        "application/json" | "application/*" | "*/*" => Some(false),
        "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" | V2_PROTOBUF_MEDIA_TYPE => Some(true),
        _ => None,
    });
    match chosen.or(accepted.is_empty().then_some(false)) {
        Some(true) => tagged(request, openapi::v2_protobuf(&definitions), V2_PROTOBUF_MEDIA_TYPE),
        Some(false) => tagged(request, openapi::v2_json(&definitions), "application/json"),
        None => Response { status: 406, ..Response::default() },
    }
}

fn open_api_v3(cluster: &Cluster, request: &Request, path: &str) -> Response {
    let definitions = definitions(cluster);
    if path.is_empty() {
        return Response::text(200, &openapi::v3_index(&definitions).to_string());
    }
    let Some(document) = openapi::v3_document(&definitions, path) else { return Response { status: 404, ..Response::default() } };
    let query = request.query();
    let wanted = query.get("hash");
    if !wanted.is_empty() && wanted != document.hash {
        return redirect(&format!("/openapi/v3/{path}?hash={}", document.hash), 301, "Moved Permanently");
    }
    let mut response = tagged(request, document, "application/json");
    if !wanted.is_empty() {
        response.headers.retain(|(name, _)| name != "Cache-Control");
        response.headers.push(("Cache-Control".into(), "public, immutable".into()));
    }
    response
}

/// A redirection as Go's `http.Redirect` writes it.
fn redirect(to: &str, status: u16, word: &str) -> Response {
    let body = format!("<a href=\"{to}\">{word}</a>.\n\n").into_bytes();
    let headers = vec![("Content-Type".to_owned(), "text/html; charset=utf-8".to_owned()), ("Location".to_owned(), to.to_owned())];
    Response { status, headers, body }
}

/// Who issues service account tokens.
fn issuer(request: &Request) -> Value {
    json!({
        "issuer": "https://kubernetes.default.svc.cluster.local",
        "jwks_uri": format!("https://{}/openid/v1/jwks", request.host),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    })
}
