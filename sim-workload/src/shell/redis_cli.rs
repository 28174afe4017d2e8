//! `redis-cli` inside a container whose image has it. Only the server in this container can be reached.

use super::tools::Outcome;
use super::{Host, Shell};
use crate::backend::{BackendCommand, Operation, Reply};

/// The options of a command line: the password, and the words after them.
pub fn options<'a>(shell: &Shell, arguments: &'a [String], host: &Host) -> (Option<String>, &'a [String]) {
    let mut password = shell.variable("REDISCLI_AUTH", host);
    let mut rest = arguments;
    while let [option, tail @ ..] = rest {
        match option.as_str() {
            "-a" => password = tail.first().cloned(),
            "-h" | "-p" | "-n" => {}
            "--no-auth-warning" | "--raw" => {
                rest = tail;
                continue;
            }
            _ => break,
        }
        rest = tail.get(1..).unwrap_or_default();
    }
    (password, rest)
}

/// `redis-cli [-h host] [-p port] [-a password] command…`; without a terminal replies are printed bare and errors, too,
/// end with 0.
pub fn redis_cli(shell: &Shell, arguments: &[String], host: &mut Host) -> Outcome {
    let (password, words) = options(shell, arguments, host);
    let tty = host.stdin.as_ref().is_some_and(|stdin| stdin.tty);
    ask(words, password, tty, host)
}

/// Sends one command; the reply as it is shown.
pub fn ask(words: &[String], password: Option<String>, tty: bool, host: &mut Host) -> Outcome {
    let Some(store) = host.store.as_mut() else {
        return Outcome::error(1, "Could not connect to Redis at 127.0.0.1:6379: Connection refused");
    };
    let reply = match Operation::parse(words) {
        Ok(operation) => store.command(host.now, &BackendCommand { password, operation }).0,
        Err(error) => Reply::Error(error),
    };
    match reply {
        Reply::Pong => Outcome::line("PONG"),
        Reply::Ok => Outcome::line("OK"),
        Reply::Integer(value) if tty => Outcome::line(format!("(integer) {value}")),
        Reply::Integer(value) => Outcome::line(value),
        Reply::Bulk(text) if tty => Outcome::line(format!("{text:?}")),
        Reply::Error(text) if tty => Outcome::line(format!("(error) {text}")),
        Reply::Bulk(text) | Reply::Error(text) => Outcome::line(text),
        Reply::Nil if tty => Outcome::line("(nil)"),
        Reply::Nil => Outcome::line(""),
    }
}
