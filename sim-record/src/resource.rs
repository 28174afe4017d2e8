//! Kinds as paths of the API: built-in ones from the table of kinds, others by asking the server's discovery.

use serde_json::Value;
use sim_apimachinery::Kind;

use crate::cluster::Cluster;
use crate::failure::ApiError;

/// A resource of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// The kind's name.
    pub kind: String,
    /// As in paths.
    pub plural: String,
    /// As kubectl says it.
    pub singular: String,
    /// What kubectl may say instead, besides plural and singular.
    pub short_names: Vec<String>,
    /// Whether its objects live in namespaces.
    pub is_namespaced: bool,
}

impl Resource {
    /// A built-in kind at the version the table holds it at.
    pub fn of(kind: Kind) -> Resource {
        let row = kind.resource();
        Resource {
            api_version: row.api_version(),
            kind: row.kind.into(),
            plural: row.plural.into(),
            singular: row.singular.into(),
            // Words for built-in kinds are the table's.
            short_names: vec![],
            is_namespaced: kind.is_namespaced(),
        }
    }

    /// The API group, empty for the core.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The path of all of its objects in a namespace (in the cluster for an empty one).
    pub fn path(&self, namespace: &str) -> String {
        let root = if self.api_version.contains('/') { "/apis" } else { "/api" };
        match self.is_namespaced && !namespace.is_empty() {
            true => format!("{root}/{}/namespaces/{namespace}/{}", self.api_version, self.plural),
            false => format!("{root}/{}/{}", self.api_version, self.plural),
        }
    }

    /// `deployment.apps/web`, as kubectl names an object.
    pub fn shown(&self, name: &str) -> String {
        let group = self.group();
        if group.is_empty() { format!("{}/{name}", self.singular) } else { format!("{}.{group}/{name}", self.singular) }
    }
}

/// The built-in kind a manifest is of, whatever its version.
pub fn built_in(api_version: &str, kind: &str) -> Option<Resource> {
    let group = api_version.split_once('/').map_or("", |(group, _)| group);
    let found = Kind::find(group, kind)?;
    Some(Resource { api_version: api_version.into(), ..Resource::of(found) })
}

/// The resource of a manifest.
pub async fn of_manifest(cluster: &Cluster, api_version: &str, kind: &str) -> Result<Resource, ApiError> {
    if let Some(resource) = built_in(api_version, kind) {
        return Ok(resource);
    }
    let found = served(cluster, api_version).await?.into_iter().find(|r| r.kind == kind);
    found.ok_or_else(|| {
        let message = format!("no matches for kind \"{kind}\" in version \"{api_version}\"\nensure CRDs are installed first");
        ApiError::Refused { code: 404, reason: "NotFound".into(), message }
    })
}

/// The resource a word means, as on kubectl's command line.
pub async fn of_word(cluster: &Cluster, word: &str) -> Result<Resource, ApiError> {
    if let Some(kind) = Kind::from_word(word) {
        return Ok(Resource::of(kind));
    }
    let word = word.to_ascii_lowercase();
    let groups = cluster.get("/apis").await?;
    for version in groups["groups"].as_array().into_iter().flatten().filter_map(|g| g["preferredVersion"]["groupVersion"].as_str()) {
        let means = |r: &Resource| {
            r.plural == word || r.singular == word || r.short_names.contains(&word) || format!("{}.{}", r.plural, r.group()) == word
        };
        if let Some(found) = served(cluster, version).await?.into_iter().find(means) {
            return Ok(found);
        }
    }
    let message = format!("the server doesn't have a resource type \"{word}\"");
    Err(ApiError::Refused { code: 404, reason: "NotFound".into(), message })
}

async fn served(cluster: &Cluster, api_version: &str) -> Result<Vec<Resource>, ApiError> {
    let list = cluster.get(&format!("/apis/{api_version}")).await?;
    let word = |value: &Value, name: &str| value[name].as_str().unwrap_or_default().to_owned();
    let resources = list["resources"].as_array().into_iter().flatten().filter(|r| !word(r, "name").contains('/'));
    let resource = |r: &Value| {
        let (kind, singular) = (word(r, "kind"), word(r, "singularName"));
        let singular = if singular.is_empty() { kind.to_ascii_lowercase() } else { singular };
        let is_namespaced = r["namespaced"].as_bool().unwrap_or(false);
        let short_names = r["shortNames"].as_array().into_iter().flatten().filter_map(|n| n.as_str().map(str::to_owned)).collect();
        Resource { api_version: api_version.into(), plural: word(r, "name"), kind, singular, short_names, is_namespaced }
    };
    Ok(resources.map(resource).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_and_names_are_kubernetes_own() {
        let deployment = built_in("apps/v1", "Deployment").expect("it is in the table");
        assert_eq!(deployment.path("web"), "/apis/apps/v1/namespaces/web/deployments");
        assert_eq!(deployment.shown("front"), "deployment.apps/front");
        let node = Resource::of(Kind::Node);
        assert_eq!((node.path("web"), node.shown("n")), ("/api/v1/nodes".into(), "node/n".into()));
        assert_eq!(built_in("autoscaling/v1", "HorizontalPodAutoscaler").map(|r| r.api_version), Some("autoscaling/v1".into()));
    }
}
