//! The room `workload`: how a container image behaves when it runs.
//!
//! A [`Profile`] (YAML, `kind: WorkloadProfile`) says what an image's program does: how long it takes to listen, what its
//! HTTP endpoints answer and change, how it stops, what it costs. A [`Process`] is one running container: plain `Clone`
//! data that is moved forward by [`Process::advance`], asked over HTTP, exec'd into and signalled by the kubelet.
//!
//! Promises: no IO, no clock, no thread; the same profile, spec, seed and calls give the same process. All times are
//! nanoseconds since the simulation began (`u64`). Nothing here panics on input: a bad profile is a [`ProfileError`] with
//! the path of the field, a bad shell script ends with the code a shell gives it.
//!
//! Not modelled: several processes per container as separate PIDs, file permissions, sockets other than HTTP and the
//! Redis commands of [`Operation`], CFS bursts and scheduling jitter.

mod backend;
mod endpoint;
mod faults;
mod files;
mod http;
mod meter;
mod network;
mod process;
mod profile;
mod profile_set;
mod redis;
mod shell;
mod stdin;
mod template;
mod units;

pub use backend::{BackendAnswer, BackendCommand, BackendError, Backends, NoBackends, Operation, Reply};
pub use faults::Faults;
pub use files::Disk;
pub use http::{HttpRequest, HttpResult};
pub use network::{NetworkAnswer, NetworkCall, NetworkFailure, OWN_NAMES};
pub use process::{Exec, ExecResult, ExitReason, Happening, LogLine, Outlook, Process, Signal, Spec, Stream, Told, expand_references};
pub use profile::{Profile, ProfileError};
pub use profile_set::{ProfileSet, repository_name};
pub use stdin::{Given, bytes_of, text_of};
