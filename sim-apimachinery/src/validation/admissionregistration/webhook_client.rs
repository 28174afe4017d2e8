//! How a webhook is reached. Source: apiserver pkg/util/webhook/validation.go.
//! Not checked: the parts of a URL beyond scheme, user, host, query and fragment.

use super::super::errors::Errors;
use super::super::path::Path;
use crate::names;

const FORM: &str = "; desired format: https://host[/path]";

/// What is wrong with a URL.
pub fn url(text: &str, at: &Path<'_>, errors: &mut Errors) {
    let (rest, fragment) = text.split_once('#').unwrap_or((text, ""));
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    if let Some(why) = unreadable(rest) {
        return errors.required(at, &format!("url must be a valid URL: parse {text:?}: {why}{FORM}"));
    }
    let (scheme, rest) = scheme_of(rest);
    let authority = rest.strip_prefix("//").map(|r| r.split('/').next().unwrap_or_default()).unwrap_or_default();
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    if scheme != "https" {
        errors.invalid(at, &scheme, &format!("'https' is the only allowed URL scheme{FORM}"));
    }
    if host.is_empty() {
        errors.invalid(at, host, &format!("host must be specified{FORM}"));
    }
    if let Some(user) = user {
        errors.invalid(at, user, "user information is not permitted in the URL");
    }
    if !fragment.is_empty() {
        errors.invalid(at, fragment, "fragments are not permitted in the URL");
    }
    if !query.is_empty() {
        errors.invalid(at, query, "query parameters are not permitted in the URL");
    }
}

fn scheme_of(text: &str) -> (String, &str) {
    let is_scheme =
        |s: &str| s.starts_with(|c: char| c.is_ascii_alphabetic()) && s.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    match text.split_once(':') {
        Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
        _ => (String::new(), text),
    }
}

/// What Go's parser refuses outright.
fn unreadable(text: &str) -> Option<&'static str> {
    if text.bytes().any(|b| b < b' ' || b == 0x7f) {
        return Some("net/url: invalid control character in URL");
    }
    let first = text.split('/').next().unwrap_or_default();
    match first.split_once(':') {
        Some(("", _)) => Some("missing protocol scheme"),
        Some((scheme, _)) if scheme_of(text).0.is_empty() && !scheme.is_empty() => Some("first path segment in URL cannot contain colon"),
        _ => None,
    }
}

/// A service as a webhook's address.
pub struct Service<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// The path to call.
    pub path: Option<&'a str>,
    /// The port.
    pub port: i32,
}

/// What is wrong with a service as an address. Kubernetes confuses the two names: each is missed under the other's field.
pub fn service(service: &Service<'_>, at: &Path<'_>, errors: &mut Errors) {
    if service.namespace.is_empty() {
        errors.required(&at.child("name"), "");
    }
    if service.name.is_empty() {
        errors.required(&at.child("namespace"), "");
    }
    let wrong = names::port_number(service.port);
    if !wrong.is_empty() {
        errors.invalid(&at.child("port"), service.port, &format!("port is not valid: {}", wrong.join(", ")));
    }
    path(service.path.unwrap_or_default(), &at.child("path"), errors);
}

fn path(path: &str, at: &Path<'_>, errors: &mut Errors) {
    match path {
        "" | "/" => return,
        "//" => return errors.invalid(at, path, "segment[0] may not be empty"),
        _ => {}
    }
    if !path.starts_with('/') {
        errors.invalid(at, path, "must start with a '/'");
    }
    let mut inner = path.chars();
    inner.next();
    let inner = inner.as_str();
    for (index, step) in inner.strip_suffix('/').unwrap_or(inner).split('/').enumerate() {
        if step.is_empty() {
            errors.invalid(at, path, &format!("segment[{index}] may not be empty"));
        }
        for why in names::dns1123_subdomain(step).into_iter().filter(|_| !step.is_empty()) {
            errors.invalid(at, path, &format!("segment[{index}]: {why}"));
        }
    }
}
