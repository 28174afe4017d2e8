//! `redis-cli` inside a container whose image has it.

use super::tools::Outcome;
use super::{Host, Shell};
use crate::backend::{BackendCommand, Operation, Reply};

/// `redis-cli [-h host] [-p port] [-a password] command…`; without a terminal replies are printed bare and errors, too,
/// end with 0. Only the server in this container can be reached.
pub fn redis_cli(shell: &Shell, arguments: &[String], host: &mut Host) -> Outcome {
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
    let Some(store) = host.store.as_mut() else {
        return Outcome::error(1, "Could not connect to Redis at 127.0.0.1:6379: Connection refused");
    };
    let reply = match Operation::parse(rest) {
        Ok(operation) => store.command(host.now, &BackendCommand { password, operation }).0,
        Err(error) => Reply::Error(error),
    };
    match reply {
        Reply::Pong => Outcome::line("PONG"),
        Reply::Ok => Outcome::line("OK"),
        Reply::Integer(value) => Outcome::line(value),
        Reply::Bulk(text) | Reply::Error(text) => Outcome::line(text),
        Reply::Nil => Outcome::line(""),
    }
}
