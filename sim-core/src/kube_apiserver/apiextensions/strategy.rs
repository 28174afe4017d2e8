//! What happens to definitions before they are stored: their defaults and their status.
//! Sources: apiextensions v1/defaults.go, registry/customresourcedefinition and registry/customresource
//! strategy.go.

use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceConversion, CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionStatus,
};
use sim_apimachinery::Object;

/// Fills in what a definition leaves out; other kinds stay as they are.
pub(in crate::kube_apiserver) fn default_definition(object: &mut Object) {
    let Object::CustomResourceDefinition(crd) = object else { return };
    let crd = Arc::make_mut(crd);
    let spec = &mut crd.spec;
    let names = &mut spec.names;
    if !names.kind.is_empty() {
        let is_empty = |text: &Option<String>| text.as_deref().unwrap_or_default().is_empty();
        if is_empty(&names.singular) {
            names.singular = Some(names.kind.to_lowercase());
        }
        if is_empty(&names.list_kind) {
            names.list_kind = Some(format!("{}List", names.kind));
        }
    }
    let conversion = spec.conversion.get_or_insert_with(|| CustomResourceConversion { strategy: "None".into(), ..Default::default() });
    let service = conversion.webhook.as_mut().and_then(|w| w.client_config.as_mut()).and_then(|c| c.service.as_mut());
    if let Some(service) = service {
        service.port.get_or_insert(443);
    }
}

/// A new definition begins without conditions; the storage version is stored from the start.
pub(in crate::kube_apiserver) fn begin_definition(crd: &mut CustomResourceDefinition) {
    let stored: Vec<String> = crd.spec.versions.iter().filter(|v| v.storage).map(|v| v.name.clone()).take(1).collect();
    crd.status = Some(CustomResourceDefinitionStatus {
        accepted_names: Some(CustomResourceDefinitionNames::default()),
        stored_versions: (!stored.is_empty()).then_some(stored),
        ..Default::default()
    });
}

/// A changed definition remembers its storage version among those that were stored.
pub(in crate::kube_apiserver) fn remember_storage(crd: &mut CustomResourceDefinition) {
    let Some(storage) = crd.spec.versions.iter().find(|v| v.storage).map(|v| v.name.clone()) else { return };
    let stored = crd.status.get_or_insert_default().stored_versions.get_or_insert_default();
    if !stored.contains(&storage) {
        stored.push(storage);
    }
}
