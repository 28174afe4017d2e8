//! What the client of an HTTP request gets: an answer, or the failure by which there is none.

use crate::time::Nanos;

/// Why a request got no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HttpFailure {
    /// The name does not resolve.
    NoSuchHost,
    /// There is no such pod.
    NoSuchPod,
    /// No way leads to the address.
    NoRoute,
    /// Nobody listens there.
    Refused,
    /// Nobody is behind the service.
    NoEndpoints,
    /// Nobody is behind the service on the node, and its policy keeps to the node: no answer in time.
    NoLocalEndpoints,
    /// No answer in time.
    Timeout,
    /// The pod was gone before its answer.
    Reset,
}

/// The failure, and its text for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpError {
    /// What it is.
    pub failure: HttpFailure,
    /// How it is told.
    pub text: String,
}

impl HttpFailure {
    /// Whether the client waited in vain.
    pub fn is_timeout(self) -> bool {
        matches!(self, HttpFailure::Timeout | HttpFailure::NoLocalEndpoints)
    }
}

/// What the client got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpOutcome {
    /// The status, 0 when there was no answer.
    pub status: u16,
    /// The body.
    pub body: String,
    /// Why there was no answer.
    pub error: Option<HttpError>,
    /// How long it took.
    pub latency: Nanos,
    /// The pod that answered (or refused), if it got that far.
    pub pod: Option<String>,
}

impl HttpOutcome {
    /// Whether the client got an answer below 500.
    pub fn is_success(&self) -> bool {
        self.error.is_none() && self.status < 500
    }

    /// How the failure is told; empty if there was an answer.
    pub fn error_text(&self) -> &str {
        self.error.as_ref().map_or("", |error| &error.text)
    }

    /// No answer.
    pub(super) fn failed(failure: HttpFailure, text: impl Into<String>, pod: Option<String>, latency: Nanos) -> HttpOutcome {
        HttpOutcome { status: 0, body: String::new(), error: Some(HttpError { failure, text: text.into() }), latency, pod }
    }
}
