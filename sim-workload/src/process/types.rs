//! The words the kubelet and a process talk in.

use std::collections::BTreeMap;

/// What the kubelet gives a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Spec {
    /// The image reference, as in the pod.
    pub image: String,
    /// `command`: replaces the image's ENTRYPOINT. After [`expand_references`], which is the kubelet's work; so is `args`.
    pub command: Vec<String>,
    /// `args`: replaces the image's CMD.
    pub args: Vec<String>,
    /// The complete environment.
    pub env: BTreeMap<String, String>,
    /// The pod's host name.
    pub hostname: String,
    /// Read-only files from ConfigMaps, Secrets and so on, by absolute path.
    pub files: BTreeMap<String, String>,
    /// `stdin`: whether the program's input stays open for somebody who attaches.
    pub stdin: bool,
    /// `stdinOnce`: whether its input ends when the first who attached has gone.
    pub stdin_once: bool,
    /// `tty`: whether its input and output are a terminal.
    pub tty: bool,
    /// Unix time in seconds at simulation time zero, for `date`.
    pub unix_seconds_at_zero: i64,
}

/// Which of the two output streams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Stream {
    /// Standard output.
    #[default]
    Stdout,
    /// Standard error.
    Stderr,
}

/// One line of output.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: u64,
    /// Where to.
    pub stream: Stream,
    /// The line without its newline.
    pub text: String,
}

/// Signals the kubelet sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: please stop.
    Term,
    /// SIGKILL: exit code 137, at once.
    Kill,
}

/// Why a container's program is gone, in the runtime's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExitReason {
    /// Exit code 0.
    Completed,
    /// Any other exit code.
    Error,
    /// Killed by the kernel for memory above the limit.
    OOMKilled,
}

/// Something the outside can notice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happening {
    /// A line was written.
    Log { line: LogLine },
    /// The program accepts connections on this port from `at` on.
    Listening { at: u64, port: u16 },
    /// The program ended at `at`. Nothing follows.
    Exited { at: u64, code: i32, reason: ExitReason },
}

impl Happening {
    /// When it happened.
    pub fn at(&self) -> u64 {
        match self {
            Happening::Log { line } => line.at,
            Happening::Listening { at, .. } | Happening::Exited { at, .. } => *at,
        }
    }
}
