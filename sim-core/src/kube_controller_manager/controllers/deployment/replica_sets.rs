//! The replica set of the current template: found, made, or brought up to date.
//! Source: pkg/controller/deployment/sync.go, getNewReplicaSet, and util/deployment_util.go.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::apps::v1::{ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};
use sim_apimachinery::template_hash::compute_hash;
use sim_apimachinery::{Object, Part, Verb};

use super::{DESIRED_REPLICAS, MAX_REPLICAS, REVISION, REVISION_HISTORY, Rollout, TEMPLATE_HASH, annotation, size};
use crate::client_go::{Ask, EventDraft};

/// Deployment annotations that are not copied to replica sets.
const OWN_ANNOTATIONS: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED_REPLICAS,
    MAX_REPLICAS,
    "deprecated.deployment.rollback.to",
];
/// The revision history of a replica set is cut at this length.
const HISTORY_LENGTH_MAX: usize = 2000;

/// Whether a replica set was made from this template: all but the hash label is equal.
pub fn same_template(set: &ReplicaSet, template: &PodTemplateSpec) -> bool {
    let Some(own) = set.spec.as_ref().and_then(|s| s.template.as_ref()) else { return false };
    if own.spec != template.spec {
        return false;
    }
    let (Some(a), Some(b)) = (&own.metadata, &template.metadata) else { return own.metadata.is_none() && template.metadata.is_none() };
    let labels = |m: &ObjectMeta| {
        m.labels.iter().flatten().filter(|(k, _)| *k != TEMPLATE_HASH).map(|(k, v)| (k.clone(), v.clone())).collect::<Vec<_>>()
    };
    labels(a) == labels(b) && a.annotations == b.annotations
}

pub fn revision_of(set: &ReplicaSet) -> i64 {
    annotation(set.metadata.annotations.as_ref(), REVISION).and_then(|v| v.parse().ok()).unwrap_or(0)
}

impl Rollout {
    /// Finds or makes the new replica set. True when it was made or changed, which ends this reconcile's scaling.
    pub(super) fn sync_revision(&mut self, create: bool) -> bool {
        let revision = self.old.iter().map(|s| revision_of(s)).max().unwrap_or(0) + 1;
        match self.new.clone() {
            Some(set) => self.bring_up_to_date(&set, revision),
            None if create => {
                self.make(revision);
                true
            }
            None => false,
        }
    }

    fn bring_up_to_date(&mut self, set: &Arc<ReplicaSet>, revision: i64) -> bool {
        let mut next = (**set).clone();
        let mut changed = self.annotate(&mut next, revision);
        let min_ready = self.spec().min_ready_seconds;
        if let Some(spec) = next.spec.as_mut().filter(|s| s.min_ready_seconds.unwrap_or(0) != min_ready.unwrap_or(0)) {
            spec.min_ready_seconds = min_ready;
            changed = true;
        }
        if changed {
            let name = next.metadata.name.clone().unwrap_or_default();
            let next = Arc::new(next);
            let object = Object::ReplicaSet(next.clone());
            self.plan.ask(Ask::new(Verb::Update { object, part: Part::Main }, format!("{name} becomes revision {revision}")));
            self.new = Some(next);
            return true;
        }
        self.follow_revision(set);
        false
    }

    /// The deployment's own revision annotation and its first condition follow the replica set.
    fn follow_revision(&mut self, set: &ReplicaSet) {
        let wanted = annotation(set.metadata.annotations.as_ref(), REVISION).map(str::to_owned);
        let annotations = self.deployment.metadata.annotations.get_or_insert_default();
        let mut changed = false;
        if let Some(wanted) = wanted.filter(|w| annotations.get(REVISION) != Some(w)) {
            annotations.insert(REVISION.into(), wanted);
            changed = true;
        }
        if self.has_progress_deadline() && self.condition("Progressing").is_none() {
            let name = set.metadata.name.as_deref().unwrap_or_default();
            self.set_condition("Progressing", "True", "FoundNewReplicaSet", format!("Found new replica set \"{name}\""));
            changed = true;
        }
        if changed {
            self.write_status("the revision of the deployment follows its replica set".into());
        }
    }

    /// Copies annotations and sets the revision; says whether anything changed.
    fn annotate(&self, set: &mut ReplicaSet, revision: i64) -> bool {
        let annotations = set.metadata.annotations.get_or_insert_default();
        let before = annotations.clone();
        for (key, value) in self.deployment.metadata.annotations.iter().flatten() {
            if !OWN_ANNOTATIONS.contains(&key.as_str()) {
                annotations.insert(key.clone(), value.clone());
            }
        }
        let current = annotations.get(REVISION).cloned();
        let number: i64 = current.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0);
        if number < revision {
            annotations.insert(REVISION.into(), revision.to_string());
            if let Some(former) = current.filter(|c| !c.is_empty()) {
                push_history(annotations, &former);
            }
        }
        if before.is_empty() || !annotations.contains_key(DESIRED_REPLICAS) {
            set_sizes(annotations, self.replicas(), self.fenceposts().0);
        }
        *annotations != before
    }

    fn make(&mut self, revision: i64) {
        let deployment_name = self.deployment.metadata.name.clone().unwrap_or_default();
        let template = self.spec().template.clone();
        let hash = compute_hash(&template, self.deployment.status.as_ref().and_then(|s| s.collision_count));
        let set = self.build(&deployment_name, template, &hash, revision);
        let name = set.metadata.name.clone().unwrap_or_default();
        let count = size(&set);
        let mut ask =
            Ask::new(Verb::Create { object: set.into() }, format!("no replica set has this template: {name} with {count} replicas"));
        if count > 0 {
            let text = format!("Scaled up replica set {name} from 0 to {count}");
            ask = ask.telling(EventDraft::normal(self.reference(), "ScalingReplicaSet", text));
        }
        self.plan.ask(ask);
        self.deployment.metadata.annotations.get_or_insert_default().insert(REVISION.into(), revision.to_string());
        if self.has_progress_deadline() {
            self.set_condition("Progressing", "True", "NewReplicaSetCreated", format!("Created new replica set \"{name}\""));
        }
        self.write_status(format!("it is at revision {revision} now"));
    }

    fn build(&mut self, deployment: &str, mut template: PodTemplateSpec, hash: &str, revision: i64) -> ReplicaSet {
        let label = (TEMPLATE_HASH.to_owned(), hash.to_owned());
        let metadata = template.metadata.get_or_insert_default();
        metadata.labels.get_or_insert_default().extend([label.clone()]);
        let labels = metadata.labels.clone();
        let LabelSelector { match_labels, match_expressions } = self.spec().selector.clone();
        let mut match_labels = match_labels.unwrap_or_default();
        match_labels.extend([label]);
        let owner = OwnerReference {
            api_version: "apps/v1".into(),
            kind: "Deployment".into(),
            name: deployment.into(),
            uid: self.deployment.metadata.uid.clone().unwrap_or_default(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        };
        let mut set = ReplicaSet {
            metadata: ObjectMeta {
                name: Some(format!("{}-{hash}", &deployment[..deployment.len().min(252 - hash.len())])),
                namespace: self.deployment.metadata.namespace.clone(),
                labels,
                owner_references: Some(vec![owner]),
                ..Default::default()
            },
            spec: Some(ReplicaSetSpec {
                min_ready_seconds: self.spec().min_ready_seconds,
                selector: LabelSelector { match_labels: Some(match_labels), match_expressions },
                template: Some(template),
                replicas: Some(self.new_size(0)),
            }),
            status: None,
        };
        self.annotate(&mut set, revision);
        self.new = Some(Arc::new(set.clone()));
        set
    }

    /// Asks for a replica set's new size, with its annotations. Nothing is asked when nothing would change.
    pub(super) fn scale(&mut self, set: &Arc<ReplicaSet>, to: i32, why: &str) {
        let from = size(set);
        let mut next = (**set).clone();
        set_sizes(next.metadata.annotations.get_or_insert_default(), self.replicas(), self.fenceposts().0);
        if from == to && next.metadata.annotations == set.metadata.annotations {
            return;
        }
        next.spec.get_or_insert_default().replicas = Some(to);
        let name = next.metadata.name.clone().unwrap_or_default();
        let ask = Ask::new(Verb::Update { object: next.into(), part: Part::Main }, format!("{name} from {from} to {to}: {why}"));
        self.plan.ask(if from == to {
            ask
        } else {
            let way = if to > from { "up" } else { "down" };
            ask.telling(EventDraft::normal(
                self.reference(),
                "ScalingReplicaSet",
                format!("Scaled {way} replica set {name} from {from} to {to}"),
            ))
        });
    }
}

fn set_sizes(annotations: &mut BTreeMap<String, String>, desired: i32, surge: i32) {
    annotations.insert(DESIRED_REPLICAS.into(), desired.to_string());
    annotations.insert(MAX_REPLICAS.into(), (desired + surge).to_string());
}

fn push_history(annotations: &mut BTreeMap<String, String>, former: &str) {
    let history = annotations.get(REVISION_HISTORY).cloned().unwrap_or_default();
    let mut entries: Vec<&str> = history.split(',').filter(|e| !e.is_empty()).collect();
    entries.push(former);
    while entries.join(",").len() > HISTORY_LENGTH_MAX && entries.len() > 1 {
        entries.remove(0);
    }
    let joined = entries.join(",");
    annotations.insert(REVISION_HISTORY.into(), joined);
}
