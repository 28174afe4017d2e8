//! Pods and pod templates, complete: what a new pod may say, what an update may change, and the subresources.
//! Source: pkg/apis/core/validation; the files beside this one are named for what they check.
//! Fields of features that are off by default are not checked: they are dropped before (see the defaults of pods).

pub mod affinity;
mod annotations;
mod containers;
mod environment;
pub mod ephemeral;
mod mounts;
mod overlaps;
mod ports_in_common;
mod probes;
mod projected;
pub mod resize;
pub mod resources;
pub mod scheduling;
mod security;
mod spec;
pub mod status;
mod update;
pub mod volume_paths;
pub mod volume_sources;
mod volumes;
pub mod warnings;
mod windows;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::errors::Errors;
use super::labels::{self, Values};
use super::metadata;
use super::path::Path;
use crate::names;

pub use annotations::{APP_ARMOR, MIRROR};
pub use containers::{is_sidecar, protocol};
pub use security::app_armor;
pub use update::update;
pub use volume_sources::csi_driver;

/// What is let pass: whether it is a pod, and faults that the object already has, which an update need not mend.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// A pod, not a template.
    pub is_pod: bool,
    /// What values the selectors of pods may have.
    pub selector_values: Values,
    /// What values the required selectors of nodes may have.
    pub node_selector_values: Values,
    /// Selectors of topology spread are not checked.
    pub spread_selector: bool,
    /// Huge pages need be no multiple of the page.
    pub indivisible_huge_pages: bool,
    /// Parameters of namespaces shared with the host may be set.
    pub host_sysctls: bool,
    /// The cost of deletion need be no number.
    pub deletion_cost: bool,
    /// A token's path may leave its volume.
    pub non_local_token_path: bool,
    /// Block devices may be used without the host's users.
    pub devices_without_host_users: bool,
    /// Init containers that end may want to be restarted to be resized.
    pub restarting_init_resize: bool,
}

impl Options {
    /// For a new pod.
    pub fn for_create() -> Self {
        Options { is_pod: true, ..Options::default() }
    }

    /// For the next state of a pod that is stored so.
    pub fn for_update(spec: Option<&PodSpec>, metadata: Option<&ObjectMeta>) -> Self {
        Options { is_pod: true, ..Options::for_template(spec, metadata) }
    }

    /// For the next state of a template that is stored so, or for a new one.
    pub fn for_template(spec: Option<&PodSpec>, metadata: Option<&ObjectMeta>) -> Self {
        let deletion_cost = annotations::has_invalid_deletion_cost(metadata.and_then(|m| m.annotations.as_ref()));
        match spec {
            Some(spec) => Options { deletion_cost, ..faults_of(spec) },
            None => Options { deletion_cost, ..Options::default() },
        }
    }
}

/// The faults a stored spec has.
fn faults_of(spec: &PodSpec) -> Options {
    let is_wrong = |check: &dyn Fn(&mut Errors)| {
        let mut errors = Errors::new();
        check(&mut errors);
        !errors.is_empty()
    };
    let at = Path::root("spec");
    let strict = Options::for_create();
    let values = |wrong: bool| if wrong { Values::Any } else { Values::Labels };
    let affinity_is_wrong = spec.affinity.as_ref().is_some_and(|a| is_wrong(&|errors| affinity::affinity(a, &at, &strict, errors)));
    let spread = spec.topology_spread_constraints.as_deref().unwrap_or_default();
    let selectors = || spread.iter().filter_map(|c| c.label_selector.as_ref());
    let paths = spec.volumes.iter().flatten().filter_map(|v| v.projected.as_ref()).flat_map(|p| p.sources.iter().flatten());
    let tokens: Vec<&str> = paths.filter_map(|s| s.service_account_token.as_ref()).map(|t| t.path.as_str()).collect();
    let restarts = |c: &Container| !is_sidecar(c) && c.resize_policy.iter().flatten().any(|p| p.restart_policy == "RestartContainer");
    Options {
        is_pod: false,
        selector_values: values(affinity_is_wrong),
        node_selector_values: values(affinity_is_wrong),
        spread_selector: is_wrong(&|errors| selectors().for_each(|s| labels::label_selector(s, &at, errors))),
        indivisible_huge_pages: resources::has_indivisible_huge_pages(spec),
        host_sysctls: security::has_host_sysctls(spec),
        deletion_cost: false,
        non_local_token_path: is_wrong(&|errors| tokens.iter().for_each(|p| volume_paths::local_not_reserved(p, &at, errors))),
        devices_without_host_users: spec.host_users == Some(false) && containers(spec).any(|c| c.volume_devices.is_some()),
        restarting_init_resize: spec.init_containers.iter().flatten().any(restarts),
    }
}

/// What is wrong with a new pod.
pub fn create(pod: &Pod, errors: &mut Errors) {
    metadata_and_spec(pod, &Options::for_create(), errors);
    let Some(spec) = &pod.spec else { return };
    let at = Path::root("spec");
    if spec.ephemeral_containers.as_ref().is_some_and(|c| !c.is_empty()) {
        errors.forbidden(&at.child("ephemeralContainers"), "cannot be set on create");
    }
    if is_assigned(spec) && spec.scheduling_gates.as_ref().is_some_and(|g| !g.is_empty()) {
        errors.forbidden(&at.child("nodeName"), "cannot be set until all schedulingGates have been cleared");
    }
    if let Some(found) = &pod.metadata.annotations {
        annotations::agree_with_fields(found, spec, &at, errors);
    }
}

fn metadata_and_spec(pod: &Pod, options: &Options, errors: &mut Errors) {
    metadata::validate(&pod.metadata, true, names::dns1123_subdomain, errors);
    let nothing = PodSpec::default();
    let spec = pod.spec.as_ref().unwrap_or(&nothing);
    let at = Path::root("metadata");
    if let Some(found) = &pod.metadata.annotations {
        annotations::annotations(found, spec, &at.child("annotations"), options, errors);
    }
    let at = Path::root("spec");
    spec::pod_spec(spec, Some(&pod.metadata), &at, options, errors);
    if spec.service_account_name.as_deref().unwrap_or_default().is_empty() {
        tokens_need_an_account(spec, &at, errors);
    }
    for (index, container) in spec.containers.iter().enumerate() {
        only_for_pods(container, &at.child("containers").index(index), errors);
    }
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        only_for_pods(container, &at.child("initContainers").index(index), errors);
    }
}

fn tokens_need_an_account(spec: &PodSpec, at: &Path<'_>, errors: &mut Errors) {
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        let sources = volume.projected.iter().flat_map(|p| p.sources.iter().flatten()).enumerate();
        for (number, _) in sources.filter(|(_, s)| s.service_account_token.is_some()) {
            let list = at.child("volumes");
            let volume_at = list.index(index);
            let projected = volume_at.child("projected");
            let sources = projected.child("sources");
            errors
                .forbidden(&sources.index(number).child("serviceAccountToken"), "must not be specified when serviceAccountName is not set");
        }
    }
}

/// What a container of a pod may not say and one of a template may.
fn only_for_pods(container: &Container, at: &Path<'_>, errors: &mut Errors) {
    let image = container.image.as_deref().unwrap_or_default();
    if image.trim() != image {
        errors.invalid(&at.child("image"), image, "must not have leading or trailing whitespace");
    }
}

/// What is wrong with the pods' template of a workload, at `at`; `current` is what the workload has now.
pub fn template(template: &PodTemplateSpec, current: Option<&PodTemplateSpec>, at: &Path<'_>, errors: &mut Errors) {
    let options = Options::for_template(current.and_then(|t| t.spec.as_ref()), current.and_then(|t| t.metadata.as_ref()));
    let nothing = PodSpec::default();
    let spec = template.spec.as_ref().unwrap_or(&nothing);
    let found = template.metadata.as_ref();
    labels::labels(found.and_then(|m| m.labels.as_ref()), &at.child("labels"), errors);
    let annotated = found.and_then(|m| m.annotations.as_ref());
    metadata::annotations(annotated, &at.child("annotations"), errors);
    if let Some(annotated) = annotated {
        annotations::annotations(annotated, spec, &at.child("annotations"), &options, errors);
    }
    let at = at.child("spec");
    spec::pod_spec(spec, None, &at, &options, errors);
    if let Some(annotated) = annotated {
        annotations::agree_with_fields(annotated, spec, &at, errors);
    }
    if spec.ephemeral_containers.as_ref().is_some_and(|c| !c.is_empty()) {
        errors.forbidden(&at.child("ephemeralContainers"), "ephemeral containers not allowed in pod template");
    }
}

/// Some errors leave no place for others.
fn refuse_all(detail: &str, errors: &mut Errors) {
    errors.truncate(0);
    errors.forbidden(&Path::root(""), detail);
}

fn is_windows(spec: &PodSpec) -> bool {
    spec.os.as_ref().is_some_and(|os| os.name == "windows")
}

/// Whether a pod is on a node.
fn is_assigned(spec: &PodSpec) -> bool {
    spec.node_name.as_deref().is_some_and(|n| !n.is_empty())
}

/// The containers of a spec but for the ephemeral ones.
fn containers(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.init_containers.iter().flatten().chain(&spec.containers)
}

fn container_count(spec: &PodSpec) -> usize {
    containers(spec).count() + spec.ephemeral_containers.as_ref().map_or(0, Vec::len)
}

/// Visits init containers, containers and ephemeral containers, each with its place.
fn each_container(spec: &PodSpec, at: &Path<'_>, mut visit: impl FnMut(&Container, &Path<'_>)) {
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        visit(container, &at.child("initContainers").index(index));
    }
    for (index, container) in spec.containers.iter().enumerate() {
        visit(container, &at.child("containers").index(index));
    }
    for (index, container) in spec.ephemeral_containers.iter().flatten().enumerate() {
        visit(&ephemeral::as_container(container), &at.child("ephemeralContainers").index(index));
    }
}
