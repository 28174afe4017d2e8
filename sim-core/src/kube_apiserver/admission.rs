//! Admission, the plugins of a default cluster that change or refuse what is created: ServiceAccount, Priority,
//! DefaultTolerationSeconds, TaintNodesByCondition, DefaultStorageClass, StorageObjectInUseProtection, LimitRanger's
//! defaults. (NamespaceLifecycle is in `create`.)
//! Not modelled here: PodSecurity, ResourceQuota, webhooks, admission policies.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{Node, PersistentVolumeClaim, Pod, Taint};
use k8s_openapi::api::scheduling::v1::PriorityClass;
use k8s_openapi::api::storage::v1::StorageClass;
use sim_apimachinery::{Cause, Kind, Object, ObjectKey, Status, Typed, defaults};

mod resource_quota;

use super::{ApiServer, Outcome};

const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

impl ApiServer {
    pub(super) fn admit_create(&mut self, object: &mut Object) -> Outcome<()> {
        match object {
            Object::Pod(pod) => self.admit_pod(Arc::make_mut(pod)),
            Object::PersistentVolumeClaim(claim) => {
                self.default_storage_class(Arc::make_mut(claim));
                Arc::make_mut(claim).metadata.finalizers.get_or_insert_default().push("kubernetes.io/pvc-protection".into());
                Ok(())
            }
            Object::PersistentVolume(volume) => {
                Arc::make_mut(volume).metadata.finalizers.get_or_insert_default().push("kubernetes.io/pv-protection".into());
                Ok(())
            }
            Object::Node(node) => {
                taint_until_ready(Arc::make_mut(node));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn admit_pod(&mut self, pod: &mut Pod) -> Outcome<()> {
        let name = pod.metadata.name.clone().unwrap_or_default();
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        let account =
            pod.spec.as_ref().and_then(|s| s.service_account_name.clone()).filter(|a| !a.is_empty()).unwrap_or_else(|| "default".into());
        if self.etcd.get(&ObjectKey::new(Kind::ServiceAccount, &namespace, &account)).is_none() {
            let why = format!("error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found");
            return Err(Box::new(Status::forbidden(Kind::Pod, &name, &why)));
        }
        let suffix = self.random.name_suffix();
        defaults::admit_service_account(pod, &suffix);
        let (value, policy) = self.priority_of(pod, &name)?;
        defaults::admit_priority(pod, value, &policy);
        defaults::admit_default_tolerations(pod);
        Ok(())
    }

    fn priority_of(&self, pod: &mut Pod, name: &str) -> Outcome<(i32, String)> {
        let class = pod.spec.as_ref().and_then(|s| s.priority_class_name.clone()).filter(|c| !c.is_empty());
        let found = match &class {
            Some(class) => {
                let object = self.etcd.get(&ObjectKey::new(Kind::PriorityClass, "", class));
                let Some(found) = object.and_then(PriorityClass::from_object) else {
                    return Err(Box::new(Status::forbidden(Kind::Pod, name, &format!("no PriorityClass with name {class} was found"))));
                };
                Some(found)
            }
            None => self.etcd.list(Kind::PriorityClass, "").filter_map(PriorityClass::from_object).find(|c| c.global_default == Some(true)),
        };
        let Some(found) = found else { return Ok((0, "PreemptLowerPriority".into())) };
        if let Some(spec) = pod.spec.as_mut() {
            spec.priority_class_name = found.metadata.name.clone();
        }
        Ok((found.value.unwrap_or(0), found.preemption_policy.clone().unwrap_or_else(|| "PreemptLowerPriority".into())))
    }

    fn default_storage_class(&self, claim: &mut PersistentVolumeClaim) {
        let Some(spec) = claim.spec.as_mut().filter(|s| s.storage_class_name.is_none()) else { return };
        let marked = |c: &&Arc<StorageClass>| c.metadata.annotations.iter().flatten().any(|(k, v)| k == DEFAULT_CLASS && v == "true");
        let mut classes: Vec<&Arc<StorageClass>> =
            self.etcd.list(Kind::StorageClass, "").filter_map(StorageClass::from_object).filter(marked).collect();
        classes.sort_by_key(|c| (c.metadata.creation_timestamp.clone().map(|t| std::cmp::Reverse(t.0)), c.metadata.name.clone()));
        spec.storage_class_name = classes.first().and_then(|c| c.metadata.name.clone());
    }
}

fn taint_until_ready(node: &mut Node) {
    let taints = node.spec.get_or_insert_default().taints.get_or_insert_default();
    if !taints.iter().any(|t| t.key == "node.kubernetes.io/not-ready") {
        taints.push(Taint { key: "node.kubernetes.io/not-ready".into(), effect: "NoSchedule".into(), ..Default::default() });
    }
}

/// The refusal of a create in a namespace that is going away.
pub fn terminating(object: &Object, namespace: &str) -> Status {
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let cause = Cause {
        reason: "NamespaceTerminating".into(),
        message: format!("namespace {namespace} is being terminated"),
        field: "metadata.namespace".into(),
    };
    Status { causes: vec![cause], ..Status::forbidden(object.kind(), object.name(), &why) }
}
