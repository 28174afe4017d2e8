//! One type for every object the cluster holds: a closed enum made from the table of kinds.
//! Objects are shared and never changed in place by anybody but their owner: each variant is an `Arc`, and `metadata_mut`
//! copies when somebody else still looks. JSON exists at the edge: `to_json`, `from_json`.
//! A custom resource is a JSON value beside its typed metadata.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use serde_json::Value;

use crate::kinds::{CustomKind, Kind};

/// Names an object: kind, namespace (empty for cluster scope) and name.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// What it is.
    pub kind: Kind,
    /// Its namespace, empty when the kind is cluster scoped.
    pub namespace: Arc<str>,
    /// Its name.
    pub name: Arc<str>,
}

impl ObjectKey {
    /// A key from its parts.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        ObjectKey { kind, namespace: namespace.into(), name: name.into() }
    }

    /// `namespace/name`, or `name` in cluster scope: the work queue's form.
    pub fn path(&self) -> String {
        if self.namespace.is_empty() { self.name.to_string() } else { format!("{}/{}", self.namespace, self.name) }
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind, self.path())
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.path())
    }
}

/// An object of a kind that a CustomResourceDefinition made.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomObject {
    /// Its kind.
    pub of: CustomKind,
    /// `group/version` as it is held.
    pub api_version: String,
    /// The kind's name.
    pub kind: String,
    /// Metadata, typed.
    pub metadata: ObjectMeta,
    /// All other top-level fields.
    pub body: BTreeMap<String, Value>,
}

/// A Rust type that is one of the kinds.
pub trait Typed: Sized + Clone {
    /// Its kind.
    const KIND: Kind;
    /// The object as this type, if it is one.
    fn from_object(object: &Object) -> Option<&Arc<Self>>;
    /// The shared value as an object.
    fn into_object(self: Arc<Self>) -> Object;
}

macro_rules! define_object {
    ($($kind:ident = $($seg:ident)::+, $group:literal, $version:literal, $plural:literal, $singular:literal, $short:literal, $scope:ident, $status:ident, [$($t:ident)*];)*) => {
        /// Any object; cloning it costs one counter.
        #[allow(missing_docs)]
        #[derive(Clone, Debug, PartialEq)]
        pub enum Object { $($kind(Arc<k8s_openapi::$($seg)::+>),)* Custom(Arc<CustomObject>) }

        $(impl Typed for k8s_openapi::$($seg)::+ {
            const KIND: Kind = Kind::$kind;
            fn from_object(object: &Object) -> Option<&Arc<Self>> { if let Object::$kind(inner) = object { Some(inner) } else { None } }
            fn into_object(self: Arc<Self>) -> Object { Object::$kind(self) }
        }
        impl From<k8s_openapi::$($seg)::+> for Object {
            fn from(value: k8s_openapi::$($seg)::+) -> Object { Object::$kind(Arc::new(value)) }
        })*

        impl Object {
            /// What it is.
            pub fn kind(&self) -> Kind { match self { $(Object::$kind(_) => Kind::$kind,)* Object::Custom(o) => Kind::Custom(o.of) } }

            /// Its metadata.
            pub fn metadata(&self) -> &ObjectMeta { match self { $(Object::$kind(o) => &o.metadata,)* Object::Custom(o) => &o.metadata } }

            /// Its metadata, to be changed; copies the object if it is shared.
            pub fn metadata_mut(&mut self) -> &mut ObjectMeta {
                match self { $(Object::$kind(o) => &mut Arc::make_mut(o).metadata,)* Object::Custom(o) => &mut Arc::make_mut(o).metadata }
            }

            /// Takes over `status` from another object of the same kind; nothing happens where the kind has none.
            pub fn copy_status_from(&mut self, other: &Object) {
                match (self, other) {
                    $((Object::$kind(_to), Object::$kind(_from)) => copy_status!($status, _to, _from),)*
                    (Object::Custom(to), Object::Custom(from)) if Kind::Custom(to.of).resource().has_status => {
                        let to = &mut Arc::make_mut(to).body;
                        match from.body.get("status") { Some(s) => { to.insert("status".into(), s.clone()); } None => { to.remove("status"); } }
                    }
                    _ => {}
                }
            }

            /// Gives a new object the empty status it is created with; nothing happens where the kind has none.
            pub fn reset_status(&mut self) {
                match self {
                    $(Object::$kind(_o) => reset_status!($status, _o),)*
                    Object::Custom(o) => {
                        if Kind::Custom(o.of).resource().has_status { Arc::make_mut(o).body.remove("status"); }
                    }
                }
            }

            /// The object as the API shows it. Fails never for objects that were decoded or built from typed values.
            pub fn to_json(&self) -> Value {
                match self {
                    $(Object::$kind(o) => serde_json::to_value(&**o).unwrap_or(Value::Null),)*
                    Object::Custom(o) => custom_to_json(o),
                }
            }

            /// Decodes a value as this kind. The error is serde's; strict decoding messages are made elsewhere.
            pub fn from_json(kind: Kind, value: Value) -> Result<Object, serde_json::Error> {
                match kind {
                    $(Kind::$kind => Ok(Object::$kind(Arc::new(serde_json::from_value(value)?))),)*
                    Kind::Custom(of) => custom_from_json(of, value),
                }
            }
        }
    };
}
macro_rules! copy_status {
    (Status, $to:ident, $from:ident) => {
        Arc::make_mut($to).status = $from.status.clone()
    };
    (Plain, $to:ident, $from:ident) => {
        ()
    };
}

macro_rules! reset_status {
    (Status, $o:ident) => {
        Arc::make_mut($o).status = Some(Default::default())
    };
    (Plain, $o:ident) => {
        ()
    };
}

crate::for_each_kind!(define_object);

fn custom_to_json(object: &CustomObject) -> Value {
    let mut map: serde_json::Map<String, Value> = object.body.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    map.insert("apiVersion".into(), object.api_version.clone().into());
    map.insert("kind".into(), object.kind.clone().into());
    map.insert("metadata".into(), serde_json::to_value(&object.metadata).unwrap_or(Value::Null));
    Value::Object(map)
}

fn custom_from_json(of: CustomKind, value: Value) -> Result<Object, serde_json::Error> {
    let mut body: BTreeMap<String, Value> = serde_json::from_value(value)?;
    let api_version = serde_json::from_value(body.remove("apiVersion").unwrap_or_default())?;
    let kind = serde_json::from_value(body.remove("kind").unwrap_or_default())?;
    let metadata = serde_json::from_value(body.remove("metadata").unwrap_or_else(|| Value::Object(Default::default())))?;
    Ok(Object::Custom(Arc::new(CustomObject { of, api_version, kind, metadata, body })))
}

impl Object {
    /// The object as a typed value, if it is one of that type.
    pub fn as_typed<T: Typed>(&self) -> Option<&Arc<T>> {
        T::from_object(self)
    }

    /// Its key.
    pub fn key(&self) -> ObjectKey {
        ObjectKey::new(self.kind(), self.namespace(), self.name())
    }

    /// Its name, empty when it has none yet.
    pub fn name(&self) -> &str {
        self.metadata().name.as_deref().unwrap_or_default()
    }

    /// Its namespace, empty in cluster scope.
    pub fn namespace(&self) -> &str {
        self.metadata().namespace.as_deref().unwrap_or_default()
    }

    /// Its uid, empty before it is stored.
    pub fn uid(&self) -> &str {
        self.metadata().uid.as_deref().unwrap_or_default()
    }

    /// Its resourceVersion as a number, 0 when it has none.
    pub fn resource_version(&self) -> u64 {
        self.metadata().resource_version.as_deref().and_then(|v| v.parse().ok()).unwrap_or(0)
    }

    /// `apiVersion` as it is shown.
    pub fn api_version(&self) -> String {
        match self {
            Object::Custom(o) => o.api_version.clone(),
            other => other.kind().resource().api_version(),
        }
    }

    /// The kind's name as it is shown.
    pub fn kind_name(&self) -> &str {
        match self {
            Object::Custom(o) => &o.kind,
            other => other.kind().resource().kind,
        }
    }

    /// Whether deletion was asked for.
    pub fn is_deleting(&self) -> bool {
        self.metadata().deletion_timestamp.is_some()
    }

    /// The owner that controls it.
    pub fn controller(&self) -> Option<&OwnerReference> {
        controller_of(self.metadata())
    }

    /// Whether the two differ in anything but metadata and status: what `metadata.generation` counts.
    pub fn spec_differs(&self, other: &Object) -> bool {
        let mut probe = other.clone();
        *probe.metadata_mut() = self.metadata().clone();
        probe.copy_status_from(self);
        probe != *self
    }
}

/// The owner reference with `controller: true`.
pub fn controller_of(metadata: &ObjectMeta) -> Option<&OwnerReference> {
    metadata.owner_references.as_deref().unwrap_or_default().iter().find(|r| r.controller == Some(true))
}
