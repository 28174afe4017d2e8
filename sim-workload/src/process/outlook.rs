//! How a program will go on if nothing happens to it: what it answers by, what is wrong with it, and the end it is heading for.
//! Whoever changed a process can tell by two outlooks what the change came to.
//! Not told: an end that a shell's script or a command in the container comes to in its own time.

use std::collections::BTreeMap;

use super::Process;
use crate::faults::Faults;
use crate::template::Json;

/// How a program will go on, as seen at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Outlook {
    state: BTreeMap<String, Json>,
    faults: Faults,
    end: Option<(u64, i32)>,
}

impl Process {
    /// How it will go on.
    pub fn outlook(&self) -> Outlook {
        Outlook { state: self.state.clone(), faults: self.faults.clone(), end: self.end_in_sight() }
    }

    /// When it will end, or has ended, and with which code, if that is known already.
    pub fn end_in_sight(&self) -> Option<(u64, i32)> {
        if let Some((at, code, _)) = self.exit {
            return Some((at, code));
        }
        let memory = self.meter.out_of_memory_at(self.held_bytes(), self.faults.memory_growth).map(|at| (at, 137));
        [memory, self.faults.crash_at, self.scheduled_exit].into_iter().flatten().min()
    }

    /// Whether it answers as it did.
    pub fn answers_as(&self, before: &Outlook) -> bool {
        self.state == before.state && self.faults == before.faults
    }

    /// Whether it will end otherwise, or sooner, than it would have: what is put off has the reason it had.
    pub fn ends_otherwise(&self, before: &Outlook) -> bool {
        match (before.end, self.end_in_sight()) {
            (Some((at, code)), Some((now_at, now_code))) => now_code != code || now_at < at,
            (before, now) => before.is_some() != now.is_some(),
        }
    }
}
