//! Config maps, secrets, service accounts, and storage: claims, volumes, classes.

use serde_json::Value;
use sim_apimachinery::Kind;

use super::metadata::{dated_conditions, events, head, labels_and_annotations, lines, name, status_or_terminating};
use super::page::Page;
use super::view::{World, items, joined, or, or_none, pairs, text, truth};
use super::volumes::volume_source;

/// A config map.
pub fn config_map(page: &mut Page, object: &Value, world: &World<'_>) {
    head(page, object);
    page.line(0, "\nData\n====");
    for (key, value) in pairs(object, "/data") {
        page.line(0, format!("{key}:\n----\n{value}\n"));
    }
    page.line(0, "\nBinaryData\n====");
    for (key, value) in pairs(object, "/binaryData") {
        page.line(0, format!("{key}: {} bytes", decoded_length(&value)));
    }
    page.line(0, "");
    events(page, object, world);
}

/// A secret: how long its values are, not what they say.
pub fn secret(page: &mut Page, object: &Value) {
    head(page, object);
    page.line(0, format!("\nType:\t{}", text(object, "/type")));
    page.line(0, "\nData\n====");
    for (key, value) in pairs(object, "/data") {
        page.line(0, format!("{key}:\t{} bytes", decoded_length(&value)));
    }
}

/// How many bytes a base64 text stands for.
fn decoded_length(text: &str) -> usize {
    let padding = text.bytes().rev().take_while(|b| *b == b'=').count();
    (text.len() / 4 * 3).saturating_sub(padding)
}

/// A service account.
pub fn service_account(page: &mut Page, object: &Value, world: &World<'_>) {
    head(page, object);
    let secrets = items(object, "/imagePullSecrets").iter().map(|s| text(s, "/name").to_owned()).collect();
    lines(page, "Image pull secrets", secrets);
    events(page, object, world);
}

/// `RWO,ROX`.
fn modes(object: &Value, path: &str) -> String {
    let short = |mode: &Value| match mode.as_str().unwrap_or_default() {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        _ => "RWOP",
    };
    items(object, path).iter().map(short).collect::<Vec<_>>().join(",")
}

/// A list as Go prints it.
fn go_list(object: &Value, path: &str) -> String {
    let words: Vec<&str> = items(object, path).iter().filter_map(Value::as_str).collect();
    format!("[{}]", words.join(" "))
}

/// A persistent volume claim.
pub fn claim(page: &mut Page, object: &Value, world: &World<'_>) {
    name(page, object);
    page.line(0, format!("Namespace:\t{}", text(object, "/metadata/namespace")));
    page.line(0, format!("StorageClass:\t{}", text(object, "/spec/storageClassName")));
    status_or_terminating(page, object, world);
    page.line(0, format!("Volume:\t{}", text(object, "/spec/volumeName")));
    labels_and_annotations(page, object);
    page.line(0, format!("Finalizers:\t{}", go_list(object, "/metadata/finalizers")));
    let bound = !text(object, "/spec/volumeName").is_empty();
    let (capacity, modes) = if bound {
        (or(object, "/status/capacity/storage", "0").into_owned(), modes(object, "/status/accessModes"))
    } else {
        Default::default()
    };
    page.line(0, format!("Capacity:\t{capacity}"));
    page.line(0, format!("Access Modes:\t{modes}"));
    if !text(object, "/spec/volumeMode").is_empty() {
        page.line(0, format!("VolumeMode:\t{}", text(object, "/spec/volumeMode")));
    }
    let uses = |p: &Value| items(p, "/spec/volumes").iter().any(|v| v["persistentVolumeClaim"]["claimName"] == object["metadata"]["name"]);
    let pods = world.list_in(Kind::Pod, text(object, "/metadata/namespace"));
    lines(page, "Used By", pods.iter().filter(|p| uses(p)).map(|p| text(p, "/metadata/name").to_owned()).collect());
    dated_conditions(page, object, "LastProbeTime");
    events(page, object, world);
}

/// A persistent volume.
pub fn volume(page: &mut Page, object: &Value, world: &World<'_>) {
    name(page, object);
    labels_and_annotations(page, object);
    page.line(0, format!("Finalizers:\t{}", go_list(object, "/metadata/finalizers")));
    page.line(0, format!("StorageClass:\t{}", text(object, "/spec/storageClassName")));
    status_or_terminating(page, object, world);
    let claim = match object.pointer("/spec/claimRef") {
        Some(claim) => format!("{}/{}", text(claim, "/namespace"), text(claim, "/name")),
        None => String::new(),
    };
    page.line(0, format!("Claim:\t{claim}"));
    page.line(0, format!("Reclaim Policy:\t{}", text(object, "/spec/persistentVolumeReclaimPolicy")));
    page.line(0, format!("Access Modes:\t{}", modes(object, "/spec/accessModes")));
    if !text(object, "/spec/volumeMode").is_empty() {
        page.line(0, format!("VolumeMode:\t{}", text(object, "/spec/volumeMode")));
    }
    page.line(0, format!("Capacity:\t{}", or(object, "/spec/capacity/storage", "0")));
    let terms = items(object, "/spec/nodeAffinity/required/nodeSelectorTerms");
    page.line(0, if terms.is_empty() { "Node Affinity:\t<none>" } else { "Node Affinity:" });
    terms.iter().enumerate().for_each(|(at, term)| node_term(page, at, term));
    page.line(0, format!("Message:\t{}", text(object, "/status/message")));
    page.line(0, "Source:");
    const NOT_SOURCES: [&str; 9] = [
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeMode",
        "volumeAttributesClassName",
    ];
    let spec = object.pointer("/spec").and_then(Value::as_object);
    for (kind, source) in spec.into_iter().flatten().filter(|(k, _)| !NOT_SOURCES.contains(&k.as_str())) {
        volume_source(page, kind, source);
    }
    events(page, object, world);
}

fn node_term(page: &mut Page, at: usize, term: &Value) {
    if at == 0 {
        page.line(1, "Required Terms:");
    }
    let expressions: Vec<String> = items(term, "/matchExpressions")
        .iter()
        .map(|e| {
            let values: Vec<&str> = items(e, "/values").iter().filter_map(Value::as_str).collect();
            format!("{} {} [{}]", text(e, "/key"), text(e, "/operator").to_ascii_lowercase(), values.join(", "))
        })
        .collect();
    page.line(2, format!("Term {at}:\t{}", or_none(&expressions.join("\n\t"))));
}

/// A storage class.
pub fn storage_class(page: &mut Page, object: &Value, world: &World<'_>) {
    name(page, object);
    let notes = pairs(object, "/metadata/annotations");
    let default = notes.get("storageclass.kubernetes.io/is-default-class").is_some_and(|v| v == "true");
    page.line(0, format!("IsDefaultClass:\t{}", if default { "Yes" } else { "No" }));
    page.line(0, format!("Annotations:\t{}", joined(&notes)));
    page.line(0, format!("Provisioner:\t{}", text(object, "/provisioner")));
    page.line(0, format!("Parameters:\t{}", joined(&pairs(object, "/parameters"))));
    page.line(0, format!("AllowVolumeExpansion:\t{}", truth(object.get("allowVolumeExpansion"))));
    let options: Vec<&str> = items(object, "/mountOptions").iter().filter_map(Value::as_str).collect();
    page.line(0, if options.is_empty() { "MountOptions:\t<none>" } else { "MountOptions:" });
    options.iter().for_each(|o| page.line(1, o));
    for (title, field) in [("ReclaimPolicy", "/reclaimPolicy"), ("VolumeBindingMode", "/volumeBindingMode")] {
        if !text(object, field).is_empty() {
            page.line(0, format!("{title}:\t{}", text(object, field)));
        }
    }
    events(page, object, world);
}
