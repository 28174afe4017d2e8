//! Gives an ingress that names no class the newest class that is marked as the default (DefaultIngressClass).
//! Source: plugin/pkg/admission/network/defaultingressclass.

use std::sync::Arc;

use k8s_openapi::api::networking::v1::IngressClass;
use sim_apimachinery::{Kind, Object, Typed};

use super::default_storage_class::newest_default;
use super::{ApiServer, Asked, Call, Outcome, Plugin};

const DEFAULT: &str = "ingressclass.kubernetes.io/is-default-class";
const CLASS: &str = "kubernetes.io/ingress.class";

pub(super) const PLUGIN: Plugin = Plugin { name: "DefaultIngressClass", change: Some(change), check: None };

fn change(server: &mut ApiServer, object: &mut Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let Object::Ingress(ingress) = object else { return Ok(()) };
    let named = ingress.spec.as_ref().is_some_and(|s| s.ingress_class_name.is_some())
        || ingress.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(CLASS));
    if !asked.is_create() || named {
        return Ok(());
    }
    let classes = server.etcd.list(Kind::IngressClass, "").filter_map(IngressClass::from_object);
    if let Some(name) = newest_default(classes.map(|c| &c.metadata), DEFAULT) {
        Arc::make_mut(ingress).spec.get_or_insert_default().ingress_class_name = Some(name);
    }
    Ok(())
}
