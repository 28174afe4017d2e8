//! The Redis server inside a process: keys, expiry, password, and what of it survives the process.
//!
//! With `--appendonly yes` each write is on the disk when it is acknowledged, so it survives a kill of the process.
//! Without it a snapshot is written on SIGTERM only, so a kill loses everything since the start.
//! Without a password of its own the server takes any: clients that log in as the user `default` are let in.
//! Not modelled: timed snapshots (`save 3600 1 …`), memory limits and eviction, data types other than strings.

use crate::backend::{BackendCommand, Operation, Reply};
use crate::files::Disk;
use crate::units::SECOND;
use std::collections::BTreeMap;

/// The prefix of the files in which values are kept on a [`Disk`].
const FILE_PREFIX: &str = "redis/";
/// What one key costs besides its text.
const ENTRY_BYTES: u64 = 96;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Store {
    entries: BTreeMap<String, Entry>,
    password: Option<String>,
    pub append_only: bool,
    bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    value: String,
    expires_at: Option<u64>,
}

impl Store {
    /// Reads the server's command line (`--requirepass x`, `--appendonly yes`).
    pub fn new(argv: &[String]) -> Self {
        let option = |name: &str| argv.iter().position(|word| word == name).and_then(|index| argv.get(index + 1));
        let password = option("--requirepass").filter(|password| !password.is_empty()).cloned();
        let append_only = option("--appendonly").is_some_and(|value| value == "yes");
        Self { password, append_only, ..Self::default() }
    }

    /// Memory of the data, in bytes.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Answers one command. True in the second place if data changed.
    pub fn command(&mut self, now: u64, command: &BackendCommand) -> (Reply, bool) {
        if let Err(error) = self.authenticate(command.password.as_deref()) {
            return (Reply::Error(error.into()), false);
        }
        match &command.operation {
            Operation::Ping => (Reply::Pong, false),
            Operation::DbSize => (Reply::Integer(self.live(now)), false),
            Operation::Get { key } => (self.get(now, key).map_or(Reply::Nil, |value| Reply::Bulk(value.to_string())), false),
            Operation::Set { key, value, expire_seconds } => self.set_for(now, key, value, *expire_seconds),
            Operation::Del { key } => {
                let existed = self.get(now, key).is_some();
                self.remove(key);
                (Reply::Integer(i64::from(existed)), existed)
            }
            Operation::Incr { key } => self.increment(now, key),
        }
    }

    fn authenticate(&self, given: Option<&str>) -> Result<(), &'static str> {
        match (&self.password, given.filter(|password| !password.is_empty())) {
            (None, _) => Ok(()),
            (Some(_), None) => Err("NOAUTH Authentication required."),
            (Some(expected), Some(given)) if expected == given => Ok(()),
            (Some(_), Some(_)) => Err("WRONGPASS invalid username-password pair or user is disabled."),
        }
    }

    fn set_for(&mut self, now: u64, key: &str, value: &str, expire_seconds: Option<u64>) -> (Reply, bool) {
        if expire_seconds == Some(0) {
            return (Reply::Error("ERR invalid expire time in 'set' command".into()), false);
        }
        self.set(key, value.to_string(), expire_seconds.map(|seconds| now.saturating_add(seconds.saturating_mul(SECOND))));
        (Reply::Ok, true)
    }

    fn increment(&mut self, now: u64, key: &str) -> (Reply, bool) {
        let expires_at = self.get(now, key).and_then(|_| self.entries.get(key)?.expires_at);
        let current = self.get(now, key).map_or(Ok(0), str::parse::<i64>);
        match current.ok().and_then(|value| value.checked_add(1)) {
            Some(next) => {
                self.set(key, next.to_string(), expires_at);
                (Reply::Integer(next), true)
            }
            None => (Reply::Error("ERR value is not an integer or out of range".into()), false),
        }
    }

    fn get(&self, now: u64, key: &str) -> Option<&str> {
        let entry = self.entries.get(key)?;
        entry.expires_at.is_none_or(|at| now < at).then_some(entry.value.as_str())
    }

    fn live(&self, now: u64) -> i64 {
        self.entries.keys().filter(|key| self.get(now, key).is_some()).count() as i64
    }

    fn set(&mut self, key: &str, value: String, expires_at: Option<u64>) {
        self.remove(key);
        self.bytes += entry_bytes(key, &value);
        self.entries.insert(key.to_string(), Entry { value, expires_at });
    }

    fn remove(&mut self, key: &str) {
        if let Some(entry) = self.entries.remove(key) {
            self.bytes -= entry_bytes(key, &entry.value);
        }
    }

    /// Writes all data to the disk, replacing what Redis had there.
    pub fn save(&self, disk: &mut Disk) {
        disk.0.retain(|file, _| !file.starts_with(FILE_PREFIX));
        for (key, entry) in &self.entries {
            let expiry = entry.expires_at.map_or(String::new(), |at| at.to_string());
            disk.0.insert(format!("{FILE_PREFIX}{key}"), format!("{expiry}\n{}", entry.value));
        }
    }

    /// Reads back what [`Store::save`] wrote.
    pub fn load(&mut self, disk: &Disk) {
        for (file, content) in &disk.0 {
            if let (Some(key), Some((expiry, value))) = (file.strip_prefix(FILE_PREFIX), content.split_once('\n')) {
                self.set(key, value.to_string(), expiry.parse().ok());
            }
        }
    }
}

fn entry_bytes(key: &str, value: &str) -> u64 {
    ENTRY_BYTES + key.len() as u64 + value.len() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_string).collect()
    }

    fn check(server: &str, password: &str, commands: &[(u64, &str, Reply)]) -> Store {
        let mut store = Store::new(&words(server));
        for (now, command, expected) in commands {
            let operation = Operation::parse(&words(command)).expect(command);
            let password = Some(password.to_string());
            assert_eq!(&store.command(*now, &BackendCommand { password, operation }).0, expected, "{command}");
        }
        store
    }

    #[test]
    fn incr_counts_and_refuses_text_as_redis_does() {
        let bad = Reply::Error("ERR value is not an integer or out of range".into());
        check("", "", &[(0, "INCR n", Reply::Integer(1)), (0, "incr n", Reply::Integer(2)), (0, "GET n", Reply::Bulk("2".into()))]);
        check("", "", &[(0, "SET t x", Reply::Ok), (0, "INCR t", bad), (0, "DEL t", Reply::Integer(1)), (0, "GET t", Reply::Nil)]);
    }

    #[test]
    fn a_key_with_ex_is_gone_when_its_time_is_over() {
        let end = 2 * SECOND;
        check("", "", &[(0, "SET k v EX 2", Reply::Ok), (end - 1, "GET k", Reply::Bulk("v".into())), (end, "GET k", Reply::Nil)]);
    }

    #[test]
    fn a_password_is_asked_for_and_compared() {
        check("--requirepass s3", "s3", &[(0, "PING", Reply::Pong)]);
        check("", "any", &[(0, "PING", Reply::Pong)]);
        check("--requirepass s3", "", &[(0, "PING", Reply::Error("NOAUTH Authentication required.".into()))]);
        let wrong = Reply::Error("WRONGPASS invalid username-password pair or user is disabled.".into());
        check("--requirepass s3", "no", &[(0, "PING", wrong)]);
    }

    #[test]
    fn what_was_saved_is_what_is_loaded() {
        let store = check("", "", &[(0, "SET a 1", Reply::Ok), (0, "SET b 2 EX 9", Reply::Ok)]);
        let (mut disk, mut loaded) = (Disk::default(), Store::default());
        store.save(&mut disk);
        loaded.load(&disk);
        assert_eq!(loaded, store);
    }
}
