//! A shell, the network and its input: a command that asks something, or needs input that is not there, is undone, waits, and
//! is run again.
//! Promise: what a command wrote before it asked is not written twice.
//! Not modelled: files that such a command changed before it asked (earlier parts of a pipe) are changed again.

use super::script::Op;
use super::{Blocked, Host, Shell, Turn};
use crate::network::{Calls, NetworkAnswer, NetworkCall};
use crate::stdin::Taken;

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

    /// Runs a command that may ask the network or need input. While an answer is missing it is as if it had not been begun.
    pub(super) fn run_asking(&mut self, op: Op, host: &mut Host) -> Option<Turn> {
        if host.calls.open {
            // A substitution: its questions are those of the command it is part of.
            let turn = self.run_op(op, host);
            return if host.calls.is_waiting() { Some(Turn::Waiting) } else { turn };
        }
        host.calls = Calls::with(self.answers.clone());
        let (written, status) = (self.chunks.len(), self.status);
        let turn = self.run_op(op, host);
        let calls = std::mem::take(&mut host.calls);
        if calls.is_waiting() {
            self.chunks.truncate(written);
            (self.status, self.exiting) = (status, None);
            self.blocked = calls.missing.map_or(Blocked::Input, Blocked::Call);
            self.frames.last_mut().into_iter().for_each(|frame| frame.next = frame.next.saturating_sub(1));
            if let Some(stdin) = host.stdin.as_mut() {
                stdin.put_back(&calls.taken);
            }
            return None;
        }
        self.answers.clear();
        if calls.latency_nanos > 0 && self.blocked == Blocked::Ready {
            self.blocked = Blocked::Until(host.now.saturating_add(calls.latency_nanos));
        }
        turn
    }
}

impl Host<'_> {
    /// All that the input gives up to its end; nothing while it has none, and then the command at hand waits.
    pub(super) fn take_input(&mut self) -> Option<String> {
        let Some(stdin) = self.stdin.as_mut() else { return Some(String::new()) };
        let text = stdin.all();
        match &text {
            Some(text) => self.calls.taken.push_str(text),
            None => self.calls.wants_input = true,
        }
        text
    }

    /// The next line of the input; nothing while it is not there, and then the command at hand waits.
    pub(super) fn take_line(&mut self) -> Option<Taken> {
        let taken = self.stdin.as_mut().map_or(Taken::End, |stdin| stdin.line());
        match &taken {
            Taken::NotYet => self.calls.wants_input = true,
            Taken::Line(line) => self.calls.taken.push_str(line),
            Taken::End => {}
        }
        (taken != Taken::NotYet).then_some(taken)
    }
}
