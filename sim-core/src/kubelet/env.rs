//! A container's environment: the services of its namespace, `envFrom`, `env`, and the downward API.
//! Source: kubelet_pods.go makeEnvironmentVariables, envvars/envvars.go. What is wrong becomes `CreateContainerConfigError`.
//! Not modelled: variables from files (`fileKeyRef`), names that are not valid (they are taken as they are).

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVarSource, Pod, Service};
use sim_apimachinery::quantity::Quantity;
use sim_workload::expand_references;

use super::containers::all_containers;
use super::sources::Sources;

/// What is known besides the pod.
pub struct Surroundings<'a> {
    /// What was fetched.
    pub sources: &'a Sources,
    /// The services of the cluster.
    pub services: &'a [&'a Service],
    /// The pod's address.
    pub pod_ip: &'a str,
    /// The node's address.
    pub host_ip: &'a str,
    /// CPU in thousandths and memory in bytes that pods of this node can have.
    pub allocatable: (u64, u64),
}

/// The complete environment, or what is wrong with it.
pub fn environment(pod: &Pod, container: &Container, around: &Surroundings) -> Result<BTreeMap<String, String>, String> {
    let mut env = service_variables(pod, around.services);
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    for from in container.env_from.iter().flatten() {
        let prefix = from.prefix.as_deref().unwrap_or_default();
        let (texts, optional) = match (&from.config_map_ref, &from.secret_ref) {
            (Some(r), _) => (around.sources.config_map(namespace, &r.name), r.optional),
            (None, Some(r)) => (around.sources.secret(namespace, &r.name), r.optional),
            (None, None) => continue,
        };
        match texts {
            Ok(texts) => env.extend(texts.into_iter().map(|(k, v)| (format!("{prefix}{k}"), v))),
            Err(_) if optional == Some(true) => {}
            Err(error) => return Err(error),
        }
    }
    let mut own: BTreeMap<String, String> = BTreeMap::new();
    for variable in container.env.iter().flatten() {
        let known: BTreeMap<String, String> = env.iter().chain(&own).map(|(k, v)| (k.clone(), v.clone())).collect();
        let value = match &variable.value_from {
            Some(source) => from_source(pod, container, source, around)?,
            None => Some(expand_references(variable.value.as_deref().unwrap_or_default(), &known)),
        };
        if let Some(value) = value {
            own.insert(variable.name.clone(), value);
        }
    }
    env.extend(own);
    env.entry("HOSTNAME".into()).or_insert_with(|| hostname(pod));
    Ok(env)
}

/// The name a pod's containers see themselves by.
pub fn hostname(pod: &Pod) -> String {
    let own = pod.spec.as_ref().and_then(|s| s.hostname.clone()).filter(|h| !h.is_empty());
    let name = own.or_else(|| pod.metadata.name.clone()).unwrap_or_default();
    name.chars().take(63).collect::<String>().trim_end_matches(['-', '.']).to_owned()
}

fn from_source(pod: &Pod, container: &Container, source: &EnvVarSource, around: &Surroundings) -> Result<Option<String>, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let pick = |texts: Result<BTreeMap<String, String>, String>, key: &str, optional: Option<bool>, what: String| match texts {
        Ok(mut texts) => match texts.remove(key) {
            None if optional != Some(true) => Err(format!("couldn't find key {key} in {what}")),
            found => Ok(found),
        },
        Err(_) if optional == Some(true) => Ok(None),
        Err(error) => Err(error),
    };
    if let Some(r) = &source.config_map_key_ref {
        return pick(around.sources.config_map(namespace, &r.name), &r.key, r.optional, format!("ConfigMap {namespace}/{}", r.name));
    }
    if let Some(r) = &source.secret_key_ref {
        return pick(around.sources.secret(namespace, &r.name), &r.key, r.optional, format!("Secret {namespace}/{}", r.name));
    }
    if let Some(r) = &source.field_ref {
        return field(pod, &r.field_path, around).map(Some).ok_or_else(|| format!("unsupported fieldPath: {}", r.field_path));
    }
    let Some(r) = &source.resource_field_ref else { return Ok(None) };
    let of = r.container_name.as_deref().filter(|n| !n.is_empty()).unwrap_or(&container.name);
    let divisor = r.divisor.as_ref().map(|d| d.0.as_str());
    resource(pod, of, &r.resource, divisor, around.allocatable).map(Some)
}

/// A field of the pod as the downward API names it.
pub fn field(pod: &Pod, path: &str, around: &Surroundings) -> Option<String> {
    let metadata = &pod.metadata;
    let spec = pod.spec.as_ref();
    let keyed = |prefix: &str, map: &Option<BTreeMap<String, String>>| {
        let key = path.strip_prefix(prefix)?.strip_prefix("['")?.strip_suffix("']")?;
        Some(map.as_ref().and_then(|m| m.get(key)).cloned().unwrap_or_default())
    };
    let all =
        |map: &Option<BTreeMap<String, String>>| map.iter().flatten().map(|(k, v)| format!("{k}={v:?}")).collect::<Vec<_>>().join("\n");
    match path {
        "metadata.name" => metadata.name.clone(),
        "metadata.namespace" => metadata.namespace.clone(),
        "metadata.uid" => metadata.uid.clone(),
        "metadata.labels" => Some(all(&metadata.labels)),
        "metadata.annotations" => Some(all(&metadata.annotations)),
        "spec.nodeName" => spec.and_then(|s| s.node_name.clone()),
        "spec.serviceAccountName" => spec.and_then(|s| s.service_account_name.clone()),
        "status.podIP" | "status.podIPs" => Some(around.pod_ip.to_owned()),
        "status.hostIP" | "status.hostIPs" => Some(around.host_ip.to_owned()),
        _ => keyed("metadata.labels", &metadata.labels).or_else(|| keyed("metadata.annotations", &metadata.annotations)),
    }
}

/// A container's request or limit in units of the divisor, rounded up; a missing limit is all the node has.
pub fn resource(pod: &Pod, container: &str, name: &str, divisor: Option<&str>, allocatable: (u64, u64)) -> Result<String, String> {
    let containers = all_containers(pod);
    let found = containers.iter().find(|(_, c)| c.name == container).ok_or_else(|| format!("container {container} not found"))?;
    let (side, kind) = name.split_once('.').ok_or_else(|| format!("unsupported container resource : {name}"))?;
    let resources = found.1.resources.clone().unwrap_or_default();
    let list = if side == "limits" { resources.limits } else { resources.requests };
    let whole = match kind {
        "cpu" => Quantity::from_millis(i64::try_from(allocatable.0).unwrap_or(i64::MAX)),
        "memory" => Quantity::from_bytes(i64::try_from(allocatable.1).unwrap_or(i64::MAX)),
        _ => Quantity::from_bytes(0),
    };
    let default = if side == "limits" { whole } else { Quantity::from_bytes(0) };
    let quantity = list.and_then(|l| Quantity::parse(&l.get(kind)?.0).ok()).unwrap_or(default);
    let divisor = divisor.and_then(|d| Quantity::parse(d).ok()).filter(|d| !d.is_zero()).unwrap_or(Quantity::from_millis(1000));
    let (amount, unit) = if kind == "cpu" { (quantity.milli_value(), divisor.milli_value()) } else { (quantity.value(), divisor.value()) };
    Ok(amount.max(0).unsigned_abs().div_ceil(unit.max(1).unsigned_abs()).to_string())
}

fn service_variables(pod: &Pod, services: &[&Service]) -> BTreeMap<String, String> {
    let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
    let links = pod.spec.as_ref().and_then(|s| s.enable_service_links).unwrap_or(true);
    let mut env = BTreeMap::new();
    for service in services {
        let (own_namespace, name) =
            (service.metadata.namespace.as_deref().unwrap_or_default(), service.metadata.name.as_deref().unwrap_or_default());
        let master = own_namespace == "default" && name == "kubernetes";
        if master || links && own_namespace == namespace {
            add_service(&mut env, service, name);
        }
    }
    env
}

fn add_service(env: &mut BTreeMap<String, String>, service: &Service, name: &str) {
    let Some(spec) = &service.spec else { return };
    let Some(ip) = spec.cluster_ip.as_deref().filter(|ip| !ip.is_empty() && *ip != "None") else { return };
    let prefix = variable_name(name);
    env.insert(format!("{prefix}_SERVICE_HOST"), ip.to_owned());
    for (index, port) in spec.ports.iter().flatten().enumerate() {
        let number = port.port;
        if index == 0 {
            env.insert(format!("{prefix}_SERVICE_PORT"), number.to_string());
        }
        if let Some(port_name) = port.name.as_deref().filter(|n| !n.is_empty()) {
            env.insert(format!("{prefix}_SERVICE_PORT_{}", variable_name(port_name)), number.to_string());
        }
        let protocol = port.protocol.as_deref().unwrap_or("TCP");
        let url = format!("{}://{ip}:{number}", protocol.to_lowercase());
        if index == 0 {
            env.insert(format!("{prefix}_PORT"), url.clone());
        }
        let of_port = format!("{prefix}_PORT_{number}_{protocol}");
        env.insert(of_port.clone(), url);
        env.insert(format!("{of_port}_PROTO"), protocol.to_lowercase());
        env.insert(format!("{of_port}_PORT"), number.to_string());
        env.insert(format!("{of_port}_ADDR"), ip.to_owned());
    }
}

fn variable_name(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use sim_apimachinery::{Kind, Object, ObjectKey};

    fn check(env: serde_json::Value, expected: Result<&[(&str, &str)], &str>) {
        let pod: Pod = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "web-1", "namespace": "shop", "labels": {"app": "web"}},
            "spec": {"containers": [{"name": "c", "env": env, "resources": {"limits": {"cpu": "1500m"}}}]}
        }))
        .expect("a pod");
        let service: Service = serde_json::from_value(serde_json::json!({
            "metadata": {"name": "my-db", "namespace": "shop"}, "spec": {"clusterIP": "10.96.0.7", "ports": [{"port": 6379}]}
        }))
        .expect("a service");
        let mut sources = Sources::default();
        let map = serde_json::json!({"metadata": {"name": "m", "namespace": "shop"}, "data": {"A": "1"}});
        sources.put(ObjectKey::new(Kind::ConfigMap, "shop", "m"), Object::from_json(Kind::ConfigMap, map).ok());
        let services = [&service];
        let around =
            Surroundings { sources: &sources, services: &services, pod_ip: "10.1.1.1", host_ip: "h", allocatable: (2000, 1 << 30) };
        let container = &pod.spec.as_ref().expect("a spec").containers[0];
        let found = environment(&pod, container, &around);
        match (found, expected) {
            (Ok(env), Ok(expected)) => {
                for (name, value) in expected {
                    assert_eq!(env.get(*name).map(String::as_str), Some(*value), "{name}");
                }
            }
            (found, expected) => assert_eq!(found.err().as_deref(), expected.err()),
        }
    }

    #[test]
    fn variables_come_from_services_objects_fields_and_each_other() {
        check(
            serde_json::json!([]),
            Ok(&[("MY_DB_SERVICE_HOST", "10.96.0.7"), ("MY_DB_PORT", "tcp://10.96.0.7:6379"), ("HOSTNAME", "web-1")]),
        );
        check(serde_json::json!([{"name": "X", "value": "a$(Y)"}, {"name": "Z", "value": "$(X)!"}]), Ok(&[("Z", "a$(Y)!")]));
        check(serde_json::json!([{"name": "L", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['app']"}}}]), Ok(&[("L", "web")]));
        check(serde_json::json!([{"name": "C", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}}]), Ok(&[("C", "2")]));
        check(serde_json::json!([{"name": "K", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "A"}}}]), Ok(&[("K", "1")]));
    }

    #[test]
    fn what_is_missing_is_named() {
        let key = |name: &str, key: &str| serde_json::json!([{"name": "K", "valueFrom": {"configMapKeyRef": {"name": name, "key": key}}}]);
        check(key("m", "B"), Err("couldn't find key B in ConfigMap shop/m"));
        check(key("n", "B"), Err("configmap \"n\" not found"));
    }
}
