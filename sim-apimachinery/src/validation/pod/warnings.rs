//! What users are warned of in pods and in the workloads that make pods: what is deprecated, ignored or most likely a mistake.
//! Sources: pkg/api/pod/warnings.go, pkg/api/job/warnings.go, and `WarningsOnCreate`, `WarningsOnUpdate` in pkg/registry.

use std::collections::BTreeMap;

use k8s_openapi::api::batch::v1::JobSpec;
use k8s_openapi::api::core::v1::{
    AppArmorProfile, Container, EnvVar, NodeAffinity, NodeSelectorTerm, PersistentVolumeClaimSpec, PodAffinityTerm, PodSpec,
    PodTemplateSpec, Volume, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity as ApiQuantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::annotations::{APP_ARMOR, SECCOMP_CONTAINER, SECCOMP_POD};
use super::ephemeral::as_container;
use super::overlaps::overlaps;
use super::ports_in_common::ports;
use crate::ip::warning_for_address;
use crate::names;
use crate::object::Object;
use crate::quantity::Quantity;
use crate::validation::path::Path;

const NULL_SELECTOR: &str = "a null labelSelector results in matching no pod";
const RETAINS_ALL: &str = "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended";
const MANY_INDEXES: &str = "In Indexed Jobs with a number of completions higher than 10^5 and a parallelism higher than 10^4, Kubernetes might \
                            not be able to track completedIndexes when a big number of indexes fail";

/// Labels of nodes that have other names now.
const NODE_LABELS: [(&str, &str); 8] = [
    ("beta.kubernetes.io/arch", "deprecated since v1.14; use \"kubernetes.io/arch\" instead"),
    ("beta.kubernetes.io/os", "deprecated since v1.14; use \"kubernetes.io/os\" instead"),
    ("failure-domain.beta.kubernetes.io/region", "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"),
    ("failure-domain.beta.kubernetes.io/zone", "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"),
    ("beta.kubernetes.io/instance-type", "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"),
    ("app.kubernetes.io/created-by", "deprecated since v1.9"),
    ("scheduler.alpha.kubernetes.io/preferAvoidPods", "deprecated since v1.22; use Taints and Tolerations instead"),
    ("node-role.kubernetes.io/master", "use \"node-role.kubernetes.io/control-plane\" instead"),
];

const ANNOTATIONS: [(&str, &str); 3] = [
    ("scheduler.alpha.kubernetes.io/critical-pod", "non-functional in v1.16+; use the \"priorityClassName\" field instead"),
    ("security.alpha.kubernetes.io/sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
    ("security.alpha.kubernetes.io/unsafe-sysctls", "non-functional in v1.11+; use the \"sysctls\" field instead"),
];

/// What a user who writes `next` is warned of. Updates are looked at only where the spec changes, and those of pods never.
pub fn of(next: &Object, current: Option<&Object>) -> Vec<String> {
    let mut found = Vec::new();
    let changed = current.is_none_or(|c| c.metadata().generation != next.metadata().generation);
    if current.is_none() {
        name(next, &mut found);
    }
    let spec = Path::root("spec");
    let at = spec.child("template");
    match next {
        Object::Pod(o) if current.is_none() => {
            if let Some(own) = &o.spec {
                of_spec(own, &o.metadata, &spec, &Path::root("metadata"), false, &mut found);
            }
        }
        Object::Deployment(o) if changed => of_template(o.spec.as_ref().map(|s| &s.template), &at, &mut found),
        Object::ReplicaSet(o) if changed => of_template(o.spec.as_ref().and_then(|s| s.template.as_ref()), &at, &mut found),
        Object::ReplicationController(o) if changed => {
            // An update is warned of what was there before.
            let looked_at = if let Some(Object::ReplicationController(old)) = current { old } else { o };
            of_template(looked_at.spec.as_ref().and_then(|s| s.template.as_ref()), &at, &mut found);
        }
        Object::DaemonSet(o) => {
            let template = o.spec.as_ref().map(|s| &s.template);
            let same = matches!(current, Some(Object::DaemonSet(old)) if old.spec.as_ref().map(|s| &s.template) == template);
            of_template(template.filter(|_| !same), &at, &mut found);
        }
        Object::StatefulSet(o) => {
            of_template(o.spec.as_ref().map(|s| &s.template).filter(|_| changed), &at, &mut found);
            let claims = spec.child("volumeClaimTemplates");
            for (index, claim) in o.spec.iter().flat_map(|s| s.volume_claim_templates.iter().flatten()).enumerate() {
                let at = claims.index(index);
                let at = if current.is_some() { at.child("Spec") } else { at };
                claim.spec.iter().for_each(|spec| of_claim(spec, &at, &mut found));
            }
            if o.spec.as_ref().and_then(|s| s.revision_history_limit).is_some_and(|limit| limit < 0) {
                found.push(RETAINS_ALL.into());
            }
        }
        Object::Job(o) if changed => o.spec.iter().for_each(|job| of_job(job, &spec, &mut found)),
        Object::CronJob(o) => {
            let at = spec.child("jobTemplate");
            let job = o.spec.job_template.spec.as_ref().filter(|_| changed);
            job.into_iter().for_each(|job| of_job(job, &at.child("spec"), &mut found));
            if current.is_some() && o.spec.schedule.contains("TZ") {
                found.push(
                    "cannot use TZ or CRON_TZ in spec.spec.schedule, use timeZone instead, see https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ for more details"
                        .into(),
                );
            }
        }
        Object::PodTemplate(o) if changed => of_template(o.template.as_ref(), &Path::root("template"), &mut found),
        _ => {}
    }
    found
}

/// Names of pods are names of hosts too.
fn name(object: &Object, found: &mut Vec<String>) {
    let used = match object {
        Object::Pod(_) => "the Pod's hostname",
        Object::Deployment(_) | Object::ReplicaSet(_) | Object::ReplicationController(_) | Object::Job(_) | Object::CronJob(_) => {
            "Pod names and hostnames"
        }
        _ => return,
    };
    let wrong = names::dns1123_label(object.name());
    if !wrong.is_empty() {
        found.push(format!(
            "metadata.name: this is used in {used}, which can result in surprising behavior; a DNS label is recommended: [{}]",
            wrong.join(" ")
        ));
    }
}

fn of_job(job: &JobSpec, at: &Path<'_>, found: &mut Vec<String>) {
    let many = job.completions.unwrap_or(0) > 100_000 && job.parallelism.unwrap_or(0) > 10_000;
    if many && job.completion_mode.as_deref() == Some("Indexed") {
        found.push(format!("{at}: {MANY_INDEXES}"));
    }
    of_template(Some(&job.template), &at.child("template"), found);
}

fn of_template(template: Option<&PodTemplateSpec>, at: &Path<'_>, found: &mut Vec<String>) {
    let Some((template, spec)) = template.and_then(|t| Some((t, t.spec.as_ref()?))) else { return };
    let nothing = ObjectMeta::default();
    let metadata = template.metadata.as_ref().unwrap_or(&nothing);
    of_spec(spec, metadata, &at.child("spec"), &at.child("metadata"), true, found);
}

fn of_claim(spec: &PersistentVolumeClaimSpec, at: &Path<'_>, found: &mut Vec<String>) {
    let Some(resources) = &spec.resources else { return };
    let at = at.child("resources");
    fractions(resources.requests.as_ref(), &["storage"], &at.child("requests"), found);
    fractions(resources.limits.as_ref(), &["storage"], &at.child("limits"), found);
}

/// Bytes do not come in fractions.
fn fractions(amounts: Option<&BTreeMap<String, ApiQuantity>>, names: &[&str], at: &Path<'_>, found: &mut Vec<String>) {
    let Some(amounts) = amounts else { return };
    for name in names {
        let Some(amount) = amounts.get(*name) else { continue };
        if Quantity::parse(&amount.0).is_ok_and(|q| q.milli_value() % 1000 != 0) {
            found.push(format!("{}: fractional byte value {:?} is invalid, must be an integer", at.key(name), amount.0));
        }
    }
}

fn of_spec(spec: &PodSpec, metadata: &ObjectMeta, at: &Path<'_>, metadata_at: &Path<'_>, is_template: bool, found: &mut Vec<String>) {
    let annotations = metadata_at.child("annotations");
    placement(spec, at, found);
    let said = metadata.annotations.as_ref();
    let has = |key: &str| said.is_some_and(|a| a.contains_key(key));
    for (key, text) in ANNOTATIONS.iter().filter(|(key, _)| has(key)) {
        found.push(format!("{}: {text}", annotations.key(key)));
    }
    for (index, volume) in spec.volumes.iter().flatten().enumerate() {
        of_volume(volume, &at.child("volumes").index(index), found);
    }
    overlaps(spec.volumes.as_deref().unwrap_or_default(), found);
    lists(spec, at, found);
    fractions(spec.overhead.as_ref(), &["memory", "ephemeral-storage"], &at.child("overhead"), found);
    let security = spec.security_context.as_ref();
    if security.is_none_or(|s| s.seccomp_profile.is_none()) && has(SECCOMP_POD) {
        found.push(format!("{}: non-functional in v1.27+; use the \"seccompProfile\" field instead", annotations.key(SECCOMP_POD)));
    }
    let profile = security.and_then(|s| s.app_armor_profile.as_ref());
    each_container(spec, at, &mut |container, at| {
        old_profiles(container, said, profile.filter(|_| is_template), is_template, &annotations, found);
        of_container(container, at, found);
    });
    ports(spec, at, found);
    if spec.termination_grace_period_seconds.is_some_and(|seconds| seconds < 0) {
        let at = at.child("terminationGracePeriodSeconds");
        found.push(format!("{at}: must be >= 0; negative values are invalid and will be treated as 1"));
    }
    let servers = spec.dns_config.iter().flat_map(|d| d.nameservers.iter().flatten()).enumerate();
    let dns = at.child("dnsConfig");
    found.extend(servers.filter_map(|(index, ip)| warning_for_address(&dns.child("nameservers").index(index).to_string(), ip)));
    let aliases = spec.host_aliases.iter().flatten().enumerate();
    let hosts = at.child("hostAliases");
    found.extend(aliases.filter_map(|(index, a)| warning_for_address(&hosts.index(index).child("ip").to_string(), &a.ip)));
}

/// Visits init containers, containers and ephemeral containers.
pub(super) fn each_container(spec: &PodSpec, at: &Path<'_>, visit: &mut dyn FnMut(&Container, &Path<'_>)) {
    for (index, container) in spec.init_containers.iter().flatten().enumerate() {
        visit(container, &at.child("initContainers").index(index));
    }
    for (index, container) in spec.containers.iter().enumerate() {
        visit(container, &at.child("containers").index(index));
    }
    for (index, container) in spec.ephemeral_containers.iter().flatten().enumerate() {
        visit(&as_container(container), &at.child("ephemeralContainers").index(index));
    }
}

fn deprecated(label: &str) -> Option<&'static str> {
    NODE_LABELS.iter().find(|(name, _)| *name == label).map(|(_, text)| *text)
}

fn placement(spec: &PodSpec, at: &Path<'_>, found: &mut Vec<String>) {
    for (key, text) in spec.node_selector.iter().flatten().filter_map(|(key, _)| Some((key, deprecated(key)?))) {
        found.push(format!("{}: {text}", at.child("nodeSelector").key(key)));
    }
    let affinity = at.child("affinity");
    if let Some(node) = spec.affinity.as_ref().and_then(|a| a.node_affinity.as_ref()) {
        node_affinity(node, &affinity.child("nodeAffinity"), found);
    }
    for (index, constraint) in spec.topology_spread_constraints.iter().flatten().enumerate() {
        let at = at.child("topologySpreadConstraints");
        let at = at.index(index);
        if let Some(text) = deprecated(&constraint.topology_key) {
            found.push(format!("{}: {} is {text}", at.child("topologyKey"), constraint.topology_key));
        }
        if constraint.label_selector.is_none() {
            found.push(format!("{}: {NULL_SELECTOR}", at.child("labelSelector")));
        }
    }
    if let Some(pod) = spec.affinity.as_ref().and_then(|a| a.pod_affinity.as_ref()) {
        let (required, preferred) = (
            pod.required_during_scheduling_ignored_during_execution.as_deref(),
            pod.preferred_during_scheduling_ignored_during_execution.as_deref(),
        );
        pod_affinity(required, preferred, &affinity.child("podAffinity"), found);
    }
    if let Some(pod) = spec.affinity.as_ref().and_then(|a| a.pod_anti_affinity.as_ref()) {
        let (required, preferred) = (
            pod.required_during_scheduling_ignored_during_execution.as_deref(),
            pod.preferred_during_scheduling_ignored_during_execution.as_deref(),
        );
        pod_affinity(required, preferred, &affinity.child("podAntiAffinity"), found);
    }
}

fn node_affinity(affinity: &NodeAffinity, at: &Path<'_>, found: &mut Vec<String>) {
    let required = at.child("requiredDuringSchedulingIgnoredDuringExecution");
    let required = required.child("nodeSelectorTerms");
    let terms = affinity.required_during_scheduling_ignored_during_execution.iter().flat_map(|r| &r.node_selector_terms);
    for (index, term) in terms.enumerate() {
        node_term(term, false, &required.index(index), found);
    }
    let preferred = at.child("preferredDuringSchedulingIgnoredDuringExecution");
    for (index, term) in affinity.preferred_during_scheduling_ignored_during_execution.iter().flatten().enumerate() {
        node_term(&term.preference, true, &preferred.index(index).child("preference"), found);
    }
}

fn node_term(term: &NodeSelectorTerm, check_values: bool, at: &Path<'_>, found: &mut Vec<String>) {
    let at = at.child("matchExpressions");
    for (index, expression) in term.match_expressions.iter().flatten().enumerate() {
        let at = at.index(index);
        if let Some(text) = deprecated(&expression.key) {
            found.push(format!("{}: {} is {text}", at.child("key"), expression.key));
        }
        for (index, value) in expression.values.iter().flatten().enumerate().filter(|_| check_values) {
            let at = at.child("values");
            found.extend(names::label_value(value).into_iter().map(|why| format!("{}: {value} is invalid, {why}", at.index(index))));
        }
    }
}

fn pod_affinity(
    required: Option<&[PodAffinityTerm]>,
    preferred: Option<&[WeightedPodAffinityTerm]>,
    at: &Path<'_>,
    found: &mut Vec<String>,
) {
    let here = at.child("requiredDuringSchedulingIgnoredDuringExecution");
    for (index, _) in required.into_iter().flatten().enumerate().filter(|(_, term)| term.label_selector.is_none()) {
        found.push(format!("{}: {NULL_SELECTOR}", here.index(index).child("labelSelector")));
    }
    let here = at.child("preferredDuringSchedulingIgnoredDuringExecution");
    let terms = preferred.into_iter().flatten().enumerate();
    for (index, _) in terms.filter(|(_, term)| term.pod_affinity_term.label_selector.is_none()) {
        found.push(format!("{}: {NULL_SELECTOR}", here.index(index).child("podAffinityTerm").child("labelSelector")));
    }
}

fn of_volume(volume: &Volume, at: &Path<'_>, found: &mut Vec<String>) {
    let gone = [
        ("photonPersistentDisk", volume.photon_persistent_disk.is_some(), "deprecated in v1.11, non-functional in v1.16+"),
        ("gitRepo", volume.git_repo.is_some(), "deprecated in v1.11, and disabled by default in v1.33+"),
        ("scaleIO", volume.scale_io.is_some(), "deprecated in v1.16, non-functional in v1.22+"),
        ("flocker", volume.flocker.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
        ("storageOS", volume.storageos.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
        ("quobyte", volume.quobyte.is_some(), "deprecated in v1.22, non-functional in v1.25+"),
        ("glusterfs", volume.glusterfs.is_some(), "deprecated in v1.25, non-functional in v1.26+"),
        ("cephfs", volume.cephfs.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
        ("rbd", volume.rbd.is_some(), "deprecated in v1.28, non-functional in v1.31+"),
    ];
    for (field, _, text) in gone.into_iter().filter(|(_, is_set, _)| *is_set) {
        found.push(format!("{}: {text}", at.child(field)));
    }
    if let Some(template) = volume.ephemeral.as_ref().and_then(|e| e.volume_claim_template.as_ref()) {
        of_claim(&template.spec, &at.child("ephemeral").child("volumeClaimTemplate").child("spec"), found);
    }
}

/// Lists whose entries are told apart by what they say.
fn lists(spec: &PodSpec, at: &Path<'_>, found: &mut Vec<String>) {
    let again = |values: &[&str], index: usize| values[..index].contains(&values[index]);
    let hosts: Vec<&str> = spec.host_aliases.iter().flatten().map(|a| a.ip.as_str()).collect();
    for (index, ip) in hosts.iter().enumerate().filter(|(index, _)| again(&hosts, *index)) {
        found.push(format!("{}: duplicate ip {ip:?}", at.child("hostAliases").index(index).child("ip")));
    }
    let secrets: Vec<&str> = spec.image_pull_secrets.iter().flatten().map(|s| s.name.as_str()).collect();
    for (index, name) in secrets.iter().enumerate() {
        let at = at.child("imagePullSecrets");
        let at = at.index(index);
        if again(&secrets, index) {
            found.push(format!("{}: duplicate name {name:?}", at.child("name")));
        }
        if name.is_empty() {
            found.push(format!("{}: invalid empty name \"\"", at.child("name")));
        }
    }
}

/// Annotations of a container that are fields now.
fn old_profiles(
    container: &Container,
    said: Option<&BTreeMap<String, String>>,
    of_pod: Option<&AppArmorProfile>,
    is_template: bool,
    at: &Path<'_>,
    found: &mut Vec<String>,
) {
    let security = container.security_context.as_ref();
    let value = |begin: &str| said.and_then(|a| a.get(&format!("{begin}{}", container.name)));
    let mut tell = |begin: &str, text: &str| found.push(format!("{}: {text}", at.key(&format!("{begin}{}", container.name))));
    if security.is_none_or(|s| s.seccomp_profile.is_none()) && value(SECCOMP_CONTAINER).is_some() {
        tell(SECCOMP_CONTAINER, "non-functional in v1.27+; use the \"seccompProfile\" field instead");
    }
    // Of those of pods is told when they become fields.
    if !is_template || security.is_some_and(|s| s.app_armor_profile.is_some()) {
        return;
    }
    if let Some(value) = value(APP_ARMOR)
        && of_pod.is_none_or(|profile| !says(profile, value))
    {
        tell(APP_ARMOR, "deprecated since v1.30; use the \"appArmorProfile\" field instead");
    }
}

/// Whether an annotation says what a profile does.
fn says(profile: &AppArmorProfile, annotation: &str) -> bool {
    match annotation {
        "unconfined" => profile.type_ == "Unconfined",
        "runtime/default" => profile.type_ == "RuntimeDefault",
        other => {
            let path = other.strip_prefix("localhost/");
            path.is_some() && profile.type_ == "Localhost" && profile.localhost_profile.as_deref() == path
        }
    }
}

fn of_container(container: &Container, at: &Path<'_>, found: &mut Vec<String>) {
    if let Some(resources) = &container.resources {
        let at = at.child("resources");
        fractions(resources.limits.as_ref(), &["memory", "ephemeral-storage"], &at.child("limits"), found);
        fractions(resources.requests.as_ref(), &["memory", "ephemeral-storage"], &at.child("requests"), found);
    }
    let variables = container.env.as_deref().unwrap_or_default();
    for (index, variable) in variables.iter().enumerate() {
        if hides(&variables[..index], variable) {
            let at = at.child("env");
            let name = &variable.name;
            found.push(format!("{}: hides previous definition of {name:?}, which may be dropped when using apply", at.index(index)));
        }
    }
}

/// Whether a variable was defined before and is not made from what it was.
fn hides(before: &[EnvVar], variable: &EnvVar) -> bool {
    let reference = format!("$({})", variable.name);
    let value = variable.value.as_deref().unwrap_or_default();
    let builds_on_it = variable.value_from.is_none() && value != reference && value.contains(&reference);
    !builds_on_it && before.iter().any(|b| b.name == variable.name)
}
