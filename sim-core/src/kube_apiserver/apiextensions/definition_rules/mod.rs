//! What a CustomResourceDefinition must be like, in the words of the API server.
//! Source: apiextensions-apiserver pkg/apis/apiextensions/validation/validation.go. The rules look at the internal form of a
//! definition, in which what all versions have in common stands at the top (`hoist`): that is why paths such as
//! `spec.validation.openAPIV3Schema` appear.
//! Not modelled: tolerance of what an older API server let in (schemas that are not structural, unpruned defaults).

pub(crate) mod conversion;
pub(crate) mod field_path;
mod go_words;
mod rules;
mod schema_rules;
mod structural_rules;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;
use sim_apimachinery::{Cause, names};

use self::schema_rules::SchemaRules;
use super::problems::Problems;
use super::schema::SchemaRef;

/// The annotation that says who approved a resource in a group of the community.
const APPROVED: &str = "api-approved.kubernetes.io";
const APPROVAL_HELP: &str = "see https://github.com/kubernetes/enhancements/pull/1111";
const SELECTABLE_MAX: usize = 8;
const WARNING_LENGTH_MAX: usize = 256;
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

/// What is wrong with a definition. `old` is the definition before the change, if it is a change.
pub(crate) fn validate(crd: &CustomResourceDefinition, old: Option<&CustomResourceDefinition>) -> Vec<Cause> {
    let mut problems = Problems::default();
    let name = crd.metadata.name.as_deref().unwrap_or_default();
    if old.is_none() && !name.is_empty() && name != format!("{}.{}", crd.spec.names.plural, crd.spec.group) {
        problems.invalid_text("metadata.name", name, "must be spec.names.plural+\".\"+spec.group");
    }
    spec(crd, &mut problems);
    if let Some(old) = old {
        conversion::bundle(crd, old, &mut problems);
        immutable(crd, old, &mut problems);
    }
    let status = crd.status.clone().unwrap_or_default();
    let accepted = serde_json::to_value(&status.accepted_names).unwrap_or_default();
    name_words(&accepted, "status.acceptedNames", &mut problems);
    stored_versions(crd, &status.stored_versions.unwrap_or_default(), &mut problems);
    approval(crd, old, &mut problems);
    if crd.spec.preserve_unknown_fields == Some(true) {
        let detail = "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        problems.invalid("spec.preserveUnknownFields", &Value::Bool(true), detail);
    }
    problems.0
}

/// What all versions have in common, taken from them: each is there if it is the same everywhere.
struct Hoisted {
    versions: Vec<Value>,
    common: serde_json::Map<String, Value>,
}

const HOISTED: [&str; 4] = ["schema", "subresources", "additionalPrinterColumns", "selectableFields"];

fn hoist(crd: &CustomResourceDefinition) -> Hoisted {
    let mut versions: Vec<Value> = crd.spec.versions.iter().filter_map(|v| serde_json::to_value(v).ok()).collect();
    let mut common = serde_json::Map::new();
    for word in HOISTED {
        let Some(first) = versions.first().and_then(|v| v.get(word)).cloned() else { continue };
        if versions.iter().all(|v| v.get(word) == Some(&first)) {
            common.insert(word.to_owned(), first);
            versions.iter_mut().filter_map(Value::as_object_mut).for_each(|v| _ = v.remove(word));
        }
    }
    Hoisted { versions, common }
}

fn spec(crd: &CustomResourceDefinition, problems: &mut Problems) {
    let spec = &crd.spec;
    group(&spec.group, problems);
    match spec.scope.as_str() {
        "" => problems.required("spec.scope", ""),
        "Cluster" | "Namespaced" => {}
        other => problems.not_supported("spec.scope", &Value::from(other), &["Cluster".into(), "Namespaced".into()]),
    }
    let hoisted = hoist(crd);
    if !hoisted.common.contains_key("schema") {
        for (index, version) in hoisted.versions.iter().enumerate() {
            if version.pointer("/schema/openAPIV3Schema").is_none() {
                problems.required(&format!("spec.versions[{index}].schema.openAPIV3Schema"), "");
            }
        }
    }
    let has_status = |v: &Value| v.pointer("/subresources/status").is_some();
    let common_status = hoisted.common.get("subresources").is_some_and(|s| s.get("status").is_some());
    for (index, version) in hoisted.versions.iter().enumerate() {
        let at = format!("spec.versions[{index}]");
        label(&format!("{at}.name"), version["name"].as_str().unwrap_or_default(), problems);
        deprecation(version, &at, problems);
        parts(version, &at, "schema", common_status || has_status(version), problems);
    }
    version_list(crd, &hoisted, problems);
    let names = serde_json::to_value(&spec.names).unwrap_or_default();
    for word in ["plural", "singular", "kind", "listKind"] {
        if names.get(word).and_then(Value::as_str).unwrap_or_default().is_empty() {
            problems.required(&format!("spec.names.{word}"), "");
        }
    }
    name_words(&names, "spec.names", problems);
    let any_status = common_status || hoisted.versions.iter().any(has_status);
    parts(&Value::Object(hoisted.common), "spec", "validation", any_status, problems);
    conversion::validate(spec.conversion.as_ref(), problems);
}

fn group(group: &str, problems: &mut Problems) {
    let wrong = names::dns1123_subdomain(group);
    if group.is_empty() {
        problems.required("spec.group", "");
    } else if !wrong.is_empty() {
        problems.invalid_text("spec.group", group, &wrong.join(","));
    } else if !group.contains('.') {
        problems.invalid_text("spec.group", group, "should be a domain with at least one dot");
    }
}

/// Schema, subresources, columns and selectable fields, of a version or of all.
fn parts(of: &Value, at: &str, schema_word: &str, has_status: bool, problems: &mut Problems) {
    let schema = of.pointer("/schema/openAPIV3Schema");
    if let Some(schema) = schema {
        SchemaRules.whole(SchemaRef(schema), &format!("{at}.{schema_word}.openAPIV3Schema"), has_status, problems);
    }
    if let Some(scale) = of.pointer("/subresources/scale") {
        scale_paths(scale, &format!("{at}.subresources.scale"), problems);
    }
    for (index, column) in of.get("additionalPrinterColumns").and_then(Value::as_array).into_iter().flatten().enumerate() {
        printer_column(column, &format!("{at}.additionalPrinterColumns[{index}]"), problems);
    }
    if let (Some(fields), Some(schema)) = (of.get("selectableFields").and_then(Value::as_array), schema) {
        selectable(fields, SchemaRef(schema), &format!("{at}.selectableFields"), problems);
    }
}

fn version_list(crd: &CustomResourceDefinition, hoisted: &Hoisted, problems: &mut Problems) {
    let versions = &crd.spec.versions;
    // A definition without a spec has no list of versions, as opposed to an empty one.
    let is_absent = versions.is_empty() && crd.spec.group.is_empty() && crd.spec.names.plural.is_empty();
    let shown = || if is_absent { "null".into() } else { go_words::versions(&hoisted.versions) };
    let is_twice =
        |(i, v): (usize, &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinitionVersion)| {
            versions[..i].iter().any(|w| w.name == v.name)
        };
    if versions.iter().enumerate().any(is_twice) {
        problems.invalid_raw("spec.versions", &shown(), "must contain unique version names");
    }
    if versions.iter().filter(|v| v.storage).count() != 1 {
        problems.invalid_raw("spec.versions", &shown(), "must have exactly one version marked as storage version");
    }
    if let Some(first) = versions.first().filter(|v| !v.name.is_empty()) {
        label("spec.version", &first.name, problems);
    }
}

/// A DNS-1035 label.
fn label(at: &str, text: &str, problems: &mut Problems) {
    let wrong = names::dns1035_label(text);
    if !wrong.is_empty() {
        problems.invalid_text(at, text, &wrong.join(","));
    }
}

fn name_words(names_value: &Value, at: &str, problems: &mut Problems) {
    let word = |name: &str| names_value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    for name in ["plural", "singular"] {
        if !word(name).is_empty() {
            label(&format!("{at}.{name}"), &word(name), problems);
        }
    }
    for name in ["kind", "listKind"] {
        let wrong = names::dns1035_label(&word(name).to_lowercase());
        if !word(name).is_empty() && !wrong.is_empty() {
            let detail = format!("may have mixed case, but should otherwise match: {}", wrong.join(","));
            problems.invalid_text(&format!("{at}.{name}"), &word(name), &detail);
        }
    }
    let list = |name: &str| names_value.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    for (index, short) in list("shortNames").iter().enumerate() {
        label(&format!("{at}.shortNames[{index}]"), short.as_str().unwrap_or_default(), problems);
    }
    if !word("kind").is_empty() && word("kind") == word("listKind") {
        problems.invalid_text(&format!("{at}.listKind"), &word("listKind"), "kind and listKind may not be the same");
    }
    for (index, category) in list("categories").iter().enumerate() {
        label(&format!("{at}.categories[{index}]"), category.as_str().unwrap_or_default(), problems);
    }
}

fn deprecation(version: &Value, at: &str, problems: &mut Problems) {
    let Some(warning) = version.get("deprecationWarning").and_then(Value::as_str) else { return };
    let at = format!("{at}.deprecationWarning");
    if version.get("deprecated") != Some(&Value::Bool(true)) {
        return problems.invalid_text(&at, warning, "can only be set for deprecated versions");
    }
    if warning.len() > WARNING_LENGTH_MAX {
        problems.invalid_text(&at, warning, "must be <= 256 characters long");
    }
    if warning.is_empty() {
        problems.invalid_text(&at, warning, "must not be an empty string");
    }
    if let Some((index, _)) = warning.char_indices().find(|(_, c)| c.is_control()) {
        let detail = format!("must only contain printable UTF-8 characters; non-printable character found at index {index}");
        problems.invalid_text(&at, warning, &detail);
    }
}

fn simple_path(path: &str, at: &str, problems: &mut Problems) -> bool {
    let is_good = path.starts_with('.');
    if !is_good {
        problems.invalid_text(at, path, "must be a simple json path starting with .");
    }
    is_good
}

fn scale_paths(scale: &Value, at: &str, problems: &mut Problems) {
    for (word, root) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let (path, at) = (scale.get(word).and_then(Value::as_str).unwrap_or_default(), format!("{at}.{word}"));
        if path.is_empty() {
            problems.required(&at, "");
        } else if simple_path(path, &at, problems) && !path.starts_with(&format!("{root}.")) {
            problems.invalid_text(&at, path, &format!("should be a json path under {root}"));
        }
    }
    let Some(path) = scale.get("labelSelectorPath").and_then(Value::as_str).filter(|p| !p.is_empty()) else { return };
    let at = format!("{at}.labelSelectorPath");
    if simple_path(path, &at, problems) && !path.starts_with(".spec.") && !path.starts_with(".status.") {
        problems.invalid_text(&at, path, "should be a json path under either .spec or .status");
    }
}

fn printer_column(column: &Value, at: &str, problems: &mut Problems) {
    let word = |name: &str| column.get(name).and_then(Value::as_str).unwrap_or_default();
    if word("name").is_empty() {
        problems.required(&format!("{at}.name"), "");
    }
    let types = format!("must be one of {}", COLUMN_TYPES.join(","));
    if word("type").is_empty() {
        problems.required(&format!("{at}.type"), &types);
    } else if !COLUMN_TYPES.contains(&word("type")) {
        problems.invalid_text(&format!("{at}.type"), word("type"), &types);
    }
    if !word("format").is_empty() && !COLUMN_FORMATS.contains(&word("format")) {
        problems.invalid_text(&format!("{at}.format"), word("format"), &format!("must be one of {}", COLUMN_FORMATS.join(",")));
    }
    if word("jsonPath").is_empty() {
        problems.required(&format!("{at}.JSONPath"), "");
    } else {
        simple_path(word("jsonPath"), &format!("{at}.JSONPath"), problems);
    }
}

fn selectable(fields: &[Value], schema: SchemaRef<'_>, at: &str, problems: &mut Problems) {
    let mut seen: Vec<String> = vec![];
    for (index, field) in fields.iter().enumerate() {
        let (path, place) = (field.get("jsonPath").and_then(Value::as_str).unwrap_or_default(), format!("{at}[{index}].jsonPath"));
        if path.is_empty() {
            problems.required(&place, "");
            continue;
        }
        match field_path::resolve(path, schema, false) {
            Err(why) => problems.invalid_text(&place, path, &format!("is an invalid path: {why}")),
            Ok((normal, found)) => {
                if normal.starts_with("metadata.") {
                    problems.invalid_text(&place, path, "must not point to fields in metadata");
                }
                if !matches!(found.value_type(), "string" | "boolean" | "integer") {
                    let detail = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are allowed.";
                    problems.invalid_text(&place, path, detail);
                }
                if seen.contains(&normal) {
                    problems.duplicate(&place, &Value::from(path));
                } else {
                    seen.push(normal);
                }
            }
        }
    }
    if seen.len() > SELECTABLE_MAX {
        problems.too_many(at, seen.len(), SELECTABLE_MAX as i64);
    }
}

fn immutable(crd: &CustomResourceDefinition, old: &CustomResourceDefinition, problems: &mut Problems) {
    let (new, was) = (&crd.spec, &old.spec);
    let conditions = old.status.iter().flat_map(|s| s.conditions.iter().flatten());
    let is_established = conditions.clone().any(|c| c.type_ == "Established" && c.status == "True");
    let mut keep = |at: &str, new: &str, was: &str| {
        if new != was {
            problems.invalid_text(at, new, "field is immutable");
        }
    };
    if is_established {
        keep("spec.scope", &new.scope, &was.scope);
        keep("spec.names.kind", &new.names.kind, &was.names.kind);
    }
    keep("spec.group", &new.group, &was.group);
    keep("spec.names.plural", &new.names.plural, &was.names.plural);
}

fn stored_versions(crd: &CustomResourceDefinition, stored: &[String], problems: &mut Problems) {
    let at = "status.storedVersions";
    if stored.is_empty() {
        return problems.invalid(at, &Value::Null, "must have at least one stored version");
    }
    for version in crd.spec.versions.iter().filter(|v| v.storage && !stored.contains(&v.name)) {
        problems.invalid(at, &Value::from(stored), &format!("must have the storage version {}", version.name));
    }
    for (index, name) in stored.iter().enumerate() {
        if !crd.spec.versions.iter().any(|v| v.name == *name) {
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
            );
            problems.invalid_text(&format!("{at}[{index}]"), name, &detail);
        }
    }
}

/// Groups of the community need somebody's approval.
fn approval(crd: &CustomResourceDefinition, old: Option<&CustomResourceDefinition>, problems: &mut Problems) {
    let group = &crd.spec.group;
    let is_protected = ["k8s.io", "kubernetes.io"].iter().any(|g| group == g || group.ends_with(&format!(".{g}")));
    let said = |c: &CustomResourceDefinition| c.metadata.annotations.as_ref().and_then(|a| a.get(APPROVED)).cloned();
    if !is_protected || old.is_some_and(|o| said(o) == said(crd)) {
        return;
    }
    let at = format!("metadata.annotations[{APPROVED}]");
    match said(crd) {
        None => problems.required(&at, &format!("protected groups must have approval annotation {APPROVED:?}, {APPROVAL_HELP}")),
        Some(text) if text.starts_with("unapproved") || is_url(&text) => {}
        Some(text) => {
            let detail = format!(
                "protected groups must have approval annotation {APPROVED:?} with either a URL or a reason starting with \"unapproved\", {APPROVAL_HELP}"
            );
            problems.invalid_text(&at, &text, &detail);
        }
    }
}

fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/'))
}
