//! What of a manifest is accepted and has no effect in the simulation: one table, read when an object is applied.

use serde_json::Value;
use sim_apimachinery::{Kind, Object};

/// Fields of a pod's spec that nothing here acts on.
const POD_FIELDS: [&str; 16] = [
    "ephemeralContainers",
    "runtimeClassName",
    "dnsConfig",
    "dnsPolicy",
    "hostPID",
    "hostIPC",
    "hostUsers",
    "hostAliases",
    "shareProcessNamespace",
    "setHostnameAsFQDN",
    "overhead",
    "os",
    "resourceClaims",
    "securityContext",
    "imagePullSecrets",
    "schedulingGroup",
];
/// Fields of a container that nothing here acts on.
const CONTAINER_FIELDS: [&str; 5] = ["volumeDevices", "workingDir", "resizePolicy", "securityContext", "restartPolicyRules"];
/// Values of the fields above that say what holds anyway.
const HARMLESS: [(&str, &str); 1] = [("dnsPolicy", "ClusterFirst")];
/// Sources of volumes that hold something here.
const VOLUMES: [&str; 8] =
    ["configMap", "secret", "downwardAPI", "projected", "emptyDir", "hostPath", "persistentVolumeClaim", "ephemeral"];
/// Fields of a job that nothing here acts on.
const JOB_FIELDS: [&str; 4] = ["successPolicy", "backoffLimitPerIndex", "maxFailedIndexes", "managedBy"];
/// Fields of a service that nothing here acts on.
const SERVICE_FIELDS: [&str; 4] = ["trafficDistribution", "loadBalancerSourceRanges", "loadBalancerClass", "healthCheckNodePort"];

/// What of an object has no effect, in words.
pub(super) fn unsimulated(object: &Object) -> Vec<String> {
    let value = object.to_json();
    match object.kind() {
        Kind::Pod => pod(&value["spec"]),
        Kind::Deployment | Kind::ReplicaSet | Kind::StatefulSet | Kind::DaemonSet | Kind::ReplicationController => {
            pod(&value["spec"]["template"]["spec"])
        }
        Kind::CronJob => job(&value["spec"]["jobTemplate"]["spec"]),
        Kind::Ingress | Kind::IngressClass | Kind::NetworkPolicy => vec!["the whole object".into()],
        Kind::Job => job(&value["spec"]),
        Kind::Service => present(&value["spec"], &SERVICE_FIELDS, "spec"),
        Kind::HorizontalPodAutoscaler => metrics(&value["spec"]),
        _ => vec![],
    }
}

fn job(spec: &Value) -> Vec<String> {
    let mut found = present(spec, &JOB_FIELDS, "spec");
    found.extend(pod(&spec["template"]["spec"]));
    found
}

fn pod(spec: &Value) -> Vec<String> {
    let mut found = present(spec, &POD_FIELDS, "spec");
    for list in ["initContainers", "containers"] {
        for container in spec[list].as_array().into_iter().flatten() {
            found.extend(present(container, &CONTAINER_FIELDS, &format!("container {}", container["name"].as_str().unwrap_or_default())));
        }
    }
    for volume in spec["volumes"].as_array().into_iter().flatten() {
        let unknown = volume.as_object().into_iter().flatten().map(|(k, _)| k).find(|k| *k != "name" && !VOLUMES.contains(&k.as_str()));
        found.extend(unknown.map(|k| format!("volume {}.{k}", volume["name"].as_str().unwrap_or_default())));
    }
    found
}

/// Those of the fields that are set to something.
fn present(value: &Value, fields: &[&str], of: &str) -> Vec<String> {
    let plain = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let says = |field: &str| {
        let found =
            value.get(field).filter(|v| !v.is_null() && **v != false && **v != serde_json::json!({}) && **v != serde_json::json!([]));
        found.is_some_and(|v| !HARMLESS.contains(&(field, plain(v).as_str())))
    };
    fields.iter().filter(|f| says(f)).map(|f| format!("{of}.{f}")).collect()
}

fn metrics(spec: &Value) -> Vec<String> {
    let kinds = spec["metrics"].as_array().into_iter().flatten().filter_map(|m| m["type"].as_str());
    kinds.filter(|k| !matches!(*k, "Resource" | "ContainerResource")).map(|k| format!("spec.metrics of type {k}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_without_effect_are_named_and_others_are_not() {
        let pod = json!({"spec": {"dnsPolicy": "ClusterFirst", "hostPID": true, "securityContext": {}, "nodeName": "a",
            "containers": [{"name": "web", "tty": true}], "volumes": [{"name": "v", "nfs": {"server": "x", "path": "/"}}, {"name": "e", "emptyDir": {}}]}});
        let object = Object::from_json(Kind::Pod, pod).expect("a pod");
        assert_eq!(unsimulated(&object), ["spec.hostPID", "volume v.nfs"]);
    }
}
