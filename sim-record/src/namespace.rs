//! The recording's own namespace: made before it, deleted after it. One that somebody else made is not touched unless that is
//! asked for, and then only what the recording made in it is deleted again.

use std::time::Duration;

use serde_json::{Value, json};
use sim_apimachinery::Kind;
use tokio::time::Instant;

use crate::cluster::Cluster;
use crate::failure::{ApiError, Failure};
use crate::resource::Resource;

/// The label of namespaces that recordings made.
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const OURS: &str = "ksim-record";
/// Namespaces that are never recorded in.
const SYSTEM: [&str; 3] = ["kube-system", "kube-public", "kube-node-lease"];
/// For how long what every namespace is given is awaited.
const FURNISHED_TIME_MAX: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);

/// What is there under a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// Nothing: it can be made.
    Nothing,
    /// One that an earlier recording made.
    Ours,
    /// One that somebody else made.
    Theirs,
}

/// The path of a namespace.
pub fn path(name: &str) -> String {
    format!("{}/{name}", Resource::of(Kind::Namespace).path(""))
}

/// A name that no other recording has.
pub fn fresh_name(recording: &str, stamp: u64) -> String {
    let plain: String = recording.to_ascii_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).take(40).collect();
    format!("ksim-record-{}-{:05x}", plain.trim_matches('-'), stamp & 0xf_ffff)
}

/// Looks what is there under a name, and whether it may be used.
pub async fn look(cluster: &Cluster, name: &str, use_existing: bool) -> Result<Found, Failure> {
    if SYSTEM.contains(&name) {
        return Err(Failure::Input(format!("the namespace {name} belongs to the cluster: nothing is recorded in it")));
    }
    let found = match cluster.get(&path(name)).await {
        Err(error) if error.is_not_found() => return Ok(Found::Nothing),
        found => found?,
    };
    if is_ours(&found) {
        return Ok(Found::Ours);
    }
    if use_existing {
        return Ok(Found::Theirs);
    }
    Err(Failure::Input(format!(
        "the namespace {name} is there already, and no recording made it. --use-existing records in it all the same (only what the recording \
         makes in it is deleted afterwards); --namespace NAME makes one of its own"
    )))
}

fn is_ours(namespace: &Value) -> bool {
    namespace["metadata"]["labels"][MANAGED_BY] == OURS
}

/// Makes it, after what an earlier recording left under the name is gone.
pub async fn make(cluster: &Cluster, name: &str, found: Found) -> Result<(), ApiError> {
    if found == Found::Ours {
        remove(cluster, name, Duration::from_secs(120)).await?;
    }
    let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {MANAGED_BY: OURS}}});
    cluster.create(&Resource::of(Kind::Namespace).path(""), &object).await?;
    Ok(())
}

/// Waits for what controllers put into every namespace, without which no pod starts. A cluster that has no such controllers
/// is recorded as it is.
pub async fn furnished(cluster: &Cluster, name: &str) -> Result<bool, ApiError> {
    let end = Instant::now() + FURNISHED_TIME_MAX;
    let account = format!("{}/default", Resource::of(Kind::ServiceAccount).path(name));
    let authority = format!("{}/kube-root-ca.crt", Resource::of(Kind::ConfigMap).path(name));
    for path in [account, authority] {
        loop {
            match cluster.get(&path).await {
                // A right to read it is not needed for anything else.
                Err(ApiError::Refused { code: 403, .. }) => break,
                Err(error) if error.is_not_found() && Instant::now() > end => return Ok(false),
                Err(error) if error.is_not_found() => tokio::time::sleep(POLL).await,
                found => {
                    found?;
                    break;
                }
            }
        }
    }
    Ok(true)
}

/// Deletes a namespace that a recording made, and waits until it is gone. One that is somebody else's is left alone.
pub async fn remove(cluster: &Cluster, name: &str, patience: Duration) -> Result<(), ApiError> {
    let end = Instant::now() + patience;
    let mut is_asked = false;
    loop {
        match cluster.get(&path(name)).await {
            Err(error) if error.is_not_found() => return Ok(()),
            Ok(found) if !is_ours(&found) => return Ok(()),
            found => {
                found?;
                if !is_asked {
                    match cluster.delete(&path(name), &Value::Null).await {
                        Err(error) if error.is_not_found() => return Ok(()),
                        // Two who delete it at a time.
                        Err(ApiError::Refused { code: 409, .. }) => {}
                        asked => _ = asked?,
                    }
                    is_asked = true;
                }
            }
        }
        if Instant::now() > end {
            let message = format!("the namespace {name} is not gone after {} s", patience.as_secs());
            return Err(ApiError::Refused { code: 504, reason: "Timeout".into(), message });
        }
        tokio::time::sleep(POLL).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_labels_of_dns() {
        assert_eq!(fresh_name("First Deploy_2!", 0xabcdef), "ksim-record-first-deploy-2-bcdef");
        let long = fresh_name(&"x".repeat(200), 1);
        assert!(long.len() <= 63, "{long}");
    }

    #[test]
    fn only_what_recordings_made_is_ours() {
        assert!(is_ours(&json!({"metadata": {"labels": {MANAGED_BY: OURS}}})));
        assert!(!is_ours(&json!({"metadata": {"labels": {MANAGED_BY: "Helm"}}})));
        assert!(!is_ours(&json!({"metadata": {}})));
    }
}
