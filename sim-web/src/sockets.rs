//! Streams over WebSocket: exec and attach as `v5.channel.k8s.io` (and v4), followed logs over plain HTTP.
//! Channels: 0 input, 1 output, 2 errors, 3 the outcome as a `Status`, 4 the terminal's size, 255 closes one.
//! A command runs to its end at once; of a shell with input each line is a command of its own (what one line sets, the next
//! does not know). Not modelled: terminals that programs draw on, `tar` and so `kubectl cp`.
//! Source: apimachinery/pkg/util/remotecommand, client-go/tools/remotecommand.

use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use serde_json::json;
use sim_api::{Connect, ConnectKind};
use tokio::sync::{mpsc, oneshot};

use crate::simulation::{Command, Handle};
use crate::streams::ExecResult;

/// The subprotocols of exec and attach, best first.
pub const PROTOCOLS: [&str; 2] = ["v5.channel.k8s.io", "v4.channel.k8s.io"];
/// How often a followed container is looked at.
const FOLLOW_INTERVAL: Duration = Duration::from_millis(50);
/// How long a client may be silent before an interactive session ends.
const SILENCE_MAX: Duration = Duration::from_secs(4 * 3600);
/// An input line may have this many bytes.
const LINE_BYTES_MAX: usize = 64 << 10;

const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
const OUTCOME: u8 = 3;
const CLOSE: u8 = 255;

/// Serves an exec or attach until it is over.
pub async fn serve(mut socket: WebSocket, connect: Connect, simulation: Handle) {
    let outcome = match &connect.kind {
        ConnectKind::Exec { command, stdin: true, tty, .. } if is_shell(command) => shell(&mut socket, &connect, &simulation, *tty).await,
        ConnectKind::Exec { command, .. } => one_command(&mut socket, &connect, &simulation, command).await,
        _ => attach(&mut socket, &connect, &simulation).await,
    };
    let _gone = send(&mut socket, OUTCOME, outcome.to_string().as_bytes()).await;
    let _gone = socket.send(Message::Close(Some(CloseFrame { code: 1000, reason: "".into() }))).await;
}

fn is_shell(command: &[String]) -> bool {
    let name = command.first().map(|c| c.rsplit('/').next().unwrap_or_default().to_owned());
    command.len() == 1 && matches!(name.as_deref(), Some("sh" | "bash" | "ash" | "dash"))
}

async fn send(socket: &mut WebSocket, channel: u8, bytes: &[u8]) -> Result<(), axum::Error> {
    let mut frame = vec![channel];
    frame.extend_from_slice(bytes);
    socket.send(Message::Binary(frame.into())).await
}

async fn run(simulation: &Handle, connect: &Connect, command: Vec<String>) -> Option<ExecResult> {
    let (reply, answer) = oneshot::channel();
    let (namespace, pod, container) = (connect.namespace.clone(), connect.pod.clone(), connect.container.clone());
    if !simulation.send(Command::Exec { namespace, pod, container, command, reply }) {
        return None;
    }
    answer.await.ok().flatten()
}

async fn one_command(socket: &mut WebSocket, connect: &Connect, simulation: &Handle, command: &[String]) -> serde_json::Value {
    if command.first().is_some_and(|c| c.rsplit('/').next() == Some("tar")) {
        let _gone = send(socket, STDERR, b"tar is not simulated, so files cannot be copied into or out of containers\n").await;
        return exit_status(1);
    }
    match run(simulation, connect, command.to_vec()).await {
        None => failure(&format!("container not found (\"{}\")", connect.container)),
        Some(result) => {
            let told = tell(socket, &result, false).await;
            if told.is_err() { failure("the client has gone") } else { exit_status(result.2) }
        }
    }
}

async fn tell(socket: &mut WebSocket, result: &ExecResult, tty: bool) -> Result<(), axum::Error> {
    let shown = |text: &str| if tty { text.replace('\n', "\r\n") } else { text.to_owned() };
    if !result.0.is_empty() {
        send(socket, STDOUT, shown(&result.0).as_bytes()).await?;
    }
    if !result.1.is_empty() {
        // A terminal has one stream for both.
        send(socket, if tty { STDOUT } else { STDERR }, shown(&result.1).as_bytes()).await?;
    }
    Ok(())
}

/// Input as it arrives; `None` when the client is done.
async fn input(socket: &mut WebSocket) -> Option<Vec<u8>> {
    loop {
        let message = tokio::time::timeout(SILENCE_MAX, socket.recv()).await.ok()??.ok()?;
        match message {
            Message::Binary(frame) => match frame.split_first() {
                Some((&STDIN, bytes)) => return Some(bytes.to_vec()),
                Some((&CLOSE, [STDIN])) => return None,
                _ => {}
            },
            Message::Close(_) => return None,
            _ => {}
        }
    }
}

/// A shell that is fed line by line.
async fn shell(socket: &mut WebSocket, connect: &Connect, simulation: &Handle, tty: bool) -> serde_json::Value {
    let mut line = Vec::new();
    let mut last = 0;
    if tty && send(socket, STDOUT, b"/ # ").await.is_err() {
        return exit_status(0);
    }
    while let Some(bytes) = input(socket).await {
        for byte in bytes {
            match byte {
                b'\r' | b'\n' => {
                    let text = String::from_utf8_lossy(&std::mem::take(&mut line)).trim().to_owned();
                    if tty {
                        let _gone = send(socket, STDOUT, b"\r\n").await;
                    }
                    if let Some(code) = exit_code(&text, last) {
                        return exit_status(code);
                    }
                    if !text.is_empty() {
                        let command = vec!["sh".to_owned(), "-c".to_owned(), text];
                        let Some(result) = run(simulation, connect, command).await else { return failure("the container has ended") };
                        last = result.2;
                        if tell(socket, &result, tty).await.is_err() {
                            return exit_status(last);
                        }
                    }
                    if tty {
                        let _gone = send(socket, STDOUT, b"/ # ").await;
                    }
                }
                4 if tty && line.is_empty() => return exit_status(last),
                3 if tty => {
                    line.clear();
                    let _gone = send(socket, STDOUT, b"^C\r\n/ # ").await;
                }
                127 | 8 if tty && line.pop().is_some() => {
                    let _gone = send(socket, STDOUT, b"\x08 \x08").await;
                }
                127 | 8 if tty => {}
                other if line.len() < LINE_BYTES_MAX => {
                    line.push(other);
                    if tty {
                        let _gone = send(socket, STDOUT, &[other]).await;
                    }
                }
                _ => {}
            }
        }
    }
    let text = String::from_utf8_lossy(&line).trim().to_owned();
    if !text.is_empty() {
        match run(simulation, connect, vec!["sh".into(), "-c".into(), text]).await {
            Some(result) => {
                let _gone = tell(socket, &result, tty).await;
                last = result.2;
            }
            None => return failure("the container has ended"),
        }
    }
    exit_status(last)
}

/// The code of an `exit` command.
fn exit_code(line: &str, last: i32) -> Option<i32> {
    let mut words = line.split_whitespace();
    (words.next() == Some("exit")).then(|| words.next().and_then(|w| w.parse().ok()).unwrap_or(last))
}

/// Follows the main process's output from now on, until it ends or the client leaves.
async fn attach(socket: &mut WebSocket, connect: &Connect, simulation: &Handle) -> serde_json::Value {
    let (start, _) = log(simulation, connect, 0).await.unwrap_or_default();
    let mut from = start.len();
    loop {
        match log(simulation, connect, from).await {
            Some((bytes, running)) => {
                from += bytes.len();
                if !bytes.is_empty() && send(socket, STDOUT, &bytes).await.is_err() {
                    return exit_status(0);
                }
                if !running {
                    return exit_status(0);
                }
            }
            None => return exit_status(0),
        }
        let heard = tokio::time::timeout(FOLLOW_INTERVAL, socket.recv()).await;
        if matches!(heard, Ok(None | Some(Err(_) | Ok(Message::Close(_))))) {
            return exit_status(0);
        }
    }
}

async fn log(simulation: &Handle, connect: &Connect, from: usize) -> Option<(Vec<u8>, bool)> {
    let (reply, answer) = oneshot::channel();
    let (namespace, pod, container) = (connect.namespace.clone(), connect.pod.clone(), connect.container.clone());
    if !simulation.send(Command::Log { namespace, pod, container, from, reply }) {
        return None;
    }
    answer.await.ok().flatten()
}

/// Sends a followed log until the container has ended or the client has left.
pub fn follow(connect: Connect, simulation: Handle) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel(64);
    let ConnectKind::FollowLog { mut from, .. } = connect.kind else { return receiver };
    tokio::spawn(async move {
        if !connect.first.is_empty() && sender.send(connect.first.clone()).await.is_err() {
            return;
        }
        while let Some((bytes, running)) = log(&simulation, &connect, from).await {
            from += bytes.len();
            if !bytes.is_empty() && sender.send(bytes).await.is_err() {
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
