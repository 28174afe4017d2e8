//! The schema of a custom resource, from the `openAPIV3Schema` of its definition, as types like those of built-in kinds.
//! What is read: properties, items, additional properties, list and map types, list keys, defaults, int-or-string and
//! preserve-unknown-fields. Not read: validation rules, which are the custom resource's own business.

use serde_json::Value;

use super::{Definition, Field, ListType, PatchStrategy, Presence, Scalar, Type, TypeRef, named};

const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The types of one version of a custom resource.
#[derive(Clone, Debug)]
pub struct Schema(Type);

impl Schema {
    /// Reads an `openAPIV3Schema`. Anything it does not say is any value. `apiVersion`, `kind` and `metadata` are those of
    /// every object.
    pub fn from_open_api(schema: &Value) -> Self {
        let mut definition = struct_of(schema);
        if definition.fields.is_empty() {
            definition.open = true;
        }
        for name in ["apiVersion", "kind"] {
            definition.fields.insert(name.to_owned(), plain(Type::Scalar(Scalar::String)));
        }
        if let Some(TypeRef(metadata)) = named(OBJECT_META) {
            definition.fields.insert("metadata".to_owned(), plain(metadata.clone()));
        }
        Self(Type::Inline { definition: Box::new(definition), atomic: false })
    }

    /// The type of the whole object.
    pub fn root(&self) -> TypeRef<'_> {
        TypeRef(&self.0)
    }
}

fn plain(field_type: Type) -> Field {
    let patch = PatchStrategy::default();
    Field { field_type, required: false, patch, default: None, go_type: None, embedded: None, presence: Presence::WhenSet }
}

fn says(schema: &Value, key: &str) -> bool {
    schema.get(key).and_then(Value::as_bool) == Some(true)
}

fn is(schema: &Value, key: &str, value: &str) -> bool {
    schema.get(key).and_then(Value::as_str) == Some(value)
}

fn struct_of(schema: &Value) -> Definition {
    let mut definition = Definition { open: says(schema, "x-kubernetes-preserve-unknown-fields"), ..Definition::default() };
    let required: Vec<&Value> = schema.get("required").and_then(Value::as_array).into_iter().flatten().collect();
    for (name, property) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let mut field = plain(type_of(property));
        field.required = required.iter().any(|r| r.as_str() == Some(name));
        field.default = property.get("default").cloned();
        definition.fields.insert(name.clone(), field);
    }
    definition
}

fn type_of(schema: &Value) -> Type {
    if says(schema, "x-kubernetes-int-or-string") {
        return Type::Scalar(Scalar::IntOrString);
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("string") => Type::Scalar(Scalar::String),
        Some("boolean") => Type::Scalar(Scalar::Boolean),
        Some("integer") => Type::Scalar(Scalar::Int64),
        Some("number") => Type::Scalar(Scalar::Double),
        Some("array") => list_of(schema),
        Some("object") => object_of(schema),
        _ => Type::Any,
    }
}

fn list_of(schema: &Value) -> Type {
    let keys = || schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array).into_iter().flatten();
    let list_type = match schema.get("x-kubernetes-list-type").and_then(Value::as_str) {
        Some("set") => ListType::Set,
        Some("map") => ListType::Map(keys().filter_map(Value::as_str).map(str::to_owned).collect()),
        _ => ListType::Atomic,
    };
    Type::List { item: Box::new(schema.get("items").map_or(Type::Any, type_of)), list_type }
}

fn object_of(schema: &Value) -> Type {
    let atomic = is(schema, "x-kubernetes-map-type", "atomic");
    if says(schema, "x-kubernetes-embedded-resource") || !has_properties(schema) {
        return match schema.get("additionalProperties") {
            Some(Value::Object(_)) => Type::Map { value: Box::new(type_of(&schema["additionalProperties"])), atomic },
            Some(Value::Bool(true)) => Type::Map { value: Box::new(Type::Any), atomic },
            _ if says(schema, "x-kubernetes-preserve-unknown-fields") => Type::Any,
            _ => Type::Inline { definition: Box::new(struct_of(schema)), atomic },
        };
    }
    Type::Inline { definition: Box::new(struct_of(schema)), atomic }
}

fn has_properties(schema: &Value) -> bool {
    schema.get("properties").and_then(Value::as_object).is_some_and(|p| !p.is_empty())
}
