//! How `kubectl apply --server-side` takes over from `kubectl apply`: what the annotation of the last client-side apply says,
//! and the object still has, is no conflict; and the annotation is kept in step with what is applied.
//! Source: apimachinery pkg/util/managedfields/internal/{lastappliedmanager,lastappliedupdater}.go.

use serde_json::Value;

use super::{Conflict, Set, Write, compare, field_set};
use crate::validation::go_value::json;

/// The only field manager for whom this holds.
pub const MANAGER: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// The conflicts that remain: all but those in fields that the last client-side apply set as they are.
pub fn not_excused(write: &Write<'_>, live: &Value, conflicts: Vec<Conflict>) -> Vec<Conflict> {
    let excused = set_by_client(write, live).unwrap_or_default();
    conflicts.into_iter().filter(|conflict| !excused.has(&conflict.path)).collect()
}

/// The fields of the last client-side apply whose values the live object has.
fn set_by_client(write: &Write<'_>, live: &Value) -> Option<Set> {
    let applied: Value = serde_json::from_str(annotation(live)?).ok()?;
    if applied.get("apiVersion").and_then(Value::as_str) != Some(&write.api_version) {
        return None;
    }
    let differs = compare(write.of, &applied, live);
    let set = field_set(write.of, &applied);
    Some(set.difference(&differs.modified).difference(&differs.added).difference(&differs.removed))
}

/// The object that an apply made, if it made one of the live one, with an annotation that says what was applied. An object
/// that has no such annotation gets none.
pub fn renew(made: Option<Value>, live: &Value, intent: &Value) -> Option<Value> {
    let object = made.as_ref().unwrap_or(live);
    let text = applied(intent);
    match annotation(object) {
        Some(before) if before != text => {
            let mut object = object.clone();
            object["metadata"]["annotations"][ANNOTATION] = text.into();
            Some(object)
        }
        _ => made,
    }
}

fn annotation(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str().filter(|text| !text.is_empty())
}

/// The intent as the annotation holds it.
fn applied(intent: &Value) -> String {
    let mut intent = intent.clone();
    let annotations = intent.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut);
    annotations.map(|all| all.remove(ANNOTATION));
    format!("{}\n", json(&intent))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::managed_fields::{Manager, Managers, Operation, Refusal, apply, update};
    use crate::schema::{empty, lookup};
    use jiff::Timestamp;
    use serde_json::json;

    fn map(data: Value, annotation: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "annotations": {ANNOTATION: annotation}}, "data": data})
    }

    fn write(manager: &str, operation: Operation) -> Write<'static> {
        let of = lookup("", "v1", "ConfigMap").expect("known");
        let manager = Manager::new(manager, operation, "v1", "");
        Write { of, manager, api_version: "v1".into(), time: Timestamp::UNIX_EPOCH, ignored: Set::default(), only: &[] }
    }

    #[test]
    fn what_the_last_client_side_apply_set_is_no_conflict() {
        let applied = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"m"},"data":{"a":"1","b":"2"}}"#;
        let live = map(json!({"a": "1", "b": "changed"}), applied);
        let client = write("kubectl-client-side-apply", Operation::Update);
        let owners = update(&client, &empty(client.of), &live, Managers::new());
        let intent = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"a": "x", "b": "y"}});
        let server = write(MANAGER, Operation::Apply);
        let refused = apply(&server, &live, &empty(server.of), &intent, owners, false);
        let Err(Refusal::Conflicts(conflicts)) = refused else { panic!("the client owns both") };
        let left: Vec<String> =
            not_excused(&server, &live, conflicts).iter().map(|c| c.path.iter().map(ToString::to_string).collect()).collect();
        assert_eq!(left, [".data.b"]);
    }

    #[test]
    fn the_annotation_is_kept_in_step_where_there_is_one() {
        let intent = json!({"kind": "ConfigMap", "data": {"a": "<"}});
        let renewed = renew(None, &map(json!({}), "old"), &intent).expect("changed");
        assert_eq!(renewed["metadata"]["annotations"][ANNOTATION], "{\"data\":{\"a\":\"\\u003c\"},\"kind\":\"ConfigMap\"}\n");
        assert_eq!(renew(None, &json!({"metadata": {}}), &intent), None);
    }
}
