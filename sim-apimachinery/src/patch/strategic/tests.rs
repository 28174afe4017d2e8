use serde_json::json;

use super::*;
use crate::schema;

fn deployment() -> TypeRef<'static> {
    schema::lookup("apps", "v1", "Deployment").expect("a kind")
}

fn pod_spec(spec: Value) -> Value {
    json!({"spec": {"template": {"spec": spec}}})
}

fn check(before: Value, patch: Value, after: Value) {
    assert_eq!(apply(deployment(), &pod_spec(before), &pod_spec(patch)), Ok(pod_spec(after)));
}

fn refused(before: Value, patch: Value) -> PatchError {
    apply(deployment(), &pod_spec(before), &pod_spec(patch)).expect_err("refused")
}

#[test]
fn lists_with_a_merge_key_merge_item_by_item() {
    check(
        json!({"containers": [{"name": "a", "image": "x", "env": [{"name": "K", "value": "1"}], "args": ["1"]}, {"name": "b"}]}),
        json!({"containers": [{"name": "a", "image": "y", "args": ["2"]}, {"name": "b", "$patch": "delete"}, {"name": "c"}]}),
        json!({"containers": [{"name": "a", "image": "y", "env": [{"name": "K", "value": "1"}], "args": ["2"]}, {"name": "c"}]}),
    );
    check(
        json!({"containers": [{"name": "a"}]}),
        json!({"containers": [{"$patch": "replace"}, {"name": "z"}]}),
        json!({"containers": [{"name": "z"}]}),
    );
}

#[test]
fn an_order_that_is_asked_for_is_kept() {
    check(
        json!({"containers": [{"name": "a"}, {"name": "b"}, {"name": "s"}]}),
        json!({"$setElementOrder/containers": [{"name": "b"}, {"name": "a"}], "containers": [{"name": "a", "image": "n"}]}),
        json!({"containers": [{"name": "b"}, {"name": "a", "image": "n"}, {"name": "s"}]}),
    );
    let error = refused(
        json!({"containers": [{"name": "c"}]}),
        json!({"$setElementOrder/containers": [{"name": "c"}], "containers": [{"name": "d", "image": "q"}]}),
    );
    let text = "The order in patch list:\n[map[image:q name:d]]\n doesn't match $setElementOrder list:\n[map[name:c]]\n";
    assert_eq!(error, PatchError::Other(text.into()));
}

#[test]
fn refusals_have_the_servers_words() {
    let before = || json!({"containers": [{"name": "c"}], "volumes": [{"name": "v"}], "tolerations": [{"key": "a", "operator": "Exists"}]});
    let cases = [
        (json!({"containers": [{"image": "n"}]}), PatchError::Other("map: map[image:n] does not contain declared merge key: name".into())),
        (json!({"$setElementOrder/containers": "x"}), PatchError::Other("expected a []interface {}, but received a string".into())),
        (
            json!({"$setElementOrder/bogus": [{"name": "x"}]}),
            PatchError::Other("unable to find api field in struct PodSpec for the json field \"bogus\"".into()),
        ),
        (json!({"volumes": [{"name": "v", "$retainKeys": ["name"], "configMap": {"name": "z"}}]}), BAD_RETAIN_KEYS),
        (
            json!({"$deleteFromPrimitiveList/tolerations": ["x"]}),
            PatchError::Other("list element types are not identical: [[map[key:a operator:Exists]] [x]]".into()),
        ),
        (json!({"$patch": 5}), PatchError::Other("unknown patch type: %!s(int64=5) in map: map[$patch:5]".into())),
    ];
    for (patch, error) in cases {
        assert_eq!(refused(before(), patch), error);
    }
}

#[test]
fn keys_are_retained_and_items_of_sets_deleted() {
    let strategy = |s: Value| json!({"spec": {"strategy": s}});
    let patch = strategy(json!({"$retainKeys": ["type"], "type": "Recreate"}));
    let before = strategy(json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}));
    assert_eq!(apply(deployment(), &before, &patch), Ok(strategy(json!({"type": "Recreate"}))));
    let finalizers = |f: Value| json!({"metadata": {"finalizers": f}});
    let patch = json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["a"]}});
    assert_eq!(apply(deployment(), &finalizers(json!(["a", "b"])), &patch), Ok(finalizers(json!(["b"]))));
    assert_eq!(apply(deployment(), &finalizers(json!(["a"])), &finalizers(json!(["b"]))), Ok(finalizers(json!(["b", "a"]))));
}
