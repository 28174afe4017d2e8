//! What a recording made goes again: objects, nodes' taints as they were, and its namespace, the last made first.
//! Promises: it waits until everything is gone; a cluster that does not answer is tried again for a while; what could not be
//! undone is told by name.

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;

use crate::cluster::{Cluster, MERGE};
use crate::failure::ApiError;
use crate::session::Made;
use crate::{namespace, simulated};

/// How long something may take to go.
const GONE_TIME_MAX: Duration = Duration::from_secs(180);
/// For how long a cluster that does not answer is tried again.
const UNREACHABLE_TIME_MAX: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(200);

/// Undoes all of it; gives what is left, in words, and why.
pub async fn clean_up(cluster: &Cluster, made: Vec<Made>) -> Vec<String> {
    let namespaces: Vec<String> = made
        .iter()
        .filter_map(|m| match m {
            Made::Namespace(name) => Some(format!("{}/", namespace::path(name))),
            _ => None,
        })
        .collect();
    let in_branch = made.iter().any(|m| matches!(m, Made::Branch { .. }));
    let goes_along = |m: &Made| match m {
        Made::Branch { .. } => false,
        Made::Object { path, .. } => in_branch || is_inside(path, &namespaces),
        _ => in_branch,
    };
    let mut left = Vec::new();
    let end = Instant::now() + UNREACHABLE_TIME_MAX;
    for made in made.into_iter().rev().filter(|m| !goes_along(m)) {
        if let Err(error) = undo_patiently(cluster, &made, end).await {
            left.push(format!("{}: {error}", shown(&made)));
        }
    }
    left
}

/// Whether an object lives in one of these namespaces, whatever its group.
fn is_inside(path: &str, namespaces: &[String]) -> bool {
    namespaces.iter().any(|n| n.split_once("/namespaces/").is_some_and(|(_, name)| path.contains(&format!("/namespaces/{name}"))))
}

/// How it is named for people.
pub fn shown(made: &Made) -> String {
    match made {
        Made::Namespace(name) => format!("namespace/{name}"),
        Made::Object { shown, .. } => shown.clone(),
        Made::Branch { name, .. } => format!("branch/{name}"),
        Made::Node { path, .. } => format!("node/{}", path.rsplit('/').next().unwrap_or_default()),
    }
}

async fn undo_patiently(cluster: &Cluster, made: &Made, end: Instant) -> Result<(), ApiError> {
    loop {
        match undo(cluster, made).await {
            Err(ApiError::Unreachable(_)) if Instant::now() < end => tokio::time::sleep(POLL).await,
            undone => return undone,
        }
    }
}

async fn undo(cluster: &Cluster, made: &Made) -> Result<(), ApiError> {
    match made {
        Made::Namespace(name) => namespace::remove(cluster, name, GONE_TIME_MAX).await,
        Made::Branch { name, before, speed } => simulated::leave(cluster, name, before, speed).await,
        Made::Node { path, before } => match cluster.patch(path, MERGE, before).await {
            Err(error) if error.is_not_found() => Ok(()),
            patched => patched.map(|_| ()),
        },
        Made::Object { path, .. } => remove_object(cluster, path).await,
    }
}

/// Dependents go first, so that nothing is left when the object is gone.
async fn remove_object(cluster: &Cluster, path: &str) -> Result<(), ApiError> {
    let options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"});
    match cluster.delete(path, &options).await {
        Err(error) if error.is_not_found() => return Ok(()),
        deleted => _ = deleted?,
    }
    let end = Instant::now() + GONE_TIME_MAX;
    loop {
        match cluster.get(path).await {
            Err(error) if error.is_not_found() => return Ok(()),
            found => _ = found?,
        }
        if Instant::now() > end {
            let message = format!("not gone after {} s", GONE_TIME_MAX.as_secs());
            return Err(ApiError::Refused { code: 504, reason: "Timeout".into(), message });
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_lives_in_a_namespace_goes_with_it() {
        let own = vec![format!("{}/", namespace::path("own"))];
        assert!(is_inside("/apis/apps/v1/namespaces/own/deployments/a", &own));
        assert!(!is_inside("/apis/apps/v1/namespaces/own-2/deployments/a", &own));
        assert!(!is_inside("/api/v1/namespaces/other/pods/a", &own));
        assert!(!is_inside("/apis/rbac.authorization.k8s.io/v1/clusterroles/own", &own));
    }
}
