//! The profile of an image: `apiVersion: ksim.dev/v1`, `kind: WorkloadProfile`, one YAML document.
//! Unknown fields are errors, and every error names the path of the field. The contract test beside the real application
//! reads the same file, so what is claimed here is what was seen there.
//! Not modelled: streaming answers, conditions with `or`, more than one backend call per request.

use crate::endpoint::{Answer, Endpoint, StaticFiles};
use crate::process::Stream;
use crate::shell::tools;
use crate::template::{Json, JsonStyle};
use crate::units::{Bytes, Nanos};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// How one image behaves. Cheap to clone.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile(pub(crate) Arc<Document>);

/// Why a profile was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileError {
    /// The field, for example `spec.endpoints[2].method`; `.` for the whole document.
    pub path: String,
    /// What is wrong with it.
    pub message: String,
}

impl fmt::Display for ProfileError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for ProfileError {}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Document {
    api_version: String,
    kind: String,
    metadata: Metadata,
    pub spec: ProfileSpec,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    name: String,
    #[serde(default)]
    description: String,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ProfileSpec {
    /// Repository names (last path component of the image); `*` for any.
    pub images: Vec<String>,
    pub image: ImageConfig,
    /// Whether the image has a shell and the usual small tools.
    #[serde(default)]
    pub shell: bool,
    #[serde(default)]
    pub startup: Startup,
    #[serde(default)]
    pub ports: Vec<u16>,
    /// It listens on any port it is asked on (only for programs nobody described).
    #[serde(default)]
    pub any_port: bool,
    #[serde(default)]
    pub stop: Stop,
    #[serde(default)]
    pub resources: Resources,
    #[serde(default)]
    pub store: Option<StoreSpec>,
    /// Variables of the running program and their first values.
    #[serde(default)]
    pub state: BTreeMap<String, Json>,
    #[serde(default)]
    pub json_style: JsonStyle,
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// Files served for paths that no endpoint names.
    #[serde(default)]
    pub static_files: Option<StaticFiles>,
    #[serde(default)]
    pub not_found: Option<Answer>,
    #[serde(default)]
    pub method_not_allowed: Option<Answer>,
    /// Logged when the program has started, and when it stops on SIGTERM.
    #[serde(default)]
    pub logs: Logs,
}

/// What the image's own configuration says, and which programs in it are the server this profile describes.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct ImageConfig {
    /// ENTRYPOINT: a script that ends by executing its arguments, or empty.
    #[serde(default)]
    pub entrypoint: Vec<String>,
    /// CMD.
    #[serde(default)]
    pub cmd: Vec<String>,
    /// Names of the server program; `*` for every program that is not one of the shell's tools.
    #[serde(default)]
    pub server: Vec<String>,
    /// Programs that do not start a server but are there to be exec'd, with what they print.
    #[serde(default)]
    pub programs: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Startup {
    /// From the start of the container to listening, at the least.
    #[serde(default)]
    pub delay: Nanos,
    /// CPU time that start-up needs; with a CPU limit it takes longer than `delay`.
    #[serde(default)]
    pub cpu: Nanos,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Stop {
    /// Whether SIGTERM ends the program, or nothing happens (no handler and PID 1).
    pub on_term: OnTerm,
    pub code: i32,
    pub delay: Nanos,
    /// Whether SIGTERM works before the program listens (it installs its handler first thing).
    pub while_starting: bool,
}

impl Default for Stop {
    fn default() -> Self {
        Self { on_term: OnTerm::Exit, code: 0, delay: Nanos(0), while_starting: true }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum OnTerm {
    Exit,
    Ignore,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Resources {
    pub idle_millicores: u64,
    /// The most the program can use whatever is asked of it (1000: one thread at a time, as under Python's lock).
    pub max_millicores: u64,
    pub memory: Bytes,
}

impl Default for Resources {
    fn default() -> Self {
        Self { idle_millicores: 1, max_millicores: 1000, memory: Bytes(4 << 20) }
    }
}

/// The program is a Redis server.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct StoreSpec {
    /// Where its files are; they outlive the container only if a volume is mounted there.
    pub directory: String,
    /// Time one command takes inside the server.
    #[serde(default)]
    pub latency: Nanos,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(crate) struct Logs {
    /// Where the program logs to.
    pub stream: Stream,
    pub started: Vec<String>,
    pub stopped: Vec<String>,
}

impl Profile {
    /// Reads one profile.
    pub fn parse(yaml: &str) -> Result<Self, ProfileError> {
        let whole = |error: serde_yaml::Error| ProfileError { path: ".".into(), message: error.to_string() };
        let mut value: serde_yaml::Value = serde_yaml::from_str(yaml).map_err(whole)?;
        value.apply_merge().map_err(whole)?;
        let document: Document = serde_path_to_error::deserialize(value)
            .map_err(|error| ProfileError { path: error.path().to_string(), message: error.inner().to_string() })?;
        document.validate()?;
        Ok(Self(Arc::new(document)))
    }

    /// `metadata.name`.
    pub fn name(&self) -> &str {
        &self.0.metadata.name
    }

    /// `metadata.description`.
    pub fn description(&self) -> &str {
        &self.0.metadata.description
    }

    /// Whether this is the guess for images nobody described. Whoever runs it should say so to the user.
    pub fn is_fallback(&self) -> bool {
        self.0.spec.images.iter().any(|image| image == "*")
    }

    /// The ports the program listens on.
    pub fn ports(&self) -> &[u16] {
        &self.0.spec.ports
    }

    pub(crate) fn spec(&self) -> &ProfileSpec {
        &self.0.spec
    }

    pub(crate) fn is_server(&self, program: &str) -> bool {
        let image = &self.0.spec.image;
        image.server.iter().any(|name| name == program || (name == "*" && !tools::is_tool(program)))
    }

    pub(crate) fn has_tool(&self, program: &str) -> bool {
        self.0.spec.shell && tools::is_tool(program)
    }
}

impl Document {
    fn validate(&self) -> Result<(), ProfileError> {
        let refuse = |path: String, message: &str| Err(ProfileError { path, message: message.into() });
        if self.api_version != "ksim.dev/v1" {
            return refuse("apiVersion".into(), "expected ksim.dev/v1");
        }
        if self.kind != "WorkloadProfile" {
            return refuse("kind".into(), "expected WorkloadProfile");
        }
        if self.spec.images.is_empty() {
            return refuse("spec.images".into(), "at least one repository name is needed");
        }
        for (index, endpoint) in self.spec.endpoints.iter().enumerate() {
            endpoint.validate().or_else(|(field, message)| refuse(format!("spec.endpoints[{index}].{field}"), message))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(spec: &str, path: &str, message: &str) {
        let yaml = format!("apiVersion: ksim.dev/v1\nkind: WorkloadProfile\nmetadata: {{name: x}}\nspec: {spec}\n");
        let error = Profile::parse(&yaml).expect_err(spec);
        assert_eq!(error.path, path, "{error}");
        assert!(error.message.contains(message), "{error}");
    }

    #[test]
    fn a_bad_profile_is_refused_with_the_path_of_the_field() {
        check("{images: [x], image: {}, colour: red}", "spec.colour", "unknown field");
        check("{images: [x], image: {}, startup: {delay: soon}}", "spec.startup.delay", "not a duration");
        check("{images: [], image: {}}", "spec.images", "at least one");
        let endpoint = |text: &str| format!("{{images: [x], image: {{}}, endpoints: [{{{text}}}]}}");
        check(&endpoint("method: GRAB, path: /, cases: []"), "spec.endpoints[0].method", "unknown variant");
        check(&endpoint("method: GET, path: x, cases: [{status: 200}]"), "spec.endpoints[0].path", "begins with /");
        check(&endpoint("method: GET, path: /, cases: []"), "spec.endpoints[0].cases", "at least one");
        check(&endpoint("method: GET, path: /, cases: [{status: 99}]"), "spec.endpoints[0].cases[0].status", "between");
    }

    #[test]
    fn a_misspelt_field_of_a_case_is_refused() {
        let yaml = "{images: [x], image: {}, endpoints: [{method: GET, path: /, cases: [{status: 200, boddy: 1}]}]}";
        check(yaml, "spec.endpoints[0].cases[0]", "unknown field `boddy`");
    }
}
