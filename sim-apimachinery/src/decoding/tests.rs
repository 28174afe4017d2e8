use serde_json::json;

use super::*;

fn refused(group: &str, version: &str, kind: &str, media: Media, body: &str) -> String {
    let expected = Expected::built_in(group, version, kind).expect("a kind");
    decode_value(&expected, media, body.as_bytes(), FieldValidation::Strict).expect_err("refused").message
}

#[test]
fn bodies_that_are_no_json_are_told_of_as_the_real_server_does() {
    let cases = [
        (
            Media::Json,
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: y3\n",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: invalid character 'a' looking for beginning of value (61706956657273696f6e3a2076310a6b696e643a20436f6e6669674d6170 ...)",
        ),
        (
            Media::Yaml,
            "a: [1,2\nb: }",
            "the object provided is unrecognized (must be of type ConfigMap): yaml: line 1: did not find expected ',' or ']' (613a205b312c320a623a207d)",
        ),
        (
            Media::Yaml,
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n\tname: x\n",
            "the object provided is unrecognized (must be of type ConfigMap): yaml: line 4: found character that cannot start any token (61706956657273696f6e3a2076310a6b696e643a20436f6e6669674d6170 ...)",
        ),
        (
            Media::Json,
            "",
            "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: unexpected end of JSON input (<empty>)",
        ),
        (
            Media::Yaml,
            "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: yes\n",
            "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal bool into Go struct field ConfigMap.data of type string",
        ),
    ];
    for (media, body, message) in cases {
        assert_eq!(refused("", "v1", "ConfigMap", media, body), message);
    }
}

#[test]
fn strict_errors_come_in_the_order_of_the_text() {
    let body = r#"{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"f","name":"f"},"spec":{"replicas":1,"replicas":2,
        "template":{"spec":{"containers":[{"name":"c","image":"i","image":"j","bogus":1}]}}}}"#;
    let expected = "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: duplicate field \"metadata.name\", duplicate field \"spec.replicas\", duplicate field \"spec.template.spec.containers[0].image\", unknown field \"spec.template.spec.containers[0].bogus\"";
    assert_eq!(refused("apps", "v1", "Deployment", Media::Json, body), expected);
    let yaml = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: f\nspec:\n  replicas: 1\n  replicas: 2\n  template: {bogus: 1}\n";
    let expected = "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: yaml: unmarshal errors:\n  line 7: key \"replicas\" already set in map, unknown field \"spec.template.bogus\"";
    assert_eq!(refused("apps", "v1", "Deployment", Media::Yaml, yaml), expected);
    let of = Expected::built_in("apps", "v1", "Deployment").expect("a kind");
    let decoded = decode_value(&of, Media::Yaml, yaml.as_bytes(), FieldValidation::Warn).expect("decoded");
    assert_eq!(decoded.warnings, ["line 7: key \"replicas\" already set in map", "unknown field \"spec.template.bogus\""]);
    assert_eq!(decoded.value["spec"], json!({"replicas": 2}));
}

#[test]
fn other_kinds_and_versions_are_refused() {
    let wrong_kind = "Pod in version \"v1\" cannot be handled as a Eviction: converting (v1.Pod) to (policy.Eviction): unknown conversion";
    assert_eq!(refused("policy", "v1", "Eviction", Media::Json, r#"{"apiVersion":"v1","kind":"Pod"}"#), wrong_kind);
    let wrong_version = "the API version in the data (autoscaling/v1) does not match the expected API version (autoscaling/v2)";
    let body = r#"{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler"}"#;
    assert_eq!(refused("autoscaling", "v2", "HorizontalPodAutoscaler", Media::Json, body), wrong_version);
    let overflow = "PriorityClass in version \"v1\" cannot be handled as a PriorityClass: json: cannot unmarshal number 3000000000 into Go struct field PriorityClass.value of type int32";
    assert_eq!(refused("scheduling.k8s.io", "v1", "PriorityClass", Media::Json, r#"{"value": 3000000000}"#), overflow);
}

#[test]
fn what_comes_out_is_canonical() {
    let body = br#"{"metadata":{"name":"p","creationTimestamp":"2024-01-01T02:00:00.5+02:00","labels":{"a":null}},"spec":{"nodeName":null,
        "containers":[{"name":"c","resources":{"limits":{"cpu":0.5,"memory":"1024Mi"}}}]},"junk":1}"#;
    let (object, warnings) = decode(Kind::Pod, "v1", None, Media::Json, body, FieldValidation::Warn).expect("decoded");
    let json = object.to_json();
    assert_eq!(json["metadata"], json!({"name": "p", "creationTimestamp": "2024-01-01T00:00:00Z", "labels": {"a": ""}}));
    assert_eq!(json["spec"]["containers"][0]["resources"]["limits"], json!({"cpu": "500m", "memory": "1Gi"}));
    assert_eq!(warnings, ["unknown field \"junk\""]);
}

#[test]
fn a_condition_without_its_time_has_the_zero_time_which_is_written_as_null() {
    let body = br#"{"metadata":{"name":"p"},"status":{"conditions":[{"type":"A","status":"True"}]}}"#;
    let (object, _) = decode(Kind::PodDisruptionBudget, "policy/v1", None, Media::Json, body, FieldValidation::Warn).expect("decoded");
    let of = Expected::built_in("policy", "v1", "PodDisruptionBudget").expect("a kind").of;
    let written = crate::schema::as_encoded(of, object.to_json());
    assert_eq!(written["status"]["conditions"][0]["lastTransitionTime"], Value::Null);
    assert!(written["status"]["conditions"][0].get("lastTransitionTime").is_some(), "it is there");
}
