//! A Kubernetes cluster in one process on a virtual clock: no IO, no async, no thread, no wall clock.
//! One room per component, named as Kubernetes names it. Rooms meet only in `cluster`, the hallway.

pub mod client_go;
pub mod component;
pub mod random;
pub mod time;
pub mod trace;
