//! Bodies of patches.
//! Source: apiserver pkg/endpoints/handlers/patch.go.

use serde_json::Value;

use super::{bad_request, read_yaml};
use crate::json::{self, Node};
use crate::request::{FieldValidation, Patch};
use crate::schema::{self, TypeRef};
use crate::status::Status;

/// The kinds of patches, by their media types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PatchType {
    /// `application/json-patch+json`.
    Json,
    /// `application/merge-patch+json`.
    Merge,
    /// `application/strategic-merge-patch+json`.
    Strategic,
    /// `application/apply-patch+yaml`; forced or not.
    Apply {
        /// Whether conflicts are overridden.
        force: bool,
    },
}

/// A patch as it was read.
#[derive(Clone, Debug)]
pub struct DecodedPatch {
    /// The patch.
    pub patch: Patch,
    /// What strict decoding says of its text; it goes into the request.
    pub strict_errors: Vec<String>,
    /// Warnings for the client.
    pub warnings: Vec<String>,
}

/// Reads the body of a patch.
pub fn decode_patch(patch_type: PatchType, body: &[u8], validation: FieldValidation) -> Result<DecodedPatch, Box<Status>> {
    let checked = validation != FieldValidation::Ignore;
    let prefix = if checked { "error decoding patch: " } else { "" };
    let read = |prefix: &str| json::parse(body).map_err(|e| bad_request(format!("{prefix}{e}")));
    let (patch, strict_errors) = match patch_type {
        PatchType::Apply { force } => return decode_apply(body, force, validation),
        PatchType::Json => {
            let node = read(prefix)?;
            let strict = operations(&node, checked).map_err(|e| bad_request(format!("{prefix}{e}")))?;
            (Patch::Json(node.to_value()), strict)
        }
        PatchType::Merge => {
            let node = read(prefix)?;
            check_map(&node).map_err(|e| bad_request(if checked { format!("{prefix}{e}") } else { "Invalid JSON Patch".into() }))?;
            (Patch::Merge(node.to_value()), duplicates(&node))
        }
        PatchType::Strategic => {
            let node = read("")?;
            check_map(&node).map_err(bad_request)?;
            (Patch::Strategic(node.to_value()), duplicates(&node))
        }
    };
    Ok(DecodedPatch { patch, strict_errors, warnings: vec![] })
}

fn check_map(node: &Node) -> Result<(), String> {
    match node {
        Node::Map(_) | Node::Null => Ok(()),
        other => Err(format!("json: cannot unmarshal {} into Go value of type map[string]interface {{}}", other.go_type())),
    }
}

fn duplicates(node: &Node) -> Vec<String> {
    schema::strict_errors(TypeRef::ANYTHING, node)
}

/// Checks the form of JSON patch operations; what strict decoding says of them comes back.
fn operations(node: &Node, checked: bool) -> Result<Vec<String>, String> {
    let wanted = if checked { "[]handlers.jsonPatchOp" } else { "jsonpatch.Patch" };
    let items = match node {
        Node::List(items) => items,
        Node::Null => return Ok(vec![]),
        other => return Err(format!("json: cannot unmarshal {} into Go value of type {wanted}", other.go_type())),
    };
    let mut strict = Vec::new();
    for (index, item) in items.iter().enumerate() {
        let fields = match item {
            Node::Map(fields) => fields,
            Node::Null => continue,
            other => return Err(format!("json: cannot unmarshal {} into Go value of type handlers.jsonPatchOp", other.go_type())),
        };
        for (at, (name, value)) in fields.iter().enumerate() {
            let is_text = matches!(name.as_str(), "op" | "path" | "from");
            if is_text && !matches!(value, Node::Text(_) | Node::Null) {
                return Err(format!("json: cannot unmarshal {} into Go struct field jsonPatchOp.{name} of type string", value.go_type()));
            }
            if !is_text && name != "value" {
                strict.push(format!("json patch unknown field \"[{index}].{name}\""));
            } else if fields[..at].iter().any(|(earlier, _)| earlier == name) {
                strict.push(format!("json patch duplicate field \"[{index}].{name}\""));
            }
        }
    }
    Ok(strict)
}

fn decode_apply(body: &[u8], force: bool, validation: FieldValidation) -> Result<DecodedPatch, Box<Status>> {
    let text = read_yaml(body).map_err(|e| bad_request(format!("error decoding YAML: error converting YAML to JSON: {e}")))?;
    if let (FieldValidation::Strict, Some(error)) = (validation, text.duplicates_error()) {
        return Err(bad_request(format!("error strict decoding YAML: error converting YAML to JSON: {error}")));
    }
    let node = Node::from(&text.value);
    check_map(&node).map_err(|e| bad_request(format!("error decoding YAML: error unmarshaling JSON: while decoding JSON: {e}")))?;
    let intent = if text.value.is_null() { Value::Object(serde_json::Map::new()) } else { text.value };
    let warnings = if validation == FieldValidation::Warn { text.duplicates } else { vec![] };
    Ok(DecodedPatch { patch: Patch::Apply { intent, force }, strict_errors: vec![], warnings })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(patch_type: PatchType, body: &str, validation: FieldValidation) -> String {
        decode_patch(patch_type, body.as_bytes(), validation).expect_err("refused").message
    }

    #[test]
    fn bad_patches_are_refused_in_the_servers_words() {
        use FieldValidation::{Strict, Warn};
        let apply = PatchType::Apply { force: false };
        let cases = [
            (
                PatchType::Json,
                "{}",
                Warn,
                "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
            ),
            (PatchType::Json, "[{", Warn, "error decoding patch: unexpected end of JSON input"),
            (PatchType::Strategic, "[]", Warn, "json: cannot unmarshal array into Go value of type map[string]interface {}"),
            (apply, "a: [", Warn, "error decoding YAML: error converting YAML to JSON: yaml: line 1: did not find expected node content"),
            (
                apply,
                "[]",
                Warn,
                "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type map[string]interface {}",
            ),
            (
                apply,
                "a: 1\na: 2\n",
                Strict,
                "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:\n  line 2: key \"a\" already set in map",
            ),
        ];
        for (patch_type, body, validation, message) in cases {
            assert_eq!(refused(patch_type, body, validation), message);
        }
    }

    #[test]
    fn the_text_of_a_patch_is_read_strictly() {
        let strict =
            |patch_type, body: &str| decode_patch(patch_type, body.as_bytes(), FieldValidation::Warn).expect("decoded").strict_errors;
        let operations = r#"[{"op":"replace","op":"add","path":"/spec/replicas","value":1,"extra":2}]"#;
        assert_eq!(
            strict(PatchType::Json, operations),
            ["json patch duplicate field \"[0].op\"", "json patch unknown field \"[0].extra\""]
        );
        let merge = r#"{"spec":{"replicas":1,"replicas":2}}"#;
        assert_eq!(strict(PatchType::Merge, merge), ["duplicate field \"spec.replicas\""]);
    }
}
