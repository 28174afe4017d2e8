//! What a recording must be allowed to do, asked of the API server before anything is done (SelfSubjectAccessReview).
//! Not known: what the commands of a shell need.

use std::collections::BTreeSet;
use std::fmt;

use serde_json::json;
use sim_apimachinery::Kind;
use sim_core::scenario::format::{RolloutAction, Step};
use sim_core::trace::recording::RECORDED;
use tokio::task::JoinSet;

use crate::cluster::Cluster;
use crate::failure::{ApiError, Failure};
use crate::plan::{Plan, What};
use crate::resource::{Resource, built_in};

/// Something that must be allowed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Right {
    /// The verb.
    pub verb: String,
    /// The API group.
    pub group: String,
    /// The plural, with a subresource behind a slash.
    pub resource: String,
    /// The namespace, empty for the whole cluster.
    pub namespace: String,
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        write!(f, "{} {}{group}", self.verb, self.resource)?;
        if self.namespace.is_empty() { f.write_str(" in the whole cluster") } else { write!(f, " in the namespace {}", self.namespace) }
    }
}

/// All that is needed to record a plan in these namespaces (the first is its own), and to make and delete that one.
pub fn needed(plan: &Plan, namespaces: &[String], makes_namespace: bool) -> BTreeSet<Right> {
    let mut found = Needed { all: BTreeSet::new(), namespace: namespaces.first().cloned().unwrap_or_default(), plan };
    if makes_namespace {
        found.add(&Resource::of(Kind::Namespace), "", &["get", "create", "delete"]);
    }
    for kind in RECORDED {
        let resource = Resource::of(kind);
        match resource.is_namespaced {
            true => namespaces.iter().for_each(|n| found.add_in(&resource, "", &["list", "watch"], n)),
            false => found.add(&resource, "", &["list", "watch"]),
        }
    }
    for planned in &plan.steps {
        if let What::Step(step) = &planned.what {
            found.step(step);
        }
    }
    found.all
}

struct Needed<'a> {
    all: BTreeSet<Right>,
    namespace: String,
    plan: &'a Plan,
}

impl Needed<'_> {
    fn add(&mut self, resource: &Resource, part: &str, verbs: &[&str]) {
        let namespace = self.namespace.clone();
        self.add_in(resource, part, verbs, &namespace);
    }

    fn add_in(&mut self, resource: &Resource, part: &str, verbs: &[&str], namespace: &str) {
        let namespace = if resource.is_namespaced { namespace } else { "" };
        for verb in verbs {
            self.all.insert(Right {
                verb: (*verb).into(),
                group: resource.group().into(),
                resource: format!("{}{part}", resource.plural),
                namespace: namespace.into(),
            });
        }
    }

    fn add_word(&mut self, word: &str, part: &str, verbs: &[&str]) {
        if let Some(kind) = Kind::from_word(word) {
            self.add(&Resource::of(kind), part, verbs);
        }
    }

    fn step(&mut self, step: &Step) {
        let manifests = self.plan.manifests(step);
        let deleted = self.plan.documents(step.delete.iter().flat_map(|d| &d.files));
        for (manifest, verbs) in
            manifests.iter().map(|m| (m, ["get", "create", "patch"])).chain(deleted.iter().map(|m| (m, ["get", "delete", "delete"])))
        {
            let word = |name: &str| manifest[name].as_str().unwrap_or_default();
            if let Some(resource) = built_in(word("apiVersion"), word("kind")) {
                self.add(&resource, "", &verbs);
            }
        }
        let pods = Resource::of(Kind::Pod);
        match step {
            Step { get: Some(selection), .. } => self.add_word(&selection.kind, "", &["get", "list"]),
            Step { delete: Some(d), .. } => d.object.iter().for_each(|o| self.add_word(&o.kind, "", &["get", "list", "delete"])),
            Step { patch: Some(p), .. } => self.add_word(&p.object.kind, "", &["get", "patch"]),
            Step { label: Some(l), .. } => self.add_word(&l.object.kind, "", &["get", "list", "patch"]),
            Step { set: Some(s), .. } => self.add_word(&s.object.kind, "", &["get", "patch"]),
            Step { scale: Some(s), .. } => {
                self.add_word(&s.object.kind, "", &["get"]);
                self.add_word(&s.object.kind, "/scale", &["patch"]);
            }
            Step { rollout: Some(r), .. } => {
                self.add_word(&r.object.kind, "", &["get"]);
                match r.action {
                    RolloutAction::Status | RolloutAction::History => {}
                    _ => self.add_word(&r.object.kind, "", &["patch"]),
                }
            }
            Step { taint: Some(_), .. } | Step { cordon: Some(_), .. } | Step { uncordon: Some(_), .. } => {
                self.add(&Resource::of(Kind::Node), "", &["get", "patch"]);
            }
            Step { drain: Some(_), .. } => {
                self.add(&Resource::of(Kind::Node), "", &["get", "patch"]);
                self.add(&pods, "/eviction", &["create"]);
            }
            Step { http: Some(h), .. } => self.request(&h.method, h.to.service.is_some()),
            Step { load: Some(l), .. } => self.request(&l.method, l.to.as_ref().is_some_and(|t| t.service.is_some())),
            Step { fault: Some(_), .. } => self.request("POST", false),
            Step { exec: Some(_), .. } => self.add(&pods, "/exec", &["create"]),
            _ => {}
        }
    }

    /// A request through the proxy of a pod: its method says the verb.
    fn request(&mut self, method: &str, is_to_service: bool) {
        let verb = match method.to_ascii_uppercase().as_str() {
            "POST" => "create",
            "PUT" => "update",
            "PATCH" => "patch",
            "DELETE" => "delete",
            _ => "get",
        };
        self.add(&Resource::of(Kind::Pod), "/proxy", &[verb]);
        if is_to_service {
            self.add(&Resource::of(Kind::Service), "", &["get"]);
        }
    }
}

/// Asks for each right, and tells all that are missing.
pub async fn check(cluster: &Cluster, rights: BTreeSet<Right>) -> Result<(), Failure> {
    let mut asked = JoinSet::new();
    for right in rights {
        let cluster = cluster.clone();
        asked.spawn(async move { (is_allowed(&cluster, &right).await, right) });
    }
    let mut missing = BTreeSet::new();
    while let Some(answer) = asked.join_next().await {
        match answer {
            Ok((Ok(true), _)) => {}
            Ok((Ok(false), right)) => _ = missing.insert(right),
            Ok((Err(error), _)) => return Err(Failure::Input(format!("what is allowed cannot be asked: {error}"))),
            Err(error) => return Err(Failure::Input(error.to_string())),
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let list: String = missing.iter().map(|right| format!("\n  {right}")).collect();
    Err(Failure::Input(format!("the user of this context has no right to:{list}")))
}

async fn is_allowed(cluster: &Cluster, right: &Right) -> Result<bool, ApiError> {
    let (resource, part) = right.resource.split_once('/').unwrap_or((&right.resource, ""));
    let attributes =
        json!({"verb": right.verb, "group": right.group, "resource": resource, "subresource": part, "namespace": right.namespace});
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "spec": {"resourceAttributes": attributes},
    });
    let answer = cluster.create("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", &review).await?;
    Ok(answer["status"]["allowed"] == true)
}
