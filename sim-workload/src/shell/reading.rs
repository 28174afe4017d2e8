//! Programs that read commands line by line from their input: a shell without a script, and `redis-cli` without a command.
//! On a terminal they show a prompt; the terminal itself (what shows typed characters) is the business of who holds it.
//! Not modelled: job control, `PS1`, here-documents.
//! Source: busybox shell/ash.c (prompts, `^C`), dash, bash, redis-cli.c (`cliFormatReplyTTY`).

use std::sync::Arc;

use super::parse::parse;
use super::redis_cli;
use super::{Blocked, Frame, Host, Shell, Turn};
use crate::process::Stream;
use crate::profile_set::repository_name;
use crate::stdin::Taken;

/// A program that reads commands.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reader {
    /// A shell.
    Shell { bash: bool },
    /// Redis' client, with the password it uses.
    RedisCli { password: Option<String> },
}

/// How far it has read.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Reading {
    reader: Reader,
    /// The lines of a command that is not whole yet.
    begun: String,
    /// Whether the prompt for the next line was shown.
    prompted: bool,
}

/// What a parser says of a command that goes on in the next line.
const UNFINISHED: [&str; 4] = ["unexpected end of file", "unterminated quoted string", "missing ')'", "missing '}'"];

impl Shell {
    /// Begins to read commands.
    pub(super) fn begin_reading(&mut self, reader: Reader) {
        let before = self.frames.len();
        let inner = before > 1 || matches!(reader, Reader::RedisCli { .. });
        self.push_frame(Arc::new(vec![]), inner);
        if self.frames.len() > before
            && let Some(frame) = self.frames.last_mut()
        {
            frame.reads = Some(Reading { reader, begun: String::new(), prompted: false });
        }
    }

    /// Whether it reads commands from its input.
    pub fn is_reading(&self) -> bool {
        self.frames.iter().any(|frame| frame.reads.is_some())
    }

    /// Whether Ctrl-C runs a trap.
    pub fn has_interrupt_trap(&self) -> bool {
        self.traps.contains_key("INT")
    }

    /// New input may be there.
    pub fn input_came(&mut self) {
        if self.blocked == Blocked::Input {
            self.blocked = Blocked::Ready;
        }
    }

    /// Ctrl-C: the foreground command is over, and the shell too unless it reads commands or has a trap.
    pub fn interrupt(&mut self) {
        self.status = 130;
        self.blocked = Blocked::Ready;
        self.answers.clear();
        if self.has_interrupt_trap() {
            self.interrupted = true;
            return;
        }
        self.exiting = None;
        let reader = self.frames.iter().rposition(|frame| matches!(&frame.reads, Some(r) if matches!(r.reader, Reader::Shell { .. })));
        let keep = reader.map_or(1, |at| at + 1);
        while self.frames.len() > keep {
            if let Some(variables) = self.frames.pop().and_then(|frame| frame.subshell) {
                self.variables = variables;
            }
        }
        match self.frames.last_mut() {
            Some(Frame { reads: Some(reading), script, next, loops, .. }) => {
                (*script, *next) = (Arc::new(vec![]), 0);
                loops.clear();
                (reading.prompted, reading.begun) = (false, String::new());
                self.emit(Stream::Stdout, "\n".into());
            }
            _ => self.exiting = Some(130),
        }
    }

    /// The innermost frame is at its end: if it reads, the next command; `None` if it does not read.
    pub(super) fn read_on(&mut self, host: &mut Host) -> Option<Option<Turn>> {
        self.frames.last()?.reads.as_ref()?;
        Some(self.read_command(host))
    }

    fn read_command(&mut self, host: &mut Host) -> Option<Turn> {
        let tty = host.stdin.as_ref().is_some_and(|stdin| stdin.tty);
        let mut reading = self.frames.last_mut().and_then(|frame| frame.reads.take())?;
        if tty && !reading.prompted {
            let prompt = self.prompt(&reading, host);
            self.emit(Stream::Stdout, prompt);
            reading.prompted = true;
        }
        let taken = host.stdin.as_mut().map_or(Taken::End, |stdin| stdin.line());
        match taken {
            Taken::NotYet => self.blocked = Blocked::Input,
            Taken::End => return self.end_of_commands(&reading, tty),
            Taken::Line(line) => {
                reading.prompted = false;
                match reading.reader.clone() {
                    Reader::Shell { .. } => self.take_command(&mut reading, &line),
                    Reader::RedisCli { password } => {
                        if let Some(password) = self.redis_line(&line, password, tty, host) {
                            reading.reader = Reader::RedisCli { password };
                        } else {
                            return self.end_of_commands(&reading, false);
                        }
                    }
                }
            }
        }
        if let Some(frame) = self.frames.last_mut() {
            frame.reads = Some(reading);
        }
        None
    }

    fn take_command(&mut self, reading: &mut Reading, line: &str) {
        reading.begun.push_str(line);
        match parse(&reading.begun) {
            Ok(script) => {
                reading.begun.clear();
                if let Some(frame) = self.frames.last_mut() {
                    (frame.script, frame.next) = (script, 0);
                    frame.loops.clear();
                }
            }
            Err(error) if UNFINISHED.iter().any(|text| error.contains(text)) => {}
            Err(error) => {
                reading.begun.clear();
                self.fail(2, &error);
            }
        }
    }

    /// The input is over, and with it the program that read it.
    fn end_of_commands(&mut self, reading: &Reading, tty: bool) -> Option<Turn> {
        if !reading.begun.is_empty()
            && let Err(error) = parse(&reading.begun)
        {
            self.fail(2, &error);
        }
        match &reading.reader {
            Reader::Shell { bash } => {
                if tty {
                    self.emit(Stream::Stdout, if *bash { "exit\n" } else { "\n" }.into());
                }
                self.leave(self.status)
            }
            Reader::RedisCli { .. } => self.leave(0),
        }
    }

    /// One line for Redis' client: the password it goes on with, or nothing if it was told to end.
    fn redis_line(&mut self, line: &str, password: Option<String>, tty: bool, host: &mut Host) -> Option<Option<String>> {
        let words: Vec<String> = line.split_whitespace().map(|word| word.trim_matches('"').to_owned()).collect();
        let verb = words.first().map(|word| word.to_ascii_lowercase()).unwrap_or_default();
        if matches!(verb.as_str(), "quit" | "exit") {
            return None;
        }
        if verb.is_empty() {
            return Some(password);
        }
        let password = if verb == "auth" { words.last().filter(|_| words.len() > 1).cloned() } else { password };
        let asked = if verb == "auth" { vec!["PING".to_owned()] } else { words };
        let outcome = redis_cli::ask(&asked, password.clone(), tty, host);
        let text = if verb == "auth" { outcome.out.replace("PONG", "OK") } else { outcome.out };
        self.emit(Stream::Stdout, text);
        self.emit(Stream::Stderr, outcome.err);
        Some(password)
    }

    fn prompt(&self, reading: &Reading, host: &Host) -> String {
        let directory = if self.directory == "/root" { "~" } else { self.directory.as_str() };
        match reading.reader {
            Reader::RedisCli { .. } => "127.0.0.1:6379> ".into(),
            Reader::Shell { .. } if !reading.begun.is_empty() => "> ".into(),
            Reader::Shell { bash: true } => format!("root@{}:{directory}# ", host.spec.hostname),
            Reader::Shell { bash: false } if is_busybox(&host.spec.image) => format!("{directory} # "),
            Reader::Shell { bash: false } => "# ".into(),
        }
    }
}

/// Whether the small tools of an image are busybox', to go by its name.
pub(super) fn is_busybox(image: &str) -> bool {
    repository_name(image).contains("busybox") || image.contains("alpine")
}
