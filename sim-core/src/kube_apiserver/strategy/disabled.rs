//! Takes out of pods, and of templates of pods, what belongs to features that are off. Whoever sent it owns it all the same,
//! so this comes after it is remembered what was sent.
//! Source: `DropDisabledPodFields` in pkg/api/pod/util.go, which every strategy of a kind with pods in it calls.

use std::sync::Arc;

use k8s_openapi::api::core::v1::PodSpec;
use sim_apimachinery::{Object, defaults};

/// Takes it out of an object of any kind.
pub fn drop_disabled(object: &mut Object) {
    if !spec_of(object).is_some_and(has_disabled) {
        return;
    }
    let spec = match object {
        Object::Pod(o) => Arc::make_mut(o).spec.as_mut(),
        Object::PodTemplate(o) => Arc::make_mut(o).template.as_mut().and_then(|t| t.spec.as_mut()),
        Object::Deployment(o) => Arc::make_mut(o).spec.as_mut().and_then(|s| s.template.spec.as_mut()),
        Object::ReplicaSet(o) => Arc::make_mut(o).spec.as_mut().and_then(|s| s.template.as_mut()?.spec.as_mut()),
        Object::ReplicationController(o) => Arc::make_mut(o).spec.as_mut().and_then(|s| s.template.as_mut()?.spec.as_mut()),
        Object::StatefulSet(o) => Arc::make_mut(o).spec.as_mut().and_then(|s| s.template.spec.as_mut()),
        Object::DaemonSet(o) => Arc::make_mut(o).spec.as_mut().and_then(|s| s.template.spec.as_mut()),
        Object::Job(o) => Arc::make_mut(o).spec.as_mut().and_then(|s| s.template.spec.as_mut()),
        Object::CronJob(o) => Arc::make_mut(o).spec.job_template.spec.as_mut().and_then(|s| s.template.spec.as_mut()),
        _ => None,
    };
    spec.into_iter().for_each(defaults::drop_disabled);
}

fn spec_of(object: &Object) -> Option<&PodSpec> {
    match object {
        Object::Pod(o) => o.spec.as_ref(),
        Object::PodTemplate(o) => o.template.as_ref()?.spec.as_ref(),
        Object::Deployment(o) => o.spec.as_ref()?.template.spec.as_ref(),
        Object::ReplicaSet(o) => o.spec.as_ref()?.template.as_ref()?.spec.as_ref(),
        Object::ReplicationController(o) => o.spec.as_ref()?.template.as_ref()?.spec.as_ref(),
        Object::StatefulSet(o) => o.spec.as_ref()?.template.spec.as_ref(),
        Object::DaemonSet(o) => o.spec.as_ref()?.template.spec.as_ref(),
        Object::Job(o) => o.spec.as_ref()?.template.spec.as_ref(),
        Object::CronJob(o) => o.spec.job_template.spec.as_ref()?.template.spec.as_ref(),
        _ => None,
    }
}

fn has_disabled(spec: &PodSpec) -> bool {
    let containers = spec.containers.iter().chain(spec.init_containers.iter().flatten()).map(|c| &c.lifecycle);
    let debuggers = spec.ephemeral_containers.iter().flatten().map(|c| &c.lifecycle);
    containers.chain(debuggers).flatten().any(|lifecycle| lifecycle.stop_signal.is_some())
}
