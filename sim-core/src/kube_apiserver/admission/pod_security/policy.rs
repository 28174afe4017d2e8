//! The standards that a namespace's labels name. Source: pod-security-admission/api/helpers.go.

use std::collections::BTreeMap;
use std::fmt;

use sim_apimachinery::Cause;
use sim_apimachinery::validation::errors::Errors;
use sim_apimachinery::validation::path::Path;

/// How strict a standard is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    #[default]
    Privileged,
    Baseline,
    Restricted,
}

/// The minor version of Kubernetes whose standard is meant; `None` is the newest.
pub(super) type Version = Option<u32>;

/// A standard of a version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LevelVersion {
    pub level: Level,
    pub version: Version,
}

impl fmt::Display for LevelVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            None => write!(f, "{level}:latest"),
            Some(minor) => write!(f, "{level}:v1.{minor}"),
        }
    }
}

/// What a namespace asks: what is refused and what is warned of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Policy {
    pub enforce: LevelVersion,
    pub warn: LevelVersion,
}

/// The policy of labels, and what is wrong with them: what cannot be read is as strict as can be when it is enforced, and
/// nothing when it is warned of. Without a level of its own to warn of, an enforced one is warned of in templates.
pub(super) fn policy_of(labels: &BTreeMap<String, String>) -> (Policy, Vec<Cause>) {
    let mut policy = Policy::default();
    if !labels.keys().any(|key| key.starts_with("pod-security.kubernetes.io/")) {
        return (policy, vec![]);
    }
    let mut errors = Errors::new();
    let mut reader = Reader { labels, errors: &mut errors };
    let enforce = reader.level("enforce");
    policy.enforce.level = enforce.unwrap_or_default().unwrap_or(Level::Restricted);
    if enforce.is_none() {
        policy.enforce.level = Level::Privileged;
    }
    policy.enforce.version = reader.version("enforce-version").flatten();
    reader.level("audit");
    reader.version("audit-version");
    let warn = reader.level("warn");
    policy.warn.level = warn.flatten().unwrap_or_default();
    let warn_version = reader.version("warn-version");
    policy.warn.version = warn_version.flatten();
    if warn.is_none() && enforce.flatten().is_some_and(|level| level > policy.warn.level) {
        policy.warn.level = policy.enforce.level;
        if warn_version.is_none() {
            policy.warn.version = policy.enforce.version;
        }
    }
    (policy, errors.into_causes())
}

struct Reader<'a> {
    labels: &'a BTreeMap<String, String>,
    errors: &'a mut Errors,
}

impl Reader<'_> {
    fn wrong(&mut self, key: &str, value: &str, text: &str) {
        let at = Path::root("metadata");
        self.errors.invalid(&at.child("labels").key(key), value, text);
    }

    /// `None` without the label, `Some(None)` if it cannot be read.
    fn level(&mut self, mode: &str) -> Option<Option<Level>> {
        let key = format!("pod-security.kubernetes.io/{mode}");
        let value = self.labels.get(&key)?;
        let level = match value.as_str() {
            "privileged" => Level::Privileged,
            "baseline" => Level::Baseline,
            "restricted" => Level::Restricted,
            _ => {
                self.wrong(&key, value, "must be one of privileged, baseline, restricted");
                return Some(None);
            }
        };
        Some(Some(level))
    }

    fn version(&mut self, mode: &str) -> Option<Version> {
        let key = format!("pod-security.kubernetes.io/{mode}");
        let value = self.labels.get(&key)?;
        if value == "latest" {
            return Some(None);
        }
        let digits = value.strip_prefix("v1.").filter(|d| *d == "0" || !d.starts_with('0') && d.bytes().all(|b| b.is_ascii_digit()));
        let minor = digits.and_then(|d| d.parse().ok());
        if minor.is_none() {
            self.wrong(&key, value, "must be \"latest\" or \"v1.x\"");
        }
        Some(minor)
    }
}
