//! What a kustomization does to all of its objects: namespace, names, labels, annotations, replicas, images.

use std::collections::BTreeMap;

use serde_json::Value;
use sim_apimachinery::Kind;

use super::{Image, Item, Kustomization};

/// Does it, in kustomize's order.
pub fn transform(kustomization: &Kustomization, items: &mut [Item]) {
    for item in items.iter_mut() {
        set_namespace(item, &kustomization.namespace);
    }
    for item in items.iter_mut().filter(|i| !matches!(i.kind(), "CustomResourceDefinition" | "APIService" | "Namespace")) {
        item.rename(format!("{}{}{}", kustomization.name_prefix, item.name(), kustomization.name_suffix));
    }
    for item in items.iter_mut() {
        for labels in &kustomization.labels {
            add_labels(item, &labels.pairs, labels.include_selectors, labels.include_templates);
        }
        add_labels(item, &kustomization.common_labels, true, true);
        add_annotations(item, &kustomization.common_annotations);
        for replicas in kustomization.replicas.iter().filter(|r| item.is_called(&r.name)).collect::<Vec<_>>() {
            if matches!(item.kind(), "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet") {
                item.value["spec"]["replicas"] = replicas.count.into();
            }
        }
        kustomization.images.iter().for_each(|image| set_image(&mut item.value, image));
    }
}

fn set_namespace(item: &mut Item, namespace: &str) {
    if namespace.is_empty() {
        return;
    }
    if item.kind() == "Namespace" {
        return item.rename(namespace.to_owned());
    }
    // Kinds that are not built in are taken for namespaced, as kustomize takes them.
    if Kind::find(item.group(), item.kind()).is_none_or(Kind::is_namespaced) {
        item.value["metadata"]["namespace"] = namespace.into();
    }
    if matches!(item.kind(), "RoleBinding" | "ClusterRoleBinding") {
        let subjects = item.value.get_mut("subjects").and_then(Value::as_array_mut);
        for subject in subjects.into_iter().flatten().filter(|s| s["kind"] == "ServiceAccount") {
            subject["namespace"] = namespace.into();
        }
    }
}

/// Adds pairs to a map at a path, making it if `create`. `[]` goes into every item of a list.
fn add(value: &mut Value, path: &[&str], pairs: &BTreeMap<String, String>, create: bool) {
    match path {
        [] => {
            if value.is_null() {
                *value = Value::Object(Default::default());
            }
            if let Some(map) = value.as_object_mut() {
                map.extend(pairs.iter().map(|(k, v)| (k.clone(), v.clone().into())));
            }
        }
        ["[]", rest @ ..] => value.as_array_mut().into_iter().flatten().for_each(|v| add(v, rest, pairs, create)),
        [key, rest @ ..] => {
            if value.get(key).is_some() || create && value.is_object() {
                add(&mut value[*key], rest, pairs, create);
            }
        }
    }
}

/// Where the pod templates of a kind are.
fn templates(kind: &str) -> &'static [&'static [&'static str]] {
    match kind {
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" | "Job" | "ReplicationController" => &[&["spec", "template"]],
        "CronJob" => &[&["spec", "jobTemplate"], &["spec", "jobTemplate", "spec", "template"]],
        _ => &[],
    }
}

fn add_labels(item: &mut Item, pairs: &BTreeMap<String, String>, selectors: bool, in_templates: bool) {
    if pairs.is_empty() {
        return;
    }
    let kind = item.kind().to_owned();
    let value = &mut item.value;
    add(value, &["metadata", "labels"], pairs, true);
    if selectors || in_templates {
        for template in templates(&kind) {
            add(value, &[template, &["metadata", "labels"][..]].concat(), pairs, true);
        }
        add(value, &["spec", "volumeClaimTemplates", "[]", "metadata", "labels"], pairs, kind == "StatefulSet");
    }
    if selectors {
        add_selectors(value, &kind, pairs);
    }
}

fn add_selectors(value: &mut Value, kind: &str, pairs: &BTreeMap<String, String>) {
    let labels = &["spec", "selector", "matchLabels"][..];
    match kind {
        // A service without a selector has no pods of its own to choose.
        "Service" => add(value, &["spec", "selector"], pairs, true),
        "ReplicationController" => add(value, &["spec", "selector"], pairs, true),
        "Deployment" | "ReplicaSet" | "DaemonSet" | "StatefulSet" => add(value, labels, pairs, true),
        "Job" | "PodDisruptionBudget" => add(value, labels, pairs, false),
        "CronJob" => add(value, &["spec", "jobTemplate", "spec", "selector", "matchLabels"], pairs, false),
        "NetworkPolicy" => {
            add(value, &["spec", "podSelector", "matchLabels"], pairs, false);
            add(value, &["spec", "ingress", "[]", "from", "[]", "podSelector", "matchLabels"], pairs, false);
            add(value, &["spec", "egress", "[]", "to", "[]", "podSelector", "matchLabels"], pairs, false);
        }
        _ => {}
    }
    if matches!(kind, "Deployment" | "StatefulSet") {
        let pod = ["spec", "template", "spec"];
        add(value, &[&pod[..], &["topologySpreadConstraints", "[]", "labelSelector", "matchLabels"]].concat(), pairs, false);
        for affinity in ["podAffinity", "podAntiAffinity"] {
            let preferred = ["preferredDuringSchedulingIgnoredDuringExecution", "[]", "podAffinityTerm", "labelSelector", "matchLabels"];
            let required = ["requiredDuringSchedulingIgnoredDuringExecution", "[]", "labelSelector", "matchLabels"];
            add(value, &[&pod[..], &["affinity", affinity], &preferred].concat(), pairs, false);
            add(value, &[&pod[..], &["affinity", affinity], &required].concat(), pairs, false);
        }
    }
}

fn add_annotations(item: &mut Item, pairs: &BTreeMap<String, String>) {
    if pairs.is_empty() {
        return;
    }
    let kind = item.kind().to_owned();
    add(&mut item.value, &["metadata", "annotations"], pairs, true);
    for template in templates(&kind) {
        add(&mut item.value, &[template, &["metadata", "annotations"][..]].concat(), pairs, true);
    }
}

/// Changes the image of all containers that have it.
fn set_image(value: &mut Value, image: &Image) {
    match value {
        Value::Array(list) => list.iter_mut().for_each(|v| set_image(v, image)),
        Value::Object(map) => {
            for (key, inner) in map.iter_mut() {
                if matches!(key.as_str(), "containers" | "initContainers") {
                    for container in inner.as_array_mut().into_iter().flatten() {
                        if let Some(changed) = container["image"].as_str().and_then(|i| renamed(i, image)) {
                            container["image"] = changed.into();
                        }
                    }
                }
                set_image(inner, image);
            }
        }
        _ => {}
    }
}

fn renamed(current: &str, image: &Image) -> Option<String> {
    let (rest, digest) = current.split_once('@').map_or((current, None), |(r, d)| (r, Some(d)));
    let tagged = rest.rsplit_once(':').filter(|(_, tag)| !tag.contains('/'));
    let (name, tag) = tagged.map_or((rest, None), |(n, t)| (n, Some(t)));
    if name != image.name {
        return None;
    }
    let name = if image.new_name.is_empty() { name } else { &image.new_name };
    Some(match (image.new_tag.as_str(), image.digest.as_str()) {
        ("", "") => match (tag, digest) {
            (_, Some(digest)) => format!("{name}@{digest}"),
            (Some(tag), None) => format!("{name}:{tag}"),
            (None, None) => name.to_owned(),
        },
        (new, "") => format!("{name}:{new}"),
        ("", digest) => format!("{name}@{digest}"),
        (new, digest) => format!("{name}:{new}@{digest}"),
    })
}
