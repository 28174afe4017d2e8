//! The table of a custom kind: its name and the columns its definition declares, found by JSONPath.
//! A definition without columns shows its age; the API server adds that column when the definition is made.

use serde_json::{Value, json};

use super::columns;
use super::json_path::{JsonPath, go_text};
use super::view::{View, human_duration, seconds_between};

/// The column definitions: the name, then the declared ones.
pub(super) fn headers(definitions: &[Value]) -> Value {
    let mut found = columns::of(columns::CUSTOM);
    if definitions.is_empty() {
        return found;
    }
    if let Value::Array(list) = &mut found {
        list.truncate(1);
        list.extend(definitions.iter().map(header));
    }
    found
}

fn header(definition: &Value) -> Value {
    let text = |field: &str| definition[field].as_str().unwrap_or_default();
    let described = match text("description") {
        "" => format!("Custom resource definition column (in JSONPath format): {}", text("jsonPath")),
        given => given.to_owned(),
    };
    columns::definition(text("name"), text("type"), text("format"), &described, definition["priority"].as_i64().unwrap_or_default())
}

/// The cells: a column whose path finds nothing is null.
pub(super) fn cells(definitions: &[Value], object: View<'_>) -> Vec<Value> {
    let mut cells = vec![Value::from(object.name())];
    if definitions.is_empty() {
        cells.push(object.age().into());
    }
    cells.extend(definitions.iter().map(|definition| cell(definition, object).unwrap_or(Value::Null)));
    cells
}

fn cell(definition: &Value, object: View<'_>) -> Option<Value> {
    let path = JsonPath::parse(definition["jsonPath"].as_str()?).ok()?;
    let found = path.find(object.value()).ok()?.into_iter().next()?;
    match definition["type"].as_str()? {
        "string" => Some(go_text(&found).into()),
        "integer" => found.as_i64().or_else(|| found.as_f64().map(|number| number as i64)).map(Value::from),
        "number" => found.as_f64().map(Value::from),
        "boolean" => found.as_bool().map(Value::from),
        "date" => found.as_str().map(|text| match text.parse() {
            Ok(time) => json!(human_duration(seconds_between(time, object.now()))),
            Err(_) if text.is_empty() => json!("<unknown>"),
            Err(_) => json!("<invalid>"),
        }),
        _ => None,
    }
}

/// What is wrong with a column's path, if anything.
pub fn invalid_column(json_path: &str) -> Option<String> {
    JsonPath::parse(json_path).err()
}
