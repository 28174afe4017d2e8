//! Bodies that Go's own encoder wrote (k8s.io/api v0.36.2, apimachinery's protobuf serializer), each with the JSON that Go
//! wrote for the same object: `bodies.jsonl`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::*;

fn bodies() -> Vec<(Vec<u8>, Value)> {
    let read = |line: &str| {
        let mut pair: Value = serde_json::from_str(line).expect("a recorded body");
        let body = STANDARD.decode(pair["body"].as_str().expect("a body")).expect("base64");
        (body, pair["object"].take())
    };
    include_str!("bodies.jsonl").lines().map(read).collect()
}

/// Without fields that hold nothing: Go writes null for a list that is not there, which protobuf cannot tell from an empty one.
fn without_nothing(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .map(|(name, value)| (name, without_nothing(value)))
            .filter(|(_, value)| !value.is_null() && *value != json!([]))
            .collect(),
        Value::Array(items) => items.into_iter().map(without_nothing).collect(),
        other => other,
    }
}

#[test]
fn bodies_of_go_clients_are_the_objects_they_sent() {
    let bodies = bodies();
    let differ = |(body, object): &&(Vec<u8>, Value)| decode(body).map(without_nothing) != Ok(without_nothing(object.clone()));
    let wrong: Vec<String> = bodies
        .iter()
        .filter(differ)
        .map(|(body, object)| format!("{:?}\ninstead of {object}", decode(body).map(|v| v.to_string())))
        .collect();
    assert!(wrong.is_empty() && bodies.len() > 45, "{} of {} differ:\n{}", wrong.len(), bodies.len(), wrong.join("\n"));
}

#[test]
fn what_is_written_is_read_as_the_same() {
    for (body, _) in bodies() {
        let object = decode(&body).expect("a body");
        let written = encode(&object).unwrap_or_else(|| panic!("{object} cannot be written"));
        assert_eq!(decode(&written).map(without_nothing), Ok(without_nothing(object)));
    }
}

#[test]
fn an_object_of_a_kind_without_a_message_cannot_be_written() {
    assert_eq!(encode(&json!({"apiVersion": "example.com/v1", "kind": "Life", "spec": {}})), None);
}

#[test]
fn bodies_that_are_cut_or_damaged_are_refused_or_read_but_never_fatal() {
    for (body, _) in bodies() {
        for length in 0..body.len() {
            _ = decode(&body[..length]);
        }
        for at in 4..body.len() {
            for change in [0xff_u8, 0x80, 0x00, 0x07] {
                let mut damaged = body.clone();
                damaged[at] ^= change;
                _ = decode(&damaged);
            }
        }
    }
}

#[test]
fn a_body_without_the_magic_bytes_is_refused() {
    let expected = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
    assert_eq!(decode(b"{}"), Err(expected.to_owned()));
    assert!(!is_protobuf(b"{}"));
}

fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut made = vec![number << 3 | 2];
    let mut length = bytes.len();
    while length >= 0x80 {
        made.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    made.push(length as u8);
    made.extend_from_slice(bytes);
    made
}

fn body(api_version: &str, kind: &str, message: &[u8]) -> Vec<u8> {
    let type_meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [MAGIC.to_vec(), field(1, &type_meta), field(2, message)].concat()
}

#[test]
fn an_unknown_kind_is_refused() {
    let expected = "no kind \"Nosuch\" is registered for version \"apps/v1\" in scheme";
    assert_eq!(decode(&body("apps/v1", "Nosuch", &[])), Err(expected.to_owned()));
}

#[test]
fn options_are_a_kind_of_every_group() {
    let message = field(4, b"Foreground");
    let expected = json!({"apiVersion": "apps/v1", "kind": "DeleteOptions", "propagationPolicy": "Foreground"});
    assert_eq!(decode(&body("apps/v1", "DeleteOptions", &message)), Ok(expected));
}

#[test]
fn schemas_inside_each_other_without_end_are_refused() {
    let mut schema = Vec::new();
    for _ in 0..2000 {
        // Field 28 of a schema, `not`, is a schema.
        let inner = field(0, &schema);
        schema = [vec![0xe2, 0x01], inner[1..].to_vec()].concat();
    }
    let version = field(4, &field(1, &schema));
    let message = field(2, &field(7, &version));
    assert_eq!(decode(&body("apiextensions.k8s.io/v1", "CustomResourceDefinition", &message)), Err("exceeded max depth".to_owned()));
}
