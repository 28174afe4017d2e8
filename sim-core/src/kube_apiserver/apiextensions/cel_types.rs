//! The types that rules in CEL see of a custom object, with the sizes its schema allows.
//! Source: `SchemaDeclType` in apiserver pkg/cel/common/schemas.go.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;
use sim_cel::{ObjectType, Sized, Type, escape};

use super::schema::SchemaRef;

/// The most a request may hold, in bytes.
pub(crate) const REQUEST_BYTES_MAX: u64 = 3 * 1024 * 1024;

/// The type a schema declares and the least bytes a value of it takes; `None` if rules cannot see it.
/// `is_root` says that it is an object with a name of its own.
pub(crate) fn declared(schema: SchemaRef<'_>, is_root: bool) -> Option<(Sized, u64)> {
    let simple = |of: Type, max: Option<u64>, least: u64| Some((Sized { of, max, inside: vec![] }, least));
    let count = |word: &str| schema.get(word).and_then(Value::as_i64).map(|n| u64::try_from(n).unwrap_or(0));
    let length = || count("maxLength").map(|n| n.saturating_mul(4));
    if schema.is_int_or_string() {
        return simple(Type::Dyn, length().or(Some(REQUEST_BYTES_MAX - 2)), 1);
    }
    match schema.value_type() {
        "array" => {
            let item_schema = schema.items()?;
            let (item, least) = declared(item_schema, item_schema.is_embedded())?;
            let max = count("maxItems").unwrap_or((REQUEST_BYTES_MAX - 2) / (least + 1));
            let of = Type::List(Box::new(item.of.clone()));
            Some((Sized { of, max: Some(max), inside: vec![item] }, 2))
        }
        "object" => match schema.additional().flatten() {
            Some(values) => {
                let (value, least) = declared(values, values.is_embedded())?;
                let max = count("maxProperties").unwrap_or((REQUEST_BYTES_MAX - 2) / (least + 6));
                let of = Type::Map(Box::new(Type::String), Box::new(value.of.clone()));
                let key = Sized { of: Type::String, max: Some(REQUEST_BYTES_MAX), inside: vec![] };
                Some((Sized { of, max: Some(max), inside: vec![key, value] }, 2))
            }
            None => Some(object(schema, is_root)),
        },
        "string" => match schema.text("format") {
            "byte" => simple(Type::Bytes, count("maxLength").or(Some(REQUEST_BYTES_MAX - 2)), 2),
            "duration" => simple(Type::Duration, Some(32), 4),
            "date" => simple(Type::Timestamp, Some(12), 12),
            "date-time" => simple(Type::Timestamp, Some(37), 21),
            _ => {
                let longest = schema.list("enum").iter().filter_map(Value::as_str).map(|s| s.len() as u64).max();
                simple(Type::String, length().or(longest).or(Some(REQUEST_BYTES_MAX - 2)), 2)
            }
        },
        "boolean" => simple(Type::Bool, Some(1), 4),
        "number" => simple(Type::Double, Some(1), 1),
        "integer" => simple(Type::Int, Some(1), 1),
        _ => None,
    }
}

fn object(schema: SchemaRef<'_>, is_root: bool) -> (Sized, u64) {
    let mut fields: BTreeMap<String, Sized> = BTreeMap::new();
    let mut least = 2;
    let required = schema.texts("required");
    for (name, property) in schema.properties() {
        let Some((field, size)) = declared(property, property.is_embedded()) else { continue };
        if let Some(escaped) = escape(name) {
            fields.insert(escaped, field);
        }
        if required.contains(&name) && property.default_value().is_none() {
            least += name.len() as u64 + size + 4;
        }
    }
    if is_root {
        let text = || Sized { of: Type::String, max: Some(REQUEST_BYTES_MAX - 2), inside: vec![] };
        let names = [("name".to_owned(), text()), ("generateName".to_owned(), text())].into();
        let metadata = Type::Object(Arc::new(ObjectType { name: "object.metadata".into(), fields: names }));
        fields.insert("kind".into(), text());
        fields.insert("apiVersion".into(), text());
        fields.insert("metadata".into(), Sized::new(metadata));
    }
    let of = Type::Object(Arc::new(ObjectType { name: "object".into(), fields }));
    (Sized { of, max: Some(1), inside: vec![] }, least)
}
