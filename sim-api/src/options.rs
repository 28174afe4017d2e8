//! The options of writes, in the query of a URL: who writes, whether for good, and what becomes of unknown fields.
//! Source: apimachinery pkg/apis/meta/v1/validation.

use sim_apimachinery::{Cause, FieldValidation, Reason, Status};

use crate::frontend::Outcome;
use crate::http::Request;
use crate::query::Query;

/// A field manager may have so many bytes.
const MANAGER_BYTES_MAX: usize = 128;

/// What a write is told besides its body.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// Whether nothing is to be stored.
    pub dry_run: bool,
    /// What becomes of unknown fields.
    pub field_validation: FieldValidation,
}

/// Which options are read: their kind's name, and whether they are those of an apply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionsOf {
    /// `CreateOptions`.
    Create,
    /// `UpdateOptions`.
    Update,
    /// `PatchOptions` of a server-side apply.
    Apply,
    /// `PatchOptions` of any other patch.
    Patch,
}

impl OptionsOf {
    fn kind(self) -> &'static str {
        match self {
            OptionsOf::Create => "CreateOptions",
            OptionsOf::Update => "UpdateOptions",
            OptionsOf::Apply | OptionsOf::Patch => "PatchOptions",
        }
    }
}

/// The field manager: what the query says, or the first word of the client's name.
pub fn manager(request: &Request, query: &Query) -> String {
    let named = query.get("fieldManager");
    if !named.is_empty() {
        return named.to_owned();
    }
    let agent = request.header("user-agent").unwrap_or_default();
    agent.split('/').next().unwrap_or_default().chars().filter(|c| !c.is_control()).take(MANAGER_BYTES_MAX).collect()
}

/// Reads the options of a write, or refuses them, all that is wrong at once.
pub fn write_options(query: &Query, of: OptionsOf) -> Outcome<WriteOptions> {
    let mut causes = Vec::new();
    match of {
        OptionsOf::Apply if query.get("fieldManager").is_empty() => {
            causes.push(cause("FieldValueRequired", "fieldManager", "Required value: is required for apply patch".into()));
        }
        OptionsOf::Patch if query.has("force") => {
            causes.push(cause("FieldValueForbidden", "force", "Forbidden: may not be specified for non-apply patch".into()));
        }
        _ => {}
    }
    causes.extend(manager_error(query.get("fieldManager")));
    let dry_run: Vec<&str> = query.all("dryRun").collect();
    causes.extend(dry_run_error(&dry_run));
    let validation = query.get("fieldValidation");
    let field_validation = match validation {
        "" | "Warn" => FieldValidation::Warn,
        "Ignore" => FieldValidation::Ignore,
        "Strict" => FieldValidation::Strict,
        other => {
            causes.push(not_supported("fieldValidation", &format!("{other:?}"), &["", "Ignore", "Strict", "Warn"]));
            FieldValidation::Warn
        }
    };
    if causes.is_empty() { Ok(WriteOptions { dry_run: !dry_run.is_empty(), field_validation }) } else { Err(invalid(of.kind(), causes)) }
}

fn cause(reason: &str, field: &str, message: String) -> Cause {
    Cause { reason: reason.into(), message, field: field.into() }
}

fn manager_error(manager: &str) -> Option<Cause> {
    if manager.len() > MANAGER_BYTES_MAX {
        return Some(cause("FieldValueTooLong", "fieldManager", format!("Too long: may not be more than {MANAGER_BYTES_MAX} bytes")));
    }
    let (at, wrong) = manager.char_indices().find(|(_, c)| c.is_control())?;
    let quoted: String = manager.chars().map(|c| if c.is_control() { format!("\\x{:02x}", u32::from(c)) } else { c.to_string() }).collect();
    let message = format!("Invalid value: \"{quoted}\": invalid character U+{:04X} (at position {at})", u32::from(wrong));
    Some(cause("FieldValueInvalid", "fieldManager", message))
}

/// What is wrong with the values of `dryRun`, if anything.
pub fn dry_run_error(values: &[&str]) -> Option<Cause> {
    let shown: Vec<String> = values.iter().map(|v| format!("{v:?}")).collect();
    values.iter().any(|v| *v != "All").then(|| not_supported("dryRun", &format!("[{}]", shown.join(",")), &["All"]))
}

/// The error of a value that is none of those there are.
pub fn not_supported(field: &str, shown: &str, supported: &[&str]) -> Cause {
    let list: Vec<String> = supported.iter().map(|s| format!("{s:?}")).collect();
    cause("FieldValueNotSupported", field, format!("Unsupported value: {shown}: supported values: {}", list.join(", ")))
}

/// The refusal of options.
pub fn invalid(kind: &str, causes: Vec<Cause>) -> Box<Status> {
    let texts: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
    let told = if let [only] = texts.as_slice() { only.clone() } else { format!("[{}]", texts.join(", ")) };
    let text = format!("{kind}.meta.k8s.io \"\" is invalid: {told}");
    Box::new(Status { group: "meta.k8s.io".into(), kind: kind.into(), causes, ..Status::new(Reason::Invalid, text) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(query: &str, of: OptionsOf) -> String {
        write_options(&Query::parse(query), of).expect_err("refused").message
    }

    #[test]
    fn options_are_refused_in_the_servers_words() {
        let cases = [
            (
                "dryRun=None",
                OptionsOf::Create,
                "CreateOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"None\"]: supported values: \"All\"",
            ),
            (
                "dryRun=",
                OptionsOf::Patch,
                "PatchOptions.meta.k8s.io \"\" is invalid: dryRun: Unsupported value: [\"\"]: supported values: \"All\"",
            ),
            (
                "fieldManager=a%00b",
                OptionsOf::Create,
                "CreateOptions.meta.k8s.io \"\" is invalid: fieldManager: Invalid value: \"a\\x00b\": invalid character U+0000 (at position 1)",
            ),
            (
                "force=true",
                OptionsOf::Patch,
                "PatchOptions.meta.k8s.io \"\" is invalid: force: Forbidden: may not be specified for non-apply patch",
            ),
            ("", OptionsOf::Apply, "PatchOptions.meta.k8s.io \"\" is invalid: fieldManager: Required value: is required for apply patch"),
            (
                "fieldValidation=strict",
                OptionsOf::Update,
                "UpdateOptions.meta.k8s.io \"\" is invalid: fieldValidation: Unsupported value: \"strict\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
            ),
        ];
        for (query, of, message) in cases {
            assert_eq!(refused(query, of), message, "{query}");
        }
        assert!(write_options(&Query::parse("dryRun=All&dryRun=All&force=true"), OptionsOf::Create).expect("good").dry_run);
    }
}
