//! What Go's JSON decoder says of bytes that are not a JSON object. Source: encoding/json scanner.go and decode.go.
//! Only the sentences a map as the target can get; where the text breaks off or goes wrong is found as Go finds it.

/// Why the bytes are not an object, if they are not.
pub fn object_error(bytes: &[u8]) -> Option<String> {
    match serde_json::from_slice::<serde_json::Value>(bytes) {
        Ok(serde_json::Value::Object(_) | serde_json::Value::Null) => None,
        Ok(other) => Some(format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", kind(&other))),
        Err(error) if error.is_eof() => Some("unexpected end of JSON input".into()),
        Err(_) => Some(syntax(bytes)),
    }
}

fn kind(value: &serde_json::Value) -> &'static str {
    match value {
        serde_json::Value::Bool(_) => "bool",
        serde_json::Value::Number(_) => "number",
        serde_json::Value::String(_) => "string",
        _ => "array",
    }
}

/// `invalid character 'x' looking for beginning of value`: the first character no JSON text could go on with.
fn syntax(bytes: &[u8]) -> String {
    let wrong = (1..=bytes.len()).find(|end| {
        let error = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes[..*end]).err();
        error.is_some_and(|e| !e.is_eof())
    });
    let at = wrong.unwrap_or(1) - 1;
    let place = context(&bytes[..at]);
    format!("invalid character {} {place}", quoted(bytes[at]))
}

fn quoted(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".into(),
        b'"' => "'\"'".into(),
        b'\n' => "'\\n'".into(),
        b'\r' => "'\\r'".into(),
        b'\t' => "'\\t'".into(),
        0x20..=0x7e | 0x80.. => format!("'{}'", char::from(byte)),

        _ => format!("'\\x{byte:02x}'"),
    }
}

/// What was expected after a text that was fine so far.
fn context(before: &[u8]) -> String {
    let (mut stack, mut inside, mut escaped) = (Vec::new(), false, false);
    let mut last = b' ';
    for byte in before {
        if inside {
            inside = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            if !inside {
                last = b'"';
            }
            continue;
        }
        match byte {
            b'"' => inside = true,
            b'{' | b'[' => stack.push(*byte),
            b'}' | b']' => _ = stack.pop(),
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            last = *byte;
        }
    }
    let keys = stack.last() == Some(&b'{');
    match (inside, last) {
        (true, _) => "in string literal".into(),
        (_, b' ' | b':' | b'[') => "looking for beginning of value".into(),
        (_, b'{') => "looking for beginning of object key string".into(),
        (_, b',') if keys => "looking for beginning of object key string".into(),
        (_, b',') => "looking for beginning of value".into(),
        _ if stack.is_empty() => "after top-level value".into(),
        (_, b'"') if keys && !after_value(before) => "after object key".into(),
        _ if keys => "after object key:value pair".into(),
        _ => "after array element".into(),
    }
}

/// Whether the last string of an object was a value: what stands before it is a colon.
fn after_value(before: &[u8]) -> bool {
    let before = before.trim_ascii_end();
    let text = before.strip_suffix(b"\"").unwrap_or(before);
    let start = (0..text.len()).rev().find(|i| text[*i] == b'"' && (*i == 0 || text[*i - 1] != b'\\')).unwrap_or(0);
    text[..start].iter().rev().find(|b| !b.is_ascii_whitespace()) == Some(&b':')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_gos() {
        for (text, expected) in [
            ("", Some("unexpected end of JSON input")),
            ("{", Some("unexpected end of JSON input")),
            ("{}", None),
            ("null", None),
            ("x", Some("invalid character 'x' looking for beginning of value")),
            ("{x", Some("invalid character 'x' looking for beginning of object key string")),
            ("{\"a\" 1}", Some("invalid character '1' after object key")),
            ("{\"a\":1 2}", Some("invalid character '2' after object key:value pair")),
            ("{\"a\":\"b\" 2}", Some("invalid character '2' after object key:value pair")),
            ("{} x", Some("invalid character 'x' after top-level value")),
            ("[1]", Some("json: cannot unmarshal array into Go value of type map[string]interface {}")),
        ] {
            assert_eq!(object_error(text.as_bytes()).as_deref(), expected, "{text}");
        }
    }
}
