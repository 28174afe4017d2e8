//! What is different between two states of an object, small enough to send for every change.
//!
//! A delta is an object with at most three members: `s` sets members, `d` removes them, `m` goes into them; each key of `m`
//! has a delta of its own. Lists of equal length are gone into by position, other lists are set whole. Nothing different is
//! `null`. Values that are neither two objects nor two lists of equal length have the delta `{"v": new}`; of objects there is none.
//! Applied to the earlier state a delta gives the later one exactly (tested for any two values).

use serde_json::{Map, Value};

/// How two values differ: not at all, as values that one cannot go into, or by this delta.
enum Difference {
    Equal,
    Whole,
    Within(Value),
}

/// The delta from `old` to `new`; `null` when they are equal.
pub fn delta(old: &Value, new: &Value) -> Value {
    match difference(old, new) {
        Difference::Equal => Value::Null,
        Difference::Within(delta) => delta,
        Difference::Whole => serde_json::json!({ "v": new }),
    }
}

fn difference(old: &Value, new: &Value) -> Difference {
    match (old, new) {
        (old, new) if old == new => Difference::Equal,
        (Value::Object(old), Value::Object(new)) => Difference::Within(of_members(old, new)),
        (Value::Array(old), Value::Array(new)) if old.len() == new.len() && !old.is_empty() => {
            let places = old.iter().zip(new).enumerate().map(|(at, (old, new))| (at.to_string(), old, new));
            let mut parts = Parts::default();
            places.for_each(|(at, old, new)| parts.member(&at, old, new));
            Difference::Within(parts.told())
        }
        _ => Difference::Whole,
    }
}

fn of_members(old: &Map<String, Value>, new: &Map<String, Value>) -> Value {
    let mut parts =
        Parts { removed: old.keys().filter(|k| !new.contains_key(*k)).cloned().map(Value::String).collect(), ..Parts::default() };
    for (key, value) in new {
        match old.get(key) {
            Some(before) => parts.member(key, before, value),
            None => drop(parts.set.insert(key.clone(), value.clone())),
        }
    }
    parts.told()
}

#[derive(Default)]
struct Parts {
    set: Map<String, Value>,
    removed: Vec<Value>,
    within: Map<String, Value>,
}

impl Parts {
    fn member(&mut self, key: &str, old: &Value, new: &Value) {
        match difference(old, new) {
            Difference::Equal => {}
            Difference::Whole => drop(self.set.insert(key.to_owned(), new.clone())),
            Difference::Within(delta) => drop(self.within.insert(key.to_owned(), delta)),
        }
    }

    fn told(self) -> Value {
        let mut told = Map::new();
        if !self.set.is_empty() {
            told.insert("s".into(), Value::Object(self.set));
        }
        if !self.removed.is_empty() {
            told.insert("d".into(), Value::Array(self.removed));
        }
        if !self.within.is_empty() {
            told.insert("m".into(), Value::Object(self.within));
        }
        Value::Object(told)
    }
}

/// Takes a state to the next by its delta, as readers do. A delta of another state changes what fits and leaves the rest.
pub fn apply(state: &mut Value, delta: &Value) {
    if let Some(whole) = delta.get("v") {
        *state = whole.clone();
        return;
    }
    for key in delta["d"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        state.as_object_mut().map(|members| members.remove(key));
    }
    for (key, value) in delta["s"].as_object().into_iter().flatten() {
        match state {
            Value::Object(members) => drop(members.insert(key.clone(), value.clone())),
            _ => _ = place(state, key).map(|place| *place = value.clone()),
        }
    }
    for (key, within) in delta["m"].as_object().into_iter().flatten() {
        if let Some(place) = place(state, key) {
            apply(place, within);
        }
    }
}

fn place<'a>(state: &'a mut Value, key: &str) -> Option<&'a mut Value> {
    match state {
        Value::Object(members) => members.get_mut(key),
        Value::Array(items) => items.get_mut(key.parse::<usize>().ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i8>().prop_map(Value::from),
            "[ab]{0,2}".prop_map(Value::from)
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            let members = prop::collection::btree_map("[abc]", inner.clone(), 0..4);
            prop_oneof![prop::collection::vec(inner, 0..4).prop_map(Value::from), members.prop_map(|m| json!(m))]
        })
    }

    proptest! {
        #[test]
        fn a_delta_leads_from_one_state_to_the_other(old in any_value(), new in any_value()) {
            let mut state = old.clone();
            apply(&mut state, &delta(&old, &new));
            prop_assert_eq!(state, new);
        }
    }

    #[test]
    fn only_what_is_different_is_told() {
        let old = json!({"a": 1, "b": {"c": [1, {"d": 2}], "e": 3}});
        let new = json!({"a": 1, "b": {"c": [1, {"d": 4}]}, "f": 5});
        assert_eq!(delta(&old, &new), json!({"s": {"f": 5}, "m": {"b": {"d": ["e"], "m": {"c": {"m": {"1": {"s": {"d": 4}}}}}}}}));
        assert_eq!(delta(&old, &old), Value::Null);
    }
}
