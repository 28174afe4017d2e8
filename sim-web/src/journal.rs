//! The inputs of a session, one line of JSON each, in the order and at the places between events where they took effect.
//! The file only grows; a line that a crash cut short is dropped when the file is opened again. Replaying the lines on a
//! fresh cluster of the same profile, seed and start leads to the same state, event by event.
//! Written lines survive the death of the process (they are with the operating system); the loss of the machine may cost
//! the last ones.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sim_core::cluster::ContainerKey;

/// What a session was begun with; the first line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Header {
    /// Always `ksim-session/v3`.
    pub format: String,
    /// The cluster profile's name or file.
    pub cluster: String,
    /// The seed.
    pub seed: u64,
    /// When virtual time began, nanoseconds since the Unix epoch.
    pub start: u64,
    /// Components left out.
    pub without: Vec<String>,
    /// The scenario played on the live clock, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scenario: Option<crate::story::ScenarioFile>,
}

/// The format this version writes and reads.
pub const FORMAT: &str = "ksim-session/v3";

/// An HTTP request as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptRequest {
    /// The method.
    pub method: String,
    /// The path.
    pub path: String,
    /// The query.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub query: String,
    /// The headers, credentials among them: the file is its owner's alone.
    pub headers: Vec<(String, String)>,
    /// The body, base64.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub body: String,
    /// The host.
    pub host: String,
    /// The user of the client's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<KeptUser>,
}

/// A user as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptUser {
    /// The name.
    pub name: String,
    /// The groups.
    pub groups: Vec<String>,
    /// Further attributes.
    pub extra: std::collections::BTreeMap<String, Vec<String>>,
}

/// One input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Input {
    /// A request to the API.
    Http(KeptRequest),
    /// A request to the control API.
    Control(crate::control::Action),
    /// A command begun in a container.
    Begin {
        /// Which container.
        at: ContainerKey,
        /// The command.
        command: Vec<String>,
        /// Whether it gets input.
        stdin: bool,
        /// Whether it has a terminal.
        tty: bool,
    },
    /// Input for a command in a container, or for its main program.
    Give {
        /// Which container.
        at: ContainerKey,
        /// The command's number.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<u64>,
        /// What it is given.
        given: sim_workload::Given,
    },
    /// An HTTP request to a container's port.
    Proxy(crate::streams::ProxyCall),
    /// A call to a webhook of the cluster's own pods, for a watch.
    Ask(Box<sim_core::kube_apiserver::admission_webhooks::WebhookCall>),
    /// A command to a Redis server in a container.
    Redis(crate::streams::RedisCall),
    /// What a webhook outside answered.
    Webhook {
        /// Which request waited for it.
        waiting: crate::webhooks::Waiting,
        /// The answer.
        answer: sim_core::kube_apiserver::admission_webhooks::WebhookAnswer,
    },
    /// Nothing: virtual time had come this far.
    Tick,
}

/// A place between two events of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Virtual time, nanoseconds since the Unix epoch.
    pub at: u64,
    /// How many events came before.
    pub after: u64,
}

/// An input and where it took effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Where.
    #[serde(flatten)]
    pub place: Place,
    /// The input.
    pub input: Input,
}

/// The file of a session.
#[derive(Debug)]
pub struct Journal {
    file: File,
    path: PathBuf,
}

impl Journal {
    /// Opens the session kept in a folder, or begins one: the header in force, and the entries to replay.
    pub fn open(folder: &Path, fresh: Header) -> Result<(Journal, Header, Vec<Entry>), String> {
        std::fs::create_dir_all(folder).map_err(|e| format!("{}: {e}", folder.display()))?;
        let path = folder.join("session.jsonl");
        let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(wrong)?;
        #[cfg(unix)]
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(wrong)?;
        let (header, entries, good) = read(&file).map_err(|e| format!("{}: {e}", path.display()))?;
        file.set_len(good).map_err(wrong)?;
        file.seek(SeekFrom::End(0)).map_err(wrong)?;
        let mut journal = Journal { file, path };
        let header = match header {
            Some(header) => header,
            None => {
                journal.line(&fresh)?;
                fresh
            }
        };
        Ok((journal, header, entries))
    }

    /// Adds an input.
    pub fn add(&mut self, entry: &Entry) -> Result<(), String> {
        self.line(entry)
    }

    fn line(&mut self, value: &impl Serialize) -> Result<(), String> {
        let mut line = serde_json::to_vec(value).map_err(|e| e.to_string())?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|e| format!("{}: {e}", self.path.display()))
    }
}

/// The header, the entries, and how many bytes of the file are whole lines.
fn read(file: &File) -> Result<(Option<Header>, Vec<Entry>, u64), String> {
    let mut reader = BufReader::new(file);
    let (mut header, mut entries, mut good) = (None, Vec::new(), 0_u64);
    for number in 1_usize.. {
        let mut line = Vec::new();
        let length = reader.read_until(b'\n', &mut line).map_err(|e| e.to_string())?;
        if length == 0 || line.last() != Some(&b'\n') {
            break;
        }
        if number == 1 {
            let found: Header = serde_json::from_slice(&line).map_err(|e| format!("line 1 is no session header: {e}"))?;
            if found.format != FORMAT {
                return Err(format!("the session has the format {:?}, this version reads {FORMAT:?}", found.format));
            }
            header = Some(found);
        } else {
            entries.push(serde_json::from_slice(&line).map_err(|e| format!("line {number}: {e}"))?);
        }
        good += length as u64;
    }
    Ok((header, entries, good))
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let wrong = |e: std::io::Error| format!("{}: {e}", path.display());
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(wrong)?;
    #[cfg(unix)]
    file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o600)).map_err(wrong)?;
    file.write_all(bytes).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::streams::ProxyCall;

    #[test]
    fn a_request_to_a_port_is_kept_whole() {
        let call = ProxyCall {
            namespace: "default".into(),
            pod: "web".into(),
            port: 80,
            method: "GET".into(),
            path: "/me?full=1".into(),
            headers: vec![("authorization".into(), "Bearer of a session".into())],
            body: "b".into(),
        };
        let entry = Entry { place: Place { at: 1, after: 2 }, input: Input::Proxy(call) };
        let line = serde_json::to_string(&entry).expect("it can be written");
        assert_eq!(serde_json::from_str::<Entry>(&line).expect("it can be read"), entry);
    }
}
