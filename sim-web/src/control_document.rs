//! The OpenAPI document of the control API, made from the types the API is written with.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use crate::control::Action;

/// The document (OpenAPI 3.1).
pub fn document() -> Value {
    let schema = SchemaSettings::draft2020_12()
        .with(|s| s.definitions_path = "/components/schemas".into())
        .into_generator()
        .into_root_schema_for::<Action>();
    let mut action = schema.to_value();
    let mut schemas = action
        .as_object_mut()
        .and_then(|map| map.remove("components"))
        .and_then(|mut c| c.as_object_mut()?.remove("schemas"))
        .unwrap_or_else(|| json!({}));
    if let Some(map) = action.as_object_mut() {
        map.remove("$schema");
    }
    schemas["Action"] = action;
    schemas["Standing"] = standing();
    let refused =
        |text: &str| json!({"description": text, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Status"}}}});
    schemas["Status"] = json!({
        "type": "object", "description": "Why a request was refused, as the Kubernetes API tells it.",
        "properties": {"kind": {"const": "Status"}, "status": {"const": "Failure"}, "message": {"type": "string"}, "reason": {"type": "string"}, "code": {"type": "integer"}},
    });
    let answers = json!({
        "200": {"description": "How things stand, or what was asked for.", "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Standing"}}}},
        "400": refused("It is no action, or it cannot be done."),
        "401": refused("Only the administrator may."),
        "429": {"description": "There is too much to do already."},
    });
    json!({
        "openapi": "3.1.0",
        "info": {"title": "ksim control API", "version": "v1", "description": "Time, faults and branches of a running ksim server. Each action is an input of the session and is written down with it."},
        "paths": {"/ksim/v1/control": {
            "get": {"summary": "Say how things stand", "operationId": "getStatus", "responses": answers},
            "post": {
                "summary": "Do one action", "operationId": "act", "responses": answers,
                "requestBody": {"required": true, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Action"}}}},
            },
        }},
        "components": {"schemas": schemas, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}],
    })
}

fn standing() -> Value {
    let text = |about: &str| json!({"type": "string", "description": about});
    let number = |about: &str| json!({"type": "integer", "description": about});
    let names = |about: &str| json!({"type": "array", "items": {"type": "string"}, "description": about});
    json!({
        "type": "object",
        "description": "How things stand. `digest` answers with `digest` alone, `verdicts` with the scenario's steps and expectations.",
        "properties": {
            "now": text("Simulated time, RFC 3339."),
            "elapsedSeconds": {"type": "number", "description": "Simulated time since the session began."},
            "speed": text("Simulated time to real time: a number, `max` or `paused`."),
            "revision": number("The store's revision."),
            "events": number("Events that were handled."),
            "steps": number("Steps of the trace; of `verdicts`: steps of the scenario."),
            "seed": number("The seed of chance."),
            "profile": text("A number that tells profiles of clusters apart, in hexadecimal."),
            "branch": text("The branch that is live."),
            "checkpoints": names("Moments that are kept."),
            "branches": names("Branches that wait."),
            "digest": text("A number that tells histories apart, in hexadecimal."),
            "scenario": text("The scenario's name, empty for none."),
            "step": number("The step in progress, from 1."),
            "doing": text("What the scenario's user is doing."),
            "state": text("`playing`, or how it ended."),
            "warnings": names("What the scenario uses and is not simulated."),
            "expectations": {"type": "array", "items": {"type": "object", "properties": {
                "name": text("Its name."), "line": number("Its line in the file."), "verdict": {"enum": ["open", "held", "failed"]},
                "detail": text("What was found instead."), "decidedSeconds": {"type": ["number", "null"]},
            }}},
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The document lies in docs/; `KSIM_GOLDEN=update` renews it.
    #[test]
    fn the_document_in_docs_is_the_one_that_is_served() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/control.openapi.json");
        let served = serde_json::to_string_pretty(&document()).expect("it is JSON") + "\n";
        if std::env::var("KSIM_GOLDEN").is_ok_and(|v| v == "update") {
            std::fs::write(&path, &served).expect("the file can be written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(kept == served, "renew it with KSIM_GOLDEN=update cargo test --workspace the_document_in_docs");
        for action in ["pause", "step", "until", "rewind", "back", "fork", "switch", "begin", "drop", "verdicts"] {
            assert!(served.contains(&format!("\"{action}\"")), "{action}");
        }
    }
}
