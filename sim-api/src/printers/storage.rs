//! Rows of volumes, claims, classes and drivers.

use serde_json::Value;

use super::view::{View, cells};

pub(super) fn cells(name: &str, object: View<'_>) -> Option<Vec<Value>> {
    Some(match name {
        "PersistentVolume" => volume(object),
        "PersistentVolumeClaim" => claim(object),
        "StorageClass" => storage_class(object),
        "VolumeAttributesClass" => cells![object.name(), object.text("driverName"), object.age()],
        "VolumeAttachment" => cells![
            object.name(),
            object.text("spec.attacher"),
            object.text("spec.source.persistentVolumeName"),
            object.text("spec.nodeName"),
            object.is_true("status.attached"),
            object.age(),
        ],
        "CSINode" => cells![object.name(), object.count("spec.drivers"), object.age()],
        "CSIDriver" => csi_driver(object),
        _ => return None,
    })
}

const UNSET: &str = "<unset>";

fn volume(object: View<'_>) -> Vec<Value> {
    let claim = object.get("spec.claimRef").map_or_else(String::new, |claim| format!("{}/{}", claim.text("namespace"), claim.text("name")));
    cells![
        object.name(),
        object.quantity("spec.capacity", "storage"),
        access_modes(object, "spec.accessModes"),
        object.text("spec.persistentVolumeReclaimPolicy"),
        phase(object),
        claim,
        class(object),
        object.set_or("spec.volumeAttributesClassName", UNSET),
        object.text("status.reason"),
        object.age(),
        object.set_or("spec.volumeMode", UNSET),
    ]
}

fn claim(object: View<'_>) -> Vec<Value> {
    let volume = object.text("spec.volumeName");
    let (capacity, modes) = match volume {
        "" => (String::new(), String::new()),
        _ => (object.quantity("status.capacity", "storage"), access_modes(object, "status.accessModes")),
    };
    cells![
        object.name(),
        phase(object),
        volume,
        capacity,
        modes,
        class(object),
        object.set_or("spec.volumeAttributesClassName", UNSET),
        object.age(),
        object.set_or("spec.volumeMode", UNSET),
    ]
}

fn phase(object: View<'_>) -> &str {
    if object.is_deleting() { "Terminating" } else { object.text("status.phase") }
}

/// The class of a volume or claim; an old annotation goes before the field.
fn class(object: View<'_>) -> String {
    match object.entry("metadata.annotations", "volume.beta.kubernetes.io/storage-class") {
        Some(annotation) => annotation.value().as_str().unwrap_or_default().to_owned(),
        None => object.text("spec.storageClassName").to_owned(),
    }
}

/// Access modes in short, each once, in a fixed order.
fn access_modes(object: View<'_>, path: &str) -> String {
    const SHORT: [(&str, &str); 4] =
        [("ReadWriteOnce", "RWO"), ("ReadOnlyMany", "ROX"), ("ReadWriteMany", "RWX"), ("ReadWriteOncePod", "RWOP")];
    let has = |long: &str| object.list(path).any(|mode| mode.value() == long);
    SHORT.iter().filter(|(long, _)| has(long)).map(|(_, short)| *short).collect::<Vec<_>>().join(",")
}

fn storage_class(object: View<'_>) -> Vec<Value> {
    let annotated = |key: &str| object.entry("metadata.annotations", key).is_some_and(|value| value.value() == "true");
    let is_default =
        annotated("storageclass.kubernetes.io/is-default-class") || annotated("storageclass.beta.kubernetes.io/is-default-class");
    let mark = if is_default { " (default)" } else { "" };
    cells![
        format!("{}{mark}", object.name()),
        object.text("provisioner"),
        object.set_or("reclaimPolicy", "Delete"),
        object.set_or("volumeBindingMode", "Immediate"),
        object.is_true("allowVolumeExpansion"),
        object.age(),
    ]
}

fn csi_driver(object: View<'_>) -> Vec<Value> {
    let audiences: Vec<&str> = object.list("spec.tokenRequests").map(|request| request.text("audience")).collect();
    let token_requests = if object.has("spec.tokenRequests") { audiences.join(",") } else { UNSET.to_owned() };
    let modes = object.joined("spec.volumeLifecycleModes", ",");
    cells![
        object.name(),
        object.get("spec.attachRequired").is_none_or(|required| required.value() == true),
        object.is_true("spec.podInfoOnMount"),
        object.is_true("spec.storageCapacity"),
        token_requests,
        object.is_true("spec.requiresRepublish"),
        if modes.is_empty() { "<none>".to_owned() } else { modes },
        object.age(),
    ]
}
