//! The vocabulary of the cluster: kinds, objects, metadata, selectors, quantities, patches.
//! No IO, no clock, no chance: every function here is a function of its arguments.

pub mod conversion;
pub mod cron;
pub mod decoding;
pub mod defaults;
pub mod duration;
pub mod encoding;
pub mod intstr;
pub mod ip;
pub mod json;
pub mod list_options;
pub mod managed_fields;
pub mod names;
pub mod patch;
pub mod quantity;
pub mod quota;
pub mod request;
pub mod schema;
pub mod selectable_fields;
pub mod selector;
pub mod status;
pub mod template_hash;
pub mod validation;
pub mod warnings;
pub mod yaml;

pub use request::{
    Answer, BindingMetadata, DeleteOptions, FieldValidation, Page, Part, Patch, PodMetrics, Propagation, Reply, Request, Scale, TypedPatch,
    UserInfo, Verb,
};
pub use sim_object::{CustomKind, CustomObject, Kind, Object, ObjectKey, Resource, Scope, Trait, Typed, for_each_kind, kinds, object};
pub use status::{Cause, Reason, Status};
