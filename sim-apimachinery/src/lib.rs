//! The vocabulary of the cluster: kinds, objects, metadata, selectors, quantities, patches.
//! No IO, no clock, no chance: every function here is a function of its arguments.

pub mod defaults;
pub mod duration;
pub mod intstr;
pub mod kinds;
pub mod managed_fields;
pub mod names;
pub mod object;
pub mod patch;
pub mod quantity;
pub mod request;
pub mod schema;
pub mod selector;
pub mod status;
pub mod template_hash;
pub mod validation;
pub mod yaml;

pub use kinds::{Kind, Resource, Scope, Trait};
pub use object::{Object, ObjectKey, Typed};
pub use request::{Answer, DeleteOptions, Part, Patch, PodMetrics, Propagation, Reply, Request, Scale, TypedPatch, Verb};
pub use status::{Cause, Reason, Status};
