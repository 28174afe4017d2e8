//! Commands run beside the main program of a container: `kubectl exec`, exec probes, lifecycle hooks.
//! The command runs to its end at once and says how long it would have taken; the caller lets that time pass.
//! Not modelled: CPU and memory of such commands, standard input, a terminal.

use super::{Process, Signal, Stream};
use crate::shell::{Host, Shell, Turn};

/// How many turns (sleeps) a command run by `exec` may take; one that needs more counts as endless.
const EXEC_TURNS_MAX: usize = 1000;

/// The outcome of a command run beside the main program (`kubectl exec`, exec probes, hooks).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecResult {
    /// All it wrote.
    pub stdout: String,
    /// All it wrote to standard error.
    pub stderr: String,
    /// Its exit code.
    pub code: i32,
    /// How long it runs; `u64::MAX` if it never ends by itself.
    pub duration_nanos: u64,
    /// The runtime could not start it at all (text of the runtime); code is then 126.
    pub start_error: Option<String>,
}

impl Process {
    /// Runs a command beside the main program, to its end. Its writes to files happen at once; `kill 1` sends the signal
    /// when the command is over, by the clock of the caller: at `now`.
    pub fn exec(&mut self, now: u64, argv: &[String]) -> ExecResult {
        let Some(program) = argv.first().filter(|_| !self.is_exited()) else {
            let error = if argv.is_empty() { "no command specified" } else { "container not running" };
            return ExecResult { code: 126, start_error: Some(error.into()), ..ExecResult::default() };
        };
        if let Err(error) = self.profile.check_program(program) {
            return ExecResult { code: 126, start_error: Some(error), ..ExecResult::default() };
        }
        self.meter.settle(now);
        let mut result = ExecResult::default();
        let signals = self.run_to_end(now, Shell::command(argv), &mut result);
        signals.into_iter().for_each(|signal| self.signal(now, signal));
        result
    }

    fn run_to_end(&mut self, now: u64, mut shell: Shell, result: &mut ExecResult) -> Vec<Signal> {
        let (mut at, mut signals) = (now, Vec::new());
        result.duration_nanos = u64::MAX;
        for _ in 0..EXEC_TURNS_MAX {
            let mut host = Host { is_main: false, ..self.host(at) };
            let turn = shell.run(&mut host);
            signals.append(&mut host.signals);
            for (stream, text) in shell.take_chunks() {
                match stream {
                    Stream::Stdout => result.stdout.push_str(&text),
                    Stream::Stderr => result.stderr.push_str(&text),
                }
            }
            let wake = match turn {
                Turn::Exited(code) => {
                    (result.code, result.duration_nanos) = (code, at - now);
                    break;
                }
                Turn::Exec(_) => break,
                Turn::Busy(until) => Some(until),
                Turn::Waiting => shell.wake(at),
            };
            match wake {
                Some(next) => at = next.max(at),
                None => break,
            }
        }
        signals
    }
}
