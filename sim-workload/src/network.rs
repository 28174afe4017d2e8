//! What the programs of a container ask the network: HTTP requests and look-ups of names. A program that asks stops until
//! whoever runs it has the answer ([`crate::Process::calling`], [`crate::Process::answer_call`]).
//! Not modelled: other protocols, connections that stay open.

use crate::http::HttpRequest;

/// Names of the pod itself.
pub const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "0.0.0.0"];

/// One question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkCall {
    /// An HTTP request to a host name or address; `localhost` is the pod itself.
    Http {
        /// The host.
        host: String,
        /// The port.
        port: u16,
        /// What is asked; its port is filled in on the way.
        request: Box<HttpRequest>,
        /// How long the client waits, in nanoseconds.
        timeout_nanos: u64,
    },
    /// The addresses of a host name.
    LookUp {
        /// The name, as it is written.
        name: String,
    },
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkAnswer {
    /// An answer of a server.
    Http {
        /// Its status.
        status: u16,
        /// Its body.
        body: String,
        /// How long it took, in nanoseconds.
        latency_nanos: u64,
    },
    /// A name's addresses.
    Addresses {
        /// The full name that was found, without a dot at its end.
        name: String,
        /// The addresses.
        addresses: Vec<String>,
    },
    /// Nothing.
    Failed {
        /// Why.
        failure: NetworkFailure,
        /// The address that was tried, if the name has one.
        address: String,
        /// How long it took to know, in nanoseconds.
        latency_nanos: u64,
    },
}

/// Why there was no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetworkFailure {
    /// The name does not resolve.
    NoSuchHost,
    /// Nothing listens there.
    Refused,
    /// No way leads there.
    NoRoute,
    /// No answer in time.
    Timeout,
}

impl NetworkAnswer {
    /// What a container without a network gets.
    pub fn no_network() -> NetworkAnswer {
        NetworkAnswer::Failed { failure: NetworkFailure::NoSuchHost, address: String::new(), latency_nanos: 0 }
    }

    pub(crate) fn latency_nanos(&self) -> u64 {
        match self {
            NetworkAnswer::Http { latency_nanos, .. } | NetworkAnswer::Failed { latency_nanos, .. } => *latency_nanos,
            NetworkAnswer::Addresses { .. } => 0,
        }
    }
}

/// What one command of a shell asks: the answers it has, in the order of its questions, and the first that is missing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Calls {
    known: Vec<NetworkAnswer>,
    asked: usize,
    /// Whether a command is running that may ask.
    pub open: bool,
    pub missing: Option<NetworkCall>,
    /// Whether the command needs input that is not there.
    pub wants_input: bool,
    /// The input it has taken.
    pub taken: String,
    /// How long the answers took that were used.
    pub latency_nanos: u64,
}

impl Calls {
    pub fn with(known: Vec<NetworkAnswer>) -> Calls {
        Calls { known, open: true, ..Calls::default() }
    }

    /// Whether the command has to be run again later.
    pub fn is_waiting(&self) -> bool {
        self.missing.is_some() || self.wants_input
    }

    /// The answer, if it is known; if not the question is noted and the command has to be run again.
    pub fn ask(&mut self, call: NetworkCall) -> Option<NetworkAnswer> {
        if self.missing.is_some() {
            return None;
        }
        let Some(answer) = self.known.get(self.asked).cloned() else {
            self.missing = Some(call);
            return None;
        };
        self.asked += 1;
        self.latency_nanos = self.latency_nanos.saturating_add(answer.latency_nanos());
        Some(answer)
    }
}
