use serde_json::json;

use super::*;
use crate::schema;

fn write(manager: &str, operation: Operation, at: i64) -> Write<'static> {
    Write {
        of: schema::lookup("apps", "v1", "Deployment").expect("a kind"),
        manager: Manager::new(manager, operation, "apps/v1", ""),
        api_version: "apps/v1".into(),
        time: Timestamp::from_second(at).expect("a time"),
        ignored: Set::of_fields(&[&["status"]]),
        only: &[],
    }
}

fn deployment(spec: Value) -> Value {
    let of = schema::lookup("apps", "v1", "Deployment").expect("a kind");
    schema::as_encoded(of, json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}))
}

fn fields(managers: &Managers, name: &str) -> Value {
    let entries = encode(managers);
    let found = entries.iter().find(|e| e.manager.as_deref() == Some(name)).unwrap_or_else(|| panic!("{name} owns nothing"));
    found.fields_v1.clone().expect("fields").0
}

const EMPTY: fn() -> Value = || schema::empty(schema::lookup("apps", "v1", "Deployment").expect("a kind"));

#[test]
fn a_creation_owns_what_it_sets_as_a_real_server_lists_it() {
    let new = deployment(json!({"replicas": 3, "selector": {"matchLabels": {"app": "web"}},
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}));
    let managers = update(&write("kubectl", Operation::Update, 1), &EMPTY(), &new, Managers::new());
    let expected = json!({"f:spec": {"f:replicas": {}, "f:selector": {},
        "f:strategy": {"f:rollingUpdate": {".": {}, "f:maxSurge": {}}, "f:type": {}},
        "f:template": {"f:metadata": {"f:labels": {".": {}, "f:app": {}}},
            "f:spec": {"f:containers": {"k:{\"name\":\"c\"}": {".": {}, "f:image": {}, "f:name": {}, "f:resources": {}}}}}}});
    assert_eq!(fields(&managers, "kubectl"), expected);
}

#[test]
fn an_update_takes_what_it_changes_and_nothing_else() {
    let (one, two) = (deployment(json!({"replicas": 1, "paused": true})), deployment(json!({"replicas": 2, "paused": true})));
    let managers = update(&write("a", Operation::Update, 1), &EMPTY(), &one, Managers::new());
    let managers = update(&write("b", Operation::Update, 2), &one, &two, managers);
    assert_eq!(fields(&managers, "a"), json!({"f:spec": {"f:paused": {}}}));
    assert_eq!(fields(&managers, "b"), json!({"f:spec": {"f:replicas": {}}}));
}

#[test]
fn an_apply_conflicts_unless_forced_and_prunes_what_it_no_longer_says() {
    let intent =
        |replicas: i64| json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": {"replicas": replicas}});
    let first = apply(&write("a", Operation::Apply, 1), &EMPTY(), &EMPTY(), &intent(1), Managers::new(), false).expect("no conflict");
    let live = first.object.expect("an object");
    let by_b = write("b", Operation::Apply, 2);
    let refusal = apply(&by_b, &live, &EMPTY(), &intent(2), first.managers.clone(), false).expect_err("a conflict");
    let Refusal::Conflicts(conflicts) = refusal else { panic!("conflicts") };
    assert_eq!(conflict_status(&conflicts).message, "Apply failed with 1 conflict: conflict with \"a\": .spec.replicas");
    let forced = apply(&by_b, &live, &EMPTY(), &intent(2), first.managers, true).expect("forced");
    let live = forced.object.expect("an object");
    assert_eq!(encode(&forced.managers).len(), 1);
    let nothing = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}});
    let pruned = apply(&by_b, &live, &EMPTY(), &nothing, forced.managers, false).expect("no conflict");
    assert_eq!(pruned.object.expect("an object").pointer("/spec/replicas"), None);
}

#[test]
fn an_eleventh_updater_makes_the_oldest_ancient() {
    let mut managers = Managers::new();
    let mut live = EMPTY();
    for n in 0..12 {
        let mut next = live.clone();
        next["metadata"]["labels"][format!("l{n}")] = json!("x");
        managers = update(&write(&format!("m{n}"), Operation::Update, n), &live, &next, managers);
        live = next;
    }
    let names: Vec<String> = encode(&managers).into_iter().filter_map(|e| e.manager).collect();
    assert_eq!(names.len(), 10);
    assert_eq!(names[0], "ancient-changes");
}

#[test]
fn entries_read_back() {
    let new = deployment(json!({"template": {"spec": {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}}}));
    let managers = update(&write("a", Operation::Update, 1), &EMPTY(), &new, Managers::new());
    assert_eq!(decode(&encode(&managers)).expect("entries"), managers);
}
