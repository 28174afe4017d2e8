//! How a scenario puts faults into a process, the only way in.

use super::{Phase, Process};
use crate::faults::{Faults, MemoryGrowth};

impl Process {
    /// The faults in force.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Delays the start by so much more, if the program does not listen yet.
    pub fn set_extra_startup(&mut self, nanos: u64) {
        if let Phase::Starting { not_before } = &mut self.phase {
            *not_before = not_before.saturating_sub(self.faults.extra_startup_nanos).saturating_add(nanos);
        }
        self.faults.extra_startup_nanos = nanos;
    }

    /// Makes the program exit with this code at that time; `None` takes it back.
    pub fn set_crash_at(&mut self, crash: Option<(u64, i32)>) {
        self.faults.crash_at = crash;
    }

    /// Makes an HTTP path answer 503, or stops that.
    pub fn set_failing_path(&mut self, path: &str, failing: bool) {
        if failing {
            self.faults.failing_paths.insert(path.to_string());
        } else {
            self.faults.failing_paths.remove(path);
        }
    }

    /// A leak of so many bytes per second from `now` on; 0 stops it and gives the memory back.
    pub fn set_memory_growth(&mut self, now: u64, bytes_per_second: u64) {
        self.faults.memory_growth = (bytes_per_second > 0).then_some(MemoryGrowth { since: now, bytes_per_second });
    }

    /// Adds so much to every answer's latency.
    pub fn set_extra_latency(&mut self, nanos: u64) {
        self.faults.extra_latency_nanos = nanos;
    }

    /// Accepts connections and never answers, or stops that.
    pub fn set_hangs(&mut self, hangs: bool) {
        self.faults.hangs = hangs;
    }
}
