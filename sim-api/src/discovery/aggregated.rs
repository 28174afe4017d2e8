//! Aggregated discovery: all groups, versions and resources in one document, `APIGroupDiscoveryList` of apidiscovery.k8s.io/v2.

use serde_json::{Value, json};

use super::served::{ServedGroup, ServedResource, ServedVersion, Subresource, TypeName, groups};

/// The content type of an aggregated answer.
pub const AGGREGATED_MEDIA_TYPE: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";

/// Whether one clause of `Accept`, by its media type and parameters, asks for the aggregated form.
pub fn wants_aggregated(media: &str, parameters: &[(String, String)]) -> bool {
    let is = |name: &str, value: &str| parameters.iter().any(|(n, v)| n == name && v == value);
    matches!(media, "application/json" | "application/*" | "*/*")
        && is("g", "apidiscovery.k8s.io")
        && is("v", "v2")
        && is("as", "APIGroupDiscoveryList")
}

/// `GET /api` (`core`) or `GET /apis` in the aggregated form.
pub fn aggregated(definitions: &[Value], core: bool) -> Value {
    let items: Vec<Value> = groups(definitions).iter().filter(|group| group.name.is_empty() == core).map(group_item).collect();
    json!({"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items})
}

fn group_item(group: &ServedGroup) -> Value {
    let metadata = if group.name.is_empty() { json!({}) } else { json!({"name": group.name}) };
    let versions: Vec<Value> = group.versions.iter().map(|version| version_item(&group.name, version)).collect();
    json!({"metadata": metadata, "versions": versions})
}

fn version_item(group: &str, version: &ServedVersion) -> Value {
    let resources: Vec<Value> = version.resources.iter().map(|resource| resource_item(group, &version.name, resource)).collect();
    json!({"version": version.name, "resources": resources, "freshness": "Current"})
}

fn resource_item(group: &str, version: &str, resource: &ServedResource) -> Value {
    let of = TypeName { group: group.to_owned(), version: version.to_owned(), kind: resource.kind.clone() };
    let mut item = json!({
        "resource": resource.plural,
        "responseKind": response_kind(&of),
        "scope": if resource.namespaced { "Namespaced" } else { "Cluster" },
        "singularResource": resource.singular,
        "verbs": resource.verbs,
    });
    for (field, words) in [("shortNames", &resource.short_names), ("categories", &resource.categories)] {
        if !words.is_empty() {
            item[field] = json!(words);
        }
    }
    if !resource.subresources.is_empty() {
        item["subresources"] = resource.subresources.iter().map(subresource_item).collect();
    }
    item
}

fn subresource_item(sub: &Subresource) -> Value {
    json!({"subresource": sub.name, "responseKind": response_kind(&sub.of), "verbs": sub.verbs})
}

fn response_kind(of: &TypeName) -> Value {
    json!({"group": of.group, "version": of.version, "kind": of.kind})
}
