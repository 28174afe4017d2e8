//! Conversations with containers: exec, attach, followed logs.
//! A command's effects happen at once; what it writes is sent, and its end told, at the virtual times they have. Of a shell
//! with input each line is a command of its own (what one line sets, the next does not know). Attaching to a container
//! whose main program is such a shell feeds that shell.
//! Not modelled: terminals that programs draw on, input of programs other than shells, `tar` and so `kubectl cp`.

use std::time::Duration;

use serde_json::json;
use sim_api::{Connect, ConnectKind};
use sim_core::time::SimTime;
use sim_workload::{LogLine, Stream};
use tokio::sync::{mpsc, oneshot};

use crate::channels::{Channels, Heard, OUTCOME, STDERR, STDOUT};
use crate::simulation::{Command, Handle, LogWanted};
use crate::streams::Executed;

/// How often a followed container is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(50);
/// How long a client may be silent before an interactive session ends.
const SILENCE_MAX: Duration = Duration::from_secs(4 * 3600);
/// An input line may have this many bytes.
const LINE_BYTES_MAX: usize = 64 << 10;
const PROMPT: &[u8] = b"/ # ";

/// One conversation.
struct Session<'a> {
    channels: Channels,
    connect: &'a Connect,
    simulation: &'a Handle,
    tty: bool,
}

/// Serves an exec or attach until it is over.
pub async fn serve(channels: Channels, connect: Connect, simulation: Handle) {
    let tty = matches!(&connect.kind, ConnectKind::Exec { tty: true, .. } | ConnectKind::Attach { tty: true, .. });
    let mut session = Session { channels, connect: &connect, simulation: &simulation, tty };
    let outcome = match &connect.kind {
        ConnectKind::Exec { command, stdin: true, .. } if is_shell(command) => session.shell().await,
        ConnectKind::Exec { command, .. } => session.one_command(command).await,
        ConnectKind::Attach { stdin: true, .. } if session.is_fed_shell().await => session.main_shell().await,
        _ => session.attach().await,
    };
    let _gone = session.channels.send(OUTCOME, outcome.to_string().as_bytes()).await;
}

fn is_shell(command: &[String]) -> bool {
    let name = command.first().map(|c| c.rsplit('/').next().unwrap_or_default().to_owned());
    command.len() == 1 && matches!(name.as_deref(), Some("sh" | "bash" | "ash" | "dash"))
}

impl Session<'_> {
    fn place(&self) -> (String, String, String) {
        (self.connect.namespace.clone(), self.connect.pod.clone(), self.connect.container.clone())
    }

    async fn ask<T>(&self, command: impl FnOnce(oneshot::Sender<T>) -> Command) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        if self.simulation.send(command(reply)) { answer.await.ok() } else { None }
    }

    async fn run(&self, command: Vec<String>) -> Option<Executed> {
        let (namespace, pod, container) = self.place();
        self.ask(|reply| Command::Exec { namespace, pod, container, command, reply }).await.flatten()
    }

    /// Waits for a virtual moment; false when the client is gone before. What it says meanwhile is not heard.
    async fn reach(&mut self, at: SimTime) -> bool {
        let (reply, reached) = oneshot::channel();
        if !self.simulation.send(Command::Reach { at, reply }) {
            return false;
        }
        let gone = async { while self.channels.heard().await.is_some() {} };
        tokio::select! { reached = reached => reached.is_ok(), () = gone => false }
    }

    /// Sends what a command writes, each piece when it is written; false when the client is gone before the command's end.
    async fn tell(&mut self, result: &Executed) -> bool {
        for (at, stream, text) in &result.chunks {
            if *at > result.now && !self.reach(*at).await {
                return false;
            }
            let shown = if self.tty { text.replace('\n', "\r\n") } else { text.clone() };
            // A terminal has one stream for both.
            let channel = if *stream == Stream::Stderr && !self.tty { STDERR } else { STDOUT };
            if !self.channels.send(channel, shown.as_bytes()).await {
                return false;
            }
        }
        result.ends <= result.now || self.reach(result.ends).await
    }

    async fn one_command(&mut self, command: &[String]) -> serde_json::Value {
        if command.first().is_some_and(|c| c.rsplit('/').next() == Some("tar")) {
            let why = b"tar is not simulated, so files cannot be copied into or out of containers\n";
            let _gone = self.channels.send(STDERR, why).await;
            return exit_status(1);
        }
        match self.run(command.to_vec()).await {
            None => failure(&format!("container not found (\"{}\")", self.connect.container)),
            Some(Executed { start_error: Some(error), .. }) => cannot_start(&error),
            Some(result) if self.tell(&result).await => exit_status(result.code),
            Some(_) => failure("the client has gone"),
        }
    }

    /// Input as it arrives; `None` when the client is done.
    async fn input(&mut self) -> Option<Vec<u8>> {
        match tokio::time::timeout(SILENCE_MAX, self.channels.heard()).await.ok()?? {
            Heard::Input(bytes) => Some(bytes),
            Heard::InputEnded => None,
        }
    }

    async fn show(&self, bytes: &[u8]) {
        if self.tty {
            let _gone = self.channels.send(STDOUT, bytes).await;
        }
    }

    /// A shell that is fed line by line.
    async fn shell(&mut self) -> serde_json::Value {
        let (mut line, mut last) = (Vec::new(), 0);
        self.show(PROMPT).await;
        while let Some(bytes) = self.input().await {
            for byte in bytes {
                match byte {
                    b'\r' | b'\n' => {
                        self.show(b"\r\n").await;
                        match self.line(&std::mem::take(&mut line), last).await {
                            Line::Went(code) => last = code,
                            Line::Left(code) => return exit_status(code),
                            Line::NoContainer => return failure("the container has ended"),
                        }
                        self.show(PROMPT).await;
                    }
                    4 if self.tty && line.is_empty() => return exit_status(last),
                    3 if self.tty => {
                        line.clear();
                        self.show(b"^C\r\n/ # ").await;
                    }
                    127 | 8 if self.tty => {
                        let rubbed: &[u8] = if line.pop().is_some() { b"\x08 \x08" } else { b"" };
                        self.show(rubbed).await;
                    }
                    other if line.len() < LINE_BYTES_MAX => {
                        line.push(other);
                        self.show(&[other]).await;
                    }
                    _ => {}
                }
            }
        }
        match self.line(&line, last).await {
            Line::Went(code) | Line::Left(code) => exit_status(code),
            Line::NoContainer => failure("the container has ended"),
        }
    }

    async fn line(&mut self, line: &[u8], last: i32) -> Line {
        let text = String::from_utf8_lossy(line).trim().to_owned();
        if let Some(code) = exit_code(&text, last) {
            return Line::Left(code);
        }
        if text.is_empty() {
            return Line::Went(last);
        }
        match self.run(vec!["sh".to_owned(), "-c".to_owned(), text]).await {
            None => Line::NoContainer,
            Some(result) if self.tell(&result).await => Line::Went(result.code),
            Some(result) => Line::Left(result.code),
        }
    }

    /// Whether the container's main program is a shell that waits for input.
    async fn is_fed_shell(&self) -> bool {
        let (namespace, pod, container) = self.place();
        self.ask(|reply| Command::IsFedShell { namespace, pod, container, reply }).await.unwrap_or(false)
    }

    /// Feeds the main program, a shell, which ends as its input does.
    async fn main_shell(&mut self) -> serde_json::Value {
        let outcome = self.shell().await;
        let code = outcome["details"]["causes"][0]["message"].as_str().and_then(|code| code.parse().ok()).unwrap_or(0);
        let (namespace, pod, container) = self.place();
        let _ended = self.ask(|reply| Command::EndInput { namespace, pod, container, code, reply }).await;
        outcome
    }

    /// Follows the main process's output from now on, until it ends or the client leaves.
    async fn attach(&mut self) -> serde_json::Value {
        let (namespace, pod, container) = self.place();
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

/// What came of a line of input.
enum Line {
    /// A command ended with this code.
    Went(i32),
    /// The shell is left with this code.
    Left(i32),
    NoContainer,
}

/// The code of an `exit` command.
fn exit_code(line: &str, last: i32) -> Option<i32> {
    let mut words = line.split_whitespace();
    (words.next() == Some("exit")).then(|| words.next().and_then(|w| w.parse().ok()).unwrap_or(last))
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

    #[test]
    fn only_a_bare_shell_is_fed_by_lines() {
        assert!(is_shell(&["/bin/sh".into()]));
        assert!(!is_shell(&["sh".into(), "-c".into(), "ls".into()]));
        assert!(!is_shell(&["cat".into()]));
        assert_eq!((exit_code("exit 7", 0), exit_code("exit", 2), exit_code("exited", 0)), (Some(7), Some(2), None));
    }
}
