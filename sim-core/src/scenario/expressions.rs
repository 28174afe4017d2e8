//! CEL expressions in expectations: compiled when the file is read, so that a wrong one is told with its place, and
//! evaluated on objects as the API shows them, with the variable `object`.
//! An expression that cannot be evaluated on an object (a field that is not there yet) does not hold for it; `has()` and
//! `?.` ask for fields that may be missing.

use std::collections::BTreeMap;

use serde_json::Value;
use sim_cel::{Program, Sized, Type, Variables};

/// Compiled expressions by their text.
pub type Expressions = BTreeMap<String, Program>;

/// The variable that is the object.
const OBJECT: &str = "object";

/// Compiles an expression. The error is the one a policy of the API server would give.
fn compile(source: &str) -> Result<Program, String> {
    let variables: Variables = [(OBJECT.to_owned(), Sized::new(Type::Dyn))].into();
    let program = Program::compile(source, &variables).map_err(|e| format!("the expression does not compile: {e}"))?;
    match program.result_type() {
        Type::Bool | Type::Dyn => Ok(program),
        other => Err(format!("an expression must be true or false, this one is of type {other}")),
    }
}

/// Compiles every `cel` of a scenario; an error carries its path in the file.
pub fn compile_all(scenario: &Value) -> Result<Expressions, (String, String)> {
    let mut found = vec![];
    collect(scenario, "", &mut found);
    found.into_iter().map(|(path, source)| Ok((source.to_owned(), compile(source).map_err(|e| (path, e))?))).collect()
}

/// Conditions on objects are the maps with a `select`; what `like` or `patch` hold is the user's.
fn collect<'a>(value: &'a Value, path: &str, found: &mut Vec<(String, &'a str)>) {
    match value {
        Value::Object(map) => {
            if let (true, Some(Value::String(source))) = (map.contains_key("select"), map.get("cel")) {
                found.push((format!("{path}.cel"), source));
            }
            for (key, inner) in map.iter().filter(|(key, _)| !matches!(key.as_str(), "like" | "patch")) {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                collect(inner, &path, found);
            }
        }
        Value::Array(items) => items.iter().enumerate().for_each(|(at, item)| collect(item, &format!("{path}[{at}]"), found)),
        _ => {}
    }
}

/// What keeps the expression from holding for an object: nothing if it holds.
pub fn objection(program: &Program, source: &str, object: &Value) -> Option<String> {
    let scope: BTreeMap<String, sim_cel::Value> = [(OBJECT.to_owned(), sim_cel::Value::from_json(object, &Type::Dyn))].into();
    match program.evaluate(&scope).0 {
        Ok(sim_cel::Value::Bool(true)) => None,
        Ok(sim_cel::Value::Bool(false)) => Some(format!("not true: {source}")),
        Ok(other) => Some(format!("{source} is {}, not true or false", other.type_name())),
        Err(error) => Some(format!("{source}: {}", error.0)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn judge(source: &str, object: &Value) -> Option<String> {
        objection(&compile(source).expect("it compiles"), source, object)
    }

    #[test]
    fn an_expression_is_judged_on_the_object() {
        let object = json!({"spec": {"replicas": 3}, "status": {"readyReplicas": 3}});
        assert_eq!(judge("object.status.readyReplicas == object.spec.replicas", &object), None);
        assert_eq!(judge("object.spec.replicas > 3", &object).as_deref(), Some("not true: object.spec.replicas > 3"));
        assert_eq!(judge("object.spec.paused", &object).as_deref(), Some("object.spec.paused: no such key: paused"));
        assert_eq!(judge("!object.spec.?paused.orValue(false)", &object), None);
    }

    #[test]
    fn a_wrong_expression_is_told_with_its_path() {
        let scenario = json!({"expect": [{"eventually": {"object": {"select": {"kind": "pod"}, "cel": "object.spec +"}}}]});
        let (path, message) = compile_all(&scenario).expect_err("it does not compile");
        assert_eq!(path, "expect[0].eventually.object.cel");
        assert!(message.contains("Syntax error"), "{message}");
        let text = json!({"select": {"kind": "pod"}, "cel": "'a' + 'b'"});
        assert!(compile_all(&text).is_err_and(|(_, m)| m.contains("type string")));
        let own = json!({"patch": {"select": 1, "cel": "not CEL at all"}});
        assert!(compile_all(&own).is_ok_and(|e| e.is_empty()));
    }
}
