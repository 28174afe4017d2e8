//! A shell and the network: a command that asks something is undone, waits for the answer, and is run again with it.
//! Promise: what a command wrote before it asked is not written twice.
//! Not modelled: files that such a command changed before it asked (earlier parts of a pipe) are changed again.

use super::script::Op;
use super::{Blocked, Host, Shell, Turn};
use crate::network::{Calls, NetworkAnswer, NetworkCall};

impl Shell {
    /// What it, or a background command of it, asks the network.
    pub fn calling(&self) -> Option<&NetworkCall> {
        match &self.blocked {
            Blocked::Call(call) => Some(call),
            _ => self.jobs.iter().find_map(Shell::calling),
        }
    }

    /// Answers what [`Shell::calling`] tells.
    pub fn answer(&mut self, answer: NetworkAnswer) {
        if matches!(self.blocked, Blocked::Call(_)) {
            self.answers.push(answer);
            self.blocked = Blocked::Ready;
        } else if let Some(job) = self.jobs.iter_mut().find(|job| job.calling().is_some()) {
            job.answer(answer);
        }
    }

    /// Whether it waits for input.
    pub fn waits_for_input(&self) -> bool {
        self.blocked == Blocked::Input
    }

    /// Runs a command that may ask the network. While an answer is missing it is as if it had not been begun.
    pub(super) fn run_asking(&mut self, op: Op, host: &mut Host) -> Option<Turn> {
        if host.calls.open {
            // A substitution: its questions are those of the command it is part of.
            let turn = self.run_op(op, host);
            return if host.calls.missing.is_some() { Some(Turn::Waiting) } else { turn };
        }
        host.calls = Calls::with(self.answers.clone());
        let (written, status) = (self.chunks.len(), self.status);
        let turn = self.run_op(op, host);
        let calls = std::mem::take(&mut host.calls);
        match calls.missing {
            Some(call) => {
                self.chunks.truncate(written);
                (self.status, self.exiting, self.blocked) = (status, None, Blocked::Call(call));
                self.frames.last_mut().into_iter().for_each(|frame| frame.next = frame.next.saturating_sub(1));
                return None;
            }
            None => self.answers.clear(),
        }
        if calls.latency_nanos > 0 && self.blocked == Blocked::Ready {
            self.blocked = Blocked::Until(host.now.saturating_add(calls.latency_nanos));
        }
        turn
    }
}
