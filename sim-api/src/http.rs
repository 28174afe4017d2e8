//! A request as it came over the wire, and the kinds of answers there are.

use std::sync::Arc;

use sim_apimachinery::UserInfo;
use sim_core::kube_apiserver::admission_webhooks::WebhookCall;

use crate::query::Query;
use crate::watch::Watch;

/// One HTTP request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// `GET`, `POST`, …
    pub method: String,
    /// The path, still percent-encoded.
    pub path: String,
    /// What follows `?`, still percent-encoded.
    pub query: String,
    /// Names (any case) and values, in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
    /// The `host:port` the client spoke to.
    pub host: String,
    /// The user of the client's certificate, if it has shown one that our authority vouches for.
    pub certificate: Option<UserInfo>,
}

impl Request {
    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values of a header.
    pub fn header_values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The decoded query.
    pub fn query(&self) -> Query {
        Query::parse(&self.query)
    }
}

/// A whole answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status code.
    pub status: u16,
    /// Headers in order.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Response {
    /// A plain text answer.
    pub fn text(status: u16, body: &str) -> Response {
        let headers = vec![("Content-Type".to_owned(), "text/plain; charset=utf-8".to_owned())];
        Response { status, headers, body: body.as_bytes().to_vec() }
    }

    /// With one more header.
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Response {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }
}

/// What a request comes to.
#[derive(Debug)]
pub enum Answer {
    /// It is answered at once.
    Complete(Response),
    /// A stream of events begins; `Watch::poll` yields its frames.
    Watch(Box<Watch>),
    /// The client is connected with a container: a stream both ways, or of its log.
    Connect(Box<Connect>),
    /// Nothing has happened: these webhooks must be called first, and the request made again with their answers.
    Webhooks(Vec<WebhookCall>),
}

impl From<Response> for Answer {
    fn from(response: Response) -> Self {
        Answer::Complete(response)
    }
}

/// What a connection to a container is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectKind {
    /// Run a command.
    Exec {
        /// The command and its arguments.
        command: Vec<String>,
        /// Whether the client sends input.
        stdin: bool,
        /// Whether the client wants output.
        stdout: bool,
        /// Whether the client wants errors.
        stderr: bool,
        /// Whether there is a terminal.
        tty: bool,
    },
    /// Follow the main process.
    Attach {
        /// Whether the client sends input.
        stdin: bool,
        /// Whether the client wants output.
        stdout: bool,
        /// Whether the client wants errors.
        stderr: bool,
        /// Whether there is a terminal.
        tty: bool,
    },
    /// Forward ports; those named in the request, if any.
    PortForward {
        /// The ports of the query.
        ports: Vec<u16>,
    },
    /// Follow the log from a line on.
    FollowLog {
        /// The instance of the container whose log it is.
        instance: String,
        /// How many lines of the log there already were.
        from: usize,
        /// Whether lines begin with their times.
        timestamps: bool,
    },
}

/// A connection to a container that was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// The pod's namespace.
    pub namespace: String,
    /// The pod's name.
    pub pod: String,
    /// The pod's uid, so that a successor of the same name is not meant.
    pub uid: String,
    /// The container.
    pub container: String,
    /// What for.
    pub kind: ConnectKind,
    /// What is to be sent first (a followed log's past).
    pub first: Vec<u8>,
    /// The user.
    pub user: Arc<UserInfo>,
}
