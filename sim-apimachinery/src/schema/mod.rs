//! What the API's types are made of: fields, list types and their keys, patch strategies, defaults of list keys.
//! The table is OpenAPI's, of Kubernetes v1.36 (`table.txt`, made by `schema/generate.py`). A type is parsed when it is
//! first asked for, so that a short run pays for the types it meets and no others.
//! Custom resources bring their own schema: `Schema::from_open_api` reads it.
//! Not in the table: descriptions, enums, defaults other than those of list keys, validation rules.

mod custom;
mod decode;
mod encode;
mod go_order;
mod restore;
mod table;
mod time_text;

pub use custom::Schema;
pub use decode::{TypeError, decode_error, strict_errors, type_errors};

pub use encode::{ZERO_TIME, as_encoded, as_sent, empty};
pub use go_order::{Touched, go_ordered};
pub use restore::restore_error;

use std::collections::BTreeMap;

use serde_json::Value;

/// A plain value's type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    /// A string.
    String,
    /// A boolean.
    Boolean,
    /// A 32-bit integer.
    Int32,
    /// A 64-bit integer.
    Int64,
    /// A floating point number.
    Double,
    /// Bytes, written in base64.
    Bytes,
    /// `Time`, RFC 3339 with seconds.
    Time,
    /// `MicroTime`, RFC 3339 with microseconds.
    MicroTime,
    /// `Quantity`, a string or a number.
    Quantity,
    /// `IntOrString`.
    IntOrString,
}

/// How the items of a list are told apart (`x-kubernetes-list-type`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListType {
    /// The list is one value.
    Atomic,
    /// Each item is its own key.
    Set,
    /// The items are structs, told apart by these fields.
    Map(Vec<String>),
}

/// A type, as written in a field.
#[derive(Clone, Debug)]
pub enum Type {
    /// A plain value.
    Scalar(Scalar),
    /// Any JSON value.
    Any,
    /// The type of that number in the table.
    Ref {
        /// Its number.
        number: usize,
        /// Whether it is one value here, if the field says so and not the type.
        atomic: Option<bool>,
    },
    /// A struct written in place, as in the schema of a custom resource.
    Inline {
        /// What it is made of.
        definition: Box<Definition>,
        /// Whether it is one value here.
        atomic: bool,
    },
    /// A list.
    List {
        /// The type of its items.
        item: Box<Type>,
        /// How they are told apart.
        list_type: ListType,
    },
    /// A map from strings.
    Map {
        /// The type of its values.
        value: Box<Type>,
        /// Whether the map is one value.
        atomic: bool,
    },
}

/// What strategic merge patch does with a field (`x-kubernetes-patch-strategy`, `-merge-key`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatchStrategy {
    /// A list merges, item by item.
    pub merge: bool,
    /// The value replaces what was there.
    pub replace: bool,
    /// A patch names the keys to keep.
    pub retain_keys: bool,
    /// The field that tells the items of the list apart.
    pub merge_key: Option<String>,
}

/// When JSON shows a field that holds nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Presence {
    /// Left out when it is not set; a zero that was set is shown.
    #[default]
    WhenSet,
    /// Left out when it is zero: an empty string, list or map, 0, false.
    WhenNotZero,
    /// Always shown, with this value if it holds nothing.
    Always(Value),
}

/// A field of a struct.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its type.
    pub field_type: Type,
    /// Whether it must be there.
    pub required: bool,
    /// What strategic merge patch does with it.
    pub patch: PatchStrategy,
    /// The value of a list key that is not given.
    pub default: Option<Value>,
    /// The name of its Go type, where that is not what the type suggests.
    pub go_type: Option<String>,
    /// The embedded Go struct that holds it.
    pub embedded: Option<String>,
    /// When JSON shows it.
    pub presence: Presence,
}

/// A named type.
#[derive(Clone, Debug, Default)]
pub struct Definition {
    /// Its OpenAPI name, such as `io.k8s.api.core.v1.PodSpec`. Empty for types written in place.
    pub name: String,
    /// A struct's fields.
    pub fields: BTreeMap<String, Field>,
    /// The names of its fields in the order of the Go struct.
    pub order: Vec<String>,
    /// The type, if it is no struct.
    pub alias: Option<Type>,
    /// Whether a value of it is one value (`x-kubernetes-map-type: atomic`).
    pub atomic: bool,
    /// Whether fields that are not declared may be there (`x-kubernetes-preserve-unknown-fields`).
    pub open: bool,
}

impl Definition {
    /// The Go type's name: `PodSpec`.
    pub fn go_name(&self) -> &str {
        self.name.rsplit('.').next().unwrap_or_default()
    }
}

/// A type one can look into. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub struct TypeRef<'a>(&'a Type);

/// What a type is, with references followed.
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// A plain value.
    Scalar(Scalar),
    /// Any JSON value.
    Any,
    /// A struct, and whether it is one value.
    Struct(&'a Definition, bool),
    /// A list.
    List(TypeRef<'a>, &'a ListType),
    /// A map from strings, and whether it is one value.
    Map(TypeRef<'a>, bool),
}

impl<'a> TypeRef<'a> {
    /// A reference to a type.
    pub fn new(of: &'a Type) -> Self {
        Self(of)
    }

    /// The type of a value nobody described.
    pub const ANYTHING: TypeRef<'static> = ANY;

    /// What the type is.
    pub fn shape(self) -> Shape<'a> {
        match self.0 {
            Type::Scalar(scalar) => Shape::Scalar(*scalar),
            Type::Any => Shape::Any,
            Type::Ref { number, atomic } => struct_shape(table::definition(*number), *atomic),
            Type::Inline { definition, atomic } => struct_shape(definition, atomic.then_some(true)),
            Type::List { item, list_type } => Shape::List(TypeRef(item), list_type),
            Type::Map { value, atomic } => Shape::Map(TypeRef(value), *atomic),
        }
    }

    /// Whether a value of it is one value although nobody described it (`RawExtension`).
    pub fn is_sealed(self) -> bool {
        matches!(self.0, Type::Ref { number, .. } if table::definition(*number).atomic && table::definition(*number).alias.is_some())
    }

    /// The struct's definition, if it is a struct.
    pub fn definition(self) -> Option<&'a Definition> {
        match self.shape() {
            Shape::Struct(definition, _) => Some(definition),
            _ => None,
        }
    }

    /// The field of that name, if the type is a struct that has it.
    pub fn field(self, name: &str) -> Option<&'a Field> {
        self.definition()?.fields.get(name)
    }

    /// The type behind a name: a struct's field or a map's value.
    pub fn child(self, name: &str) -> Option<TypeRef<'a>> {
        match self.shape() {
            Shape::Struct(definition, _) => match definition.fields.get(name) {
                Some(field) => Some(TypeRef(&field.field_type)),
                None => definition.open.then_some(ANY),
            },
            Shape::Map(value, _) => Some(value),
            Shape::Any => Some(ANY),
            Shape::Scalar(_) | Shape::List(..) => None,
        }
    }

    /// The type of a list's items.
    pub fn item(self) -> Option<TypeRef<'a>> {
        match self.shape() {
            Shape::List(item, _) => Some(item),
            Shape::Any => Some(ANY),
            _ => None,
        }
    }

    /// The name Go gives the type: `int32`, `[]v1.Container`, `map[string]string`.
    pub fn go_type(self) -> String {
        match self.0 {
            Type::Scalar(scalar) => go_scalar(*scalar).to_owned(),
            Type::Any => "interface {}".to_owned(),
            Type::Ref { number, .. } => go_definition(table::definition(*number)),
            Type::Inline { definition, .. } => go_definition(definition),
            Type::List { item, .. } => format!("[]{}", TypeRef(item).go_type()),
            Type::Map { value, .. } => format!("map[string]{}", TypeRef(value).go_type()),
        }
    }
}

/// The type of a value nobody described.
const ANY: TypeRef<'static> = TypeRef(&Type::Any);

fn struct_shape(definition: &Definition, atomic: Option<bool>) -> Shape<'_> {
    match &definition.alias {
        Some(alias) => TypeRef(alias).shape(),
        None => Shape::Struct(definition, atomic.unwrap_or(definition.atomic)),
    }
}

fn go_scalar(scalar: Scalar) -> &'static str {
    match scalar {
        Scalar::String => "string",
        Scalar::Boolean => "bool",
        Scalar::Int32 => "int32",
        Scalar::Int64 => "int64",
        Scalar::Double => "float64",
        Scalar::Bytes => "[]uint8",
        Scalar::Time => "v1.Time",
        Scalar::MicroTime => "v1.MicroTime",
        Scalar::Quantity => "resource.Quantity",
        Scalar::IntOrString => "intstr.IntOrString",
    }
}

fn go_definition(definition: &Definition) -> String {
    let mut words = definition.name.rsplit('.');
    let name = words.next().unwrap_or_default();
    format!("{}.{name}", words.next().unwrap_or_default())
}

/// The type of a built-in kind at a version, if there is one.
pub fn lookup(group: &str, version: &str, kind: &str) -> Option<TypeRef<'static>> {
    table::kind(group, version, kind)
}

/// The type of an object, by its `apiVersion` and `kind`, if it is a built-in one.
pub fn of_object(object: &Value) -> Option<TypeRef<'static>> {
    let api_version = object.get("apiVersion")?.as_str()?;
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    lookup(group, version, object.get("kind")?.as_str()?)
}

/// The type of an object nobody described: its metadata is every object's, all else is any value.
pub fn any_object() -> TypeRef<'static> {
    static SCHEMA: std::sync::LazyLock<Schema> = std::sync::LazyLock::new(|| Schema::from_open_api(&Value::Null));
    SCHEMA.root()
}

/// The type of that OpenAPI name, such as `io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta`.
pub fn named(name: &str) -> Option<TypeRef<'static>> {
    table::named(name)
}

#[cfg(test)]
mod tests;
