//! The table of kinds and the one type for every object the cluster holds.
//! A crate of its own because the decoders of all types of the Kubernetes API are compiled here, once.

pub mod kinds;
pub mod object;

pub use kinds::{CustomKind, Kind, Resource, Scope, Trait};
pub use object::{CustomObject, Object, ObjectKey, Typed};
