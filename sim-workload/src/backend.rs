//! How an endpoint reaches another workload (Redis) through the simulated network.
//! The caller of [`crate::Process::http`] passes a [`Backends`]; it resolves the host name, picks an endpoint and hands the
//! command to the other container's [`crate::Process::command`].

/// The way from one workload to another. The implementation owns name resolution, routing, delay and loss.
pub trait Backends {
    /// Sends `command` to `host:port` and returns the reply with the time the round trip took.
    fn call(&mut self, host: &str, port: u16, command: BackendCommand) -> Result<BackendAnswer, BackendError>;
}

/// A network on which no host name resolves.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoBackends;

impl Backends for NoBackends {
    fn call(&mut self, _host: &str, _port: u16, _command: BackendCommand) -> Result<BackendAnswer, BackendError> {
        Err(BackendError::NoSuchHost)
    }
}

/// One Redis command, with the password the client authenticates with on its connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendCommand {
    /// Sent as `AUTH` first when present and not empty.
    pub password: Option<String>,
    /// What is asked.
    pub operation: Operation,
}

/// The Redis commands that are modelled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `PING`
    Ping,
    /// `INCR key`
    Incr { key: String },
    /// `GET key`
    Get { key: String },
    /// `SET key value [EX seconds]`
    Set { key: String, value: String, expire_seconds: Option<u64> },
    /// `DEL key`
    Del { key: String },
    /// `DBSIZE`
    DbSize,
}

/// A reply and the time it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackendAnswer {
    /// What Redis said.
    pub reply: Reply,
    /// Nanoseconds from sending to receiving.
    pub latency_nanos: u64,
}

/// A Redis reply (RESP types in plain words).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+PONG`
    Pong,
    /// `+OK`
    Ok,
    /// `:n`
    Integer(i64),
    /// A string.
    Bulk(String),
    /// No such key.
    Nil,
    /// `-ERR …`, `-NOAUTH …`, `-WRONGPASS …`
    Error(String),
}

/// Why no reply came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BackendError {
    /// The name does not resolve.
    NoSuchHost,
    /// Nothing listens there.
    Refused,
    /// No answer; the client gives up after its own time limit.
    Timeout,
}

impl Operation {
    /// Reads a command as `redis-cli` takes it. The error is Redis' own text for it.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let verb = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
        let arguments = words.get(1..).unwrap_or_default();
        match (verb.as_str(), arguments) {
            ("PING", []) => Ok(Self::Ping),
            ("DBSIZE", []) => Ok(Self::DbSize),
            ("INCR", [key]) => Ok(Self::Incr { key: key.clone() }),
            ("GET", [key]) => Ok(Self::Get { key: key.clone() }),
            ("DEL", [key]) => Ok(Self::Del { key: key.clone() }),
            ("SET", [key, value]) => Ok(Self::Set { key: key.clone(), value: value.clone(), expire_seconds: None }),
            ("SET", [key, value, ex, seconds]) if ex.eq_ignore_ascii_case("EX") => {
                let seconds = seconds.parse().map_err(|_| "ERR value is not an integer or out of range".to_string())?;
                Ok(Self::Set { key: key.clone(), value: value.clone(), expire_seconds: Some(seconds) })
            }
            ("PING" | "DBSIZE" | "INCR" | "GET" | "DEL" | "SET", _) => {
                Err(format!("ERR wrong number of arguments for '{}' command", verb.to_ascii_lowercase()))
            }
            _ => Err(format!("ERR unknown command '{}'", words.first().map(String::as_str).unwrap_or_default())),
        }
    }
}
