//! A structural schema, read where it stands: a node of an `openAPIV3Schema` and what it says of a value.
//! Nothing is copied or checked here; whether a schema is structural is the definition's validation to say.

use serde_json::{Map, Value};

/// A node of a schema. Cheap to copy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SchemaRef<'a>(pub &'a Value);

/// The fields of every object, which no schema restricts.
pub(crate) const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

impl<'a> SchemaRef<'a> {
    /// What the node says under a word.
    pub fn get(self, word: &str) -> Option<&'a Value> {
        self.0.get(word).filter(|v| !v.is_null())
    }

    /// A flag; one that is not there is false.
    pub fn says(self, word: &str) -> bool {
        self.get(word).and_then(Value::as_bool).unwrap_or(false)
    }

    /// A text; one that is not there is empty.
    pub fn text(self, word: &str) -> &'a str {
        self.get(word).and_then(Value::as_str).unwrap_or_default()
    }

    /// A list of texts.
    pub fn texts(self, word: &str) -> Vec<&'a str> {
        self.list(word).iter().filter_map(Value::as_str).collect()
    }

    /// A list of values; one that is not there is empty.
    pub fn list(self, word: &str) -> &'a [Value] {
        self.get(word).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
    }

    /// `type`, empty if it is not said.
    pub fn value_type(self) -> &'a str {
        self.text("type")
    }

    /// `default`, if there is one that is not null.
    pub fn default_value(self) -> Option<&'a Value> {
        self.get("default")
    }

    /// The properties by name.
    pub fn properties(self) -> impl Iterator<Item = (&'a str, SchemaRef<'a>)> {
        self.property_map().into_iter().flatten().map(|(name, schema)| (name.as_str(), SchemaRef(schema)))
    }

    /// One property.
    pub fn property(self, name: &str) -> Option<SchemaRef<'a>> {
        self.property_map()?.get(name).map(SchemaRef)
    }

    fn property_map(self) -> Option<&'a Map<String, Value>> {
        self.get("properties").and_then(Value::as_object)
    }

    /// The schema of a list's items.
    pub fn items(self) -> Option<SchemaRef<'a>> {
        self.get("items").filter(|i| i.is_object()).map(SchemaRef)
    }

    /// Whether `additionalProperties` is said at all, and the schema it gives if it gives one.
    pub fn additional(self) -> Option<Option<SchemaRef<'a>>> {
        let said = self.get("additionalProperties")?;
        Some(said.is_object().then_some(SchemaRef(said)))
    }

    /// The schema of a field of an object: a property, or else what additional properties are.
    pub fn field(self, name: &str) -> Option<SchemaRef<'a>> {
        self.property(name).or_else(|| self.additional().flatten())
    }

    /// `x-kubernetes-preserve-unknown-fields`.
    pub fn is_open(self) -> bool {
        self.says("x-kubernetes-preserve-unknown-fields")
    }

    /// `x-kubernetes-embedded-resource`.
    pub fn is_embedded(self) -> bool {
        self.says("x-kubernetes-embedded-resource")
    }

    /// `x-kubernetes-int-or-string`.
    pub fn is_int_or_string(self) -> bool {
        self.says("x-kubernetes-int-or-string")
    }
}
