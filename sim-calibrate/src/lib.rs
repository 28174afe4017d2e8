//! How long things take on a cluster, estimated from recordings of it: simulated quantile matching.
//!
//! A recording shows intervals (from a pod's binding to its first status, say), not the latencies of a profile: pods that start
//! together share CPUs, requests wait for each other. So the same story is played on the simulator over many seeds, the same
//! intervals are taken from both, and the table behind each class of intervals is moved by the difference of their quantiles,
//! again and again, until the distance no longer falls. Whatever the simulator knows of contention is accounted for.
//!
//! - [`samples`] takes the intervals from a recording, real or simulated; [`classes`] says which table each class moves.
//! - [`calibrate`] does the fit, and the same on one half of the recordings, scored on the other: does it tell more than chance?
//! - [`report`] shows it as a table; [`write_profile`] gives the profile as YAML.
//!
//! Promises: equal input gives an equal profile, on any number of threads. Few samples move little: the target lies between what
//! the beginning profile gives and what was seen, nearer to the latter the more was seen. A class with too few keeps what it had.
//! Left out: latencies that no recording of this format tells apart from others; see [`classes::KEPT`].

pub mod classes;
mod fit;
mod report;
pub mod runs;
pub mod samples;
mod statistics;
mod write;

pub use fit::{Calibration, Race, Row, Settings, Story, World, calibrate};
pub use report::report;
pub use samples::Samples;
pub use write::write_profile;
