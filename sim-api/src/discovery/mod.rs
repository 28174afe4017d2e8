//! What the API server tells of what it serves: `/api`, `/apis`, groups, versions and their resources, in the old form and in
//! the aggregated one; `/version`; the list of paths; health. Source: apiserver's pkg/endpoints/discovery, the aggregator's
//! priorities, apiextensions' discovery controller.
//! Custom resource definitions are passed in as JSON; those that are not established are not shown.
//! Not modelled: groups of extension API servers.

mod aggregated;
mod health;
mod served;
mod version;

pub use aggregated::{AGGREGATED_MEDIA_TYPE, aggregated, wants_aggregated};
pub use health::health;
pub use served::{ServedGroup, ServedResource, ServedVersion, Subresource, TypeName, groups};
pub use version::version_info;

use std::collections::BTreeSet;

use serde_json::{Value, json};

/// `GET /api`: the versions of the core group. `server_address` is the host and port clients reach the server at.
pub fn core_versions(server_address: &str) -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server_address}],
    })
}

/// `GET /apis`: all groups but the core one.
pub fn group_list(definitions: &[Value]) -> Value {
    let groups: Vec<Value> = groups(definitions).iter().filter(|group| !group.name.is_empty()).map(group_entry).collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `GET /apis/GROUP`, if there is such a group.
pub fn group(definitions: &[Value], name: &str) -> Option<Value> {
    let found = groups(definitions).into_iter().find(|group| group.name == name && !name.is_empty())?;
    let mut entry = group_entry(&found);
    entry["kind"] = "APIGroup".into();
    entry["apiVersion"] = "v1".into();
    Some(entry)
}

fn group_entry(group: &ServedGroup) -> Value {
    let version = |version: &ServedVersion| json!({"groupVersion": group_version(&group.name, &version.name), "version": version.name});
    let versions: Vec<Value> = group.versions.iter().map(version).collect();
    json!({"name": group.name, "preferredVersion": versions.first(), "versions": versions})
}

fn group_version(group: &str, version: &str) -> String {
    if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") }
}

/// `GET /api/v1` or `/apis/GROUP/VERSION`: the resources of a version, if it is served.
pub fn resource_list(definitions: &[Value], group: &str, version: &str) -> Option<Value> {
    let found = groups(definitions).into_iter().find(|served| served.name == group)?;
    let found = found.versions.into_iter().find(|served| served.name == version)?;
    let resources: Vec<Value> = found.resources.iter().flat_map(|resource| resource_entries(resource, group, version)).collect();
    let mut list = json!({"kind": "APIResourceList", "groupVersion": group_version(group, version), "resources": resources});
    if !group.is_empty() {
        list["apiVersion"] = "v1".into();
    }
    Some(list)
}

fn resource_entries(resource: &ServedResource, group: &str, version: &str) -> Vec<Value> {
    let mut own = json!({
        "name": resource.plural,
        "singularName": resource.singular,
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": resource.verbs,
    });
    let optional = [("shortNames", json!(resource.short_names)), ("categories", json!(resource.categories))];
    for (field, words) in optional.into_iter().filter(|(_, words)| words.as_array().is_some_and(|w| !w.is_empty())) {
        own[field] = words;
    }
    if let Some(hash) = &resource.storage_version_hash {
        own["storageVersionHash"] = hash.clone().into();
    }
    let subresource = |sub: &Subresource| subresource_entry(resource, sub, group, version);
    std::iter::once(own).chain(resource.subresources.iter().map(subresource)).collect()
}

fn subresource_entry(resource: &ServedResource, sub: &Subresource, group: &str, version: &str) -> Value {
    let mut entry = json!({
        "name": format!("{}/{}", resource.plural, sub.name),
        "singularName": "",
        "namespaced": resource.namespaced,
        "kind": sub.of.kind,
        "verbs": sub.verbs,
    });
    if (sub.of.group.as_str(), sub.of.version.as_str()) != (group, version) {
        entry["group"] = sub.of.group.clone().into();
        entry["version"] = sub.of.version.clone().into();
    }
    entry
}

/// `GET /`: every path the server knows, sorted.
pub fn root_paths(definitions: &[Value]) -> Value {
    const FIXED: [&str; 14] = [
        "/.well-known/openid-configuration",
        "/api",
        "/api/v1",
        "/apis",
        "/apis/",
        "/debug/pprof",
        "/logs",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/openapi/v3/",
        "/openid/v1/jwks",
        "/version",
        "/healthz/log",
    ];
    let mut paths: BTreeSet<String> = FIXED.iter().map(|path| (*path).to_owned()).collect();
    for group in groups(definitions).iter().filter(|group| !group.name.is_empty()) {
        paths.insert(format!("/apis/{}", group.name));
        paths.extend(group.versions.iter().map(|version| format!("/apis/{}/{}", group.name, version.name)));
    }
    paths.extend(health::paths());
    json!({ "paths": paths })
}

#[cfg(test)]
mod tests;
