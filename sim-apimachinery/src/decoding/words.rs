//! Sentences of the API server's decoder.

/// The Go type that reads a body's `apiVersion` and `kind`.
pub const FIND_KIND: &str = r#"struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }"#;
/// Where the server's scheme is made, as its errors name it.
const SCHEME: &str = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30";
/// So much of a body is shown in an error.
const SUMMARY_BYTES: usize = 30;

/// The beginning of a body: as it is if it looks like JSON, else in hexadecimal.
pub fn summary(body: &[u8]) -> String {
    let head = &body[..body.len().min(SUMMARY_BYTES)];
    let more = if body.len() > SUMMARY_BYTES { " ..." } else { "" };
    match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => format!("{}{more}", String::from_utf8_lossy(head)),
        Some(_) => format!("{}{more}", head.iter().map(|b| format!("{b:02x}")).collect::<String>()),
    }
}

/// A kind that no scheme has.
pub fn not_registered(api_version: &str, kind: &str) -> String {
    format!("no kind {kind:?} is registered for version {api_version:?} in scheme {SCHEME:?}")
}

/// A kind that is another than the wanted one.
pub fn no_conversion(version: &str, kind: &str, wanted_group: &str, wanted_kind: &str) -> String {
    format!("converting ({version}.{kind}) to ({}.{wanted_kind}): unknown conversion", internal_package(wanted_group))
}

/// The Go package that holds the unversioned types of a group.
fn internal_package(group: &str) -> &str {
    match group.split('.').next().unwrap_or_default() {
        "" | "events" => "core",
        first => first,
    }
}

/// Strict errors as warnings: what YAML says of duplicates is one warning for each.
pub fn warnings(strict: &[String]) -> Vec<String> {
    strict.iter().flat_map(|error| split(error)).collect()
}

fn split(error: &str) -> Vec<String> {
    match error.strip_prefix(super::yaml_text::ERRORS_HEAD) {
        Some(lines) => lines.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect(),
        None => vec![error.to_owned()],
    }
}
