//! The steps of a scenario that make, change, scale and remove objects, as kubectl would.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Manifests to apply.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Apply {
    /// Files, relative to the scenario.
    #[serde(default)]
    pub files: Vec<String>,
    /// A kustomization folder, relative to the scenario.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<String>,
    /// Manifests written here.
    #[serde(default)]
    pub objects: Vec<Value>,
    /// The namespace of objects that name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Validate and answer, but store nothing (`--dry-run=server`).
    #[serde(default)]
    pub dry_run: bool,
    /// Server-side apply instead of the client's three-way merge.
    #[serde(default)]
    pub server_side: bool,
    /// With server-side apply: take over fields of others.
    #[serde(default)]
    pub force_conflicts: bool,
}

/// Names objects: by kind and name, or by kind and labels.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Selection {
    /// Kind, plural or short name: `Pod`, `deploy`.
    pub kind: String,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Its namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// A label selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
    /// Which of those selected, in order of their names: 0 is the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<usize>,
}

/// Objects to delete.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Delete {
    /// Which objects; or give `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<Selection>,
    /// Manifests whose objects to delete.
    #[serde(default)]
    pub files: Vec<String>,
    /// Seconds of grace instead of the object's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_period_seconds: Option<i64>,
    /// What becomes of dependents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub propagation: Option<PropagationPolicy>,
    /// Wait until they are gone.
    #[serde(default)]
    pub wait: bool,
}

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum PropagationPolicy {
    /// They are collected later.
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// A patch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PatchStep {
    /// Which object.
    pub object: Selection,
    /// How the patch is read.
    #[serde(default, rename = "type")]
    pub kind: PatchType,
    /// The patch.
    pub patch: Value,
}

/// The API's patch types that a user sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PatchType {
    /// RFC 6902.
    Json,
    /// RFC 7386.
    Merge,
    /// Kubernetes' own.
    #[default]
    Strategic,
}

/// A new size.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Scale {
    /// Which workload.
    pub object: Selection,
    /// How many.
    pub replicas: i32,
}

/// New images or variables.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Set {
    /// Which workload.
    pub object: Selection,
    /// Container name to image.
    #[serde(default)]
    pub image: BTreeMap<String, String>,
    /// Variables of all containers; `null` removes one.
    #[serde(default)]
    pub env: BTreeMap<String, Option<String>>,
}

/// `kubectl rollout`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rollout {
    /// Which workload.
    pub object: Selection,
    /// What to do.
    pub action: RolloutAction,
    /// For `undo`: the revision to go back to; the one before if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to_revision: Option<i64>,
    /// For `status`: give up after this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}

/// What `kubectl rollout` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum RolloutAction {
    /// New pods of the same template.
    Restart,
    /// Back to an earlier revision.
    Undo,
    /// Stop rolling.
    Pause,
    /// Roll on.
    Resume,
    /// Wait until it is done.
    Status,
    /// Tell the revisions.
    History,
}

/// Labels to set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Label {
    /// Which objects.
    pub object: Selection,
    /// Name to value; `null` removes one.
    pub labels: BTreeMap<String, Option<String>>,
}

/// A taint, written as kubectl takes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Taint {
    /// The node.
    pub node: String,
    /// `key=value:NoSchedule`, or `key:NoSchedule-` to remove one.
    pub taint: String,
}

/// Names a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeName {
    /// The node.
    pub node: String,
}

/// A node to empty.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Drain {
    /// The node.
    pub node: String,
    /// Give up after this long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<String>,
}
