//! The vocabulary of the cluster: kinds, objects, metadata, selectors, quantities, patches.
//! No IO, no clock, no chance: every function here is a function of its arguments.

pub mod kinds; pub mod selector; pub mod intstr; pub mod yaml; pub mod names; pub mod duration; pub mod quantity; pub mod template_hash; pub mod defaults; pub mod validation; pub mod schema; pub mod patch;
pub mod object;
pub mod request;
pub mod status;

pub use kinds::{Kind, Resource, Scope, Trait};
pub use object::{Object, ObjectKey, Typed};
pub use request::{Answer, DeleteOptions, Part, Patch, PodMetrics, Propagation, Reply, Request, Scale, TypedPatch, Verb};
pub use status::{Cause, Reason, Status};
