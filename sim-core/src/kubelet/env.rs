//! What a container gets from its pod: variables, files and volumes; and what is missing for them.
//! ConfigMaps and Secrets are read when the pod is first synced, and again when something was missing.
//! Not modelled: later changes of mounted ConfigMaps and Secrets, service account tokens that can be used.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{ConfigMap, Container, ContainerPort, EnvVarSource, Pod, Secret, Service};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use sim_apimachinery::quantity::Quantity;
use sim_apimachinery::{Kind, Object};
use sim_workload::{Disk, Spec, expand_references};

use super::config::KubeletConfig;
use super::pod_state::PodState;
use crate::client_go::Caches;

/// The ConfigMaps and Secrets a pod names.
pub fn references(pod: &Pod) -> Vec<(Kind, String)> {
    let Some(spec) = &pod.spec else { return vec![] };
    let mut found = Vec::new();
    for container in spec.containers.iter().chain(spec.init_containers.iter().flatten()) {
        for source in container.env_from.iter().flatten() {
            found.extend(source.config_map_ref.iter().map(|r| (Kind::ConfigMap, r.name.clone())));
            found.extend(source.secret_ref.iter().map(|r| (Kind::Secret, r.name.clone())));
        }
        for source in container.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
            found.extend(source.config_map_key_ref.iter().map(|r| (Kind::ConfigMap, r.name.clone())));
            found.extend(source.secret_key_ref.iter().map(|r| (Kind::Secret, r.name.clone())));
        }
    }
    for volume in spec.volumes.iter().flatten() {
        found.extend(volume.config_map.iter().map(|v| (Kind::ConfigMap, v.name.clone())));
        found.extend(volume.secret.iter().filter_map(|v| v.secret_name.clone()).map(|n| (Kind::Secret, n)));
        for source in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
            found.extend(source.config_map.iter().map(|v| (Kind::ConfigMap, v.name.clone())));
            found.extend(source.secret.iter().map(|v| (Kind::Secret, v.name.clone())));
        }
    }
    found.sort();
    found.dedup();
    found
}

fn config_map<'a>(state: &'a PodState, name: &str) -> Option<&'a ConfigMap> {
    match state.references.get(&(Kind::ConfigMap, name.to_owned()))? {
        Some(Object::ConfigMap(map)) => Some(map),
        _ => None,
    }
}

fn secret<'a>(state: &'a PodState, name: &str) -> Option<&'a Secret> {
    match state.references.get(&(Kind::Secret, name.to_owned()))? {
        Some(Object::Secret(secret)) => Some(secret),
        _ => None,
    }
}

/// Why a pod's volumes cannot be mounted, if something is missing.
pub fn volume_problem(state: &PodState) -> Option<String> {
    for volume in state.spec().volumes.iter().flatten() {
        let missing =
            |kind: &str, name: &str| Some(format!("MountVolume.SetUp failed for volume \"{}\" : {kind} \"{name}\" not found", volume.name));
        if let Some(source) = volume.config_map.as_ref().filter(|v| v.optional != Some(true)) {
            if config_map(state, &source.name).is_none() {
                return missing("configmap", &source.name);
            }
        }
        if let Some(source) = volume.secret.as_ref().filter(|v| v.optional != Some(true)) {
            let name = source.secret_name.as_deref().unwrap_or_default();
            if secret(state, name).is_none() {
                return missing("secret", name);
            }
        }
        for source in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
            if let Some(map) = source.config_map.as_ref().filter(|m| m.optional != Some(true)) {
                if config_map(state, &map.name).is_none() {
                    return missing("configmap", &map.name);
                }
            }
        }
    }
    None
}

/// Why a container's variables cannot be made, if something is missing: reason and message.
pub fn configuration_problem(state: &mut PodState, index: usize) -> Option<(String, String)> {
    let spec = state.container_spec(index).clone();
    let problem = missing_variable(state, &spec)?;
    // The next sync reads the references again.
    state.references.clear();
    state.volumes_mounted = false;
    Some(("CreateContainerConfigError".into(), problem))
}

fn missing_variable(state: &PodState, spec: &Container) -> Option<String> {
    for source in spec.env_from.iter().flatten() {
        if let Some(map) = source.config_map_ref.as_ref().filter(|r| r.optional != Some(true) && config_map(state, &r.name).is_none()) {
            return Some(format!("configmap \"{}\" not found", map.name));
        }
        if let Some(reference) = source.secret_ref.as_ref().filter(|r| r.optional != Some(true) && secret(state, &r.name).is_none()) {
            return Some(format!("secret \"{}\" not found", reference.name));
        }
    }
    for source in spec.env.iter().flatten().filter_map(|e| e.value_from.as_ref()) {
        if let Some(key) = source.config_map_key_ref.as_ref().filter(|k| k.optional != Some(true)) {
            match config_map(state, &key.name) {
                None => return Some(format!("configmap \"{}\" not found", key.name)),
                Some(map) if !map.data.iter().flatten().any(|(k, _)| *k == key.key) => {
                    return Some(format!("couldn't find key {} in ConfigMap {}/{}", key.key, state.namespace(), key.name));
                }
                Some(_) => {}
            }
        }
        if let Some(key) = source.secret_key_ref.as_ref().filter(|k| k.optional != Some(true)) {
            match secret(state, &key.name) {
                None => return Some(format!("secret \"{}\" not found", key.name)),
                Some(found) if !found.data.iter().flatten().any(|(k, _)| *k == key.key) => {
                    return Some(format!("couldn't find key {} in Secret {}/{}", key.key, state.namespace(), key.name));
                }
                Some(_) => {}
            }
        }
    }
    None
}

/// How the container's process begins.
pub fn process_spec(state: &PodState, index: usize, config: &KubeletConfig, caches: &Caches) -> Spec {
    let spec = state.container_spec(index);
    let env = variables(state, spec, config, caches);
    let expanded = |words: &Option<Vec<String>>| words.iter().flatten().map(|w| expand_references(w, &env)).collect();
    Spec {
        image: spec.image.clone().unwrap_or_default(),
        command: expanded(&spec.command),
        args: expanded(&spec.args),
        hostname: state.spec().hostname.clone().unwrap_or_else(|| state.name().to_owned()),
        files: files(state, spec),
        env,
        ..Spec::default()
    }
}

fn variables(state: &PodState, spec: &Container, config: &KubeletConfig, caches: &Caches) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    if state.spec().enable_service_links != Some(false) {
        service_variables(state.namespace(), caches, &mut env);
    }
    for source in spec.env_from.iter().flatten() {
        let prefix = source.prefix.clone().unwrap_or_default();
        if let Some(map) = source.config_map_ref.as_ref().and_then(|r| config_map(state, &r.name)) {
            env.extend(map.data.iter().flatten().map(|(k, v)| (format!("{prefix}{k}"), v.clone())));
        }
        if let Some(found) = source.secret_ref.as_ref().and_then(|r| secret(state, &r.name)) {
            env.extend(found.data.iter().flatten().map(|(k, v)| (format!("{prefix}{k}"), text(&v.0))));
        }
    }
    for variable in spec.env.iter().flatten() {
        let value = match &variable.value_from {
            Some(source) => sourced(state, spec, source, config),
            None => Some(expand_references(variable.value.as_deref().unwrap_or_default(), &env)),
        };
        if let Some(value) = value {
            env.insert(variable.name.clone(), value);
        }
    }
    env
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn sourced(state: &PodState, spec: &Container, source: &EnvVarSource, config: &KubeletConfig) -> Option<String> {
    if let Some(key) = &source.config_map_key_ref {
        return config_map(state, &key.name)?.data.as_ref()?.get(&key.key).cloned();
    }
    if let Some(key) = &source.secret_key_ref {
        return secret(state, &key.name)?.data.as_ref()?.get(&key.key).map(|v| text(&v.0));
    }
    if let Some(field) = &source.field_ref {
        return Some(pod_field(state, &field.field_path, config));
    }
    let wanted = source.resource_field_ref.as_ref()?;
    let (list, name) = wanted.resource.split_once('.')?;
    let resources = spec.resources.as_ref();
    let map = if list == "limits" { resources.and_then(|r| r.limits.as_ref()) } else { resources.and_then(|r| r.requests.as_ref()) };
    let node = match name {
        "cpu" => Quantity::from_millis(config.spec.cpu_millis),
        _ => Quantity::from_bytes(config.spec.memory_bytes),
    };
    let amount = match map.and_then(|m| m.get(name)) {
        Some(quantity) => Quantity::parse(&quantity.0).ok()?,
        None if list == "limits" => node,
        None => Quantity::from_millis(0),
    };
    let divisor = wanted
        .divisor
        .as_ref()
        .and_then(|d| Quantity::parse(&d.0).ok())
        .filter(|d| !d.is_zero())
        .unwrap_or_else(|| Quantity::from_millis(1000));
    let (a, b) = (i128::from(amount.milli_value()), i128::from(divisor.milli_value().max(1)));
    Some(((a + b - 1) / b).to_string())
}

fn pod_field(state: &PodState, path: &str, config: &KubeletConfig) -> String {
    let metadata = &state.pod.metadata;
    let keyed = |map: &Option<BTreeMap<String, String>>| {
        let key = path.split('\'').nth(1).unwrap_or_default();
        map.iter().flatten().find(|(k, _)| *k == key).map(|(_, v)| v.clone()).unwrap_or_default()
    };
    match path {
        "metadata.name" => state.name().to_owned(),
        "metadata.namespace" => state.namespace().to_owned(),
        "metadata.uid" => state.uid().to_owned(),
        "spec.nodeName" => config.node.to_string(),
        "spec.serviceAccountName" => state.spec().service_account_name.clone().unwrap_or_default(),
        "status.hostIP" => config.spec.ip.clone(),
        "status.podIP" | "status.podIPs" => state.ip.clone().unwrap_or_default(),
        _ if path.starts_with("metadata.labels[") => keyed(&metadata.labels),
        _ if path.starts_with("metadata.annotations[") => keyed(&metadata.annotations),
        _ => String::new(),
    }
}

/// The variables each service of the namespace gives, and those of the API server.
fn service_variables(namespace: &str, caches: &Caches, env: &mut BTreeMap<String, String>) {
    let own = caches.in_namespace::<Service>(namespace).filter(|s| s.metadata.name.as_deref() != Some("kubernetes"));
    let master = caches.get::<Service>("default", "kubernetes");
    for service in own.chain(master) {
        let Some(spec) = &service.spec else { continue };
        let Some(ip) = spec.cluster_ip.as_deref().filter(|ip| !ip.is_empty() && *ip != "None") else { continue };
        let prefix = service.metadata.name.as_deref().unwrap_or_default().to_ascii_uppercase().replace(['-', '.'], "_");
        let Some(first) = spec.ports.iter().flatten().next() else { continue };
        env.insert(format!("{prefix}_SERVICE_HOST"), ip.into());
        env.insert(format!("{prefix}_SERVICE_PORT"), first.port.to_string());
        env.insert(format!("{prefix}_PORT"), format!("tcp://{ip}:{}", first.port));
        for port in spec.ports.iter().flatten() {
            let protocol = port.protocol.as_deref().unwrap_or("TCP");
            let base = format!("{prefix}_PORT_{}_{protocol}", port.port);
            env.insert(base.clone(), format!("{}://{ip}:{}", protocol.to_ascii_lowercase(), port.port));
            env.insert(format!("{base}_PROTO"), protocol.to_ascii_lowercase());
            env.insert(format!("{base}_PORT"), port.port.to_string());
            env.insert(format!("{base}_ADDR"), ip.into());
            if let Some(name) = port.name.as_deref().filter(|n| !n.is_empty()) {
                env.insert(format!("{prefix}_SERVICE_PORT_{}", name.to_ascii_uppercase().replace('-', "_")), port.port.to_string());
            }
        }
    }
}

/// Files that volumes put into the container.
fn files(state: &PodState, spec: &Container) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for mount in spec.volume_mounts.iter().flatten() {
        let Some(volume) = state.spec().volumes.iter().flatten().find(|v| v.name == mount.name) else { continue };
        let mut put = |name: &str, content: String| {
            let path = match &mount.sub_path {
                Some(sub) if sub == name => mount.mount_path.clone(),
                Some(_) => return,
                None => format!("{}/{name}", mount.mount_path.trim_end_matches('/')),
            };
            files.insert(path, content);
        };
        if let Some(map) = volume.config_map.as_ref().and_then(|v| config_map(state, &v.name)) {
            map.data.iter().flatten().for_each(|(k, v)| put(k, v.clone()));
        }
        if let Some(found) = volume.secret.as_ref().and_then(|v| secret(state, v.secret_name.as_deref().unwrap_or_default())) {
            found.data.iter().flatten().for_each(|(k, v)| put(k, text(&v.0)));
        }
        for source in volume.projected.iter().flat_map(|p| p.sources.iter().flatten()) {
            if let Some(map) = source.config_map.as_ref().and_then(|m| config_map(state, &m.name)) {
                map.data.iter().flatten().for_each(|(k, v)| put(k, v.clone()));
            }
            if source.service_account_token.is_some() {
                put("token", "simulated".into());
            }
            for item in source.downward_api.iter().flat_map(|d| d.items.iter().flatten()) {
                if item.field_ref.as_ref().is_some_and(|f| f.field_path == "metadata.namespace") {
                    put(&item.path, state.namespace().to_owned());
                }
            }
        }
    }
    files
}

/// Writable volumes of the container: where they are mounted and what is on them.
pub fn mounted_disks(state: &PodState, index: usize) -> Vec<(String, Disk)> {
    let spec = state.container_spec(index);
    let writable = |name: &str| {
        state
            .spec()
            .volumes
            .iter()
            .flatten()
            .any(|v| v.name == name && (v.empty_dir.is_some() || v.persistent_volume_claim.is_some() || v.host_path.is_some()))
    };
    let mounts = spec.volume_mounts.iter().flatten().filter(|m| writable(&m.name));
    mounts.map(|m| (m.mount_path.clone(), state.disks.get(&m.mount_path).cloned().unwrap_or_default())).collect()
}

/// A port by number or by the name a container gives it.
pub fn port_number(port: &IntOrString, ports: &[ContainerPort]) -> Option<u16> {
    match port {
        IntOrString::Int(number) => u16::try_from(*number).ok(),
        IntOrString::String(name) => ports
            .iter()
            .find(|p| p.name.as_deref() == Some(name))
            .and_then(|p| u16::try_from(p.container_port).ok())
            .or_else(|| name.parse().ok()),
    }
}
