//! The configuration of API priority and fairness that every cluster starts with (`flow_control.jsonl`).
//! Source: apiserver/pkg/apis/flowcontrol/bootstrap.

use k8s_openapi::api::flowcontrol::v1::{
    FlowSchema, FlowSchemaCondition, FlowSchemaSpec, FlowSchemaStatus, PriorityLevelConfiguration, PriorityLevelConfigurationSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ManagedFieldsEntry, ObjectMeta};
use serde_json::{Value, json};
use sim_apimachinery::Object;

use super::{owned, undated};

const VERSION: &str = "flowcontrol.apiserver.k8s.io/v1";
const AUTO_UPDATE: &str = "apf.kubernetes.io/autoupdate-spec";
const PRODUCER: &str = "api-priority-and-fairness-config-producer-v1";
const CONSUMER: &str = "api-priority-and-fairness-config-consumer-v1";

/// The priority levels and flow schemas.
pub fn objects() -> Vec<Object> {
    include_str!("flow_control.jsonl").lines().map(|line| object(line).expect("the table is checked by a test")).collect()
}

fn object(line: &str) -> Result<Object, serde_json::Error> {
    let mut row: Value = serde_json::from_str(line)?;
    let (name, spec) = (row["name"].as_str().unwrap_or_default().to_owned(), row["spec"].take());
    if row["kind"] == "FlowSchema" { flow_schema(&name, spec) } else { priority_level(&name, spec) }
}

fn priority_level(name: &str, spec: Value) -> Result<Object, serde_json::Error> {
    let metadata = metadata(name, vec![produced(spec_fields(&spec, &["limited", "limitResponse", "queuing", "exempt"]))]);
    let spec: PriorityLevelConfigurationSpec = serde_json::from_value(spec)?;
    Ok(PriorityLevelConfiguration { metadata, spec: Some(spec), status: Some(Default::default()) }.into())
}

fn flow_schema(name: &str, spec: Value) -> Result<Object, serde_json::Error> {
    let fields = spec_fields(&spec, &["distinguisherMethod"]);
    let mut fields = fields;
    fields["f:priorityLevelConfiguration"] = json!({"f:name": {}});
    let condition = json!({"f:lastTransitionTime": {}, "f:message": {}, "f:reason": {}, "f:status": {}, "f:type": {}, ".": {}});
    let seen = json!({"f:status": {"f:conditions": {"k:{\"type\":\"Dangling\"}": condition}}});
    let metadata = metadata(name, vec![owned(CONSUMER, "Apply", VERSION, "status", seen), produced(fields)]);
    let spec: FlowSchemaSpec = serde_json::from_value(spec)?;
    let level = &spec.priority_level_configuration.name;
    let condition = FlowSchemaCondition {
        type_: Some("Dangling".into()),
        status: Some("False".into()),
        reason: Some("Found".into()),
        message: Some(format!("This FlowSchema references the PriorityLevelConfiguration object named {level:?} and it exists")),
        last_transition_time: Some(undated()),
    };
    let status = FlowSchemaStatus { conditions: Some(vec![condition]) };
    Ok(FlowSchema { metadata, spec: Some(spec), status: Some(status) }.into())
}

fn metadata(name: &str, managed_fields: Vec<ManagedFieldsEntry>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.into()),
        generation: Some(1),
        annotations: Some([(AUTO_UPDATE.to_owned(), "true".to_owned())].into()),
        managed_fields: Some(managed_fields),
        ..Default::default()
    }
}

fn produced(spec: Value) -> ManagedFieldsEntry {
    let annotation = json!({".": {}, format!("f:{AUTO_UPDATE}"): {}});
    owned(PRODUCER, "Update", VERSION, "", json!({"f:metadata": {"f:annotations": annotation}, "f:spec": spec}))
}

/// The fields of a value; structs of these names are pointers, which are fields of their own.
fn spec_fields(value: &Value, pointers: &[&str]) -> Value {
    let mut fields = json!({});
    for (name, inner) in value.as_object().into_iter().flatten() {
        let mut below = if inner.is_object() { spec_fields(inner, pointers) } else { json!({}) };
        if pointers.contains(&name.as_str()) && inner.is_object() {
            below["."] = json!({});
        }
        fields[format!("f:{name}")] = below;
    }
    fields
}
