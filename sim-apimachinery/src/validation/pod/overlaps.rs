//! Files of one volume that would be written over each other. Source: pkg/api/pod/warnings.go.

use std::fmt;

use k8s_openapi::api::core::v1::{DownwardAPIVolumeFile, KeyToPath, Volume, VolumeProjection};

/// A path and what puts a file there.
#[derive(Clone, PartialEq)]
struct Entry {
    path: String,
    source: String,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.source.as_str() {
            "" => write!(f, "{:?}", self.path),
            source => write!(f, "{:?} ({source})", self.path),
        }
    }
}

/// Warns of paths that are there twice, or within each other.
pub(super) fn overlaps(volumes: &[Volume], found: &mut Vec<String>) {
    for volume in volumes {
        let mut tell = |what: &str, entries: Vec<Entry>| collisions(&volume.name, what, entries, found);
        if let Some(map) = &volume.config_map {
            tell(&format!("ConfigMap {:?}", map.name), of_keys(map.items.as_ref(), ""));
        }
        if let Some(secret) = &volume.secret {
            let name = secret.secret_name.as_deref().unwrap_or_default();
            tell(&format!("Secret {name:?}"), of_keys(secret.items.as_ref(), ""));
        }
        if let Some(api) = &volume.downward_api {
            tell("DownwardAPI", of_files(api.items.as_ref(), ""));
        }
        let Some(projected) = &volume.projected else { continue };
        tell("Projected", projected.sources.iter().flatten().flat_map(projection).collect());
        let empty = projected.sources.iter().flatten().filter(|s| **s == VolumeProjection::default());
        found.extend(empty.map(|_| format!("volume {:?} (Projected) has no sources provided", volume.name)));
    }
}

fn of_keys(items: Option<&Vec<KeyToPath>>, source: &str) -> Vec<Entry> {
    items.into_iter().flatten().map(|i| Entry { path: i.path.clone(), source: source.into() }).collect()
}

fn of_files(items: Option<&Vec<DownwardAPIVolumeFile>>, source: &str) -> Vec<Entry> {
    items.into_iter().flatten().map(|i| Entry { path: i.path.clone(), source: source.into() }).collect()
}

fn projection(source: &VolumeProjection) -> Vec<Entry> {
    if let Some(map) = source.config_map.as_ref().filter(|m| m.items.is_some()) {
        return of_keys(map.items.as_ref(), &format!("ConfigMap {:?}", map.name));
    }
    if let Some(secret) = source.secret.as_ref().filter(|s| s.items.is_some()) {
        return of_keys(secret.items.as_ref(), &format!("Secret {:?}", secret.name));
    }
    if let Some(api) = source.downward_api.as_ref().filter(|a| a.items.is_some()) {
        return of_files(api.items.as_ref(), "DownwardAPI");
    }
    let token = source.service_account_token.as_ref();
    token.map(|t| Entry { path: t.path.clone(), source: "ServiceAccountToken".into() }).into_iter().collect()
}

fn collisions(volume: &str, what: &str, entries: Vec<Entry>, found: &mut Vec<String>) {
    let mut before: Vec<Entry> = Vec::new();
    for mut entry in entries {
        entry.path.truncate(entry.path.trim_end_matches('/').len());
        for other in before.iter().filter(|other| collide(other, &entry)) {
            found.push(format!("volume {volume:?} ({what}): overlapping paths: {entry} with {other}"));
        }
        before.push(entry);
    }
}

fn collide(a: &Entry, b: &Entry) -> bool {
    let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    !a.path.is_empty() && !b.path.is_empty() && (within(&a.path, &b.path) || within(&b.path, &a.path))
}
