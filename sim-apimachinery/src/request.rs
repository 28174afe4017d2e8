//! The words between a client and the API server: requests, their options, and the answers.
//! Components inside the cluster send typed objects and typed patches, which say the same as the JSON a real component
//! sends; users send JSON. Errors are the API's own `Status`.

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{NodeCondition, NodeStatus, PodCondition, PodStatus, Taint};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use serde_json::Value;

use crate::kinds::Kind;
use crate::list_options::ListOptions;
use crate::object::{Object, ObjectKey};
use crate::status::Status;

/// One request to the API server.
#[derive(Clone, Debug)]
pub struct Request {
    /// Who asks, as the field manager and user agent name: `kube-controller-manager`, `kubelet`, `kubectl-client-side-apply`.
    pub manager: Arc<str>,
    /// What is asked.
    pub verb: Verb,
    /// Validate and answer, but store nothing.
    pub dry_run: bool,
    /// The user as whom it is asked; `None` for components of the cluster, who may do what they do.
    pub user: Option<Arc<UserInfo>>,
    /// What becomes of fields that the body has and its type does not.
    pub field_validation: FieldValidation,
    /// The `apiVersion` of the URL: that of the body and of the answer; none for components, who speak the one a kind is held at.
    pub api_version: Option<Arc<str>>,
    /// What strict decoding said of a patch's text.
    pub strict_errors: Vec<String>,
}

/// An authenticated user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// The name: `alice`, `system:serviceaccount:default:robot`, `system:anonymous`.
    pub name: String,
    /// The uid, empty for most.
    pub uid: String,
    /// The groups, `system:authenticated` among them.
    pub groups: Vec<String>,
    /// Further attributes.
    pub extra: BTreeMap<String, Vec<String>>,
}

/// What becomes of unknown and duplicate fields (`?fieldValidation=`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// They are dropped silently.
    Ignore,
    /// They are dropped with a warning.
    #[default]
    Warn,
    /// The request is refused.
    Strict,
}

impl Request {
    /// A request that is meant.
    pub fn new(manager: &Arc<str>, verb: Verb) -> Self {
        let (dry_run, user, field_validation) = (false, None, FieldValidation::default());
        Request { manager: manager.clone(), verb, dry_run, user, field_validation, api_version: None, strict_errors: vec![] }
    }
}

/// Which part of an object a write reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// Everything but the status.
    Main,
    /// The status (and little of the metadata).
    Status,
    /// A namespace's finalizers.
    Finalize,
    /// A pod's resources.
    Resize,
    /// A pod's ephemeral containers.
    EphemeralContainers,
    /// How many replicas are wanted, written as a `Scale`.
    Scale,
    /// The conditions of a certificate signing request.
    Approval,
}

impl Part {
    /// The subresource's name in URLs and in `managedFields`; empty for the main part.
    pub fn subresource(self) -> &'static str {
        match self {
            Part::Main => "",
            Part::Status => "status",
            Part::Finalize => "finalize",
            Part::Resize => "resize",
            Part::EphemeralContainers => "ephemeralcontainers",
            Part::Scale => "scale",
            Part::Approval => "approval",
        }
    }
}

/// What is asked of the API server.
#[derive(Clone, Debug)]
pub enum Verb {
    /// Read one object.
    Get { key: ObjectKey },
    /// Read many; an empty namespace means all.
    List { kind: Kind, namespace: Arc<str>, options: Box<ListOptions> },
    /// Make an object; its name may be left to `generateName`.
    Create { object: Object },
    /// Replace an object; a resourceVersion in it must match.
    Update { object: Object, part: Part },
    /// Change an object.
    Patch { key: ObjectKey, part: Part, patch: Patch },
    /// Delete an object.
    Delete { key: ObjectKey, options: DeleteOptions },
    /// Delete all that match.
    DeleteCollection { kind: Kind, namespace: Arc<str>, selected: Box<ListOptions>, options: DeleteOptions },
    /// Bind a pod to a node (`pods/binding`).
    Bind { pod: ObjectKey, uid: String, node: Arc<str>, with: BindingMetadata },
    /// Evict a pod (`pods/eviction`), minding disruption budgets.
    Evict { pod: ObjectKey, options: DeleteOptions },
    /// Connect to a subresource (`exec`, `attach`, `portforward`, `proxy`) with these options: whether that is admitted.
    Connect { key: ObjectKey, subresource: &'static str, options: Value },
    /// Read the scale subresource.
    GetScale { key: ObjectKey },
    /// Write the scale subresource.
    UpdateScale { key: ObjectKey, replicas: i32, uid: Option<String>, resource_version: Option<String> },
    /// Ask whether somebody may do something to a resource (`subjectaccessreviews`); answered with `Reply::Allowed`.
    ReviewAccess { user: Arc<UserInfo>, verb: String, group: String, resource: String, subresource: String },
    /// Read `metrics.k8s.io` pod metrics, which the aggregation layer forwards to the metrics server.
    PodMetrics { namespace: Arc<str>, labels: String },
}

/// What a binding says besides where to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BindingMetadata {
    /// Only at this version of the pod.
    pub resource_version: Option<String>,
    /// Labels that the pod takes over.
    pub labels: BTreeMap<String, String>,
    /// Annotations that the pod takes over.
    pub annotations: BTreeMap<String, String>,
}

/// A change to an object.
#[derive(Clone, Debug)]
pub enum Patch {
    /// RFC 6902.
    Json(Value),
    /// RFC 7386.
    Merge(Value),
    /// Kubernetes' strategic merge.
    Strategic(Value),
    /// Server-side apply of a whole intent.
    Apply { intent: Value, force: bool },
    /// What a component of the cluster patches, typed.
    Typed(TypedPatch),
}

/// The patches that components send.
#[derive(Clone, Debug)]
pub enum TypedPatch {
    /// A kubelet's view of a pod: replaces the status but keeps conditions of other owners, as the kubelet's own patch does.
    PodStatus(Box<PodStatus>),
    /// Sets these conditions of a pod, by type.
    PodConditions(Vec<PodCondition>),
    /// Sets the phase and these conditions of a pod (pod garbage collection, preemption).
    PodPhase { phase: String, conditions: Vec<PodCondition> },
    /// Sets or clears `status.nominatedNodeName` and sets these conditions.
    PodNomination { node: Option<String>, conditions: Vec<PodCondition> },
    /// A kubelet's view of its node: replaces the status but keeps conditions of other owners.
    NodeStatus(Box<NodeStatus>),
    /// Sets these conditions of a node, by type.
    NodeConditions(Vec<NodeCondition>),
    /// Replaces a node's taints.
    NodeTaints(Vec<Taint>),
    /// Adds and removes owner references, by uid.
    OwnerReferences { add: Vec<OwnerReference>, remove: Vec<String> },
    /// Adds and removes finalizers.
    Finalizers { add: Vec<String>, remove: Vec<String> },
    /// Sets (or with `None` removes) annotations.
    Annotations(BTreeMap<String, Option<String>>),
    /// Sets (or with `None` removes) labels.
    Labels(BTreeMap<String, Option<String>>),
    /// A core/v1 event happened again: its count, its message, and the time in nanoseconds since the Unix epoch.
    EventCount { count: i32, message: String, last: i64 },
    /// A new-style event became or continued a series.
    EventSeries { count: i32, last: i64 },
}

/// How to delete.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeleteOptions {
    /// Seconds to wait; `None` takes the object's own.
    pub grace_period_seconds: Option<i64>,
    /// What becomes of dependents.
    pub propagation: Option<Propagation>,
    /// Only this incarnation.
    pub uid: Option<String>,
    /// Only at this version.
    pub resource_version: Option<String>,
}

/// What becomes of the dependents of a deleted object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are collected later.
    Background,
    /// They go first.
    Foreground,
    /// They stay.
    Orphan,
}

/// The scale subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scale {
    /// `spec.replicas`.
    pub replicas: i32,
    /// `status.replicas`.
    pub status_replicas: i32,
    /// `status.selector`, in string form.
    pub selector: String,
    /// resourceVersion of the scaled object.
    pub resource_version: String,
}

/// What the API server answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// The object as stored (or as it was, when it is gone).
    Object(Object),
    /// A page of objects.
    List(Page),
    /// A scale.
    Scale(Scale),
    /// Whether it is allowed.
    Allowed(bool),
    /// Usage of pods.
    PodMetrics(Vec<PodMetrics>),
    /// Success without an object.
    Done,
}

/// One pod's usage over a window, as `metrics.k8s.io` tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodMetrics {
    /// The pod's namespace.
    pub namespace: Arc<str>,
    /// The pod's name.
    pub name: Arc<str>,
    /// End of the window, nanoseconds since the Unix epoch.
    pub timestamp: u64,
    /// Length of the window in nanoseconds.
    pub window: u64,
    /// Per container: name, CPU in nanocores, memory in bytes.
    pub containers: Vec<(Arc<str>, u64, u64)>,
}

/// A page of a list.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Its items.
    pub items: Vec<Object>,
    /// The revision it shows.
    pub revision: u64,
    /// How to ask for the next page; empty for the last one.
    pub continue_token: String,
    /// How many objects follow, where it can be told: not with selectors.
    pub remaining: Option<u64>,
}

/// The outcome of a request.
pub type Answer = Result<Reply, Box<Status>>;
