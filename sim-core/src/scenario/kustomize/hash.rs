//! The hash at the end of a generated object's name: SHA-256 of its content as Go writes JSON, in an alphabet without
//! vowels. The name itself does not count, as in kubectl 1.32 (kustomize 5.5). Source: kustomize api/hasher.

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// The hash of a config map or secret.
pub fn of(object: &Value) -> String {
    let field = |path: &str| object.pointer(path).cloned().unwrap_or_else(|| "".into());
    let mut content = json!({"kind": object["kind"], "name": "", "data": field("/data")});
    if object["kind"] == "Secret" {
        content["type"] = field("/type");
    }
    for extra in ["binaryData", "stringData"] {
        if let Some(map) = object.get(extra).filter(|m| m.is_object()) {
            content[extra] = map.clone();
        }
    }
    let digest = format!("{:x}", Sha256::digest(go_json(&content)));
    digest.chars().take(10).map(consonant).collect()
}

fn consonant(digit: char) -> char {
    match digit {
        '0' => 'g',
        '1' => 'h',
        '3' => 'k',
        'a' => 'm',
        'e' => 't',
        other => other,
    }
}

/// JSON with sorted keys, and the signs that Go escapes for the sake of HTML.
fn go_json(value: &Value) -> String {
    let mut text = value.to_string();
    for (sign, escape) in [('<', "\\u003c"), ('>', "\\u003e"), ('&', "\\u0026"), ('\u{2028}', "\\u2028"), ('\u{2029}', "\\u2029")] {
        text = text.replace(sign, escape);
    }
    text
}
