//! Volumes and claims, secrets, service accounts, quotas, endpoints, and configurations of admission.
//! Sources: pkg/api/{persistentvolume,persistentvolumeclaim}, pkg/registry/core, pkg/apis/admissionregistration/validation.
//! Not modelled: what is inside a certificate that is well-formed PEM; its key, and whether the two belong together.

use k8s_openapi::api::core::v1::{Endpoints, PersistentVolume, PersistentVolumeClaim, PersistentVolumeClaimSpec, ResourceQuota, Secret};

use super::node_labels::deprecated;
use crate::ip::warning_for_address;
use crate::object::Object;
use crate::quantity::Quantity;
use crate::validation::certificates::pem_blocks;

const CLASS: &str = "volume.beta.kubernetes.io/storage-class";
const CLASS_TEXT: &str = "deprecated since v1.8; use \"storageClassName\" attribute instead";
const MOUNT_OPTIONS: &str = "volume.beta.kubernetes.io/mount-options";
const MOUNTABLE: &str = "kubernetes.io/enforce-mountable-secrets";
const STATIC_SUFFIX: &str = ".static.k8s.io";
const ENDPOINTS_MANAGED_BY: (&str, &str) = ("endpoints.kubernetes.io/managed-by", "endpoint-controller");

/// What to warn of when the object is stored.
pub fn of(next: &Object, current: Option<&Object>) -> Vec<String> {
    match next {
        Object::PersistentVolume(o) => volume(o),
        Object::PersistentVolumeClaim(o) => claim(o),
        Object::Secret(o) if o.type_.as_deref() == Some("kubernetes.io/tls") => certificate(o).into_iter().collect(),
        Object::ServiceAccount(o) => {
            let has =
                |annotations: Option<&std::collections::BTreeMap<String, String>>| annotations.is_some_and(|a| a.contains_key(MOUNTABLE));
            let had = current.is_some_and(|c| has(c.metadata().annotations.as_ref()));
            let text = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets";
            let warned = has(o.metadata.annotations.as_ref()) && !had;
            warned.then(|| format!("metadata.annotations[{MOUNTABLE}]: {text}")).into_iter().collect()
        }
        Object::ResourceQuota(o) if current.is_none() => quota(o),
        Object::Endpoints(o) => endpoints(o),
        Object::ValidatingWebhookConfiguration(_)
        | Object::MutatingWebhookConfiguration(_)
        | Object::ValidatingAdmissionPolicy(_)
        | Object::ValidatingAdmissionPolicyBinding(_)
        | Object::MutatingAdmissionPolicy(_)
        | Object::MutatingAdmissionPolicyBinding(_)
            if next.name().ends_with(STATIC_SUFFIX) =>
        {
            let text = "are reserved for static manifest-based configurations and cannot be managed via the API";
            vec![format!("metadata.name: names ending with {STATIC_SUFFIX:?} {text}")]
        }
        _ => vec![],
    }
}

fn volume(volume: &PersistentVolume) -> Vec<String> {
    let annotated = |key: &str| volume.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(key));
    let mut warnings = Vec::new();
    for (key, text) in [(CLASS, CLASS_TEXT), (MOUNT_OPTIONS, "deprecated since v1.31; use \"mountOptions\" attribute instead")] {
        if annotated(key) {
            warnings.push(format!("metadata.annotations[{key}]: {text}"));
        }
    }
    let Some(spec) = &volume.spec else { return warnings };
    if spec.persistent_volume_reclaim_policy.as_deref() == Some("Recycle") {
        let text = "The Recycle reclaim policy is deprecated. Instead, the recommended approach is to use dynamic provisioning.";
        warnings.push(format!("spec.persistentVolumeReclaimPolicy: {text}"));
    }
    let required = spec.node_affinity.as_ref().and_then(|a| a.required.as_ref());
    for (term, of) in required.iter().flat_map(|r| &r.node_selector_terms).enumerate() {
        for (index, expression) in of.match_expressions.iter().flatten().enumerate() {
            let at = format!("spec.nodeAffinity.required.nodeSelectorTerms[{term}].matchExpressions[{index}].key");
            warnings.extend(deprecated(&expression.key).map(|why| format!("{at}: {} is {why}", expression.key)));
        }
    }
    let gone = [
        ("cephfs", spec.cephfs.is_some(), "v1.28", "v1.31"),
        ("photonPersistentDisk", spec.photon_persistent_disk.is_some(), "v1.11", "v1.16"),
        ("scaleIO", spec.scale_io.is_some(), "v1.16", "v1.22"),
        ("storageOS", spec.storageos.is_some(), "v1.22", "v1.25"),
        ("glusterfs", spec.glusterfs.is_some(), "v1.25", "v1.26"),
        ("rbd", spec.rbd.is_some(), "v1.28", "v1.31"),
    ];
    let used = gone.into_iter().filter(|(_, is_used, ..)| *is_used);
    warnings.extend(used.map(|(field, _, since, until)| format!("spec.{field}: deprecated in {since}, non-functional in {until}+")));
    warnings
}

fn claim(claim: &PersistentVolumeClaim) -> Vec<String> {
    let mut warnings = Vec::new();
    if claim.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(CLASS)) {
        warnings.push(format!("metadata.annotations[{CLASS}]: {CLASS_TEXT}"));
    }
    warnings.extend(claim.spec.iter().flat_map(fractions));
    warnings
}

/// Bytes come whole.
fn fractions(spec: &PersistentVolumeClaimSpec) -> Vec<String> {
    let Some(resources) = &spec.resources else { return vec![] };
    let lists = [("requests", &resources.requests), ("limits", &resources.limits)];
    let warned = lists.into_iter().filter_map(|(list, amounts)| {
        let amount = amounts.as_ref()?.get("storage")?;
        let is_whole = Quantity::parse(&amount.0).ok()?.milli_value() % 1000 == 0;
        let at = format!("spec.resources.{list}[storage]");
        (!is_whole).then(|| format!("{at}: fractional byte value {:?} is invalid, must be an integer", amount.0))
    });
    warned.collect()
}

fn quota(quota: &ResourceQuota) -> Vec<String> {
    let Some(hard) = quota.spec.as_ref().and_then(|s| s.hard.as_ref()) else { return vec![] };
    let known = ["cpu", "memory", "storage", "ephemeral-storage"];
    let warned = known.into_iter().filter_map(|name| {
        let mut request = format!("requests.{name}");
        if !hard.contains_key(&request) && matches!(name, "cpu" | "memory") {
            request = name.to_owned();
        }
        let limit = format!("limits.{name}");
        let read = |name: &str| Quantity::parse(&hard.get(name)?.0).ok();
        let (asked, most) = (read(&request)?, read(&limit)?);
        (asked > most).then(|| format!("ResourceQuota {request} ({asked}) should be less than {limit} ({most})"))
    });
    warned.collect()
}

fn endpoints(endpoints: &Endpoints) -> Vec<String> {
    let (label, controller) = ENDPOINTS_MANAGED_BY;
    if endpoints.metadata.labels.as_ref().and_then(|l| l.get(label)).is_some_and(|manager| manager == controller) {
        return vec![];
    }
    let mut warnings = Vec::new();
    for (index, subset) in endpoints.subsets.iter().flatten().enumerate() {
        for (list, addresses) in [("addresses", &subset.addresses), ("notReadyAddresses", &subset.not_ready_addresses)] {
            for (at, address) in addresses.iter().flatten().enumerate() {
                warnings.extend(warning_for_address(&format!("subsets[{index}].{list}[{at}].ip"), &address.ip));
            }
        }
    }
    warnings
}

/// What Go's `tls.X509KeyPair` says of a certificate, as far as its PEM goes.
fn certificate(secret: &Secret) -> Option<String> {
    let data = secret.data.as_ref().and_then(|d| d.get("tls.crt"));
    let found = data.map(|bytes| pem_blocks(&bytes.0)).unwrap_or_default();
    if found.iter().any(|block| block == "CERTIFICATE") {
        return None;
    }
    let of = "in certificate input";
    Some(match found.as_slice() {
        [] => format!("tls: failed to find any PEM data {of}"),
        [only] if only.ends_with("PRIVATE KEY") => {
            format!("tls: failed to find certificate PEM data {of}, but did find a private key; PEM inputs may have been switched")
        }
        found => format!(
            "tls: failed to find \"CERTIFICATE\" PEM block {of} after skipping PEM blocks of the following types: [{}]",
            found.join(" ")
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use serde_json::{Value, json};

    fn warned(kind: Kind, value: Value) -> Vec<String> {
        of(&Object::from_json(kind, value).expect("it is written here"), None)
    }

    #[test]
    fn a_certificate_that_is_none_is_warned_of() {
        // "a" and "b" in base64.
        let secret = json!({"metadata": {"name": "s"}, "type": "kubernetes.io/tls", "data": {"tls.crt": "YQ==", "tls.key": "Yg=="}});
        assert_eq!(warned(Kind::Secret, secret), ["tls: failed to find any PEM data in certificate input"]);
        assert!(warned(Kind::Secret, json!({"metadata": {"name": "s"}, "type": "Opaque"})).is_empty());
    }

    #[test]
    fn a_quota_that_grants_less_than_it_lets_be_asked_is_warned_of() {
        let quota = json!({"metadata": {"name": "q"}, "spec": {"hard": {"cpu": "2", "limits.cpu": "1", "requests.memory": "1Gi", "limits.memory": "1Gi"}}});
        assert_eq!(warned(Kind::ResourceQuota, quota), ["ResourceQuota cpu (2) should be less than limits.cpu (1)"]);
    }

    #[test]
    fn volumes_are_warned_of_what_works_no_more() {
        let spec = json!({"persistentVolumeReclaimPolicy": "Recycle", "rbd": {"monitors": ["a"], "image": "b"}});
        let found = warned(Kind::PersistentVolume, json!({"metadata": {"name": "v"}, "spec": spec}));
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[1], "spec.rbd: deprecated in v1.28, non-functional in v1.31+");
    }
}
