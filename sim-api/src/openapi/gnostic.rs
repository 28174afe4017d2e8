//! Writes a version 2 document in gnostic's protobuf form (openapi.v2.Document), which client-go reads.
//! Written are the fields that Kubernetes' documents use; extensions go as YAML text, for which JSON will do.

use serde_json::Value;

/// A message in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn number(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push((value as u8) | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.number(field << 3 | 2);
        self.number(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A string, if there is one.
    fn text(&mut self, field: u64, value: &Value) {
        value.as_str().into_iter().for_each(|text| self.bytes(field, text.as_bytes()));
    }

    fn texts(&mut self, field: u64, values: &Value) {
        values.as_array().into_iter().flatten().for_each(|value| self.text(field, value));
    }

    fn boolean(&mut self, field: u64, value: &Value) {
        if *value == Value::Bool(true) {
            self.number(field << 3);
            self.number(1);
        }
    }

    fn integer(&mut self, field: u64, value: &Value) {
        if let Some(number) = value.as_i64().filter(|number| *number != 0) {
            self.number(field << 3);
            self.number(number as u64);
        }
    }

    fn double(&mut self, field: u64, value: &Value) {
        if let Some(number) = value.as_f64().filter(|number| *number != 0.0) {
            self.number(field << 3 | 1);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    fn message(&mut self, field: u64, inner: Message) {
        self.bytes(field, &inner.0);
    }

    /// `Any`, as text.
    fn any(&mut self, field: u64, value: &Value) {
        let mut inner = Message::default();
        inner.bytes(2, format!("{value}\n").as_bytes());
        self.message(field, inner);
    }

    /// A message with a name and a value, of each field of an object.
    fn named(&mut self, field: u64, values: &Value, make: fn(&Value) -> Message) {
        for (name, value) in values.as_object().into_iter().flatten() {
            let mut inner = Message::default();
            inner.bytes(1, name.as_bytes());
            inner.message(2, make(value));
            self.message(field, inner);
        }
    }

    /// The `x-` fields of an object.
    fn extensions(&mut self, field: u64, of: &Value) {
        for (name, value) in of.as_object().into_iter().flatten().filter(|(name, _)| name.starts_with("x-")) {
            let mut inner = Message::default();
            inner.bytes(1, name.as_bytes());
            inner.any(2, value);
            self.message(field, inner);
        }
    }
}

/// A message around one field.
fn wrapped(field: u64, inner: Message) -> Message {
    let mut outer = Message::default();
    outer.message(field, inner);
    outer
}

/// The document in protobuf.
pub(super) fn encode(document: &Value) -> Vec<u8> {
    let mut made = Message::default();
    made.text(1, &document["swagger"]);
    let mut info = Message::default();
    info.text(1, &document["info"]["title"]);
    info.text(2, &document["info"]["version"]);
    made.message(2, info);
    let mut paths = Message::default();
    paths.named(2, &document["paths"], path_item);
    made.message(8, paths);
    let mut definitions = Message::default();
    definitions.named(1, &document["definitions"], schema);
    made.message(9, definitions);
    for requirement in document["security"].as_array().into_iter().flatten() {
        let mut inner = Message::default();
        inner.named(1, requirement, string_array);
        made.message(12, inner);
    }
    let mut security = Message::default();
    security.named(1, &document["securityDefinitions"], api_key);
    made.message(13, security);
    made.0
}

fn string_array(values: &Value) -> Message {
    let mut made = Message::default();
    made.texts(1, values);
    made
}

fn api_key(value: &Value) -> Message {
    let mut key = Message::default();
    for (field, name) in [(1, "type"), (2, "name"), (3, "in"), (4, "description")] {
        key.text(field, &value[name]);
    }
    wrapped(2, key)
}

fn path_item(item: &Value) -> Message {
    const METHODS: [(u64, &str); 7] = [(2, "get"), (3, "put"), (4, "post"), (5, "delete"), (6, "options"), (7, "head"), (8, "patch")];
    let mut made = Message::default();
    for (field, method) in METHODS {
        item.get(method).into_iter().for_each(|found| made.message(field, operation(found)));
    }
    parameters(&mut made, 9, &item["parameters"]);
    made
}

fn operation(value: &Value) -> Message {
    let mut made = Message::default();
    made.texts(1, &value["tags"]);
    made.text(3, &value["description"]);
    made.text(5, &value["operationId"]);
    made.texts(6, &value["produces"]);
    made.texts(7, &value["consumes"]);
    parameters(&mut made, 8, &value["parameters"]);
    let mut responses = Message::default();
    responses.named(1, &value["responses"], response);
    made.message(9, responses);
    made.texts(10, &value["schemes"]);
    made.extensions(13, value);
    made
}

fn parameters(into: &mut Message, field: u64, list: &Value) {
    for parameter in list.as_array().into_iter().flatten() {
        let one = match parameter["in"].as_str() {
            Some("body") => wrapped(1, body_parameter(parameter)),
            Some("path") => wrapped(2, wrapped(4, path_parameter(parameter))),
            _ => wrapped(2, wrapped(3, query_parameter(parameter))),
        };
        into.message(field, wrapped(1, one));
    }
}

fn body_parameter(value: &Value) -> Message {
    let mut made = Message::default();
    made.text(1, &value["description"]);
    made.text(2, &value["name"]);
    made.text(3, &value["in"]);
    made.boolean(4, &value["required"]);
    made.message(5, schema(&value["schema"]));
    made
}

fn path_parameter(value: &Value) -> Message {
    let mut made = plain_parameter(value);
    made.text(5, &value["type"]);
    made.boolean(18, &value["uniqueItems"]);
    made
}

fn query_parameter(value: &Value) -> Message {
    let mut made = plain_parameter(value);
    made.text(6, &value["type"]);
    made.boolean(20, &value["uniqueItems"]);
    made
}

fn plain_parameter(value: &Value) -> Message {
    let mut made = Message::default();
    made.boolean(1, &value["required"]);
    for (field, name) in [(2, "in"), (3, "description"), (4, "name")] {
        made.text(field, &value[name]);
    }
    made
}

fn response(value: &Value) -> Message {
    let mut made = Message::default();
    made.text(1, &value["description"]);
    value.get("schema").into_iter().for_each(|found| made.message(2, wrapped(1, schema(found))));
    wrapped(1, made)
}

fn schema(value: &Value) -> Message {
    let mut made = Message::default();
    for (field, name) in [(1, "$ref"), (2, "format"), (3, "title"), (4, "description"), (13, "pattern")] {
        made.text(field, &value[name]);
    }
    for (field, name) in [(6, "multipleOf"), (7, "maximum"), (9, "minimum")] {
        made.double(field, &value[name]);
    }
    for (field, name) in
        [(11, "maxLength"), (12, "minLength"), (14, "maxItems"), (15, "minItems"), (17, "maxProperties"), (18, "minProperties")]
    {
        made.integer(field, &value[name]);
    }
    for (field, name) in [(8, "exclusiveMaximum"), (10, "exclusiveMinimum"), (16, "uniqueItems")] {
        made.boolean(field, &value[name]);
    }
    made.texts(19, &value["required"]);
    value["enum"].as_array().into_iter().flatten().for_each(|one| made.any(20, one));
    match &value["additionalProperties"] {
        Value::Object(_) => made.message(21, wrapped(1, schema(&value["additionalProperties"]))),
        Value::Bool(true) => made.bytes(21, &[2 << 3, 1]),
        _ => {}
    }
    value["type"].as_str().into_iter().for_each(|kind| made.message(22, string_array(&serde_json::json!([kind]))));
    value.get("items").filter(|items| items.is_object()).into_iter().for_each(|items| made.message(23, wrapped(1, schema(items))));
    if value["properties"].is_object() {
        let mut properties = Message::default();
        properties.named(1, &value["properties"], schema);
        made.message(25, properties);
    }
    made.extensions(31, value);
    made
}
