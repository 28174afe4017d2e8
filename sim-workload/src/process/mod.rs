//! One running container: its main program, its log, what it costs, and how it ends.
//!
//! The kubelet starts it, calls [`Process::advance`] when [`Process::next_wake`] says so, and acts on what happened.
//! The main program is PID 1. The Linux kernel does not deliver SIGTERM to PID 1 of a container unless the program has
//! installed a handler: a server whose profile says `onTerm: exit` has one, a shell has one only after `trap '…' TERM`, and
//! `sleep` never has, so those run on until the kubelet's SIGKILL after the grace period (exit code 137).
//! Not modelled: child processes with PIDs of their own, exit by other signals, core dumps.

mod command_line;
mod commands;
mod exec;
mod inject;
mod outlook;
#[cfg(test)]
mod tests;
mod types;

pub(crate) use command_line::base_name;
pub use command_line::expand_references;
use commands::Commands;
pub use commands::Told;
pub use exec::{Exec, ExecResult};
pub use outlook::Outlook;
pub use types::{ExitReason, Happening, LogLine, Signal, Spec, Stream};

use crate::backend::{BackendAnswer, BackendCommand, BackendError};
use crate::faults::Faults;
use crate::files::{Disk, Files, normal};
use crate::meter::Meter;
use crate::profile::{OnTerm, Profile};
use crate::redis::Store;
use crate::shell::{COMMANDS_PER_TURN, Host, Shell, Turn};
use crate::template::Json;
use crate::units::SECOND;
use std::collections::BTreeMap;

/// Log lines kept per process; when twice as many are there the older half is dropped, as log rotation does.
const LOG_LINES_KEPT: usize = 1000;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Program {
    Server,
    Shell(Box<Shell>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Starting { not_before: u64 },
    Running,
    Exited { reported: bool },
}

/// One container's main process. See the head comment of the module.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    pub(crate) profile: Profile,
    pub(crate) spec: Spec,
    pub(crate) program: Program,
    pub(crate) argv: Vec<String>,
    phase: Phase,
    pub(crate) meter: Meter,
    pub(crate) state: BTreeMap<String, Json>,
    logs: Vec<LogLine>,
    logs_reported: usize,
    scheduled_exit: Option<(u64, i32)>,
    exit: Option<(u64, i32, ExitReason)>,
    faults: Faults,
    pub(crate) random: u64,
    pub(crate) store: Option<Store>,
    pub(crate) files: Files,
    commands: Commands,
}

/// What is due next, in the order in which things at the same time happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    OutOfMemory,
    Crash(i32),
    Exit(i32),
    Started,
    Shell,
    Command(u64),
}

impl Process {
    /// Starts the container's program. What cannot be started (see [`Profile::check_start`]) exits 127 at once.
    pub fn start(profile: &Profile, spec: Spec, now: u64, seed: u64) -> Process {
        let argv = profile.argv(&spec);
        let resources = &profile.spec().resources;
        let mut files = Files { mounted: absolute(&spec.files), ..Files::default() };
        let _there_already = profile.spec().store.as_ref().map(|store| files.make_directory(&store.directory));
        let mut process = Process {
            profile: profile.clone(),
            program: Program::Server,
            phase: Phase::Running,
            meter: Meter::new(now, resources.idle_millicores, resources.max_millicores, resources.memory.0),
            state: BTreeMap::new(),
            logs: Vec::new(),
            logs_reported: 0,
            scheduled_exit: None,
            exit: None,
            faults: Faults::default(),
            random: seed,
            store: None,
            files,
            commands: Commands::new(spec.tty),
            spec,
            argv: Vec::new(),
        };
        process.become_program(now, argv);
        process
    }

    /// Replaces the main program, as `exec` does.
    fn become_program(&mut self, now: u64, argv: Vec<String>) {
        let name = argv.first().map(|program| base_name(program)).unwrap_or_default();
        if self.profile.is_server(name) {
            self.argv = argv;
            return self.start_server(now);
        }
        self.meter.idle_millicores = 0;
        self.meter.memory_base = SHELL_MEMORY;
        self.program = Program::Shell(Box::new(Shell::command(&argv)));
        self.argv = argv;
        self.phase = Phase::Running;
    }

    fn start_server(&mut self, now: u64) {
        let spec = self.profile.spec();
        self.meter.settle(now);
        self.meter.idle_millicores = spec.resources.idle_millicores;
        self.meter.memory_base = spec.resources.memory.0;
        self.state = spec.state.clone();
        self.store = spec.store.as_ref().map(|_| Store::new(&self.argv));
        let not_before = now.saturating_add(spec.startup.delay.0).saturating_add(self.faults.extra_startup_nanos);
        let work = spec.startup.cpu.0;
        self.program = Program::Server;
        self.phase = Phase::Starting { not_before };
        self.meter.add_work(now, work);
    }

    /// When `advance` should be called next; `None` if nothing will happen by itself.
    pub fn next_wake(&self) -> Option<u64> {
        match self.phase {
            Phase::Exited { reported: true } => None,
            Phase::Exited { reported: false } => Some(self.exit.map_or(0, |(at, ..)| at)),
            _ if self.logs_reported < self.logs.len() => Some(self.meter.settled_at()),
            _ => self.next_due().map(|(at, _)| at),
        }
    }

    /// Moves the process forward to `now` and returns what happened, in order of time.
    pub fn advance(&mut self, now: u64) -> Vec<Happening> {
        let mut listening = Vec::new();
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= now) {
            self.meter.settle(at);
            if due == Due::Started {
                listening.extend(self.profile.ports().iter().map(|port| Happening::Listening { at, port: *port }));
            }
            self.happen(at, due);
        }
        if !self.is_exited() {
            self.meter.settle(now);
        }
        self.report(listening)
    }

    fn report(&mut self, listening: Vec<Happening>) -> Vec<Happening> {
        let mut happenings: Vec<Happening> =
            self.logs.iter().skip(self.logs_reported).map(|line| Happening::Log { line: line.clone() }).collect();
        self.logs_reported = self.logs.len();
        happenings.extend(listening);
        if let (Phase::Exited { reported: false }, Some((at, code, reason))) = (self.phase, self.exit) {
            happenings.push(Happening::Exited { at, code, reason });
            self.phase = Phase::Exited { reported: true };
        }
        happenings.sort_by_key(Happening::at);
        happenings
    }

    fn next_due(&self) -> Option<(u64, Due)> {
        if self.is_exited() {
            return None;
        }
        let started = match self.phase {
            Phase::Starting { not_before } => Some((not_before.max(self.meter.work_done_at()), Due::Started)),
            _ => None,
        };
        let shell = match &self.program {
            Program::Shell(shell) => shell.wake(self.meter.settled_at()).map(|at| (at, Due::Shell)),
            Program::Server => None,
        };
        let command = self.commands.wake(self.meter.settled_at()).map(|(at, id)| (at, Due::Command(id)));
        let memory = self.meter.out_of_memory_at(self.held_bytes(), self.faults.memory_growth).map(|at| (at, Due::OutOfMemory));
        let crash = self.faults.crash_at.map(|(at, code)| (at, Due::Crash(code)));
        let exit = self.scheduled_exit.map(|(at, code)| (at, Due::Exit(code)));
        let late = |(at, due): (u64, Due)| (at.max(self.meter.settled_at()), due);
        [memory, crash, exit, started, shell, command].into_iter().flatten().map(late).min()
    }

    fn happen(&mut self, at: u64, due: Due) {
        match due {
            Due::OutOfMemory => self.end(at, 137, ExitReason::OOMKilled),
            Due::Crash(code) | Due::Exit(code) => self.end(at, code, reason_of(code)),
            Due::Started => self.started(at),
            Due::Shell => self.run_shell(at),
            Due::Command(id) => self.run_command(at, id),
        }
    }

    fn started(&mut self, at: u64) {
        self.phase = Phase::Running;
        let profile = self.profile.clone();
        for line in &profile.spec().logs.started {
            self.log(at, profile.spec().logs.stream, line.clone());
        }
    }

    fn run_shell(&mut self, at: u64) {
        let Program::Shell(shell) = &mut self.program else { return };
        let mut shell = std::mem::take(shell);
        let mut commands = std::mem::take(&mut self.commands);
        let stdin = self.spec.stdin.then_some(&mut commands.stdin);
        let turn = shell.run(&mut Host { stdin, ..self.host(at) });
        if self.spec.stdin {
            shell.written().iter().for_each(|(stream, text)| commands.main_wrote(*stream, text.clone()));
        }
        self.commands = commands;
        for (stream, text) in shell.take_lines() {
            self.log(at, stream, text);
        }
        self.program = Program::Shell(shell);
        match turn {
            Turn::Waiting => {}
            Turn::Busy(until) => self.meter.burn(at, until),
            Turn::Exited(code) => self.end(at, code, reason_of(code)),
            Turn::Exec(argv) => self.become_program(at, argv),
        }
    }

    /// What a shell in this container can see and touch.
    pub(crate) fn host(&mut self, now: u64) -> Host<'_> {
        Host {
            now,
            profile: &self.profile,
            spec: &self.spec,
            files: &mut self.files,
            store: self.store.as_mut().filter(|_| self.phase == Phase::Running),
            stdin: None,
            signals: Vec::new(),
            is_main: true,
            commands_left: COMMANDS_PER_TURN,
            calls: crate::network::Calls::default(),
        }
    }

    /// Sends a signal. Its effect is seen by the next `advance` (which [`Process::next_wake`] asks for).
    pub fn signal(&mut self, now: u64, signal: Signal) {
        if self.is_exited() {
            return;
        }
        self.meter.settle(now);
        match (signal, &mut self.program) {
            (Signal::Kill, _) => self.end(now, 137, ExitReason::Error),
            (Signal::Term, Program::Shell(shell)) => shell.terminate(now),
            (Signal::Term, Program::Server) => self.terminate_server(now),
        }
    }

    fn terminate_server(&mut self, now: u64) {
        let profile = self.profile.clone();
        let stop = &profile.spec().stop;
        let starting = matches!(self.phase, Phase::Starting { .. });
        if stop.on_term == OnTerm::Ignore || starting && !stop.while_starting {
            return;
        }
        if starting {
            return self.schedule_exit(now, stop.code);
        }
        for line in &profile.spec().logs.stopped {
            self.log(now, profile.spec().logs.stream, line.clone());
        }
        self.schedule_exit(now.saturating_add(stop.delay.0), stop.code);
    }

    /// The program will exit then, unless something ends it before.
    pub(crate) fn schedule_exit(&mut self, at: u64, code: i32) {
        let sooner = self.scheduled_exit.is_none_or(|(other, _)| at < other);
        if sooner {
            self.scheduled_exit = Some((at, code));
        }
    }

    pub(super) fn end(&mut self, at: u64, code: i32, reason: ExitReason) {
        self.meter.settle(at);
        let orderly = code != 137;
        if let (Some(store), Some(directory)) = (&self.store, self.store_directory())
            && let Some(disk) = self.files.disks.get_mut(&directory).filter(|_| orderly || store.append_only)
        {
            store.save(disk);
        }
        self.commands.kill();
        self.exit = Some((at, code, reason));
        self.phase = Phase::Exited { reported: false };
    }

    fn store_directory(&self) -> Option<String> {
        self.profile.spec().store.as_ref().map(|store| normal(&store.directory))
    }

    /// Whether a connection to this port is accepted now.
    pub fn is_listening(&self, port: u16) -> bool {
        let spec = self.profile.spec();
        self.phase == Phase::Running && self.program == Program::Server && (spec.any_port || spec.ports.contains(&port))
    }

    /// Whether the program is a Redis server.
    pub fn is_redis(&self) -> bool {
        self.store.is_some()
    }

    /// Whether the program has ended (seen or not yet seen by `advance`).
    pub fn is_exited(&self) -> bool {
        matches!(self.phase, Phase::Exited { .. })
    }

    /// Answers one Redis command, if this is a Redis server that listens.
    pub fn command(&mut self, now: u64, command: &BackendCommand) -> Result<BackendAnswer, BackendError> {
        if self.phase != Phase::Running {
            return Err(BackendError::Refused);
        }
        if self.faults.hangs {
            return Err(BackendError::Timeout);
        }
        let Some(store) = &mut self.store else { return Err(BackendError::Refused) };
        let (reply, _) = store.command(now, command);
        let latency = self.profile.spec().store.as_ref().map_or(0, |store| store.latency.0);
        Ok(BackendAnswer { reply, latency_nanos: latency.saturating_add(self.faults.extra_latency_nanos) })
    }

    /// CPU time used from the start to `now`, in nanoseconds, never more than the limit allows.
    pub fn cpu_nanos(&self, now: u64) -> u64 {
        self.meter.cpu_nanos(if self.is_exited() { self.meter.settled_at() } else { now })
    }

    /// Memory held at `now` in bytes; 0 when the program has ended.
    pub fn memory_bytes(&self, now: u64) -> u64 {
        if self.is_exited() {
            return 0;
        }
        self.meter.memory_bytes(now, self.held_bytes(), self.faults.memory_growth)
    }

    fn held_bytes(&self) -> u64 {
        let shell = match &self.program {
            Program::Shell(shell) => shell.held_bytes(),
            Program::Server => 0,
        };
        self.store.as_ref().map_or(0, Store::bytes).saturating_add(shell)
    }

    /// The CPU limit in thousandths of a core. Counts from the last `advance` on: advance first, then resize.
    pub fn set_cpu_limit(&mut self, millicores: Option<u64>) {
        self.meter.limit_millicores = millicores.map(|millicores| millicores.max(1));
    }

    /// The memory limit in bytes. A process above it is killed (137, `OOMKilled`) by the next `advance`.
    pub fn set_memory_limit(&mut self, bytes: Option<u64>) {
        self.meter.memory_limit = bytes;
    }

    /// Puts a volume at a path, with what is on it. To be called right after [`Process::start`].
    pub fn mount(&mut self, path: &str, disk: Disk) {
        let path = normal(path);
        if self.store_directory().as_deref() == Some(path.as_str()) {
            self.store.iter_mut().for_each(|store| store.load(&disk));
        }
        self.files.disks.insert(path, disk);
    }

    /// The volumes with what is on them now, by mount path; the process keeps none. For when it has ended.
    pub fn take_disks(&mut self) -> BTreeMap<String, Disk> {
        std::mem::take(&mut self.files.disks)
    }

    /// The content of a file in the container (`/dev/termination-log`, say).
    pub fn read_file(&self, path: &str) -> Option<&str> {
        self.files.read(path)
    }

    /// Everything written so far that is still kept, oldest first.
    pub fn logs(&self) -> &[LogLine] {
        &self.logs
    }

    pub(crate) fn log(&mut self, at: u64, stream: Stream, text: String) {
        if self.spec.stdin && self.program == Program::Server {
            self.commands.main_wrote(stream, format!("{text}\n"));
        }
        self.logs.push(LogLine { at, stream, text });
        if self.logs.len() >= 2 * LOG_LINES_KEPT && self.logs_reported >= LOG_LINES_KEPT {
            self.logs.drain(..LOG_LINES_KEPT);
            self.logs_reported -= LOG_LINES_KEPT;
        }
    }
}

/// What a shell or a small tool holds, in bytes.
const SHELL_MEMORY: u64 = 1 << 20;

pub(super) fn reason_of(code: i32) -> ExitReason {
    if code == 0 { ExitReason::Completed } else { ExitReason::Error }
}

fn absolute(files: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    files.iter().map(|(path, content)| (normal(path), content.clone())).collect()
}

/// The interval of CFS bandwidth control.
pub(crate) const CFS_PERIOD: u64 = SECOND / 10;
