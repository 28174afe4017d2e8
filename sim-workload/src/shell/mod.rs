//! A small POSIX shell (busybox `sh`) that runs in simulated time.
//!
//! A running shell is plain data: it stops at `sleep` and `wait` and goes on when the time has come. As in a real shell a
//! trap waits until the foreground command has ended: `trap 'exit 0' TERM; sleep 3600` stops only after the hour, while
//! `sleep 3600 & wait` stops at once. A shell without a trap for TERM takes no notice of it, because it is PID 1.
//! A loop that never sleeps runs [`COMMANDS_PER_SECOND`] commands a second and keeps one core busy.
//! Commands that are not modelled end with 127 and `sh: x: not found`; syntax that is not modelled ends the shell with 2.
//! A server that a script starts takes the place of the shell, whether `exec` is written before it or not.
//! A shell without a script reads commands from its input (`reading.rs`).
//! Not modelled: job control, background servers, what a script does after a server, `eval`, time that other commands take.

mod builtins;
mod calls;
mod expand;
mod file_tools;
mod network_tools;
mod parse;
mod reading;
mod redis_cli;
mod script;
mod tar;
#[cfg(test)]
mod tests;
pub(crate) mod tools;
mod words;

use crate::files::Files;
use crate::network::{Calls, NetworkAnswer, NetworkCall};
use crate::process::{Signal, Spec, Stream, base_name};
use crate::profile::Profile;
use crate::redis::Store;
use crate::stdin::Stdin;
use crate::units::SECOND;
use script::{Op, RedirectKind, Script, Simple};
use std::collections::BTreeMap;
use std::sync::Arc;
use tools::Outcome;

/// How many commands a shell runs in one second of CPU time.
pub const COMMANDS_PER_SECOND: usize = 1000;
/// How many commands one turn may run in all.
pub const COMMANDS_PER_TURN: usize = 20_000;
/// How deep `sh -c` and subshells may nest.
const FRAMES_MAX: usize = 50;
/// How many background commands one shell may have.
const JOBS_MAX: usize = 50;
/// The longest text a variable or a file may get by a script, in bytes.
const TEXT_MAX: usize = 1 << 20;

/// What a shell can see and touch of its container.
pub struct Host<'a> {
    pub now: u64,
    pub profile: &'a Profile,
    pub spec: &'a Spec,
    pub files: &'a mut Files,
    /// The Redis server of this container, if it listens.
    pub store: Option<&'a mut Store>,
    /// What it reads, if its input is open.
    pub stdin: Option<&'a mut Stdin>,
    /// Signals sent to PID 1.
    pub signals: Vec<Signal>,
    /// Whether the shell is the container's main program.
    pub is_main: bool,
    /// How many more commands may run in this turn, substitutions and background commands included.
    pub commands_left: usize,
    /// What the command at hand asks the network.
    pub calls: Calls,
}

/// How a turn of a shell ended.
#[derive(Clone, Debug, PartialEq)]
pub enum Turn {
    /// It waits; [`Shell::wake`] says until when.
    Waiting,
    /// It computes until then.
    Busy(u64),
    /// It is over.
    Exited(i32),
    /// It was replaced by a server program.
    Exec(Vec<String>),
}

#[derive(Clone, Debug, Default, PartialEq)]
enum Blocked {
    #[default]
    Ready,
    /// A foreground command runs until then.
    Until(u64),
    /// A foreground command runs for ever.
    Forever,
    /// The command at hand waits for the network; it is run again with the answer.
    Call(NetworkCall),
    /// Until somebody gives input that the command at hand, or a shell that reads commands, needs.
    Input,
    /// `wait`: until all background commands are over. A trapped signal ends it.
    Jobs,
}

#[derive(Clone, Debug, PartialEq)]
struct Frame {
    script: Script,
    next: usize,
    loops: Vec<Vec<String>>,
    /// `exit` ends this frame only (a subshell), and its variables are put back.
    subshell: Option<BTreeMap<String, String>>,
    /// It reads its commands from the input.
    reads: Option<reading::Reading>,
}

/// A running shell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shell {
    frames: Vec<Frame>,
    variables: BTreeMap<String, String>,
    unset: Vec<String>,
    positional: Vec<String>,
    directory: String,
    status: i32,
    exit_on_error: bool,
    /// Actions by signal name (`TERM`, `EXIT`); empty means ignore.
    traps: BTreeMap<String, String>,
    terminated_at: Option<u64>,
    interrupted: bool,
    blocked: Blocked,
    jobs: Vec<Shell>,
    exiting: Option<i32>,
    chunks: Vec<(Stream, String)>,
    partial: [String; 2],
    /// What the network answered the command at hand so far.
    answers: Vec<NetworkAnswer>,
}

impl Shell {
    /// A shell that runs one command line, as the runtime starts it or `sh -c` gives it.
    pub fn command(argv: &[String]) -> Self {
        let words = argv.iter().map(|word| vec![script::Part::Text { text: word.clone(), quoted: true }]).collect();
        let command = Simple { words, ..Simple::default() };
        let mut shell = Self { directory: "/".into(), ..Self::default() };
        shell.push_frame(Arc::new(vec![Op::Run { command, tested: false }]), false);
        shell
    }

    /// When it wants to run next; `now` if at once, `None` if never by itself.
    pub fn wake(&self, now: u64) -> Option<u64> {
        let own = match self.blocked {
            Blocked::Ready => Some(now),
            Blocked::Until(at) => Some(at),
            Blocked::Jobs => self.terminated_at.or_else(|| self.jobs.is_empty().then_some(now)),
            Blocked::Forever | Blocked::Call(_) | Blocked::Input => None,
        };
        let jobs = self.jobs.iter().filter_map(|job| job.wake(now)).min();
        own.into_iter().chain(jobs).min()
    }

    /// SIGTERM. Without a trap nothing happens: the shell is PID 1.
    pub fn terminate(&mut self, now: u64) {
        if self.traps.get("TERM").is_some_and(|action| !action.is_empty()) {
            self.terminated_at = Some(now);
        }
    }

    /// Memory of its variables and background commands, in bytes.
    pub fn held_bytes(&self) -> u64 {
        let variables: usize = self.variables.iter().map(|(name, value)| name.len() + value.len()).sum();
        variables as u64 + self.jobs.iter().map(Shell::held_bytes).sum::<u64>()
    }

    /// Takes what was written: whole lines, and the rest when the shell is over.
    pub fn take_lines(&mut self) -> Vec<(Stream, String)> {
        let mut lines = Vec::new();
        for (stream, text) in std::mem::take(&mut self.chunks) {
            let partial = &mut self.partial[stream as usize];
            partial.push_str(&text);
            while let Some(end) = partial.find('\n') {
                let rest = partial.split_off(end + 1);
                lines.push((stream, std::mem::replace(partial, rest).trim_end_matches('\n').to_string()));
            }
        }
        if self.frames.is_empty() {
            for stream in [Stream::Stdout, Stream::Stderr] {
                let rest = std::mem::take(&mut self.partial[stream as usize]);
                lines.extend((!rest.is_empty()).then_some((stream, rest)));
            }
        }
        lines
    }

    /// A terminal shows what was typed: it belongs to the line that was begun.
    pub fn echo(&mut self, text: &str) {
        self.partial[Stream::Stdout as usize].push_str(text);
    }

    /// What was written and not taken yet.
    pub fn written(&self) -> &[(Stream, String)] {
        &self.chunks
    }

    /// Takes what was written as it is.
    pub fn take_chunks(&mut self) -> Vec<(Stream, String)> {
        std::mem::take(&mut self.chunks)
    }

    /// Runs until it waits, is over, or its turn is used up.
    pub fn run(&mut self, host: &mut Host) -> Turn {
        let mut busy = self.run_jobs(host);
        if !self.unblock(host.now) {
            return busy.map_or(Turn::Waiting, Turn::Busy);
        }
        for _ in 0..COMMANDS_PER_SECOND {
            if host.commands_left == 0 {
                break;
            }
            host.commands_left -= 1;
            if let Some(turn) = self.step(host) {
                return turn;
            }
            if self.blocked != Blocked::Ready {
                busy = self.run_jobs(host).or(busy);
                if !self.unblock(host.now) {
                    return busy.map_or(Turn::Waiting, Turn::Busy);
                }
            }
        }
        self.blocked = Blocked::Until(host.now.saturating_add(SECOND));
        Turn::Busy(host.now.saturating_add(SECOND))
    }

    /// Runs the background commands whose time has come; the time until which one of them computes, if any.
    fn run_jobs(&mut self, host: &mut Host) -> Option<u64> {
        let mut busy = None;
        let mut jobs = std::mem::take(&mut self.jobs);
        // Commands in the background have no input.
        let stdin = host.stdin.take();
        for job in &mut jobs {
            if job.wake(host.now).is_none_or(|at| at > host.now) {
                continue;
            }
            let turn = job.run(host);
            self.chunks.append(&mut job.chunks);
            match turn {
                Turn::Busy(until) => busy = Some(until),
                Turn::Exec(argv) => {
                    self.complain(&format!("{}: a server in the background is not modelled", argv.join(" ")));
                    job.frames.clear();
                }
                Turn::Waiting | Turn::Exited(_) => {}
            }
        }
        host.stdin = stdin;
        jobs.retain(|job| !job.frames.is_empty());
        jobs.append(&mut self.jobs);
        self.jobs = jobs;
        busy
    }

    /// Whether it can go on now.
    fn unblock(&mut self, now: u64) -> bool {
        let signalled = self.terminated_at.is_some_and(|at| at <= now);
        let free = match self.blocked {
            Blocked::Ready => true,
            Blocked::Until(at) => at <= now,
            Blocked::Forever | Blocked::Call(_) | Blocked::Input => false,
            Blocked::Jobs if signalled => {
                self.status = 143;
                true
            }
            Blocked::Jobs => self.jobs.is_empty(),
        };
        if free {
            self.blocked = Blocked::Ready;
        }
        free
    }

    /// One operation. `Some` when the turn is over.
    fn step(&mut self, host: &mut Host) -> Option<Turn> {
        if self.terminated_at.is_some_and(|at| at <= host.now) {
            self.terminated_at = None;
            self.run_trap("TERM");
        }
        if std::mem::take(&mut self.interrupted) {
            self.run_trap("INT");
        }
        if let Some(code) = self.exiting.take() {
            return self.leave(code);
        }
        let Some(frame) = self.frames.last_mut() else { return Some(Turn::Exited(self.status)) };
        let Some(op) = frame.script.get(frame.next).cloned() else {
            return self.end_frame(host);
        };
        frame.next += 1;
        if let Op::Run { .. } | Op::Pipe { .. } | Op::ForStart(_) = op {
            return self.run_asking(op, host);
        }
        self.run_op(op, host)
    }

    fn run_op(&mut self, op: Op, host: &mut Host) -> Option<Turn> {
        let frame = self.frames.last_mut()?;
        match op {
            Op::Run { command, tested } => return self.run_simple(&command, tested, host),
            Op::Pipe { stages, tested } => self.run_pipe(&stages, tested, host),
            Op::Background(script) => self.start_job(script),
            Op::Subshell(script) => self.push_frame(script, true),
            Op::Invert => self.status = i32::from(self.status == 0),
            Op::Status(status) => self.status = status,
            Op::Jump(to) => frame.next = to,
            Op::JumpIfOk(to) if self.status == 0 => frame.next = to,
            Op::JumpIfFail(to) if self.status != 0 => frame.next = to,
            Op::JumpIfOk(_) | Op::JumpIfFail(_) => {}
            Op::ForStart(words) => self.start_for(&words, host),
            Op::ForNext { name, end } => self.next_for(name, end),
            Op::ForEnd => drop(frame.loops.pop()),
        }
        None
    }

    fn start_for(&mut self, words: &[script::Word], host: &mut Host) {
        let mut values = self.expand_words(words, host);
        values.reverse();
        if host.calls.is_waiting() {
            return;
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.loops.push(values);
        }
        self.status = 0;
    }

    fn next_for(&mut self, name: String, end: usize) {
        let Some(frame) = self.frames.last_mut() else { return };
        match frame.loops.last_mut().and_then(Vec::pop) {
            Some(value) => self.set(name, value),
            None => frame.next = end,
        }
    }

    fn start_job(&mut self, script: Script) {
        if self.jobs.len() >= JOBS_MAX {
            return self.fail(2, "can't fork: Resource temporarily unavailable");
        }
        let mut job = Self {
            variables: self.variables.clone(),
            unset: self.unset.clone(),
            positional: self.positional.clone(),
            directory: self.directory.clone(),
            ..Self::default()
        };
        job.push_frame(script, false);
        self.jobs.push(job);
        self.status = 0;
    }

    fn push_frame(&mut self, script: Script, subshell: bool) {
        if self.frames.len() >= FRAMES_MAX {
            return self.fail(2, "nested too deeply");
        }
        let subshell = subshell.then(|| self.variables.clone());
        self.frames.push(Frame { script, next: 0, loops: Vec::new(), subshell, reads: None });
    }

    fn end_frame(&mut self, host: &mut Host) -> Option<Turn> {
        if let Some(turn) = self.read_on(host) {
            return turn;
        }
        if self.frames.len() == 1 {
            return self.leave(self.status);
        }
        if let Some(variables) = self.frames.pop().and_then(|frame| frame.subshell) {
            self.variables = variables;
        }
        None
    }

    /// `exit code`: ends the innermost subshell, or the shell after its EXIT trap.
    fn leave(&mut self, code: i32) -> Option<Turn> {
        self.status = code;
        while let Some(frame) = self.frames.pop() {
            if let Some(variables) = frame.subshell {
                self.variables = variables;
                return None;
            }
        }
        if self.traps.contains_key("EXIT") {
            self.run_trap("EXIT");
            self.traps.remove("EXIT");
            self.frames.first_mut().into_iter().for_each(|frame| frame.script = with_status(&frame.script, code));
            return None;
        }
        Some(Turn::Exited(code))
    }

    fn run_trap(&mut self, name: &str) {
        let Some(action) = self.traps.get(name).cloned() else { return };
        match parse::parse(&action) {
            Ok(script) => self.push_frame(script, false),
            Err(error) => self.fail(2, &error),
        }
    }

    fn run_simple(&mut self, command: &Simple, tested: bool, host: &mut Host) -> Option<Turn> {
        let words = self.expand_words(&command.words, host);
        if host.calls.is_waiting() {
            return None;
        }
        let saved = (!command.assignments.is_empty() && !words.is_empty()).then(|| self.variables.clone());
        self.assign(&command.assignments, host);
        if words.is_empty() {
            self.status = 0;
            return None;
        }
        let turn = self.run_words(&words, command, host);
        if let (Some(saved), None) = (saved, &turn) {
            self.variables = saved;
        }
        if self.exit_on_error && !tested && self.status != 0 && self.blocked == Blocked::Ready {
            self.exiting.get_or_insert(self.status);
        }
        turn
    }

    fn assign(&mut self, assignments: &[(String, script::Word)], host: &mut Host) {
        for (name, value) in assignments {
            let value = self.expand_one(value, host);
            self.set(name.clone(), value);
        }
    }

    fn run_words(&mut self, words: &[String], command: &Simple, host: &mut Host) -> Option<Turn> {
        let words = if words[0] == "exec" { &words[1..] } else { words };
        let program = words.first()?;
        if host.profile.is_server(base_name(program)) && host.is_main {
            return Some(Turn::Exec(words.to_vec()));
        }
        if builtins::run_builtin(self, words, host) {
            return None;
        }
        let outcome = match self.input(words, &command.redirects, host) {
            Some(input) => tools::run(self, words, &input, host),
            None => Outcome::default(),
        };
        if !host.calls.is_waiting() {
            self.finish(outcome, &command.redirects, host);
        }
        None
    }

    fn run_pipe(&mut self, stages: &[Simple], tested: bool, host: &mut Host) {
        let mut input = String::new();
        for (index, stage) in stages.iter().enumerate() {
            let words = self.expand_words(&stage.words, host);
            let saved = (!stage.assignments.is_empty()).then(|| self.variables.clone());
            self.assign(&stage.assignments, host);
            if index == 0 && !words.is_empty() {
                input = self.input(&words, &stage.redirects, host).unwrap_or_default();
            }
            let mut outcome = if words.is_empty() { Outcome::default() } else { tools::run(self, &words, &input, host) };
            self.variables = saved.unwrap_or_else(|| std::mem::take(&mut self.variables));
            if host.calls.is_waiting() {
                return;
            }
            let last = index + 1 == stages.len();
            input = if last { String::new() } else { std::mem::take(&mut outcome.out) };
            self.finish(outcome, &stage.redirects, host);
        }
        if self.exit_on_error && !tested && self.status != 0 {
            self.exiting.get_or_insert(self.status);
        }
    }

    /// Sends what a command wrote where its redirections say.
    fn finish(&mut self, outcome: Outcome, redirects: &[script::Redirect], host: &mut Host) {
        self.status = outcome.code;
        let (mut places, mut texts) = ([Place::Stream(Stream::Stdout), Place::Stream(Stream::Stderr)], [outcome.out, outcome.err]);
        for redirect in redirects {
            let target = self.expand_one(&redirect.target, host);
            let place = match redirect.kind {
                RedirectKind::Read => continue,
                RedirectKind::Duplicate => match target.as_str() {
                    "1" => places[0].clone(),
                    "2" => places[1].clone(),
                    _ => Place::Nowhere,
                },
                kind => Place::of_path(&self.path(&target), kind == RedirectKind::Append),
            };
            if let Place::File { path, append: false } = &place {
                self.write_file(path, String::new(), false, host);
            }
            if let Some(slot) = redirect.stream.checked_sub(1).and_then(|index| places.get_mut(index)) {
                *slot = place;
            }
        }
        for index in if outcome.err_first { [1, 0] } else { [0, 1] } {
            let (place, text) = (places[index].clone(), &mut texts[index]);
            match place {
                Place::Stream(stream) => self.emit(stream, std::mem::take(text)),
                Place::File { path, .. } => self.write_file(&path, std::mem::take(text), true, host),
                Place::Nowhere => {}
            }
        }
    }

    /// What `< file` gives, or the shell's own input; nothing while somebody has still to give that.
    fn input(&mut self, words: &[String], redirects: &[script::Redirect], host: &mut Host) -> Option<String> {
        let Some(redirect) = redirects.iter().rev().find(|redirect| redirect.kind == RedirectKind::Read) else {
            return if tools::reads_input(words) { host.take_input() } else { Some(String::new()) };
        };
        let path = self.expand_one(&redirect.target, host);
        Some(host.files.read(&self.path(&path)).unwrap_or_default().to_string())
    }

    fn write_file(&mut self, path: &str, text: String, append: bool, host: &mut Host) {
        let before = if append { host.files.read(path).unwrap_or_default() } else { "" };
        if before.len() + text.len() > TEXT_MAX {
            return self.fail(1, "write error: No space left on device");
        }
        let content = format!("{before}{text}");
        if let Err(error) = host.files.write(path, content) {
            self.fail(1, &format!("can't create {path}: {error}"));
        }
    }

    fn emit(&mut self, stream: Stream, text: String) {
        if !text.is_empty() {
            self.chunks.push((stream, text));
        }
    }

    /// Sets a variable; texts that grow without end are cut.
    pub(crate) fn set(&mut self, name: String, mut value: String) {
        if value.len() > TEXT_MAX {
            let end = (0..=TEXT_MAX).rev().find(|end| value.is_char_boundary(*end)).unwrap_or(0);
            value.truncate(end);
        }
        self.unset.retain(|other| *other != name);
        self.variables.insert(name, value);
    }

    /// An absolute path.
    pub(crate) fn path(&self, path: &str) -> String {
        if path.starts_with('/') { path.to_string() } else { crate::files::normal(&format!("{}/{path}", self.directory)) }
    }

    fn complain(&mut self, message: &str) {
        self.emit(Stream::Stderr, format!("sh: {message}\n"));
    }

    /// Ends the current command with a message.
    pub(crate) fn fail(&mut self, status: i32, message: &str) {
        self.complain(message);
        self.status = status;
    }
}

/// Where output goes.
#[derive(Clone, Debug, PartialEq)]
enum Place {
    Stream(Stream),
    File { path: String, append: bool },
    Nowhere,
}

impl Place {
    fn of_path(path: &str, append: bool) -> Self {
        match path {
            "/dev/null" => Place::Nowhere,
            "/dev/stdout" | "/proc/1/fd/1" | "/proc/self/fd/1" => Place::Stream(Stream::Stdout),
            "/dev/stderr" | "/proc/1/fd/2" | "/proc/self/fd/2" => Place::Stream(Stream::Stderr),
            _ => Place::File { path: path.to_string(), append },
        }
    }
}

/// The script, then a status: an EXIT trap does not change the exit code.
fn with_status(script: &Script, code: i32) -> Script {
    Arc::new(script.iter().cloned().chain([Op::Status(code)]).collect())
}
