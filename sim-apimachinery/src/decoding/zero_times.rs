//! Times that a type must have and a body does not: Go's zero time, which is written as null. Only conditions of the standard
//! shape have such a field, and only statuses have conditions.

use serde_json::Value;

use crate::schema::{Field, Presence, Scalar, Shape, TypeRef, ZERO_TIME};

/// Gives the status of an object of that type the times it lacks.
pub fn fill(of: TypeRef<'_>, object: &mut Value) {
    if let (Some(of), Some(status)) = (of.child("status"), object.get_mut("status")) {
        walk(of, status);
    }
}

fn walk(of: TypeRef<'_>, value: &mut Value) {
    match (of.shape(), value) {
        (Shape::Struct(definition, _), Value::Object(map)) => {
            for (name, field) in &definition.fields {
                match map.get_mut(name) {
                    Some(inner) => walk(TypeRef::new(&field.field_type), inner),
                    None if is_needed(field) => _ = map.insert(name.clone(), ZERO_TIME.into()),
                    None => {}
                }
            }
        }
        (Shape::List(item, _), Value::Array(list)) => list.iter_mut().for_each(|value| walk(item, value)),
        _ => {}
    }
}

fn is_needed(field: &Field) -> bool {
    let is_time = matches!(TypeRef::new(&field.field_type).shape(), Shape::Scalar(Scalar::Time));
    is_time && field.required && field.presence == Presence::Always(Value::Null)
}
