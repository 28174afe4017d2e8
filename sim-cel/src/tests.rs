//! Expressions with the answers of a real API server.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::json;

use crate::{ObjectType, Program, Sized, Type, Value, Variables};

fn variables() -> Variables {
    let fields = [("a".to_owned(), Sized::new(Type::String)), ("n".to_owned(), Sized::new(Type::Int))];
    let object = Type::Object(Arc::new(ObjectType { name: "object".into(), fields: fields.into() }));
    [("self".to_owned(), Sized::new(object)), ("object".to_owned(), Sized::new(Type::Dyn))].into()
}

fn run(source: &str) -> Result<Value, String> {
    let program = Program::compile(source, &variables())?;
    let object = json!({"name": "web", "list": [{"n": "a"}, {"n": "b"}], "labels": {"x-y": "1"}, "num": 5});
    let scope: BTreeMap<String, Value> = [
        ("object".to_owned(), Value::from_json(&object, &Type::Dyn)),
        ("self".to_owned(), Value::from_json(&json!({"a": "text"}), &Type::Dyn)),
    ]
    .into();
    program.evaluate(&scope).0.map_err(|e| e.0)
}

fn holds(source: &str) {
    assert_eq!(run(source), Ok(Value::Bool(true)), "{source}");
}

fn refused(source: &str, message: &str) {
    assert_eq!(Program::compile(source, &variables()).err().as_deref(), Some(message), "{source}");
}

#[test]
fn expressions_have_the_values_of_the_language() {
    for source in [
        "object.num > 4 && object.num <= 5.5",
        "object.list.all(x, object.list.exists_one(y, y.n == x.n))",
        "object.list.map(x, x.n).join('-') == 'a-b'",
        "object.list.filter(x, x.n != 'a').size() == 1",
        "has(object.name) && !has(object.nope)",
        "'x-y' in object.labels && object.labels['x-y'] == '1'",
        "object.?nope.orValue('d') == 'd'",
        "object.?name.hasValue() && object[?'name'].value() == 'web'",
        "cel.bind(n, object.num, n + 1) == 6",
        "object.labels.all(k, v, k == 'x-y' && v == '1')",
        "[1, 2].transformList(i, v, v * 2) == [2, 4]",
        "optional.of(1).optMap(x, x + 1).value() == 2",
        "quantity('1Gi').isLessThan(quantity('2Gi'))",
        "duration('1h') > duration('59m') && string(duration('90s')) == '90s'",
        "timestamp('2026-01-02T03:04:05Z').getFullYear() == 2026",
        "'%s is %d'.format([dyn('a'), 1]) == 'a is 1'",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !isIP('10.1')",
        "url('https://a.b:80/c?d=e').getPort() == '80'",
        "sets.contains([1, 2, 3], [1])",
        "semver('1.2.3').isLessThan(semver('1.10.0'))",
        "!format.dns1123Label().validate('ok').hasValue()",
        "'abc'.matches('^a.c$') && 'a,b'.split(',') == ['a', 'b']",
        "(object.nope == 1) || true",
        "type(1) == int && dyn(1) == 1.0",
        "[3, 1].sort() == [1, 3] && lists.range(2) == [0, 1]",
        "object.name.startsWith('w') ? true : false",
    ] {
        holds(source);
    }
}

#[test]
fn errors_while_evaluating_are_those_of_the_language() {
    assert_eq!(run("object.nope == 1"), Err("no such key: nope".into()));
    assert_eq!(run("object.list[5].n == 'a'"), Err("index out of bounds: 5".into()));
    assert_eq!(run("1 / (object.num - 5) == 1"), Err("division by zero".into()));
    assert_eq!(run("object.name > 1"), Err("no such overload".into()));
}

#[test]
fn what_does_not_compile_is_shown_with_its_place() {
    refused("self.nope == 'x'", "ERROR: <input>:1:5: undefined field 'nope'\n | self.nope == 'x'\n | ....^");
    refused("foo == 1", "ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')\n | foo == 1\n | ^");
    let overload = "ERROR: <input>:1:8: found no matching overload for '_==_' applied to '(string, int)'\n | self.a == 5\n | .......^";
    refused("self.a == 5", overload);
    refused("self.", "ERROR: <input>:1:6: Syntax error: no viable alternative at input '.'\n | self.\n | .....^");
    let open = "ERROR: <input>:1:5: Syntax error: mismatched input 'cel' expecting <EOF>\n | not cel at all (\n | ....^";
    refused("not cel at all (", open);
}

#[test]
fn a_loop_over_what_nobody_limits_is_too_dear() {
    let list = Sized { of: Type::List(Box::new(Type::String)), max: None, inside: vec![Sized::new(Type::String)] };
    let variables: Variables = [("self".to_owned(), list)].into();
    let program = Program::compile("self.all(x, self.all(y, x != y))", &variables).expect("it compiles");
    assert!(program.estimate().max > 1_000_000_000);
}
