//! The admission of what is posted to subresources of pods, services and nodes and is never stored: bindings, evictions (`CREATE`)
//! and the options of connections (`CONNECT`: exec, attach, portforward, proxy). Policies and webhooks see it as the object.
//! Sources: apiserver pkg/endpoints/handlers/{create,rest}.go, pkg/registry/core/pod/rest/subresources.go.

use serde_json::{Value, json};
use sim_apimachinery::{BindingMetadata, DeleteOptions, ObjectKey, Propagation};

use super::super::{ApiServer, Call, Outcome};
use super::Phase;
use crate::kube_apiserver::admission_policies::Attributes;

impl ApiServer {
    /// Whether nobody is configured who could be asked about what is posted.
    pub(in crate::kube_apiserver) fn admits_all(&self) -> bool {
        !self.has_admission_webhooks() && !self.has_validating_policies()
    }

    /// Admits what is posted to a subresource; it comes back as webhooks have changed it.
    pub(in crate::kube_apiserver) fn admit_posted(
        &self,
        operation: &'static str,
        key: &ObjectKey,
        subresource: &str,
        mut body: Value,
        call: &mut Call<'_>,
    ) -> Outcome<Value> {
        for hook in self.hooks(Phase::Mutating) {
            let before = body.clone();
            let attributes = Attributes::posted(operation, key, subresource, &before);
            if let Some(said) = self.consult(&hook, Phase::Mutating, &attributes, false, call)?
                && let Some(next) = said.patched()?
            {
                body = next;
            }
        }
        let attributes = Attributes::posted(operation, key, subresource, &body);
        self.ask_policies(&attributes, call)?;
        self.ask_webhooks(&attributes, call)?;
        Ok(body)
    }

    /// Admits a connection with these options.
    pub(in crate::kube_apiserver) fn connect(
        &self,
        key: &ObjectKey,
        subresource: &str,
        options: Value,
        call: &mut Call<'_>,
    ) -> Outcome<()> {
        if self.admits_all() {
            return Ok(());
        }
        self.admit_posted("CONNECT", key, subresource, options, call).map(|_| ())
    }
}

/// A binding as it is posted.
pub(in crate::kube_apiserver) fn binding(key: &ObjectKey, uid: &str, node: &str, with: &BindingMetadata) -> Value {
    let mut metadata = json!({"name": &*key.name, "namespace": &*key.namespace, "creationTimestamp": null});
    for (name, value) in [("uid", uid), ("resourceVersion", with.resource_version.as_deref().unwrap_or_default())] {
        if !value.is_empty() {
            metadata[name] = value.into();
        }
    }
    for (name, words) in [("labels", &with.labels), ("annotations", &with.annotations)] {
        if !words.is_empty() {
            metadata[name] = json!(words);
        }
    }
    json!({"kind": "Binding", "apiVersion": "v1", "metadata": metadata, "target": {"kind": "Node", "name": node}})
}

/// The node, labels and annotations of a binding.
pub(in crate::kube_apiserver) fn of_binding(body: &Value) -> (String, BindingMetadata) {
    let words = |name: &str| {
        let words = body.pointer(&format!("/metadata/{name}")).and_then(Value::as_object).into_iter().flatten();
        words.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
    };
    let node = body.pointer("/target/name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let resource_version = body.pointer("/metadata/resourceVersion").and_then(Value::as_str).map(str::to_owned);
    (node, BindingMetadata { resource_version, labels: words("labels"), annotations: words("annotations") })
}

/// An eviction as it is posted.
pub(in crate::kube_apiserver) fn eviction(key: &ObjectKey, options: &DeleteOptions) -> Value {
    let metadata = json!({"name": &*key.name, "namespace": &*key.namespace, "creationTimestamp": null});
    let mut body = json!({"kind": "Eviction", "apiVersion": "policy/v1", "metadata": metadata});
    let mut told = serde_json::Map::new();
    if let Some(seconds) = options.grace_period_seconds {
        told.insert("gracePeriodSeconds".into(), seconds.into());
    }
    let preconditions = [("uid", &options.uid), ("resourceVersion", &options.resource_version)];
    let preconditions: serde_json::Map<String, Value> =
        preconditions.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into()))).collect();
    if !preconditions.is_empty() {
        told.insert("preconditions".into(), preconditions.into());
    }
    if let Some(propagation) = options.propagation {
        let word = match propagation {
            Propagation::Foreground => "Foreground",
            Propagation::Background => "Background",
            Propagation::Orphan => "Orphan",
        };
        told.insert("propagationPolicy".into(), word.into());
    }
    if !told.is_empty() {
        body["deleteOptions"] = told.into();
    }
    body
}
