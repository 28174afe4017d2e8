//! The scale subresource of custom objects: the paths its definition names.
//! Source: apiextensions-apiserver pkg/registry/customresource/etcd.go (`ScaleREST`).

use std::sync::Arc;

use serde_json::Value;
use sim_apimachinery::{Object, Reason, Scale, Status};

use super::super::ApiServer;
use super::object_rules::at_path;

impl ApiServer {
    /// The scale of a custom object; `None` if its version has none. An object whose replicas are not there is no fit for one.
    pub(in crate::kube_apiserver) fn custom_scale(&self, object: &Object) -> Option<Result<Scale, Box<Status>>> {
        let resource = self.resource_of(object.kind())?;
        let paths = resource.version().scale.as_ref()?;
        let value = object.to_json();
        let number = |path: &str| at_path(&value, path).and_then(Value::as_i64).and_then(|n| i32::try_from(n).ok());
        let selector = paths.label_selector_path.as_deref().and_then(|p| at_path(&value, p)).and_then(Value::as_str);
        let Some(replicas) = number(&paths.spec_replicas_path) else {
            let why = format!("Internal error occurred: the spec replicas field {:?} does not exist", paths.spec_replicas_path);
            return Some(Err(Box::new(Status::new(Reason::InternalError, why))));
        };
        Some(Ok(Scale {
            replicas,
            status_replicas: number(&paths.status_replicas_path).unwrap_or(0),
            selector: selector.unwrap_or_default().to_owned(),
            resource_version: object.metadata().resource_version.clone().unwrap_or_default(),
        }))
    }

    /// Sets the replicas of a custom object where its definition says they are.
    pub(in crate::kube_apiserver) fn set_custom_replicas(&self, object: &mut Object, replicas: i32) {
        let path = self.resource_of(object.kind()).and_then(|r| r.version().scale.as_ref().map(|s| s.spec_replicas_path.clone()));
        let (Some(path), Object::Custom(custom)) = (path, object) else { return };
        let names: Vec<&str> = path.trim_start_matches('.').split('.').collect();
        let Some((first, rest)) = names.split_first() else { return };
        let mut place = Arc::make_mut(custom).body.entry((*first).to_owned()).or_insert_with(|| Value::Object(Default::default()));
        for name in rest {
            if !place.is_object() {
                *place = Value::Object(Default::default());
            }
            place = &mut place[*name];
        }
        *place = Value::from(replicas);
    }
}
