//! Scenario files: their format, how they are read, and how they are played on a cluster.

mod expressions;
pub mod format;
mod kustomize;
pub mod load;
pub mod player;
mod profile;
mod profile_limits;
mod single;

pub use format::Scenario;
pub use load::{Loaded, Problem, load};
pub use player::{Ended, Outcome, Player, Progress, Standing, USER, Verdict, describe, difference, like_text, schema_kinds};
pub use profile::{changed, profile, profile_of, workloads};
pub use single::inject_fault;
