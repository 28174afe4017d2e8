//! Conversations with containers: exec, attach, followed logs.
//! A command runs in virtual time; what it writes is sent when it has written it. What is typed on a terminal is shown and
//! edited here ([`crate::terminal`]). Attaching to a container whose input is open talks to its main program; attaching to
//! another follows its log.
//! Not modelled: terminals that programs draw on, the terminal's size (it is accepted), input of servers.

use std::time::Duration;

use serde_json::json;
use sim_api::{Connect, ConnectKind};
use sim_core::cluster::ContainerKey;
use sim_workload::{Given, LogLine, Stream, Told};
use tokio::sync::{mpsc, oneshot};

use crate::channels::{Channels, Heard, OUTCOME, STDERR, STDOUT};
use crate::simulation::{Command, Handle, LogWanted};
use crate::terminal::{Decoder, Terminal, Typed};

/// How often a followed container is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(50);
/// How often a program is asked what it wrote, while nothing is typed.
const ASK_INTERVAL: Duration = Duration::from_millis(20);

/// The most that is sent at once, in bytes.
const PIECE_BYTES: usize = 32 << 10;

/// One conversation.
struct Session<'a> {
    channels: Channels,
    connect: &'a Connect,
    simulation: &'a Handle,
    tty: bool,
}

/// What a client sends input through.
enum Keyboard {
    Terminal(Box<Terminal>),
    Pipe(Decoder),
}

/// Serves an exec or attach until it is over.
pub async fn serve(channels: Channels, connect: Connect, simulation: Handle) {
    let tty = matches!(&connect.kind, ConnectKind::Exec { tty: true, .. } | ConnectKind::Attach { tty: true, .. });
    let mut session = Session { channels, connect: &connect, simulation: &simulation, tty };
    let outcome = match &connect.kind {
        ConnectKind::Exec { command, stdin, .. } => session.command(command, *stdin).await,
        ConnectKind::Attach { .. } if session.has_input().await => session.main_program().await,
        _ => session.attach().await,
    };
    let _gone = session.channels.send(OUTCOME, outcome.to_string().as_bytes()).await;
}

impl Session<'_> {
    fn key(&self) -> ContainerKey {
        let Connect { namespace, pod, container, .. } = self.connect.clone();
        ContainerKey { namespace, pod, container }
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        if self.simulation.send(command(reply)) { answer.await.ok() } else { None }
    }

    async fn command(&mut self, command: &[String], stdin: bool) -> serde_json::Value {
        let (at, command, tty) = (self.key(), command.to_vec(), self.tty);
        match self.ask(|reply| Command::Begin { at, command, stdin, tty, reply }).await.flatten() {
            None => failure(&format!("container not found (\"{}\")", self.connect.container)),
            Some(Err(error)) => cannot_start(&error),
            Some(Ok(number)) => self.converse(Some(number), 0).await,
        }
    }

    /// Whether the input of the container's main program is open.
    async fn has_input(&self) -> bool {
        let at = self.key();
        self.ask(|reply| Command::HasInput { at, reply }).await.unwrap_or(false)
    }

    /// Talks to the main program from now on.
    async fn main_program(&mut self) -> serde_json::Value {
        let Some(told) = self.told(None, 0).await else { return failure("the container is not running") };
        // The line that was begun, a prompt, is not seen; a key brings a new one.
        self.converse(None, told.next).await
    }

    async fn told(&self, command: Option<u64>, from: usize) -> Option<Told> {
        let at = self.key();
        self.ask(|reply| Command::Told { at, command, from, reply }).await.flatten()
    }

    async fn give(&self, command: Option<u64>, given: Given) {
        let at = self.key();
        let _gone = self.ask(|reply| Command::Give { at, command, given, reply }).await;
    }

    /// Carries input and output until the program is over or the client has left.
    async fn converse(&mut self, command: Option<u64>, mut from: usize) -> serde_json::Value {
        let mut keyboard = if self.tty { Keyboard::Terminal(Box::default()) } else { Keyboard::Pipe(Decoder::default()) };
        loop {
            // What is not known any more is gone with its container, or was wound back.
            let Some(told) = self.told(command, from).await else { return exit_status(137) };
            from = told.next;
            for (stream, text) in &told.pieces {
                if !self.show(*stream, text).await {
                    self.give(command, Given::Left).await;
                    return failure("the client has gone");
                }
            }
            if let Some(code) = told.code {
                return exit_status(code);
            }
            match tokio::time::timeout(ASK_INTERVAL, self.channels.heard()).await {
                Err(_nothing_yet) => {}
                Ok(Some(heard)) => self.typed(&mut keyboard, command, heard).await,
                Ok(None) => {
                    self.give(command, Given::Left).await;
                    return failure("the client has gone");
                }
            }
        }
    }

    async fn show(&self, stream: Stream, text: &str) -> bool {
        let bytes = sim_workload::bytes_of(&if self.tty { text.replace('\n', "\r\n") } else { text.to_owned() });
        // A terminal has one stream for both.
        let channel = if stream == Stream::Stderr && !self.tty { STDERR } else { STDOUT };
        for piece in bytes.chunks(PIECE_BYTES) {
            if !self.channels.send(channel, piece).await {
                return false;
            }
        }
        true
    }

    async fn typed(&self, keyboard: &mut Keyboard, command: Option<u64>, heard: Heard) {
        match (keyboard, heard) {
            (Keyboard::Terminal(terminal), Heard::Input(bytes)) => {
                for typed in terminal.feed(&bytes) {
                    match typed {
                        Typed::Shown(text) => _ = self.channels.send(STDOUT, text.as_bytes()).await,
                        Typed::Given(given) => self.give(command, given).await,
                    }
                }
            }
            (Keyboard::Terminal(_), Heard::InputEnded) => self.give(command, Given::Left).await,
            (Keyboard::Pipe(decoder), Heard::Input(bytes)) => self.give(command, Given::Text(decoder.feed(&bytes))).await,
            (Keyboard::Pipe(decoder), Heard::InputEnded) => {
                let rest = decoder.end();
                if !rest.is_empty() {
                    self.give(command, Given::Text(rest)).await;
                }
                self.give(command, Given::End).await;
            }
        }
    }

    /// Follows the main process's output from now on, until it ends or the client leaves.
    async fn attach(&mut self) -> serde_json::Value {
        let ContainerKey { namespace, pod, container } = self.key();
        let instance = self.ask(|reply| Command::Instance { namespace, pod, container, reply }).await.flatten();
        let Some(instance) = instance else { return failure("the container is not running") };
        let (start, _) = log(self.simulation, self.connect, &instance, 0).await.unwrap_or_default();
        let mut from = start.len();
        while let Some((lines, running)) = log(self.simulation, self.connect, &instance, from).await {
            from += lines.len();
            for line in lines {
                let text = format!("{}{}", line.text, if self.tty { "\r\n" } else { "\n" });
                let channel = if line.stream == Stream::Stderr && !self.tty { STDERR } else { STDOUT };
                if !self.channels.send(channel, text.as_bytes()).await {
                    return exit_status(0);
                }
            }
            if !running || matches!(tokio::time::timeout(FOLLOW_INTERVAL, self.channels.heard()).await, Ok(None)) {
                break;
            }
        }
        exit_status(0)
    }
}

async fn log(simulation: &Handle, connect: &Connect, instance: &str, from: usize) -> Option<(Vec<LogLine>, bool)> {
    let (reply, answer) = oneshot::channel();
    let (namespace, pod, container) = (connect.namespace.clone(), connect.pod.clone(), connect.container.clone());
    let wanted = LogWanted { namespace, pod, container, instance: instance.to_owned(), from };
    if !simulation.send(Command::Log(Box::new(wanted), reply)) {
        return None;
    }
    answer.await.ok().flatten()
}

/// Sends a followed log until the container has ended or the client has left.
pub fn follow(connect: Connect, simulation: Handle) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(64);
    let ConnectKind::FollowLog { instance, mut from, timestamps } = connect.kind.clone() else { return receiver };
    tokio::spawn(async move {
        if !connect.first.is_empty() && sender.send(connect.first.clone()).await.is_err() {
            return;
        }
        while let Some((lines, running)) = log(&simulation, &connect, &instance, from).await {
            from += lines.len();
            let text: String = lines.iter().map(|line| sim_api::log_line(line, timestamps)).collect();
            if !text.is_empty() && sender.send(text.into_bytes()).await.is_err() {
                return;
            }
            if !running || sender.is_closed() {
                return;
            }
            tokio::time::sleep(FOLLOW_INTERVAL).await;
        }
    });
    receiver
}

fn exit_status(code: i32) -> serde_json::Value {
    if code == 0 {
        return json!({"metadata": {}, "status": "Success"});
    }
    json!({"metadata": {}, "status": "Failure", "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]}})
}

/// A command that the runtime could not start, in its words and the kubelet's.
fn cannot_start(error: &str) -> serde_json::Value {
    failure(&format!(
        "Internal error occurred: error executing command in container: failed to exec in container: failed to start exec: OCI runtime exec failed: exec failed: unable to start container process: {error}: unknown"
    ))
}

fn failure(message: &str) -> serde_json::Value {
    json!({"metadata": {}, "status": "Failure", "message": message, "reason": "InternalError", "code": 500})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_code_is_told_as_kubectl_reads_it() {
        assert_eq!(exit_status(0)["status"], "Success");
        assert_eq!(exit_status(3)["details"]["causes"][0]["message"], "3");
    }
}
