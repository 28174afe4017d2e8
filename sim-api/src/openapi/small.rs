//! The documents that have one path: discovery, the version, the keys of service account tokens.

use serde_json::Value;

use super::operation::{Media, Operation};
use crate::discovery::groups;

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";

/// Path, schema (empty for a string), operation id, description, tag.
type Small = (&'static str, &'static str, &'static str, &'static str, &'static str);

/// The documents that are always there.
pub(super) const FIXED: [Small; 5] = [
    (
        ".well-known/openid-configuration",
        "",
        "getServiceAccountIssuerOpenIDConfiguration",
        "get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'",
        "WellKnown",
    ),
    ("api", "APIVersions", "getCoreAPIVersions", "get available API versions", "core"),
    ("apis", "APIGroupList", "getAPIVersions", "get available API versions", "apis"),
    (
        "openid/v1/jwks",
        "",
        "getServiceAccountIssuerOpenIDKeyset",
        "get service account issuer OpenID JSON Web Key Set (contains public token verification keys)",
        "openid",
    ),
    ("version", "Info", "getCodeVersion", "get the version information for this server", "version"),
];

/// The path inside the document and its one operation, if there is such a small document.
pub(super) fn operation_at(path: &str) -> Option<(String, Value)> {
    let at = format!("/{path}/");
    if let Some((_, schema, id, description, tag)) = FIXED.iter().find(|(known, ..)| *known == path) {
        return Some((at, operation(path, schema, id, description, tag)));
    }
    let name = path.strip_prefix("apis/")?;
    let group = groups(&[]).into_iter().find(|group| group.name == name && !name.is_empty())?;
    let words = camel(&group.name);
    let id = format!("get{}{}APIGroup", words[..1].to_uppercase(), &words[1..]);
    Some((at, operation(path, "APIGroup", &id, "get information of a group", &words)))
}

fn operation(path: &str, schema: &str, id: &str, description: &str, tag: &str) -> Value {
    let media = match path {
        "version" | ".well-known/openid-configuration" => Media::Json,
        "openid/v1/jwks" => Media::KeySet,
        _ => Media::Discovery,
    };
    let schema = match schema {
        "" => String::new(),
        "Info" => "io.k8s.apimachinery.pkg.version.Info".to_owned(),
        other => format!("{META}{other}"),
    };
    Operation::new(description, id.to_owned(), tag).answers(&schema, &[200], media).into_value()
}

/// A group's name as it stands in tags: `rbac.authorization.k8s.io` is `rbacAuthorization`.
fn camel(group: &str) -> String {
    let mut parts = group.strip_suffix(".k8s.io").unwrap_or(group).split('.');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |all, part| format!("{all}{}{}", part[..1].to_uppercase(), &part[1..]))
}
