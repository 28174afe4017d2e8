//! Validation of custom objects against their schema, with the messages of the real validator.
//! Source: kube-openapi pkg/validation/validate, and the mapping to field errors in apiextensions-apiserver
//! pkg/apiserver/validation. A change may leave wrong what was wrong before (ratcheting): see `ratchet`.
//! Not modelled: Go's regular expressions are those of the `regex` crate, which differ in rare classes.

use serde_json::Value;

use super::formats;
use super::problems::{Problems, child, json};
use super::schema::SchemaRef;

/// What a validation found, and how many checks it made: alternatives are told apart by that.
#[derive(Debug, Default)]
struct Outcome {
    problems: Problems,
    matched: usize,
}

impl Outcome {
    fn merge(&mut self, other: Outcome) {
        self.problems.0.extend(other.problems.0);
        self.matched += other.matched;
    }

    fn is_valid(&self) -> bool {
        self.problems.0.is_empty()
    }
}

/// What is wrong with a value; `path` is where it is, empty for a whole object.
pub(crate) fn validate(value: &Value, old: Option<&Value>, schema: SchemaRef<'_>, path: &str) -> Vec<sim_apimachinery::Cause> {
    let place = Place { at: path.to_owned(), name: String::new() };
    node(value, old, schema, &place).problems.0
}

/// Where a value is: `at` for the field that is told, `name` as the messages call it, which leaves out where validation began.
struct Place {
    at: String,
    name: String,
}

impl Place {
    fn field(&self, name: &str) -> Place {
        Place { at: child(&self.at, name), name: child(&self.name, name) }
    }

    fn index(&self, index: usize) -> Place {
        Place { at: format!("{}[{index}]", self.at), name: format!("{}[{index}]", self.name) }
    }
}

fn node(value: &Value, old: Option<&Value>, schema: SchemaRef<'_>, place: &Place) -> Outcome {
    let mut outcome = Outcome::default();
    // What has not changed is not looked at again.
    if old == Some(value) {
        return outcome;
    }
    type_check(value, schema, place, &mut outcome);
    if value.is_null() {
        enumeration(value, schema, place, &mut outcome);
        return outcome;
    }
    combinations(value, schema, place, &mut outcome);
    match value {
        Value::String(text) => string(text, schema, place, &mut outcome),
        Value::Number(_) => number(value, schema, place, &mut outcome),
        Value::Array(items) => array(items, old, schema, place, &mut outcome),
        _ => {}
    }
    enumeration(value, schema, place, &mut outcome);
    if let Value::Object(_) = value {
        object(value, old, schema, place, &mut outcome);
    }
    outcome.matched += 1;
    outcome
}

fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

fn type_check(value: &Value, schema: SchemaRef<'_>, place: &Place, outcome: &mut Outcome) {
    let Place { at, name } = place;
    let wanted: Vec<&str> = if schema.is_int_or_string() {
        vec!["integer", "string"]
    } else {
        Some(schema.value_type()).filter(|t| !t.is_empty()).into_iter().collect()
    };
    let format = formats::known(schema.text("format"));
    if wanted.is_empty() && format.is_none() {
        return;
    }
    outcome.matched += 1;
    let found = type_name(value);
    let mut refuse = |wanted: &str| {
        outcome.problems.type_invalid(at, &Value::from(found), &format!("{name} in body must be of type {wanted}: {found:?}"));
    };
    if value.is_null() {
        if !wanted.is_empty() && !schema.says("nullable") {
            refuse(&wanted.join(","));
        }
        return;
    }
    let is_whole = value.as_f64().is_some_and(|f| f.fract() == 0.0 && f.abs() < 9.0e15);
    let is_number = wanted.contains(&"number") || wanted.contains(&"integer");
    let fits = wanted.contains(&found)
        || (found == "number" && is_whole && wanted.contains(&"integer"))
        || (found == "integer" && wanted.contains(&"number"));
    if format.is_some() && !is_number && matches!(found, "string" | "array") {
        return;
    }
    if !fits && !wanted.is_empty() {
        refuse(&wanted.join(","));
    }
}

fn enumeration(value: &Value, schema: SchemaRef<'_>, place: &Place, outcome: &mut Outcome) {
    let at = &place.at;
    let allowed = schema.list("enum");
    let same = |a: &Value| a == value || (a.is_number() && value.is_number() && a.as_f64() == value.as_f64());
    if allowed.is_empty() || allowed.iter().any(same) {
        return;
    }
    let texts: Vec<String> = allowed.iter().map(|v| v.as_str().map_or_else(|| json(v), str::to_owned)).collect();
    outcome.problems.not_supported(at, value, &texts);
}

fn string(text: &str, schema: SchemaRef<'_>, place: &Place, outcome: &mut Outcome) {
    let Place { at, name } = place;
    let value = Value::from(text);
    let length = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    if let Some(most) = whole(schema, "maxLength").filter(|most| length > *most) {
        outcome.problems.too_long(at, most);
    } else if let Some(least) = whole(schema, "minLength").filter(|least| length < *least) {
        outcome.problems.invalid(at, &value, &format!("{name} in body should be at least {least} chars long"));
    } else if let Some(pattern) = Some(schema.text("pattern")).filter(|p| !p.is_empty())
        && !regex::Regex::new(pattern).is_ok_and(|r| r.is_match(text))
    {
        outcome.problems.invalid(at, &value, &format!("{name} in body should match '{pattern}'"));
    } else {
        outcome.matched += 1;
    }
    let format = schema.text("format");
    if formats::known(format).is_some_and(|f| !f.fits(text)) {
        outcome.problems.type_invalid(at, &value, &format!("{name} in body must be of type {format}: {text:?}"));
    }
}

/// A bound that is a whole number.
fn whole(schema: SchemaRef<'_>, word: &str) -> Option<i64> {
    let value = schema.get(word)?;
    value.as_i64().or_else(|| value.as_f64().map(|f| f as i64))
}

fn number(value: &Value, schema: SchemaRef<'_>, place: &Place, outcome: &mut Outcome) {
    let Place { at, name } = place;
    let Some(found) = value.as_f64() else { return };
    let bound = |word: &str| schema.get(word).and_then(Value::as_f64);
    let is_integer = !value.is_f64();
    let told = |bound: f64| if is_integer { (bound as i64).to_string() } else { go_float(bound) };
    let limit = |bound: f64| if is_integer { bound.trunc() } else { bound };
    let range = match (schema.value_type(), schema.text("format")) {
        ("integer", "int32") if is_integer => Some(("int32", f64::from(i32::MIN), f64::from(i32::MAX))),
        _ => None,
    };
    if let Some((format, ..)) = range.filter(|(_, least, most)| found < *least || found > *most) {
        outcome.problems.invalid_text("", "", &format!("Checked value must be of type integer with format {format} in {name}"));
    }
    if let Some(factor) = bound("multipleOf") {
        let factor = limit(factor);
        let multiple = found / factor;
        if factor <= 0.0 || multiple.fract().abs() > 1e-9 {
            outcome.problems.invalid(at, value, &format!("{name} in body should be a multiple of {}", told(factor)));
        }
    }
    if let Some(least) = bound("minimum") {
        let is_open = schema.says("exclusiveMinimum");
        if found < limit(least) || (is_open && found == limit(least)) {
            let words = if is_open { "greater than" } else { "greater than or equal to" };
            outcome.problems.invalid(at, value, &format!("{name} in body should be {words} {}", told(least)));
        }
    }
    if let Some(most) = bound("maximum") {
        let is_open = schema.says("exclusiveMaximum");
        if found > limit(most) || (is_open && found == limit(most)) {
            let words = if is_open { "less than" } else { "less than or equal to" };
            outcome.problems.invalid(at, value, &format!("{name} in body should be {words} {}", told(most)));
        }
    }
    outcome.matched += 1;
}

/// A number as Go's `%v` prints it.
fn go_float(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < 1e21 { format!("{number:.0}") } else { number.to_string() }
}

fn array(items: &[Value], old: Option<&Value>, schema: SchemaRef<'_>, place: &Place, outcome: &mut Outcome) {
    let Place { at, name } = place;
    if let Some(item_schema) = schema.items() {
        for (index, item) in items.iter().enumerate() {
            let before = old.and_then(|o| super::ratchet::item(schema, o, items, index));
            outcome.merge(node(item, before, item_schema, &place.index(index)));
        }
    }
    let size = i64::try_from(items.len()).unwrap_or(i64::MAX);
    if let Some(least) = whole(schema, "minItems").filter(|least| size < *least) {
        outcome.problems.invalid(at, &Value::from(size), &format!("{name} in body should have at least {least} items"));
    }
    if let Some(most) = whole(schema, "maxItems").filter(|most| size > *most) {
        outcome.problems.too_many(at, items.len(), most);
    }
    outcome.matched += 1;
}

fn object(value: &Value, old: Option<&Value>, schema: SchemaRef<'_>, place: &Place, outcome: &mut Outcome) {
    let Place { at, name } = place;
    let Some(map) = value.as_object() else { return };
    let size = i64::try_from(map.len()).unwrap_or(i64::MAX);
    if let Some(least) = whole(schema, "minProperties").filter(|least| size < *least) {
        outcome.problems.invalid(at, &Value::from(size), &format!("{name} in body should have at least {least} properties"));
    }
    if let Some(most) = whole(schema, "maxProperties").filter(|most| size > *most) {
        outcome.problems.too_many(at, map.len(), most);
    }
    let forbids_others = schema.get("additionalProperties") == Some(&Value::Bool(false));
    for (key, inner) in map {
        let below = place.field(key);
        let before = old.and_then(|o| super::ratchet::field(schema, o, key));
        match (schema.property(key), schema.additional().flatten()) {
            (Some(property), _) => outcome.merge(node(inner, before, property, &below)),
            (None, Some(additional)) => outcome.merge(node(inner, before, additional, &below)),
            (None, None) if forbids_others => {
                outcome.problems.invalid_text(at, key, &format!("{name}.{key} in body is a forbidden property"));
            }
            (None, None) => {}
        }
    }
    for required in schema.texts("required").into_iter().filter(|r| !map.contains_key(*r)) {
        outcome.problems.required(&place.field(required).at, "");
    }
}

/// `allOf`, `anyOf`, `oneOf` and `not`.
fn combinations(value: &Value, schema: SchemaRef<'_>, place: &Place, outcome: &mut Outcome) {
    let each = |word: &str| -> Vec<Outcome> { schema.list(word).iter().map(|s| node(value, None, SchemaRef(s), place)).collect() };
    let general = |outcome: &mut Outcome, text: String| outcome.problems.invalid_text("", "", &text);
    let shown = &place.name;
    let mut results = each("anyOf");
    if !results.is_empty() && !results.iter().any(Outcome::is_valid) {
        general(outcome, format!("\"{shown}\" must validate at least one schema (anyOf)"));
        outcome.merge(best(&mut results));
    }
    let mut results = each("oneOf");
    let valid = results.iter().filter(|r| r.is_valid()).count();
    if !results.is_empty() && valid != 1 {
        let found = if valid == 0 { "Found none valid".to_owned() } else { format!("Found {valid} valid alternatives") };
        general(outcome, format!("\"{shown}\" must validate one and only one schema (oneOf). {found}"));
        if valid == 0 {
            outcome.merge(best(&mut results));
        }
    }
    let results = each("allOf");
    let valid = results.iter().filter(|r| r.is_valid()).count();
    let all = results.len();
    results.into_iter().for_each(|r| outcome.merge(r));
    if valid != all {
        let none = if valid == 0 { ". None validated" } else { "" };
        general(outcome, format!("\"{shown}\" must validate all the schemas (allOf){none}"));
    }
    if let Some(not) = schema.get("not")
        && node(value, None, SchemaRef(not), place).is_valid()
    {
        general(outcome, format!("\"{shown}\" must not validate the schema (not)"));
    }
    outcome.matched += 1;
}

/// The failure with the most checks that passed; the first of several.
fn best(results: &mut Vec<Outcome>) -> Outcome {
    let most = results.iter().map(|r| r.matched).max().unwrap_or_default();
    let index = results.iter().position(|r| r.matched == most).unwrap_or_default();
    results.swap_remove(index)
}
