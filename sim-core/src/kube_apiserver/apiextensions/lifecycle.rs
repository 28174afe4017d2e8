//! What becomes of definitions after they are stored: names are accepted, resources established, APIServices registered; and
//! after a deletion the instances go first. In Kubernetes these are controllers inside the API server (naming, establishing,
//! finalizer, autoregister); here they run at once after the request that gave them work, as writes of their own.
//! Invariant: `settle` ends, because each of its steps makes a definition more settled, and none undoes another's.
//! Not modelled: the wait of five seconds before a definition of a highly available cluster is established.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionCondition, CustomResourceDefinitionNames, CustomResourceDefinitionStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{APIService, APIServiceCondition, APIServiceSpec, APIServiceStatus};
use sim_apimachinery::{DeleteOptions, Kind, Object, ObjectKey, Part, Status, Typed};

use super::super::{ApiServer, Call, Outcome};
use super::definition::resource_words;

/// What holds a definition until its instances are gone.
pub(crate) const CLEANUP_FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";
/// The label of APIServices that come and go with what they serve.
const AUTOMANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";

impl ApiServer {
    /// Does what definitions need after a request changed one of them, or an object of one that is going.
    pub(in crate::kube_apiserver) fn settle_definitions(&mut self, call: &mut Call<'_>) {
        if !std::mem::take(&mut self.custom.is_unsettled) || call.dry_run {
            return;
        }
        let mut own = Call::of_component(call.now, &Arc::from("kube-apiserver"), call.trace);
        own.cause = call.cause;
        own.webhooks = std::mem::take(&mut call.webhooks);
        for crd in self.definitions() {
            if crd.metadata.deletion_timestamp.is_some() {
                self.finalize_definition(&crd, &mut own);
            } else {
                self.accept_names(&crd, &mut own);
            }
        }
        self.register_services(&mut own);
        let webhooks = std::mem::take(&mut own.webhooks);
        call.webhooks = webhooks;
        self.custom.is_unsettled = false;
    }

    /// No object is made of a definition that is going.
    pub(in crate::kube_apiserver) fn check_definition_stays(&self, object: &Object) -> Outcome<()> {
        let Some(resource) = self.resource_of(object.kind()).filter(|r| r.definition().is_terminating) else { return Ok(()) };
        let why = "create not allowed while custom resource definition is terminating";
        Err(Box::new(Status::forbidden(resource.kind(), object.name(), why)))
    }

    fn definitions(&self) -> Vec<Arc<CustomResourceDefinition>> {
        self.etcd.list(Kind::CustomResourceDefinition, "").filter_map(CustomResourceDefinition::from_object).cloned().collect()
    }

    fn accept_names(&mut self, crd: &Arc<CustomResourceDefinition>, call: &mut Call<'_>) {
        let accepted = crd.status.as_ref().and_then(|s| s.accepted_names.as_ref());
        if accepted == Some(&crd.spec.names) {
            return;
        }
        let status = self.named_status(crd, call.now.to_time());
        let Some(named) = self.write_definition_status(crd, status, call) else { return };
        let is_new = condition(&named, "NamesAccepted").is_some_and(|c| c.status == "True")
            && condition(&named, "Established").is_none_or(|c| c.status != "True");
        if is_new {
            let mut status = named.status.clone().unwrap_or_default();
            let message = "the initial names have been accepted";
            set_condition(&mut status, call.now.to_time(), ["Established", "True", "InitialNamesAccepted", message]);
            self.write_definition_status(&named, status, call);
        }
    }

    /// The status with the names that nobody else has, and what that means.
    fn named_status(&self, crd: &CustomResourceDefinition, now: Time) -> CustomResourceDefinitionStatus {
        let mut status = crd.status.clone().unwrap_or_default();
        let (words, kinds) = self.taken_names(&crd.spec.group);
        let current = status.accepted_names.clone().unwrap_or_default();
        let (names, conflict) = accept(&crd.spec.names, current, &words, &kinds);
        status.accepted_names = Some(names);
        let is_established = status.conditions.iter().flatten().any(|c| c.type_ == "Established" && c.status == "True");
        match &conflict {
            Some((reason, message)) => set_condition(&mut status, now.clone(), ["NamesAccepted", "False", reason, message]),
            None => set_condition(&mut status, now.clone(), ["NamesAccepted", "True", "NoConflicts", "no conflicts found"]),
        }
        let established = match conflict {
            None => ["Established", "False", "Installing", "the initial names have been accepted"],
            Some(_) => ["Established", "False", "NotAccepted", "not all names are accepted"],
        };
        if !is_established {
            set_condition(&mut status, now, established);
        }
        status
    }

    /// The words for resources and for kinds that are taken in a group.
    fn taken_names(&self, group: &str) -> (BTreeSet<String>, BTreeSet<String>) {
        let (mut words, mut kinds) = (BTreeSet::new(), BTreeSet::new());
        for crd in self.definitions().iter().filter(|c| c.spec.group == group) {
            if let Some(names) = crd.status.as_ref().and_then(|s| s.accepted_names.as_ref()) {
                words.extend(resource_words(names));
                kinds.extend([names.kind.clone(), names.list_kind.clone().unwrap_or_default()]);
            }
        }
        (words, kinds)
    }

    fn write_definition_status(
        &mut self,
        crd: &Arc<CustomResourceDefinition>,
        status: CustomResourceDefinitionStatus,
        call: &mut Call<'_>,
    ) -> Option<Arc<CustomResourceDefinition>> {
        let next = CustomResourceDefinition { status: Some(status), ..CustomResourceDefinition::clone(crd) };
        // The definition was read in this same step, so nobody can have changed it.
        let stored = self.replace(&Object::CustomResourceDefinition(crd.clone()), next.into(), Part::Status, call).ok()?;
        CustomResourceDefinition::from_object(&stored).cloned()
    }

    fn finalize_definition(&mut self, crd: &Arc<CustomResourceDefinition>, call: &mut Call<'_>) {
        if !crd.metadata.finalizers.iter().flatten().any(|f| f == CLEANUP_FINALIZER) {
            return;
        }
        let mut status = crd.status.clone().unwrap_or_default();
        let message = "CustomResource deletion is in progress";
        set_condition(&mut status, call.now.to_time(), ["Terminating", "True", "InstanceDeletionInProgress", message]);
        let Some(crd) = self.write_definition_status(crd, status, call) else { return };
        if !self.delete_instances(&crd, call) {
            return;
        }
        let mut next = CustomResourceDefinition::clone(&crd);
        next.metadata.finalizers.iter_mut().for_each(|f| f.retain(|f| f != CLEANUP_FINALIZER));
        if next.metadata.finalizers.as_ref().is_some_and(Vec::is_empty) {
            next.metadata.finalizers = None;
        }
        let done = next.metadata.finalizers.is_none();
        let key = Object::from(next.clone()).key();
        // The definition was just read; a store that fails now has lost its quorum, and the next request tries again.
        let stored = self.store_next(&Object::CustomResourceDefinition(crd), next.into(), call);
        if done && stored.is_ok() {
            let _gone = self.remove(&key, call);
        }
    }

    /// Asks for the deletion of all instances; whether none is left.
    fn delete_instances(&mut self, crd: &CustomResourceDefinition, call: &mut Call<'_>) -> bool {
        let Some(kind) = self.custom.get(&crd.spec.group, &crd.spec.names.plural).and_then(|d| d.storage()).map(|r| r.kind()) else {
            return true;
        };
        let keys: Vec<ObjectKey> = self.etcd.list(kind, "").filter(|o| !o.is_deleting()).map(Object::key).collect();
        for key in keys {
            // One that is held by a finalizer stays for now; it is counted below.
            let _outcome = self.delete(&key, &DeleteOptions::default(), call);
        }
        self.etcd.count(kind) == 0
    }

    /// An APIService for each served group and version, and none for those that are served no more.
    fn register_services(&mut self, call: &mut Call<'_>) {
        let served: BTreeSet<(String, String)> = self
            .definitions()
            .iter()
            .flat_map(|crd| crd.spec.versions.iter().filter(|v| v.served).map(|v| (crd.spec.group.clone(), v.name.clone())))
            .collect();
        for (group, version) in &served {
            let key = ObjectKey::new(Kind::APIService, "", &format!("{version}.{group}"));
            if self.etcd.get(&key).is_none() {
                // Nothing but a lost quorum can refuse it, and then the definition was not stored either.
                let _stored = self.create(api_service(group, version, call.now.to_time()).into(), call);
            }
        }
        let groups: BTreeSet<String> = std::mem::take(&mut self.custom.groups);
        let stale = |s: &&Arc<APIService>| {
            let spec = s.spec.clone().unwrap_or_default();
            let names = (spec.group.unwrap_or_default(), spec.version.unwrap_or_default());
            groups.contains(&names.0) && !served.contains(&names) && s.metadata.labels.iter().flatten().any(|(k, _)| k == AUTOMANAGED)
        };
        let services = self.etcd.list(Kind::APIService, "").filter_map(APIService::from_object);
        let gone: Vec<ObjectKey> = services.filter(stale).map(|s| Object::APIService(s.clone()).key()).collect();
        for key in gone {
            let _gone = self.remove(&key, call);
        }
        self.custom.groups = served.into_iter().map(|(group, _)| group).collect();
    }
}

/// A definition whose deletion begins is held until its instances are gone; whether this is one. Its storage does not use the
/// common way of deletion, which would count the generation and tell a grace period.
pub(in crate::kube_apiserver) fn begin_deletion(object: &mut Object, now: Time) -> bool {
    let Object::CustomResourceDefinition(crd) = object else { return false };
    if crd.metadata.deletion_timestamp.is_some() {
        return false;
    }
    let crd = Arc::make_mut(crd);
    crd.metadata.deletion_timestamp = Some(now.clone());
    let finalizers = crd.metadata.finalizers.get_or_insert_default();
    if !finalizers.iter().any(|f| f == CLEANUP_FINALIZER) {
        finalizers.push(CLEANUP_FINALIZER.into());
    }
    let message = "CustomResourceDefinition marked for deletion; CustomResource deletion will begin soon";
    set_condition(crd.status.get_or_insert_default(), now, ["Terminating", "True", "InstanceDeletionPending", message]);
    true
}

/// The names accepted of those that are asked for, and the last conflict: its reason and message.
fn accept(
    asked: &CustomResourceDefinitionNames,
    current: CustomResourceDefinitionNames,
    words: &BTreeSet<String>,
    kinds: &BTreeSet<String>,
) -> (CustomResourceDefinitionNames, Option<(&'static str, String)>) {
    let mut names = current.clone();
    let mut conflict = None;
    let mut take = |asked: &str, current: &str, taken: &BTreeSet<String>, reason: &'static str| {
        let is_free = asked == current || !taken.contains(asked);
        if !is_free {
            conflict = Some((reason, format!("{asked:?} is already in use")));
        }
        is_free
    };
    if take(&asked.plural, &current.plural, words, "PluralConflict") {
        names.plural.clone_from(&asked.plural);
    }
    let singular = |n: &CustomResourceDefinitionNames| n.singular.clone().unwrap_or_default();
    if take(&singular(asked), &singular(&current), words, "SingularConflict") {
        names.singular.clone_from(&asked.singular);
    }
    let own = current.short_names.clone().unwrap_or_default();
    let in_use: Vec<String> = asked.short_names.iter().flatten().filter(|s| !own.contains(s) && words.contains(*s)).cloned().collect();
    if take(&asked.kind, &current.kind, kinds, "KindConflict") {
        names.kind.clone_from(&asked.kind);
    }
    let list_kind = |n: &CustomResourceDefinitionNames| n.list_kind.clone().unwrap_or_default();
    if take(&list_kind(asked), &list_kind(&current), kinds, "ListKindConflict") {
        names.list_kind.clone_from(&asked.list_kind);
    }
    if in_use.is_empty() {
        names.short_names.clone_from(&asked.short_names);
    } else if !matches!(conflict, Some(("KindConflict" | "ListKindConflict", _))) {
        let texts: Vec<String> = in_use.iter().map(|s| format!("{s:?} is already in use")).collect();
        let message = if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) };
        conflict = Some(("ShortNamesConflict", message));
    }
    names.categories.clone_from(&asked.categories);
    (names, conflict)
}

fn condition<'a>(crd: &'a CustomResourceDefinition, wanted: &str) -> Option<&'a CustomResourceDefinitionCondition> {
    crd.status.as_ref()?.conditions.iter().flatten().find(|c| c.type_ == wanted)
}

/// Sets a condition: type, status, reason, message. The transition time changes with the status only.
pub(crate) fn set_condition(status: &mut CustomResourceDefinitionStatus, now: Time, words: [&str; 4]) {
    let [type_, state, reason, message] = words;
    let conditions = status.conditions.get_or_insert_default();
    let index = conditions.iter().position(|c| c.type_ == type_).unwrap_or_else(|| {
        conditions.push(CustomResourceDefinitionCondition { type_: type_.into(), ..Default::default() });
        conditions.len() - 1
    });
    let condition = &mut conditions[index];
    if condition.status != state {
        condition.last_transition_time = Some(now);
    }
    condition.status = state.into();
    condition.reason = Some(reason.into());
    condition.message = Some(message.into());
}

fn api_service(group: &str, version: &str, now: Time) -> APIService {
    let condition = APIServiceCondition {
        type_: "Available".into(),
        status: "True".into(),
        last_transition_time: Some(now),
        reason: Some("Local".into()),
        message: Some("Local APIServices are always available".into()),
    };
    APIService {
        metadata: ObjectMeta {
            name: Some(format!("{version}.{group}")),
            labels: Some([(AUTOMANAGED.to_owned(), "true".to_owned())].into()),
            ..Default::default()
        },
        spec: Some(APIServiceSpec {
            group: Some(group.into()),
            version: Some(version.into()),
            group_priority_minimum: 1000,
            version_priority: 100,
            ..Default::default()
        }),
        status: Some(APIServiceStatus { conditions: Some(vec![condition]) }),
    }
}
