//! What can go wrong inside one container, on purpose: the fifth fault seam.
//! A scenario sets these on a running or new [`crate::Process`]; they change nothing else about it.

use std::collections::BTreeSet;

/// Faults in force on one process. `Default` is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Added to the profile's time from start to listening. Takes effect only before the process listens.
    pub extra_startup_nanos: u64,
    /// The process exits with this code at this time.
    pub crash_at: Option<(u64, i32)>,
    /// HTTP paths that answer 503 whatever the profile says.
    pub failing_paths: BTreeSet<String>,
    /// Memory that leaks: bytes per second from this time on.
    pub memory_growth: Option<MemoryGrowth>,
    /// Added to each HTTP answer's latency.
    pub extra_latency_nanos: u64,
    /// The process accepts connections but never answers.
    pub hangs: bool,
}

/// A leak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryGrowth {
    /// When it began.
    pub since: u64,
    /// How fast.
    pub bytes_per_second: u64,
}
