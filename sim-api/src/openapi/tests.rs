//! The documents against digests of those of a real API server, v1.36.2 (`recorded.txt`): methods of each path, properties of
//! each schema. And what custom resource definitions add.

use serde_json::{Value, json};
use sha2::Sha256;

use super::*;

fn sorted_keys(value: &Value, leave_out: &str) -> Value {
    let keys: BTreeSet<&String> = value.as_object().into_iter().flat_map(|map| map.keys()).filter(|key| *key != leave_out).collect();
    json!(keys)
}

fn digest(document: &Value, schemas: &str) -> [Value; 2] {
    let of = |value: Option<&Value>, make: &dyn Fn(&Value) -> Value| -> Value {
        value.and_then(Value::as_object).into_iter().flatten().map(|(name, found)| (name.clone(), make(found))).collect()
    };
    let paths = of(document.get("paths"), &|item| sorted_keys(item, "parameters"));
    [paths, of(document.pointer(schemas), &|schema| sorted_keys(&schema["properties"], ""))]
}

fn parsed(document: Document) -> Value {
    serde_json::from_slice(&document.body).expect("JSON")
}

/// The beginning of the hash of a value written without spaces and with sorted keys.
fn short_hash(value: &Value) -> String {
    Sha256::digest(value.to_string()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Hashes of the paths and of the schemas of a document, as they are recorded.
fn hashes(path: &str) -> Option<[String; 2]> {
    let [paths, schemas] = match path.strip_prefix("/openapi/v3").map(|rest| rest.trim_start_matches('/')) {
        Some("") => [sorted_keys(&v3_index(&[])["paths"], ""), json!({})],
        Some(inner) => digest(&parsed(v3_document(&[], inner)?), "/components/schemas"),
        None => {
            let document = parsed(v2_json(&[]));
            let [_, schemas] = digest(&document, "/definitions");
            [sorted_keys(&document["paths"], ""), schemas]
        }
    };
    Some([short_hash(&paths), short_hash(&schemas)])
}

#[test]
fn documents_have_the_paths_and_schemas_of_a_real_api_server() {
    let recorded = include_str!("recorded.txt").lines().filter(|line| !line.starts_with('#'));
    let words = recorded.map(|line| line.split(' ').collect::<Vec<_>>());
    let wrong: Vec<&str> =
        words.filter(|words| hashes(words[0]).is_none_or(|made| made != [words[1], words[2]])).map(|words| words[0]).collect();
    assert!(wrong.is_empty(), "{wrong:?} differ");
}

#[test]
fn patching_a_deployment_takes_field_validation_and_strategic_merge() {
    let document = parsed(v3_document(&[], "apis/apps/v1").expect("a document"));
    let patch = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
    assert_eq!(patch["operationId"], "patchAppsV1NamespacedDeployment");
    assert_eq!(patch["x-kubernetes-group-version-kind"], json!({"group": "apps", "kind": "Deployment", "version": "v1"}));
    let names: Vec<&Value> = patch["parameters"].as_array().into_iter().flatten().map(|parameter| &parameter["name"]).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    assert!(patch["requestBody"]["content"]["application/strategic-merge-patch+json"].is_object());
}

#[test]
fn a_path_with_one_operation_has_its_parameters() {
    let document = parsed(v3_document(&[], "api/v1").expect("a document"));
    let item = &document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}/binding"];
    assert!(item["post"].get("parameters").is_none());
    let names: Vec<&Value> = item["parameters"].as_array().into_iter().flatten().map(|parameter| &parameter["name"]).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "name", "namespace", "pretty"]);
    assert_eq!(
        item["post"]["responses"]["201"]["content"]["application/json"]["schema"]["$ref"],
        "#/components/schemas/io.k8s.api.core.v1.Binding"
    );
}

#[test]
fn the_index_tells_the_hash_of_each_document() {
    let index = v3_index(&[]);
    let url = index["paths"]["apis/apps/v1"]["serverRelativeURL"].as_str().expect("a URL");
    let hash = v3_document(&[], "apis/apps/v1").expect("a document").hash;
    assert_eq!(url, format!("/openapi/v3/apis/apps/v1?hash={hash}"));
    assert_eq!(hash.len(), 128);
}

#[test]
fn there_is_no_document_of_what_is_not_served() {
    assert!(v3_document(&[], "logs").is_none() && v3_document(&[], "apis/apps/v2").is_none() && v3_document(&[], "").is_none());
}

fn definition(size: &str) -> Value {
    let schema = json!({"type": "object", "description": "A life.", "properties": {
        "spec": {"type": "object", "properties": {"size": {"type": size, "nullable": true}}},
        "template": {"type": "object", "x-kubernetes-embedded-resource": true},
    }});
    json!({
        "spec": {
            "group": "golden.example.com", "scope": "Namespaced", "names": {"kind": "Life", "plural": "lifes", "listKind": "LifeList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}],
        },
        "status": {
            "acceptedNames": {"plural": "lifes", "singular": "life", "kind": "Life"},
            "conditions": [{"type": "Established", "status": "True"}],
        },
    })
}

#[test]
fn a_definition_publishes_its_schema_and_paths() {
    let definitions = [definition("integer")];
    let document = parsed(v3_document(&definitions, "apis/golden.example.com/v1").expect("a document"));
    let schema = &document["components"]["schemas"]["com.example.golden.v1.Life"];
    assert_eq!(schema["properties"]["spec"]["properties"]["size"]["type"], "integer");
    assert_eq!(
        schema["properties"]["metadata"]["allOf"][0]["$ref"],
        "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
    assert_eq!(schema["properties"]["template"]["required"], json!(["kind", "apiVersion"]));
    assert!(document["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"].is_object());
    let paths = sorted_keys(&document["paths"], "");
    let base = "/apis/golden.example.com/v1";
    let expected =
        ["namespaces/{namespace}/lifes", "namespaces/{namespace}/lifes/{name}", "namespaces/{namespace}/lifes/{name}/status", "lifes"];
    assert_eq!(paths, json!(expected.iter().map(|path| format!("{base}/{path}")).collect::<BTreeSet<_>>()));
    let patch = &document["paths"][format!("{base}/namespaces/{{namespace}}/lifes/{{name}}")]["patch"];
    assert_eq!(patch["operationId"], "patchGoldenExampleComV1NamespacedLife");
    assert!(patch["requestBody"]["content"].get("application/strategic-merge-patch+json").is_none());
}

#[test]
fn a_changed_definition_changes_the_hash_of_its_document_only() {
    let (before, after) = (v3_index(&[definition("integer")]), v3_index(&[definition("string")]));
    let changed = |path: &str| before["paths"][path] != after["paths"][path];
    assert!(changed("apis/golden.example.com/v1") && !changed("apis/apps/v1"));
}

#[test]
fn version_two_has_plain_references_and_no_defaults() {
    let document = parsed(v2_json(&[]));
    let spec = &document["definitions"]["io.k8s.api.apps.v1.Deployment"]["properties"]["spec"];
    assert_eq!(spec["$ref"], "#/definitions/io.k8s.api.apps.v1.DeploymentSpec");
    assert!(spec.get("default").is_none() && spec.get("allOf").is_none());
    let put = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["put"];
    assert_eq!(
        put["parameters"][0],
        json!({"in": "body", "name": "body", "required": true, "schema": {"$ref": "#/definitions/io.k8s.api.apps.v1.Deployment"}})
    );
    assert_eq!(document["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"]["type"], "string");
}

#[test]
fn the_protobuf_form_begins_with_the_version_of_swagger() {
    assert!(v2_protobuf(&[]).body.starts_with(b"\x0a\x032.0\x12\x12\x0a\x0aKubernetes\x12\x041.36"));
}
