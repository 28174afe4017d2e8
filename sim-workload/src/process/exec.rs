//! Commands run beside the main program of a container by the kubelet and by scenarios: exec probes, lifecycle hooks.
//! (`kubectl exec` is in `commands.rs`.)
//! A command runs to its end at once and says when it wrote what and how long it would have taken; the caller lets that time
//! pass. It stops only for the network, which is its caller's ([`Exec`]).
//! Not modelled: CPU and memory of such commands, standard input, a terminal.

use super::{Process, Signal, Stream};
use crate::backend::NoBackends;
use crate::http::{HttpRequest, HttpResult};
use crate::network::{NetworkAnswer, NetworkCall, NetworkFailure, OWN_NAMES};
use crate::shell::{Host, Shell, Turn};

/// How many turns (sleeps) a command run by `exec` may take; one that needs more counts as endless.
const EXEC_TURNS_MAX: usize = 1000;
/// How many questions to the network it may have.
const CALLS_MAX: usize = 1000;

/// The outcome of a command run beside the main program (exec probes, hooks).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExecResult {
    /// All it wrote.
    pub stdout: String,
    /// All it wrote to standard error.
    pub stderr: String,
    /// What it wrote, piece by piece, each with its time.
    pub chunks: Vec<(u64, Stream, String)>,
    /// Its exit code.
    pub code: i32,
    /// How long it runs; `u64::MAX` if it never ends by itself.
    pub duration_nanos: u64,
    /// The runtime could not start it at all (text of the runtime); code is then 126.
    pub start_error: Option<String>,
}

/// A command that is running beside the main program.
#[derive(Clone, Debug)]
pub struct Exec {
    began: u64,
    at: u64,
    turns: usize,
    calls: usize,
    shell: Shell,
    signals: Vec<Signal>,
    result: ExecResult,
    is_over: bool,
}

impl Exec {
    fn refused(error: String) -> Exec {
        let result = ExecResult { code: 126, start_error: Some(error), ..ExecResult::default() };
        Exec { result, is_over: true, ..Exec::new(0, &[]) }
    }

    fn new(now: u64, argv: &[String]) -> Exec {
        let result = ExecResult { duration_nanos: u64::MAX, ..ExecResult::default() };
        let shell = Shell::command(argv);
        Exec { began: now, at: now, turns: 0, calls: 0, shell, signals: vec![], result, is_over: false }
    }

    /// Gives it the answer it asked for.
    pub fn answer(&mut self, answer: NetworkAnswer) {
        self.shell.answer(answer);
    }

    /// What came of it.
    pub fn into_result(self) -> ExecResult {
        self.result
    }

    fn wrote(&mut self) {
        for (stream, text) in self.shell.take_chunks() {
            match stream {
                Stream::Stdout => self.result.stdout.push_str(&text),
                Stream::Stderr => self.result.stderr.push_str(&text),
            }
            self.result.chunks.push((self.at, stream, text));
        }
    }
}

impl Process {
    /// Runs a command that reaches nothing but this container's own ports, to its end. Its writes to files happen at once; `kill 1` sends the signal
    /// when the command is over, by the clock of the caller: at `now`.
    pub fn exec(&mut self, now: u64, argv: &[String]) -> ExecResult {
        let mut exec = self.begin_exec(now, argv);
        while let Some(call) = self.continue_exec(&mut exec) {
            exec.answer(self.ask_itself(now, &call));
        }
        exec.into_result()
    }

    fn ask_itself(&mut self, now: u64, call: &NetworkCall) -> NetworkAnswer {
        let NetworkCall::Http { host, port, request, .. } = call else { return NetworkAnswer::no_network() };
        if !OWN_NAMES.contains(&host.as_str()) {
            return NetworkAnswer::no_network();
        }
        let request = HttpRequest { port: *port, ..(**request).clone() };
        let failed = |failure| NetworkAnswer::Failed { failure, address: "127.0.0.1".into(), latency_nanos: 0 };
        match self.http(now, &request, &mut NoBackends) {
            HttpResult::Answer { status, body, latency_nanos, .. } => NetworkAnswer::Http { status, body, latency_nanos },
            HttpResult::Refused => failed(NetworkFailure::Refused),
            HttpResult::Timeout => failed(NetworkFailure::Timeout),
        }
    }

    /// Begins a command; [`Process::continue_exec`] runs it.
    pub fn begin_exec(&mut self, now: u64, argv: &[String]) -> Exec {
        let Some(program) = argv.first().filter(|_| !self.is_exited()) else {
            return Exec::refused(if argv.is_empty() { "no command specified" } else { "container not running" }.into());
        };
        if let Err(error) = self.profile.check_program(program) {
            return Exec::refused(error);
        }
        self.meter.settle(now);
        Exec::new(now, argv)
    }

    /// Runs a command until it asks the network something, or to its end: then there is nothing more to ask.
    pub fn continue_exec(&mut self, exec: &mut Exec) -> Option<NetworkCall> {
        while !exec.is_over && exec.turns < EXEC_TURNS_MAX {
            exec.turns += 1;
            let mut host = Host { is_main: false, ..self.host(exec.at) };
            let turn = exec.shell.run(&mut host);
            exec.signals.append(&mut host.signals);
            exec.wrote();
            if let Some(call) = exec.shell.calling().filter(|_| exec.calls < CALLS_MAX) {
                exec.calls += 1;
                return Some(call.clone());
            }
            let wake = match turn {
                Turn::Exited(code) => {
                    (exec.result.code, exec.result.duration_nanos) = (code, exec.at - exec.began);
                    None
                }
                Turn::Exec(_) => None,
                Turn::Busy(until) => Some(until),
                Turn::Waiting => exec.shell.wake(exec.at),
            };
            match wake {
                Some(next) => exec.at = next.max(exec.at),
                None => exec.is_over = true,
            }
        }
        exec.is_over = true;
        let began = exec.began;
        std::mem::take(&mut exec.signals).into_iter().for_each(|signal| self.signal(began, signal));
        None
    }
}
