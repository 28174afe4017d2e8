//! JSON with the fields of structs in the order of Go's structs, as the real server's encoder writes it and its error texts
//! show it. Maps, and what the patch library has taken apart, are sorted: `Touched` says which parts those are.
//! Source: encoding/json; evanphx/json-patch v4, which keeps what a patch does not walk through as the bytes it was.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::TypeRef;
use crate::validation::go_value::{json, json_list, json_string};

/// What of a document was taken apart and put together again.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Touched {
    /// Nothing: it is as it was encoded.
    #[default]
    Nothing,
    /// This container, and in it these.
    Inside(BTreeMap<String, Touched>),
    /// All of it.
    All,
}

impl Touched {
    /// What a merge patch walks through: every object it names, whose value is an object before.
    pub fn by_merge(before: &Value, patch: &Value) -> Touched {
        let (Value::Object(before), Value::Object(patch)) = (before, patch) else { return Touched::All };
        let inside = patch.iter().map(|(name, change)| {
            let below = before.get(name).map_or(Touched::All, |value| Touched::by_merge(value, change));
            (name.clone(), below)
        });
        Touched::Inside(inside.collect())
    }

    /// What the operations of a JSON patch walk through: each container on the way to what they name.
    pub fn by_operations(operations: &[Value]) -> Touched {
        let mut touched = Touched::Inside(BTreeMap::new());
        for operation in operations {
            let paths = ["path", "from"].into_iter().filter_map(|name| operation.get(name)?.as_str());
            for path in paths {
                let steps: Vec<String> = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
                touched.enter(steps.split_last().map_or(&[], |(_, containers)| containers));
            }
        }
        touched
    }

    fn enter(&mut self, steps: &[String]) {
        if *self == Touched::Nothing {
            *self = Touched::Inside(BTreeMap::new());
        }
        if let (Touched::Inside(inside), Some((first, rest))) = (self, steps.split_first()) {
            inside.entry(first.clone()).or_default().enter(rest);
        }
    }

    fn below(&self, name: &str) -> &Touched {
        match self {
            Touched::Inside(inside) => inside.get(name).unwrap_or(&Touched::Nothing),
            other => other,
        }
    }
}

/// A value of the type as JSON text.
pub fn go_ordered(of: TypeRef<'_>, value: &Value, touched: &Touched) -> String {
    match value {
        Value::Object(map) => {
            let sorted: Vec<&String> = if *touched == Touched::Nothing { in_go_order(of, map) } else { map.keys().collect() };
            let of_field = |name: &str| of.child(name).unwrap_or(TypeRef::ANYTHING);
            let field = |name: &&String| {
                let inner = go_ordered(of_field(name), &map[name.as_str()], touched.below(name));
                format!("{}:{inner}", json_string(name))
            };
            format!("{{{}}}", sorted.iter().map(field).collect::<Vec<_>>().join(","))
        }
        Value::Array(list) => {
            let item = of.item().unwrap_or(TypeRef::ANYTHING);
            let shown = |(at, value): (usize, &Value)| go_ordered(item, value, touched.below(&at.to_string()));
            json_list(list.iter().enumerate().map(shown))
        }
        scalar => json(scalar),
    }
}

fn in_go_order<'v>(of: TypeRef<'_>, map: &'v Map<String, Value>) -> Vec<&'v String> {
    let Some(definition) = of.definition() else { return map.keys().collect() };
    let place = |name: &String| definition.order.iter().position(|n| n == name).unwrap_or(usize::MAX);
    let mut names: Vec<&String> = map.keys().collect();
    names.sort_by_key(|name| place(name));
    names
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::lookup;
    use serde_json::json;

    fn deployment() -> Value {
        json!({
            "kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"uid": "u", "name": "g"},
            "spec": {"template": {"spec": {"dnsPolicy": "a<b", "containers": []}}, "replicas": 1},
        })
    }

    fn shown(touched: &Touched) -> String {
        go_ordered(lookup("apps", "v1", "Deployment").expect("known"), &deployment(), touched)
    }

    #[test]
    fn structs_are_in_the_order_of_go() {
        let expected = r#"{"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"g","uid":"u"},"spec":{"replicas":1,"template":{"spec":{"containers":[],"dnsPolicy":"a\u003cb"}}}}"#;
        assert_eq!(shown(&Touched::Nothing), expected);
    }

    #[test]
    fn what_a_patch_walks_through_is_sorted() {
        let merge = Touched::by_merge(&deployment(), &json!({"spec": {"replicas": 2}, "metadata": null}));
        let expected = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"g","uid":"u"},"spec":{"replicas":1,"template":{"spec":{"containers":[],"dnsPolicy":"a\u003cb"}}}}"#;
        assert_eq!(shown(&merge), expected);
        let operations = Touched::by_operations(&[json!({"op": "add", "path": "/spec/template/spec/nodeName", "value": "n"})]);
        assert_eq!(shown(&operations), expected);
    }
}
