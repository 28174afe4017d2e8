//! Values with holes: the bodies, conditions and settings of a profile may say `${scope.name}`.
//!
//! Scopes: `env`, `query`, `path`, `header`, `body` (a field of a JSON request body, or a path such as `request.uid` and
//! `items.0.name` in it), `state`, `let`, `backend.value`,
//! `hostname`, `random.hex` (32 hexadecimal digits), `request.method` and `request.path`.
//! `${env.X:-text}` gives a default when the variable is unset or empty; `|number` reads a number, `|bearer` strips
//! `Bearer ` from an Authorization header (null if it is not there).
//! A string that is exactly one hole keeps the type of what is filled in; inside a longer string it becomes text.
//! Object keys keep the order in which the profile wrote them, as the real program's do.

use serde::de::Error;
use serde::{Deserialize, Deserializer};

/// A JSON value that remembers the order of its keys. Texts may have holes until [`Json::fill`] closed them.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Json {
    /// null
    #[default]
    Null,
    /// true, false
    Bool(bool),
    /// An integer.
    Int(i64),
    /// Any other number.
    Float(f64),
    /// A string.
    Text(String),
    /// An array.
    List(Vec<Json>),
    /// An object, keys in order.
    Map(Vec<(String, Json)>),
}

/// How the program writes JSON: without spaces (FastAPI) or with a space after `:` and `,` (Python's `json.dumps`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum JsonStyle {
    /// `{"a":1}`
    #[default]
    Compact,
    /// `{"a": 1}`
    Spaced,
}

/// One hole, taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Hole<'a> {
    /// What comes before the first dot.
    pub scope: &'a str,
    /// What comes after it; empty for `hostname`.
    pub name: &'a str,
}

const SCOPES: [&str; 11] = ["env", "query", "path", "header", "body", "state", "let", "backend", "hostname", "random", "request"];

impl Json {
    /// Closes all holes with what `look_up` gives; unknown names become null.
    pub fn fill(&self, look_up: &mut dyn FnMut(&Hole) -> Json) -> Json {
        match self {
            Json::Text(text) => fill_text(text, look_up),
            Json::List(items) => Json::List(items.iter().map(|item| item.fill(look_up)).collect()),
            Json::Map(fields) => Json::Map(fields.iter().map(|(key, value)| (key.clone(), value.fill(look_up))).collect()),
            other => other.clone(),
        }
    }

    /// The value as plain text: strings bare, null empty, others as JSON.
    pub fn text(&self) -> String {
        match self {
            Json::Null => String::new(),
            Json::Text(text) => text.clone(),
            other => other.render(JsonStyle::Compact),
        }
    }

    /// The value as JSON.
    pub fn render(&self, style: JsonStyle) -> String {
        let (comma, colon) = match style {
            JsonStyle::Compact => (",", ":"),
            JsonStyle::Spaced => (", ", ": "),
        };
        match self {
            Json::Null => "null".into(),
            Json::Bool(value) => value.to_string(),
            Json::Int(value) => value.to_string(),
            Json::Float(value) => serde_json::Value::from(*value).to_string(),
            Json::Text(text) => quoted(text),
            Json::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.render(style)).collect();
                format!("[{}]", items.join(comma))
            }
            Json::Map(fields) => {
                let fields: Vec<String> =
                    fields.iter().map(|(key, value)| format!("{}{colon}{}", quoted(key), value.render(style))).collect();
                format!("{{{}}}", fields.join(comma))
            }
        }
    }

    /// A number, if this is one or a text that spells one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Json::Int(value) => Some(*value as f64),
            Json::Float(value) => Some(*value),
            Json::Text(text) => text.trim().parse::<f64>().ok().filter(|value| value.is_finite()),
            _ => None,
        }
    }

    /// A field of an object.
    pub fn get(&self, key: &str) -> Option<&Json> {
        match self {
            Json::Map(fields) => fields.iter().find(|(name, _)| name == key).map(|(_, value)| value),
            _ => None,
        }
    }

    /// What is at a path of names and numbers, `request.uid` or `items.0.name`; a field's own name may have dots.
    pub fn at(&self, path: &str) -> Option<&Json> {
        let item = |name: &str| match self {
            Json::List(items) => items.get(name.parse::<usize>().ok()?),
            other => other.get(name),
        };
        let step = || path.split_once('.').and_then(|(first, rest)| item(first)?.at(rest));
        item(path).or_else(step)
    }

    /// Reads a JSON text (a request body).
    pub fn parse(text: &str) -> Option<Json> {
        serde_json::from_str::<serde_json::Value>(text).ok().map(from_serde_json)
    }

    fn check(&self) -> Result<(), String> {
        match self {
            Json::Text(text) => check_text(text),
            Json::List(items) => items.iter().try_for_each(Json::check),
            Json::Map(fields) => fields.iter().try_for_each(|(_, value)| value.check()),
            _ => Ok(()),
        }
    }
}

fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn from_serde_json(value: serde_json::Value) -> Json {
    match value {
        serde_json::Value::Null => Json::Null,
        serde_json::Value::Bool(value) => Json::Bool(value),
        serde_json::Value::Number(number) => number.as_i64().map_or(Json::Float(number.as_f64().unwrap_or_default()), Json::Int),
        serde_json::Value::String(text) => Json::Text(text),
        serde_json::Value::Array(items) => Json::List(items.into_iter().map(from_serde_json).collect()),
        serde_json::Value::Object(fields) => Json::Map(fields.into_iter().map(|(key, value)| (key, from_serde_json(value))).collect()),
    }
}

fn from_yaml(value: serde_yaml::Value) -> Result<Json, String> {
    Ok(match value {
        serde_yaml::Value::Null => Json::Null,
        serde_yaml::Value::Bool(value) => Json::Bool(value),
        serde_yaml::Value::Number(number) => number.as_i64().map_or(Json::Float(number.as_f64().unwrap_or_default()), Json::Int),
        serde_yaml::Value::String(text) => Json::Text(text),
        serde_yaml::Value::Sequence(items) => Json::List(items.into_iter().map(from_yaml).collect::<Result<_, _>>()?),
        serde_yaml::Value::Mapping(fields) => {
            let field = |(key, value)| match key {
                serde_yaml::Value::String(key) => Ok((key, from_yaml(value)?)),
                other => Err(format!("key {other:?} is not a string")),
            };
            Json::Map(fields.into_iter().map(field).collect::<Result<_, _>>()?)
        }
        serde_yaml::Value::Tagged(_) => return Err("a YAML tag has no meaning here".into()),
    })
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = from_yaml(serde_yaml::Value::deserialize(deserializer)?).map_err(D::Error::custom)?;
        value.check().map_err(D::Error::custom)?;
        Ok(value)
    }
}

/// A piece of a text: literal, or the inside of `${…}`.
enum Piece<'a> {
    Literal(&'a str),
    Hole(&'a str),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, String> {
    let (mut rest, mut found) = (text, Vec::new());
    while let Some(start) = rest.find("${") {
        let length = rest[start..].find('}').ok_or_else(|| format!("`${{` without `}}` in {text:?}"))?;
        if start > 0 {
            found.push(Piece::Literal(&rest[..start]));
        }
        found.push(Piece::Hole(&rest[start + 2..start + length]));
        rest = &rest[start + length + 1..];
    }
    if !rest.is_empty() || found.is_empty() {
        found.push(Piece::Literal(rest));
    }
    Ok(found)
}

fn check_text(text: &str) -> Result<(), String> {
    for piece in pieces(text)? {
        if let Piece::Hole(inside) = piece {
            let (hole, filter, _) = take_apart(inside);
            if !SCOPES.contains(&hole.scope) {
                return Err(format!("unknown scope {:?} in {text:?}, expected one of {}", hole.scope, SCOPES.join(", ")));
            }
            if !["", "number", "bearer"].contains(&filter) {
                return Err(format!("unknown filter {filter:?} in {text:?}, expected number or bearer"));
            }
        }
    }
    Ok(())
}

/// `scope.name:-default|filter`
fn take_apart(inside: &str) -> (Hole<'_>, &str, Option<&str>) {
    let (inside, filter) = inside.split_once('|').unwrap_or((inside, ""));
    let (path, default) = match inside.split_once(":-") {
        Some((path, default)) => (path, Some(default)),
        None => (inside, None),
    };
    let (scope, name) = path.split_once('.').unwrap_or((path, ""));
    (Hole { scope, name }, filter, default)
}

fn fill_text(text: &str, look_up: &mut dyn FnMut(&Hole) -> Json) -> Json {
    let Ok(pieces) = pieces(text) else { return Json::Text(text.to_string()) };
    if let [Piece::Hole(inside)] = pieces.as_slice() {
        return fill_hole(inside, look_up);
    }
    let fill = |piece: &Piece| match piece {
        Piece::Literal(literal) => (*literal).to_string(),
        Piece::Hole(inside) => fill_hole(inside, look_up).text(),
    };
    Json::Text(pieces.iter().map(fill).collect())
}

fn fill_hole(inside: &str, look_up: &mut dyn FnMut(&Hole) -> Json) -> Json {
    let (hole, filter, default) = take_apart(inside);
    let mut value = look_up(&hole);
    if let (Some(default), true) = (default, matches!(&value, Json::Null) || value == Json::Text(String::new())) {
        value = Json::Text(default.to_string());
    }
    match filter {
        "number" => match value.text().trim().parse::<i64>() {
            Ok(integer) => Json::Int(integer),
            Err(_) => value.number().map_or(Json::Null, Json::Float),
        },
        "bearer" => value.text().strip_prefix("Bearer ").map_or(Json::Null, |token| Json::Text(token.to_string())),
        _ => value,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(template: &str, expected: Result<&str, &str>) {
        let filled = serde_yaml::from_str::<Json>(template).map(|json| {
            let mut look_up = |hole: &Hole| match (hole.scope, hole.name) {
                ("env", "NAME") => Json::Text("a\"b".into()),
                ("env", "MAX") => Json::Text("30".into()),
                ("query", "seconds") => Json::Float(60.0),
                ("state", "ready") => Json::Bool(true),
                ("header", "authorization") => Json::Text("Bearer t0".into()),
                _ => Json::Null,
            };
            json.fill(&mut look_up).render(JsonStyle::Spaced)
        });
        match (filled, expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected, "{template}"),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{template}: {error}"),
            (outcome, _) => panic!("{template}: {outcome:?}"),
        }
    }

    #[test]
    fn a_lone_hole_keeps_its_type_and_keys_keep_their_order() {
        check("{z: '${query.seconds}', a: ['${state.ready}', '${env.GONE}']}", Ok(r#"{"z": 60.0, "a": [true, null]}"#));
    }

    #[test]
    fn holes_inside_text_become_text_and_are_escaped() {
        check("'x ${env.NAME} ${env.GONE:-none}'", Ok(r#""x a\"b none""#));
    }

    #[test]
    fn filters_read_numbers_and_bearer_tokens() {
        check(
            "['${env.MAX|number}', '${env.GONE:-5|number}', '${header.authorization|bearer}', '${env.MAX|bearer}']",
            Ok(r#"[30, 5, "t0", null]"#),
        );
    }

    #[test]
    fn unknown_scopes_filters_and_open_holes_are_refused() {
        check("'${enw.X}'", Err("unknown scope"));
        check("'${env.X|upper}'", Err("unknown filter"));
        check("'${env.X'", Err("without `}`"));
    }
}
