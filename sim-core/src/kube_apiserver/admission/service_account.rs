//! Gives pods a service account, its token and its image pull secrets (ServiceAccount).
//! Source: plugin/pkg/admission/serviceaccount. Not modelled: waiting for a default account that is about to be made.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, ServiceAccount};
use sim_apimachinery::validation::pod::MIRROR;
use sim_apimachinery::{Kind, Object, ObjectKey, Typed, defaults};

use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};

const ENFORCE: &str = "kubernetes.io/enforce-mountable-secrets";

pub(super) const PLUGIN: Plugin = Plugin { name: "ServiceAccount", change: Some(change), check: None };

fn change(server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let Object::Pod(pod) = &*object else { return Ok(()) };
    if !asked.is_create() {
        return Ok(());
    }
    if pod.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(MIRROR)) {
        return mirror(pod).map_err(|why| forbidden(object, why));
    }
    let named = pod.spec.as_ref().and_then(|s| s.service_account_name.clone()).filter(|a| !a.is_empty());
    let name = named.unwrap_or_else(|| "default".into());
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let found = server.etcd.get(&ObjectKey::new(Kind::ServiceAccount, &namespace, &name)).and_then(ServiceAccount::from_object);
    let Some(account) = found.cloned() else {
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount \"{name}\" not found");
        return Err(forbidden(object, &why));
    };
    // Drawn even if no token is mounted, so that one pod's account does not change the names of others.
    let suffix = server.random.name_suffix();
    if let Object::Pod(pod) = object {
        let pod = Arc::make_mut(pod);
        let mounts = pod.spec.as_ref().and_then(|s| s.automount_service_account_token).or(account.automount_service_account_token);
        defaults::admit_service_account(pod, &name, mounts != Some(false), &suffix);
        pull_secrets(pod.spec.get_or_insert_default(), &account);
    }
    only_listed_secrets(object, &account).map_err(|why| forbidden(object, &why))
}

/// A pod that a kubelet runs from a file may not refer to accounts or secrets.
fn mirror(pod: &Pod) -> Result<(), &'static str> {
    let Some(spec) = &pod.spec else { return Ok(()) };
    if spec.service_account_name.as_deref().is_some_and(|n| !n.is_empty()) {
        return Err("a mirror pod may not reference service accounts");
    }
    let volumes = || spec.volumes.iter().flatten();
    if !secrets_of_variables(spec).is_empty() || volumes().any(|v| v.secret.is_some()) || spec.image_pull_secrets.is_some() {
        return Err("a mirror pod may not reference secrets");
    }
    let mut tokens = volumes().filter_map(|v| v.projected.as_ref()).flat_map(|p| p.sources.iter().flatten());
    if tokens.any(|s| s.service_account_token.is_some()) {
        return Err("a mirror pod may not use ServiceAccountToken volume projections");
    }
    Ok(())
}

fn pull_secrets(spec: &mut PodSpec, account: &ServiceAccount) {
    if spec.image_pull_secrets.as_ref().is_none_or(Vec::is_empty) {
        spec.image_pull_secrets = account.image_pull_secrets.clone().filter(|s| !s.is_empty());
    }
}

/// An account may ask that its pods use no secrets but those it lists.
fn only_listed_secrets(object: &Object, account: &ServiceAccount) -> Result<(), String> {
    let asks = account.metadata.annotations.as_ref().and_then(|a| a.get(ENFORCE));
    let asks = asks.is_some_and(|v| matches!(v.as_str(), "1" | "t" | "T" | "true" | "TRUE" | "True"));
    let (Object::Pod(pod), true) = (object, asks) else { return Ok(()) };
    let Some(spec) = &pod.spec else { return Ok(()) };
    let listed: BTreeSet<&str> = account.secrets.iter().flatten().filter_map(|s| s.name.as_deref()).collect();
    let owner = account.metadata.name.as_deref().unwrap_or_default();
    let end = format!("is not allowed because service account {owner} does not reference that secret");
    for name in spec.volumes.iter().flatten().filter_map(|v| v.secret.as_ref()?.secret_name.as_deref()) {
        if !listed.contains(name) {
            return Err(format!("volume with secret.secretName=\"{name}\" {end}"));
        }
    }
    if let Some((what, name)) = secrets_of_variables(spec).into_iter().find(|(_, name)| !listed.contains(name.as_str())) {
        return Err(format!("{what} referencing secret.secretName=\"{name}\" {end}"));
    }
    let pull: BTreeSet<&str> = account.image_pull_secrets.iter().flatten().map(|s| s.name.as_str()).collect();
    let foreign = spec.image_pull_secrets.iter().flatten().enumerate().find(|(_, s)| !pull.contains(s.name.as_str()));
    if let Some((index, secret)) = foreign {
        return Err(format!(
            "imagePullSecrets[{index}].name=\"{}\" is not allowed because service account {owner} does not reference that imagePullSecret",
            secret.name
        ));
    }
    Ok(())
}

/// The secrets that environments refer to, each with where it is said.
fn secrets_of_variables(spec: &PodSpec) -> Vec<(String, String)> {
    let of = |kind: &str, container: &Container| -> Vec<(String, String)> {
        let keys = container.env.iter().flatten().filter_map(|v| Some((v, v.value_from.as_ref()?.secret_key_ref.as_ref()?)));
        let one = keys.map(|(v, key)| (format!("{kind} {} with envVar {}", container.name, v.name), key.name.clone()));
        let all = container.env_from.iter().flatten().filter_map(|s| s.secret_ref.as_ref());
        let all = all.map(|s| (format!("{kind} {} with envFrom", container.name), s.name.clone()));
        one.chain(all).collect()
    };
    let init = spec.init_containers.iter().flatten().flat_map(|c| of("init container", c));
    init.chain(spec.containers.iter().flat_map(|c| of("container", c))).collect()
}
