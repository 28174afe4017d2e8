//! What a path means: a resource, or a path of the server's own.
//! Source: apiserver/pkg/endpoints/request/requestinfo.go. A path with an empty or a dotted segment names nothing.

use percent_encoding::percent_decode_str;

/// What a path of the API names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourcePath {
    /// The API group, empty for the core group.
    pub group: String,
    /// The version.
    pub version: String,
    /// The namespace, empty for none.
    pub namespace: String,
    /// The plural, as in the URL.
    pub resource: String,
    /// The object's name, empty for the collection.
    pub name: String,
    /// The subresource, empty for none.
    pub subresource: String,
    /// What follows the subresource, with its leading slash (only for `proxy`).
    pub rest: String,
    /// Whether the deprecated prefix `watch` was used.
    pub watch_prefix: bool,
}

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Route {
    /// A resource of the API.
    Resource(ResourcePath),
    /// A path below `/api/VERSION` or `/apis/GROUP/VERSION` that names no resource.
    NoResource,
    /// Any other path.
    Path(String),
}

impl Route {
    /// Reads a percent-encoded path.
    pub fn parse(path: &str) -> Route {
        let whole = path.to_owned();
        let Some(trimmed) = path.strip_prefix('/') else { return Route::Path(whole) };
        let raw: Vec<&str> = trimmed.split('/').collect();
        let (group, version, rest) = match raw.as_slice() {
            ["api", version, rest @ ..] if !version.is_empty() => ("", *version, rest),
            ["apis", group, version, rest @ ..] if !group.is_empty() && !version.is_empty() => (*group, *version, rest),
            _ => return Route::Path(whole),
        };
        if rest.is_empty() || rest == [""] {
            return Route::Path(whole);
        }
        match resource(rest) {
            Some(found) => Route::Resource(ResourcePath { group: group.to_owned(), version: version.to_owned(), ..found }),
            None => Route::NoResource,
        }
    }
}

/// Decodes one segment; one that is empty, dotted, or holds a slash or a zero byte names nothing.
fn segment(raw: &str) -> Option<String> {
    let text = percent_decode_str(raw).decode_utf8().ok()?.into_owned();
    let wrong = text.is_empty() || text == "." || text == ".." || text.contains('/') || text.contains('\0');
    (!wrong).then_some(text)
}

fn resource(raw: &[&str]) -> Option<ResourcePath> {
    let mut found = ResourcePath::default();
    let mut raw = raw;
    if raw.first() == Some(&"watch") {
        found.watch_prefix = true;
        raw = &raw[1..];
    }
    if raw.len() > 1 && raw.last() == Some(&"") && !raw.contains(&"proxy") {
        raw = &raw[..raw.len() - 1];
    }
    let namespaced = raw.first() == Some(&"namespaces") && raw.len() > 2 && !matches!(raw[2], "status" | "finalize");
    if namespaced {
        found.namespace = segment(raw[1])?;
        raw = &raw[2..];
    }
    found.resource = segment(raw.first()?)?;
    if let Some(name) = raw.get(1) {
        found.name = segment(name)?;
        if found.resource == "namespaces" {
            found.namespace.clone_from(&found.name);
        }
    }
    if let Some(sub) = raw.get(2) {
        found.subresource = segment(sub)?;
    }
    if raw.len() > 3 {
        if found.subresource != "proxy" {
            return None;
        }
        found.rest = format!("/{}", raw[3..].join("/"));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: Option<(&str, &str, &str, &str, &str)>) {
        match (Route::parse(path), expected) {
            (Route::Resource(r), Some(e)) => {
                assert_eq!((&*r.group, &*r.namespace, &*r.resource, &*r.name, &*r.subresource), e, "{path}");
            }
            (Route::Resource(r), None) => panic!("{path} is a resource: {r:?}"),
            (other, Some(_)) => panic!("{path} is {other:?}"),
            (_, None) => {}
        }
    }

    #[test]
    fn paths_name_resources_as_request_info_does() {
        check("/api/v1/pods", Some(("", "", "pods", "", "")));
        check("/api/v1/namespaces/a/pods/p/log", Some(("", "a", "pods", "p", "log")));
        check("/api/v1/namespaces/a", Some(("", "a", "namespaces", "a", "")));
        check("/api/v1/namespaces/a/status", Some(("", "a", "namespaces", "a", "status")));
        check("/apis/apps/v1/namespaces/a/deployments/", Some(("apps", "a", "deployments", "", "")));
        check("/api/v1//namespaces/default", None);
        check("/api/v1/namespaces/../nodes", None);
        check("/api/v1/namespaces/default/pods/a%2Fb", None);
        check("/api/v1/namespaces/default/pods/a%00b", None);
        check("/api", None);
        check("/apis/apps/v1", None);
        check("/version", None);
    }

    #[test]
    fn a_proxy_path_keeps_what_follows() {
        let Route::Resource(r) = Route::parse("/api/v1/namespaces/a/pods/p:80/proxy/x/y") else { panic!("a resource") };
        assert_eq!((&*r.subresource, &*r.rest), ("proxy", "/x/y"));
    }
}
