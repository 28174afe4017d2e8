//! How the objects of a kind look at an `apiVersion`: their type, their JSON, and what a write of them means.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;
use sim_apimachinery::decoding::split_api_version;
use sim_apimachinery::managed_fields::{Manager, Operation, Write};
use sim_apimachinery::schema::{self, Schema, TypeRef};
use sim_apimachinery::{Kind, Object, conversion};

use super::apiextensions::Registry;
use super::{ApiServer, reset_fields};
use crate::etcd::Tracking;

/// The shape of a kind at an `apiVersion`.
pub(super) struct Shape {
    kind: Kind,
    api_version: Arc<str>,
    of: Of,
}

enum Of {
    BuiltIn(TypeRef<'static>),
    Custom(Schema),
}

impl ApiServer {
    /// The shape of a kind at an `apiVersion`; at the one it is held at if none is named.
    pub(super) fn shape(&self, kind: Kind, api_version: Option<&str>) -> Shape {
        Shape::of(kind, api_version, &self.custom)
    }
}

impl Shape {
    /// The shape of a kind, which may be one of these definitions'.
    pub(super) fn of(kind: Kind, api_version: Option<&str>, custom: &Registry) -> Shape {
        let resource = kind.resource();
        let api_version: Arc<str> = api_version.map_or_else(|| resource.api_version().into(), Arc::from);
        let (group, version) = split_api_version(&api_version);
        let of = match custom.types(kind, version) {
            Some(types) => Of::Custom(types.clone()),
            None => Of::BuiltIn(schema::lookup(group, version, resource.kind).unwrap_or_else(schema::any_object)),
        };
        Shape { kind, api_version, of }
    }

    /// Its type.
    pub(super) fn type_ref(&self) -> TypeRef<'_> {
        match &self.of {
            Of::BuiltIn(of) => *of,
            Of::Custom(schema) => schema.root(),
        }
    }

    /// Its kind.
    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// The `apiVersion`.
    pub(super) fn api_version(&self) -> &str {
        &self.api_version
    }

    /// An object as its JSON.
    pub(super) fn value(&self, object: &Object) -> Value {
        let value = conversion::from_held(self.kind, &self.api_version, object.to_json());
        if matches!(self.kind, Kind::Custom(_)) { value } else { schema::as_encoded(self.type_ref(), value) }
    }

    /// An object that was just sent as its JSON.
    pub(super) fn sent_value(&self, object: &Object) -> Value {
        let value = conversion::from_held(self.kind, &self.api_version, object.to_json());
        if matches!(self.kind, Kind::Custom(_)) { value } else { schema::as_sent(self.type_ref(), value) }
    }

    /// The object that nobody has set anything in.
    pub(super) fn empty(&self) -> Value {
        match self.of {
            Of::BuiltIn(of) => schema::empty(of),
            Of::Custom(_) => Value::Object(Default::default()),
        }
    }

    /// A write to it.
    pub(super) fn write(&self, manager: &str, operation: Operation, tracking: &Tracking, time: Timestamp) -> Write<'_> {
        Write {
            of: self.type_ref(),
            manager: Manager::new(manager, operation, &self.api_version, tracking.part.subresource()),
            api_version: self.api_version.to_string(),
            time,
            ignored: reset_fields::of(self.kind, tracking.part),
            only: reset_fields::only(tracking.part),
        }
    }
}
