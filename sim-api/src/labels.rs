//! What a request asks for, in the words of the API server's own metrics.
//! Source: apiserver/pkg/endpoints/metrics/metrics.go (`cleanVerb`, `CleanScope`).

use std::sync::Arc;

use crate::attributes::attributes;
use crate::http::Request;
use crate::route::Route;

/// The labels of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels {
    /// `GET`, `LIST`, `WATCH`, `POST`, `APPLY`, …
    pub verb: String,
    /// The API group, empty for the core.
    pub group: String,
    /// The version.
    pub version: String,
    /// The resource; empty for a path that names none.
    pub resource: String,
    /// The subresource.
    pub subresource: String,
    /// `resource`, `namespace`, `cluster`, or empty.
    pub scope: &'static str,
}

impl Labels {
    /// The labels of a request.
    pub fn of(request: &Request) -> Labels {
        let route = Route::parse(&request.path);
        let asked = attributes(request, &request.query(), &route, &Arc::default());
        let verb = match (request.method.as_str(), asked.verb.as_str()) {
            (_, "list") => "LIST",
            (_, "watch") => "WATCH",
            (_, "deletecollection") => "DELETECOLLECTION",
            ("PATCH", _) if request.header("content-type").is_some_and(|t| t.starts_with("application/apply-patch")) => "APPLY",
            _ if matches!(asked.subresource.as_str(), "exec" | "attach" | "portforward" | "proxy") => "CONNECT",
            ("GET" | "POST" | "PUT" | "PATCH" | "DELETE" | "HEAD" | "OPTIONS", _) => request.method.as_str(),
            _ => "other",
        };
        let scope = match (asked.is_resource, asked.name.is_empty(), asked.namespace.is_empty()) {
            (false, ..) => "",
            (_, false, _) => "resource",
            (_, true, false) if verb != "POST" => "namespace",
            (_, true, false) => "resource",
            (_, true, true) => "cluster",
        };
        Labels {
            verb: verb.to_owned(),
            group: asked.group,
            version: asked.version,
            resource: asked.resource,
            subresource: asked.subresource,
            scope,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_named_as_the_metrics_name_it() {
        let of = |method: &str, path: &str, query: &str| {
            let labels = Labels::of(&Request { method: method.into(), path: path.into(), query: query.into(), ..Request::default() });
            (labels.verb, labels.group, labels.resource, labels.scope)
        };
        let told = |verb: &str, group: &str, resource: &str, scope| (verb.to_owned(), group.to_owned(), resource.to_owned(), scope);
        assert_eq!(of("GET", "/api/v1/pods", ""), told("LIST", "", "pods", "cluster"));
        assert_eq!(of("GET", "/api/v1/namespaces/a/pods", "watch=1"), told("WATCH", "", "pods", "namespace"));
        assert_eq!(of("POST", "/apis/apps/v1/namespaces/a/deployments", ""), told("POST", "apps", "deployments", "resource"));
        assert_eq!(of("GET", "/healthz", ""), told("GET", "", "", ""));
        assert_eq!(of("BREW", "/coffee", ""), told("other", "", "", ""));
    }
}
