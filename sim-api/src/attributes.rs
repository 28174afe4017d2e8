//! A request as the authorizers see it. Source: apiserver endpoints/request/requestinfo.go, endpoints/filters/authorization.go.

use std::sync::Arc;

use sim_apimachinery::UserInfo;
use sim_core::kube_apiserver::authorization::{Attributes, field_equalities};

use crate::http::Request;
use crate::query::Query;
use crate::route::{ResourcePath, Route};

/// What a request asks for, as this user.
pub fn attributes(request: &Request, query: &Query, route: &Route, user: &Arc<UserInfo>) -> Attributes {
    match route {
        Route::Resource(path) => of_resource(request, query, path, user),
        Route::NoResource | Route::Path(_) => Attributes::for_path(user, &request.method.to_ascii_lowercase(), &request.path),
    }
}

fn of_resource(request: &Request, query: &Query, path: &ResourcePath, user: &Arc<UserInfo>) -> Attributes {
    let verb = verb(request, query, path);
    let is_many = matches!(verb, "list" | "watch" | "deletecollection");
    let field_equals = if is_many { field_equalities(query.get("fieldSelector")) } else { vec![] };
    let selected = field_equals.iter().find(|(field, _)| field == "metadata.name").map(|(_, name)| name.clone());
    Attributes {
        version: path.version.clone(),
        subresource: path.subresource.clone(),
        namespace: path.namespace.clone(),
        name: if path.name.is_empty() { selected.unwrap_or_default() } else { path.name.clone() },
        field_equals,
        ..Attributes::for_resource(user, verb, &path.group, &path.resource)
    }
}

fn verb(request: &Request, query: &Query, path: &ResourcePath) -> &'static str {
    match (request.method.as_str(), path.name.is_empty()) {
        _ if path.watch_prefix => "watch",
        ("GET" | "HEAD", false) => "get",
        ("GET" | "HEAD", true) if query.flag("watch") => "watch",
        ("GET" | "HEAD", true) => "list",
        ("POST", _) => "create",
        ("PUT", _) => "update",
        ("PATCH", _) => "patch",
        ("DELETE", false) => "delete",
        ("DELETE", true) => "deletecollection",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(method: &str, path: &str, query: &str) -> Attributes {
        let request = Request { method: method.into(), path: path.into(), query: query.into(), ..Default::default() };
        attributes(&request, &request.query(), &Route::parse(path), &Arc::default())
    }

    #[test]
    fn verbs_come_from_method_name_and_watch() {
        let verb = |method, path, query| asked(method, path, query).verb;
        assert_eq!(verb("GET", "/api/v1/pods", ""), "list");
        assert_eq!(verb("GET", "/api/v1/pods", "watch=1"), "watch");
        assert_eq!(verb("GET", "/api/v1/pods", "watch=false"), "list");
        assert_eq!(verb("HEAD", "/api/v1/namespaces/a/pods/p", ""), "get");
        assert_eq!(verb("DELETE", "/api/v1/namespaces/a/pods", ""), "deletecollection");
        assert_eq!(verb("GET", "/healthz", ""), "get");
    }

    #[test]
    fn a_selected_name_is_the_name() {
        let found = asked("GET", "/api/v1/namespaces/a/pods", "fieldSelector=metadata.name%3Dp,spec.nodeName!%3Dn");
        assert_eq!((found.name.as_str(), found.field_equals.len(), found.namespace.as_str()), ("p", 1, "a"));
        let namespace = asked("GET", "/api/v1/namespaces/a", "");
        assert_eq!((namespace.name.as_str(), namespace.namespace.as_str()), ("a", "a"));
    }
}
