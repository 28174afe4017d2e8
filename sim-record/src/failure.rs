//! Why a recording did not come about, sorted by what the caller can do about it.

use std::fmt;

/// Why a recording was not made, or not to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Wrong usage or input, a context that is not allowed, no rights, or a cluster that cannot be reached.
    Input(String),
    /// A step could not be done.
    Step(String),
    /// The scenario asks for what no real cluster can be told.
    NotPossible(String),
    /// The scenario's time limit came first.
    TimeLimit(String),
    /// The recording has grown beyond a limit.
    Limit(String),
    /// Somebody stopped it.
    Interrupted,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Input(text) | Failure::Step(text) | Failure::NotPossible(text) | Failure::TimeLimit(text) | Failure::Limit(text) => {
                f.write_str(text)
            }
            Failure::Interrupted => f.write_str("interrupted"),
        }
    }
}

/// Why a request to the API server came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ApiError {
    /// Nobody answered, or the connection broke.
    Unreachable(String),
    /// The API server refused, with this code, reason and message.
    Refused { code: u16, reason: String, message: String },
}

impl ApiError {
    /// Whether the server says that there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self, ApiError::Refused { code: 404, .. })
    }

    /// Whether the server says that the history asked for is gone.
    pub fn is_gone(&self) -> bool {
        matches!(self, ApiError::Refused { code: 410, .. })
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ApiError::Unreachable(text) => f.write_str(text),
            ApiError::Refused { reason, message, .. } => write!(f, "Error from server ({reason}): {message}"),
        }
    }
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Failure {
        Failure::Input(error.to_string())
    }
}
