//! Redis' protocol (RESP2) on a forwarded connection: commands as arrays or as lines, replies, and what a connection itself
//! knows: its password. What is asked of the data is the simulated server's business.
//! Not modelled: RESP3 (`HELLO` is refused, as by servers before 6, and clients go on with RESP2), transactions, subscriptions.
//! Source: redis.io/docs/latest/develop/reference/protocol-spec.

use sim_workload::{BackendCommand, Operation, Reply};

/// Arguments of one command.
const ARGUMENTS_MAX: usize = 1024;
/// Bytes of one argument.
const ARGUMENT_BYTES_MAX: usize = 16 << 20;

/// What the first bytes are.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed {
    /// How many bytes the command has, and its words.
    Whole(usize, Vec<String>),
    /// The rest is missing.
    More,
    /// No command; the server says so and closes the connection.
    Nonsense(&'static str),
}

/// What is to be done for a command.
#[derive(Debug, PartialEq, Eq)]
pub enum Todo {
    /// This is the answer.
    Say(Vec<u8>),
    /// This is the last answer.
    SayAndClose(Vec<u8>),
    /// The server is asked.
    Ask(BackendCommand),
    /// The server is asked whether it takes a password; with `OK` the connection has it.
    LogIn(String),
}

/// Reads a command.
pub fn parse(bytes: &[u8]) -> Parsed {
    if bytes.first() != Some(&b'*') {
        return match line(bytes, 0) {
            Some((text, end)) => Parsed::Whole(end, text.split_whitespace().map(str::to_owned).collect()),
            None => Parsed::More,
        };
    }
    let Some((count, mut at)) = line(bytes, 1) else { return Parsed::More };
    let Some(count) = count.parse::<usize>().ok().filter(|count| *count <= ARGUMENTS_MAX) else {
        return Parsed::Nonsense("ERR Protocol error: invalid multibulk length");
    };
    let mut words = Vec::new();
    for _ in 0..count {
        let Some((head, start)) = line(bytes, at) else { return Parsed::More };
        let length = head.strip_prefix('$').and_then(|text| text.parse::<usize>().ok()).filter(|length| *length <= ARGUMENT_BYTES_MAX);
        let Some(length) = length else { return Parsed::Nonsense("ERR Protocol error: invalid bulk length") };
        let Some(word) = bytes.get(start..start + length).filter(|_| bytes.len() >= start + length + 2) else { return Parsed::More };
        words.push(sim_workload::text_of(word));
        at = start + length + 2;
    }
    Parsed::Whole(at, words)
}

/// The line that begins at a place, and where the next one does.
fn line(bytes: &[u8], at: usize) -> Option<(String, usize)> {
    let rest = bytes.get(at..)?;
    let length = rest.iter().position(|b| *b == b'\n')?;
    Some((String::from_utf8_lossy(&rest[..length]).trim_end().to_owned(), at + length + 1))
}

/// What a command comes to on a connection with this password.
pub fn todo(words: &[String], password: Option<&String>) -> Todo {
    let verb = words.first().map(|word| word.to_ascii_uppercase()).unwrap_or_default();
    match (verb.as_str(), words.get(1..).unwrap_or_default()) {
        ("", _) => Todo::Say(vec![]),
        ("AUTH", [password]) => Todo::LogIn(password.clone()),
        ("AUTH", [user, password]) if user == "default" => Todo::LogIn(password.clone()),
        ("AUTH", [_, _]) => Todo::Say(error("WRONGPASS invalid username-password pair or user is disabled.")),
        ("QUIT", _) => Todo::SayAndClose(b"+OK\r\n".to_vec()),
        ("ECHO" | "PING", [text]) => Todo::Say(written(&Reply::Bulk(text.clone()))),
        ("SELECT", [number]) if number == "0" => Todo::Say(b"+OK\r\n".to_vec()),
        ("CLIENT", _) => Todo::Say(b"+OK\r\n".to_vec()),
        ("COMMAND", _) => Todo::Say(b"*0\r\n".to_vec()),
        _ => match Operation::parse(words) {
            Ok(operation) => Todo::Ask(BackendCommand { password: password.cloned(), operation }),
            Err(why) => Todo::Say(error(&why)),
        },
    }
}

/// An error as it is written.
pub fn error(text: &str) -> Vec<u8> {
    written(&Reply::Error(text.to_owned()))
}

/// A reply as it is written.
pub fn written(reply: &Reply) -> Vec<u8> {
    match reply {
        Reply::Pong => b"+PONG\r\n".to_vec(),
        Reply::Ok => b"+OK\r\n".to_vec(),
        Reply::Integer(number) => format!(":{number}\r\n").into_bytes(),
        Reply::Nil => b"$-1\r\n".to_vec(),
        Reply::Error(text) => format!("-{text}\r\n").into_bytes(),
        Reply::Bulk(text) => {
            let bytes = sim_workload::bytes_of(text);
            let mut out = format!("${}\r\n", bytes.len()).into_bytes();
            out.extend(bytes);
            out.extend(b"\r\n");
            out
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn commands_are_arrays_or_lines_and_may_arrive_in_pieces() {
        let whole = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\nPING\r\n";
        assert_eq!(parse(whole), Parsed::Whole(20, words("GET a")));
        assert_eq!(parse(&whole[20..]), Parsed::Whole(6, words("PING")));
        assert!((1..20).all(|length| parse(&whole[..length]) == Parsed::More));
        assert!(matches!(parse(b"*x\r\n"), Parsed::Nonsense(_)) && matches!(parse(b"*1\r\n$-5\r\n"), Parsed::Nonsense(_)));
    }

    #[test]
    fn what_the_connection_knows_is_not_asked_of_the_server() {
        assert_eq!(todo(&words("auth secret"), None), Todo::LogIn("secret".into()));
        assert_eq!(todo(&words("ECHO hi"), None), Todo::Say(b"$2\r\nhi\r\n".to_vec()));
        let asked = Todo::Ask(BackendCommand { password: Some("p".into()), operation: Operation::DbSize });
        assert_eq!(todo(&words("dbsize"), Some(&"p".to_owned())), asked);
        assert_eq!(todo(&words("HELLO 3"), None), Todo::Say(b"-ERR unknown command 'HELLO'\r\n".to_vec()));
    }
}
