//! What every client of the API server shares: informer caches, listers with indexes, work queues with their rate
//! limiters, client-side request limits, event recorders, and the runtime that turns a controller's plan into requests.
//! A cache is fed by watches only, and is therefore old.

pub mod caches;
pub mod controller;
pub mod plan;
pub mod rate_limit;
pub mod recorder;
pub mod runtime;
pub mod work_queue;

pub use caches::{CacheEvent, Caches};
pub use controller::{Controller, View, Wake};
pub use plan::{Ask, EventDraft, MessageText, ObjectReference, Plan, Step, Then, Tolerate};
pub use recorder::{EventRecorder, EventStyle};
pub use runtime::ControllerRuntime;
