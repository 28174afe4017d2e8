//! Holds pods to the standards that their namespace's labels name (PodSecurity): what breaks the enforced one is refused,
//! what breaks the one to warn of is warned of, in templates too.
//! Source: pod-security-admission/admission. Nothing is exempt in a default cluster; there is no audit log here.

mod baseline;
mod checks;
mod policy;
mod restricted;

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Status, Typed};

use self::checks::{Subject, evaluate};
use self::policy::{Level, LevelVersion, Policy, policy_of};
use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};

/// So many pods are looked at when a namespace's labels change.
const PODS_MAX: usize = 3000;

pub(super) const PLUGIN: Plugin = Plugin { name: "PodSecurity", change: None, check: Some(check) };

fn check(server: &mut ApiServer, object: &Object, asked: &Asked<'_>, call: &mut Call<'_>) -> Outcome<()> {
    match object {
        Object::Namespace(_) => check_namespace(server, object, asked, call),
        Object::Pod(pod) => check_pod(server, pod, object, asked, call),
        _ => {
            if asked.is_main()
                && let Some(template) = template_of(object)
            {
                warn_of_template(server, template, object.namespace(), call);
            }
            Ok(())
        }
    }
}

fn policy_for(server: &ApiServer, namespace: &str) -> Policy {
    let found = server.etcd.get(&ObjectKey::new(Kind::Namespace, "", namespace));
    found.and_then(|n| n.metadata().labels.as_ref()).map(|labels| policy_of(labels).0).unwrap_or_default()
}

fn check_pod(server: &ApiServer, pod: &Pod, object: &Object, asked: &Asked<'_>, call: &mut Call<'_>) -> Outcome<()> {
    let looked_at = match (asked.old, asked.part) {
        (_, Part::Status | Part::Finalize) => false,
        (None, _) => true,
        (Some(Object::Pod(old)), _) => is_significant(pod, old),
        (Some(_), _) => false,
    };
    if !looked_at {
        return Ok(());
    }
    let policy = policy_for(server, object.namespace());
    let Some(spec) = pod.spec.as_ref().filter(|_| policy != Policy::default()) else { return Ok(()) };
    let subject = Subject { metadata: &pod.metadata, spec };
    let broken = evaluate(&policy.enforce, &subject);
    if !broken.is_empty() {
        return Err(forbidden(object, &format!("violates PodSecurity \"{}\": {}", policy.enforce, checks::details(&broken))));
    }
    warn(&policy.warn, &subject, call);
    Ok(())
}

fn warn(level: &LevelVersion, subject: &Subject<'_>, call: &mut Call<'_>) {
    let broken = evaluate(level, subject);
    if !broken.is_empty() {
        call.warnings.push(format!("would violate PodSecurity \"{level}\": {}", checks::details(&broken)));
    }
}

/// Whether an update changes what is judged: images, and which containers there are.
fn is_significant(pod: &Pod, old: &Pod) -> bool {
    let (Some(next), Some(old)) = (&pod.spec, &old.spec) else { return true };
    let images = |spec: &k8s_openapi::api::core::v1::PodSpec| -> Vec<Option<String>> {
        let init = spec.init_containers.iter().flatten();
        spec.containers.iter().chain(init).map(|c| c.image.clone()).collect()
    };
    if images(next) != images(old) {
        return true;
    }
    let before: BTreeMap<&str, &Option<String>> = old.ephemeral_containers.iter().flatten().map(|c| (c.name.as_str(), &c.image)).collect();
    next.ephemeral_containers.iter().flatten().any(|c| before.get(c.name.as_str()) != Some(&&c.image))
}

/// The template of pods that a workload has.
fn template_of(object: &Object) -> Option<&PodTemplateSpec> {
    match object {
        Object::Deployment(o) => o.spec.as_ref().map(|s| &s.template),
        Object::ReplicaSet(o) => o.spec.as_ref()?.template.as_ref(),
        Object::StatefulSet(o) => o.spec.as_ref().map(|s| &s.template),
        Object::DaemonSet(o) => o.spec.as_ref().map(|s| &s.template),
        Object::Job(o) => o.spec.as_ref().map(|s| &s.template),
        Object::CronJob(o) => o.spec.job_template.spec.as_ref().map(|s| &s.template),
        Object::ReplicationController(o) => o.spec.as_ref()?.template.as_ref(),
        Object::PodTemplate(o) => o.template.as_ref(),
        _ => None,
    }
}

fn warn_of_template(server: &ApiServer, template: &PodTemplateSpec, namespace: &str, call: &mut Call<'_>) {
    let policy = policy_for(server, namespace);
    let Some(spec) = template.spec.as_ref().filter(|_| policy.warn.level != Level::Privileged) else { return };
    let nothing = ObjectMeta::default();
    let metadata = template.metadata.as_ref().unwrap_or(&nothing);
    warn(&policy.warn, &Subject { metadata, spec }, call);
}

fn check_namespace(server: &ApiServer, object: &Object, asked: &Asked<'_>, call: &mut Call<'_>) -> Outcome<()> {
    if !asked.is_main() {
        return Ok(());
    }
    let nothing = BTreeMap::new();
    let labels = |o: &Object| o.metadata().labels.clone().unwrap_or_default();
    let (next, wrong) = policy_of(object.metadata().labels.as_ref().unwrap_or(&nothing));
    let (old, wrong_before) = asked.old.map(|o| policy_of(&labels(o))).unwrap_or_default();
    if !wrong.is_empty() && wrong != wrong_before {
        return Err(Box::new(Status::invalid(Kind::Namespace, object.name(), wrong)));
    }
    let relaxed = next.enforce.version == old.enforce.version && next.enforce.level <= old.enforce.level;
    if asked.is_create() || next.enforce == old.enforce || next.enforce.level == Level::Privileged || relaxed {
        return Ok(());
    }
    let warnings = existing_pods(server, object.name(), &next.enforce);
    call.warnings.extend(warnings);
    Ok(())
}

/// What is told of the pods that a new standard would not let in: one pod's name for each set of reasons.
fn existing_pods(server: &ApiServer, namespace: &str, level: &LevelVersion) -> Vec<String> {
    let pods: Vec<&std::sync::Arc<Pod>> = server.etcd.list(Kind::Pod, namespace).filter_map(Pod::from_object).collect();
    let mut found: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for pod in prioritised(&pods).into_iter().take(PODS_MAX) {
        let Some(spec) = &pod.spec else { continue };
        let broken = evaluate(level, &Subject { metadata: &pod.metadata, spec });
        if !broken.is_empty() {
            found.entry(checks::reasons(&broken)).or_default().push(pod.metadata.name.as_deref().unwrap_or_default());
        }
    }
    let mut warnings = Vec::new();
    if pods.len() > PODS_MAX {
        warnings.push(format!("new PodSecurity enforce level only checked against the first {PODS_MAX} of {} existing pods", pods.len()));
    }
    if !found.is_empty() {
        warnings.push(format!("existing pods in namespace \"{namespace}\" violate the new PodSecurity enforce level \"{level}\""));
    }
    let mut lines: Vec<String> = found.iter().map(|(reasons, names)| line(reasons, names)).collect();
    lines.sort();
    warnings.extend(lines);
    warnings
}

fn line(reasons: &str, names: &[&str]) -> String {
    let first = names.iter().min().copied().unwrap_or_default();
    match names.len() {
        1 => format!("{first}: {reasons}"),
        2 => format!("{first} (and 1 other pod): {reasons}"),
        n => format!("{first} (and {} other pods): {reasons}", n - 1),
    }
}

/// One pod of each controller first.
fn prioritised<'a>(pods: &[&'a std::sync::Arc<Pod>]) -> Vec<&'a Pod> {
    let mut seen = std::collections::BTreeSet::new();
    let owner = |p: &Pod| sim_apimachinery::object::controller_of(&p.metadata).map(|o| o.uid.clone());
    let (first, rest): (Vec<&Pod>, Vec<&Pod>) = pods.iter().map(|p| &***p).partition(|p| owner(p).is_none_or(|uid| seen.insert(uid)));
    first.into_iter().chain(rest).collect()
}
