//! Reads `columns.txt`, which `tables/columns.py` writes: the columns of each kind's table.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Value, json};

const TEXT: &str = include_str!("columns.txt");

/// The name under which the columns of kinds without columns of their own stand.
const DEFAULT: &str = "default";

/// The name under which the columns of custom kinds that declare none stand.
pub(super) const CUSTOM: &str = "custom";

static COLUMNS: LazyLock<BTreeMap<&'static str, Value>> = LazyLock::new(|| {
    let mut shared = Vec::new();
    let mut found: BTreeMap<&'static str, Value> = BTreeMap::new();
    let mut kind = DEFAULT;
    for line in TEXT.lines().filter(|line| !line.starts_with('#')) {
        if let Some(text) = line.strip_prefix("D ") {
            shared.push(text);
        } else if let Some(name) = line.strip_prefix("K ") {
            kind = name;
            found.insert(kind, json!([]));
        } else if let Some(Value::Array(columns)) = found.get_mut(kind) {
            columns.push(column(line, &shared));
        }
    }
    found
});

fn column(line: &str, shared: &[&str]) -> Value {
    let mut words = line.splitn(5, '|');
    let mut word = || words.next().unwrap_or_default();
    let [name, type_name, format, priority, description] = [word(), word(), word(), word(), word()];
    let by_number = description.strip_prefix('=').and_then(|number| shared.get(number.parse::<usize>().ok()?));
    definition(name, type_name, format, &by_number.unwrap_or(&description).replace("\\n", "\n"), priority.parse().unwrap_or(0))
}

/// One entry of `columnDefinitions`.
pub(super) fn definition(name: &str, type_name: &str, format: &str, description: &str, priority: i64) -> Value {
    json!({"name": name, "type": type_name, "format": format, "description": description, "priority": priority})
}

/// The columns of the kind of that name.
pub(super) fn of(name: &str) -> Value {
    COLUMNS.get(name).or_else(|| COLUMNS.get(DEFAULT)).cloned().unwrap_or(Value::Null)
}

/// Whether the kind of that name has no columns of its own.
pub(super) fn is_default(name: &str) -> bool {
    !COLUMNS.contains_key(name) || name == DEFAULT
}
