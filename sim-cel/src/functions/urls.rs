//! URLs. Source: apiserver pkg/cel/library/urls.go. A URL is absolute, or a path that begins with a slash.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::evaluate::{EvaluationError, Outcome};
use crate::value::{Key, Value};

/// The parts of a URL, as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    scheme: String,
    host: String,
    path: String,
    query: String,
}

pub(super) fn call(name: &str, args: &[Value]) -> Option<Outcome> {
    Some(match (name, args) {
        ("url", [Value::String(s)]) => {
            let why =
                || EvaluationError::new(format!("URL parse error during conversion from string: parse {s:?}: invalid URI for request"));
            parse(s).map(|u| Value::Url(Arc::new(u))).ok_or_else(why)
        }
        ("isURL", [Value::String(s)]) => Ok(Value::Bool(parse(s).is_some())),
        ("getScheme", [Value::Url(u)]) => Ok(Value::text(&u.scheme)),
        ("getHost", [Value::Url(u)]) => Ok(Value::text(&u.host)),
        ("getHostname", [Value::Url(u)]) => Ok(Value::text(host_and_port(&u.host).0)),
        ("getPort", [Value::Url(u)]) => Ok(Value::text(host_and_port(&u.host).1)),
        ("getEscapedPath", [Value::Url(u)]) => Ok(Value::text(&u.path)),
        ("getQuery", [Value::Url(u)]) => Ok(query(&u.query)),
        _ => return None,
    })
}

fn parse(text: &str) -> Option<Url> {
    let without_fragment = text.split('#').next().unwrap_or_default();
    if text.is_empty() || text.chars().any(|c| c.is_control() || c == ' ') {
        return None;
    }
    let (before, query) = without_fragment.split_once('?').unwrap_or((without_fragment, ""));
    if before.starts_with('/') {
        return Some(Url { scheme: String::new(), host: String::new(), path: before.into(), query: query.into() });
    }
    let (scheme, rest) = before.split_once(':')?;
    let is_scheme =
        scheme.starts_with(|c: char| c.is_ascii_alphabetic()) && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c));
    let rest = rest.strip_prefix("//").filter(|_| is_scheme)?;
    let end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(end);
    let host = authority.rsplit('@').next().unwrap_or_default();
    let (_, port) = host_and_port(host);
    port.chars().all(|c| c.is_ascii_digit()).then(|| Url {
        scheme: scheme.to_ascii_lowercase(),
        host: host.into(),
        path: path.into(),
        query: query.into(),
    })
}

fn host_and_port(host: &str) -> (&str, &str) {
    if let Some(end) = host.strip_prefix('[').and_then(|h| h.find(']')) {
        return (&host[1..=end], host[end + 2..].trim_start_matches(':'));
    }
    host.rsplit_once(':').unwrap_or((host, ""))
}

fn query(text: &str) -> Value {
    let mut found: BTreeMap<Key, Vec<Value>> = BTreeMap::new();
    for pair in text.split('&').filter(|p| !p.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        found.entry(Key::String(decoded(name).into())).or_default().push(Value::text(&decoded(value)));
    }
    Value::Map(Arc::new(found.into_iter().map(|(k, v)| (k, Value::list(v))).collect()))
}

fn decoded(text: &str) -> String {
    let mut bytes = vec![];
    let mut rest = text.bytes();
    while let Some(b) = rest.next() {
        match b {
            b'+' => bytes.push(b' '),
            b'%' => {
                let hex: Vec<u8> = rest.by_ref().take(2).collect();
                let value = std::str::from_utf8(&hex).ok().and_then(|h| u8::from_str_radix(h, 16).ok());
                bytes.extend(value);
            }
            b => bytes.push(b),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
