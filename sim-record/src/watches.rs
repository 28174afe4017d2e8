//! Watches of every kind a recording holds: listed once, then followed, and gone on with where they broke off.
//! Promises: an event is written once and in the order received; a watch that ends goes on from the last version it saw;
//! where the server has forgotten that version the kind is listed anew, and what is different now is written as events, with
//! a line `note` before them, because states in between may be missing. Kept in memory: name and version of each object.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use sim_apimachinery::Kind;
use sim_core::trace::recording::RECORDED;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::cluster::{Cluster, Lines, encode, name_of};
use crate::failure::{ApiError, Failure};
use crate::recording::Recording;
use crate::resource::Resource;

/// A server that has not answered for so long is lost.
const LOST_AFTER: Duration = Duration::from_secs(20);
/// How long to wait before a broken watch is opened again.
const AGAIN: Duration = Duration::from_millis(250);
/// For how long the server is asked to keep a watch open, in seconds.
const WATCH_SECONDS: u32 = 290;
/// More objects of one kind than this are not followed.
const OBJECTS_MAX: usize = 200_000;

/// What one watch is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// The path of the kind's objects.
    pub path: String,
    /// What else the query says.
    pub query: String,
    /// The kind, for lists, whose items do not say it.
    pub kind: Option<(String, String)>,
}

/// The watches of the kinds every recording holds, in these namespaces; the first is the recording's own.
pub fn targets(namespaces: &[String]) -> Vec<Target> {
    let mut found = Vec::new();
    for kind in RECORDED {
        let resource = Resource::of(kind);
        let told = Some((resource.api_version.clone(), resource.kind.clone()));
        if resource.is_namespaced {
            let of = |namespace: &String| Target { path: resource.path(namespace), query: String::new(), kind: told.clone() };
            found.extend(namespaces.iter().map(of));
        } else if kind == Kind::Namespace {
            // Other people's namespaces are none of ours.
            let of = |name: &String| {
                let query = format!("&fieldSelector={}", encode(&format!("metadata.name={name}")));
                Target { path: resource.path(""), query, kind: told.clone() }
            };
            found.extend(namespaces.iter().map(of));
        } else {
            found.push(Target { path: resource.path(""), query: String::new(), kind: told });
        }
    }
    found
}

/// Where events go, and who is told of them.
#[derive(Clone)]
pub struct Sinks {
    /// The file.
    pub recording: Arc<Recording>,
    /// Woken by every event.
    pub changed: Arc<Notify>,
    /// Told why the cluster is lost.
    pub lost: watch::Sender<Option<Failure>>,
}

/// A watch that is open.
pub struct Watch {
    cluster: Cluster,
    target: Target,
    version: String,
    /// Per uid: the version last seen, namespace and name.
    known: BTreeMap<String, (String, String, String)>,
    lines: Option<Lines>,
}

impl Watch {
    /// Lists what is there and opens the watch. Nothing if the server does not serve the kind.
    pub async fn open(cluster: &Cluster, target: Target) -> Result<Option<Watch>, ApiError> {
        let mut opened = Watch { cluster: cluster.clone(), target, version: String::new(), known: BTreeMap::new(), lines: None };
        match opened.list().await {
            Err(error) if error.is_not_found() => return Ok(None),
            listed => {
                for object in listed? {
                    opened.remember(&object);
                }
            }
        }
        opened.lines = Some(opened.reopen().await?);
        Ok(Some(opened))
    }

    async fn list(&mut self) -> Result<Vec<Value>, ApiError> {
        let mut found = Vec::new();
        let kind = self.target.kind.clone();
        let mut take = |mut object: Value| {
            if let (Some((api_version, kind)), Some(map)) = (&kind, object.as_object_mut()) {
                map.entry("apiVersion").or_insert_with(|| api_version.clone().into());
                map.entry("kind").or_insert_with(|| kind.clone().into());
            }
            found.push(object);
        };
        self.version = self.cluster.list(&self.target.path, &self.target.query, &mut take).await?;
        Ok(found)
    }

    fn reopen(&self) -> impl Future<Output = Result<Lines, ApiError>> + Send + use<> {
        let Target { path, query, .. } = &self.target;
        let version = encode(&self.version);
        let flags = format!("allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}");
        let path = format!("{path}?watch=true&{flags}&resourceVersion={version}{query}");
        let cluster = self.cluster.clone();
        async move { cluster.watch(&path).await }
    }

    /// Follows until the task is dropped or the cluster is lost.
    pub async fn follow(mut self, sinks: Sinks) {
        let mut answered = Instant::now();
        loop {
            if let Some(mut lines) = self.lines.take() {
                while let Some(line) = lines.next().await {
                    answered = Instant::now();
                    match self.take(&line, &sinks) {
                        Taken::Event => sinks.changed.notify_waiters(),
                        Taken::Silent => {}
                        Taken::Forgotten => self.version.clear(),
                        Taken::Broken => break,
                    }
                    if self.version.is_empty() || self.known.len() > OBJECTS_MAX {
                        break;
                    }
                }
            }
            if self.known.len() > OBJECTS_MAX {
                let text = format!("{} holds more than {OBJECTS_MAX} objects", self.target.path);
                _ = sinks.lost.send(Some(Failure::Limit(text)));
                return;
            }
            match self.go_on(&sinks).await {
                Ok(()) => answered = Instant::now(),
                Err(error) if answered.elapsed() > LOST_AFTER => {
                    _ = sinks.lost.send(Some(error.into()));
                    return;
                }
                Err(_) => tokio::time::sleep(AGAIN).await,
            }
        }
    }

    /// Opens the watch again, from the last version seen or after a new list.
    async fn go_on(&mut self, sinks: &Sinks) -> Result<(), ApiError> {
        if self.version.is_empty() {
            self.catch_up(sinks).await?;
        }
        match self.reopen().await {
            Err(error) if error.is_gone() => self.version.clear(),
            opened => self.lines = Some(opened?),
        }
        Ok(())
    }

    /// After a gap: what is there now, told as events.
    async fn catch_up(&mut self, sinks: &Sinks) -> Result<(), ApiError> {
        let objects = self.list().await?;
        let text = format!("the history of {} was compacted: listed anew, states in between may be missing", self.target.path);
        sinks.recording.extra("note", &json!(text));
        let before = std::mem::take(&mut self.known);
        for object in objects {
            let (uid, version) = (word(&object, "uid"), word(&object, "resourceVersion"));
            match before.get(&uid) {
                Some((seen, ..)) if *seen == version => {}
                Some(_) => sinks.recording.event("MODIFIED", object.clone()),
                None => sinks.recording.event("ADDED", object.clone()),
            }
            self.remember(&object);
        }
        for (uid, (version, namespace, name)) in before.into_iter().filter(|(uid, _)| !self.known.contains_key(uid)) {
            let (api_version, kind) = self.target.kind.clone().unwrap_or_default();
            let metadata = json!({"name": name, "namespace": namespace, "uid": uid, "resourceVersion": version});
            sinks.recording.event("DELETED", json!({"apiVersion": api_version, "kind": kind, "metadata": metadata}));
        }
        sinks.changed.notify_waiters();
        Ok(())
    }

    fn take(&mut self, line: &[u8], sinks: &Sinks) -> Taken {
        let Ok(mut event) = serde_json::from_slice::<Value>(line) else { return Taken::Broken };
        let (kind, object) = (event["type"].as_str().unwrap_or_default().to_owned(), event["object"].take());
        if kind == "ERROR" {
            return if object["code"] == 410 { Taken::Forgotten } else { Taken::Broken };
        }
        let (uid, version) = (word(&object, "uid"), word(&object, "resourceVersion"));
        if version.is_empty() {
            return Taken::Broken;
        }
        self.version.clone_from(&version);
        match kind.as_str() {
            "ADDED" | "MODIFIED" if self.known.get(&uid).is_some_and(|(seen, ..)| *seen == version) => Taken::Silent,
            "ADDED" | "MODIFIED" => {
                self.remember(&object);
                sinks.recording.event(&kind, object);
                Taken::Event
            }
            "DELETED" => {
                self.known.remove(&uid);
                sinks.recording.event(&kind, object);
                Taken::Event
            }
            _ => Taken::Silent,
        }
    }

    fn remember(&mut self, object: &Value) {
        let seen = (word(object, "resourceVersion"), word(object, "namespace"), name_of(object).to_owned());
        self.known.insert(word(object, "uid"), seen);
    }
}

enum Taken {
    /// Something was written.
    Event,
    /// A bookmark, or what is known already.
    Silent,
    /// The history asked for is gone.
    Forgotten,
    /// The watch is no good any more.
    Broken,
}

fn word(object: &Value, field: &str) -> String {
    object.pointer(&format!("/metadata/{field}")).and_then(Value::as_str).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaced_kinds_are_watched_in_their_namespaces_and_only_own_namespaces_are_seen() {
        let found = targets(&["own".into(), "other".into()]);
        let paths: Vec<String> = found.iter().map(|t| format!("{}?{}", t.path, t.query)).collect();
        for wanted in [
            "/api/v1/namespaces/own/pods?",
            "/api/v1/namespaces/other/pods?",
            "/api/v1/nodes?",
            "/apis/policy/v1/namespaces/own/poddisruptionbudgets?",
            "/api/v1/namespaces?&fieldSelector=metadata.name%3Down",
        ] {
            assert_eq!(paths.iter().filter(|p| *p == wanted).count(), 1, "{wanted} in {paths:#?}");
        }
        assert!(!paths.iter().any(|p| p.contains("secrets")));
    }
}
