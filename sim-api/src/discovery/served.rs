//! The groups, versions and resources that are served: the built-in ones of `resources.txt`, which `tables/resources.py`
//! writes, and those of custom resource definitions. Discovery and the OpenAPI documents are made from this.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sim_object::{Kind, Trait};

/// A group and its versions, the preferred first.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedGroup {
    /// Its name, empty for the core group.
    pub name: String,
    /// Its priority; groups are told in falling order.
    pub priority: i64,
    /// Its versions.
    pub versions: Vec<ServedVersion>,
}

/// A version and its resources, in order of their names.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedVersion {
    /// Its name.
    pub name: String,
    /// Its resources.
    pub resources: Vec<ServedResource>,
}

/// Group, version and kind of a type.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TypeName {
    /// Group, empty for the core one.
    pub group: String,
    /// Version.
    pub version: String,
    /// Kind.
    pub kind: String,
}

/// A resource.
#[derive(Clone, Debug, PartialEq)]
pub struct ServedResource {
    /// Plural, as in URLs.
    pub plural: String,
    /// Singular.
    pub singular: String,
    /// Kind.
    pub kind: String,
    /// Whether it lives in namespaces.
    pub namespaced: bool,
    /// What can be done with it, in the order it is told.
    pub verbs: Vec<String>,
    /// Short names.
    pub short_names: Vec<String>,
    /// Categories, such as `all`.
    pub categories: Vec<String>,
    /// Says at which version it is stored; none if it is not stored.
    pub storage_version_hash: Option<String>,
    /// Its subresources.
    pub subresources: Vec<Subresource>,
    /// Whether a custom resource definition made it.
    pub custom: bool,
}

/// A subresource.
#[derive(Clone, Debug, PartialEq)]
pub struct Subresource {
    /// Its name.
    pub name: String,
    /// The type it takes or gives.
    pub of: TypeName,
    /// What can be done with it.
    pub verbs: Vec<String>,
}

const ALL_VERBS: &str = "create,delete,deletecollection,get,list,patch,update,watch";
const CUSTOM_VERBS: &str = "delete,deletecollection,get,list,patch,create,update,watch";
const TERMINATING_VERBS: &str = "delete,deletecollection,get,list,watch";
const CHANGE_VERBS: &str = "get,patch,update";

/// Priority of the groups that custom resource definitions make.
const CUSTOM_PRIORITY: i64 = 1000;

static BUILT_IN: LazyLock<Vec<ServedGroup>> = LazyLock::new(|| {
    let mut groups = Vec::new();
    for line in include_str!("resources.txt").lines().filter(|line| !line.starts_with('#')) {
        read_line(&mut groups, &line.split(' ').collect::<Vec<_>>());
    }
    groups
});

fn read_line(groups: &mut Vec<ServedGroup>, words: &[&str]) {
    if let ["G", name, priority] = words {
        let name = if *name == "-" { "" } else { name };
        groups.push(ServedGroup { name: name.to_owned(), priority: priority.parse().unwrap_or(0), versions: Vec::new() });
        return;
    }
    let Some(group) = groups.last_mut() else { return };
    if let ["V", name] = words {
        group.versions.push(ServedVersion { name: (*name).to_owned(), resources: Vec::new() });
        return;
    }
    let name = group.name.clone();
    let Some(version) = group.versions.last_mut() else { return };
    match words {
        ["R", plural, kind, scope, verbs, stored] => {
            version.resources.push(built_in(&name, [plural, kind, verbs, stored], *scope == "N"));
        }
        ["S", subresource, of, verbs] => {
            let entry = Subresource { name: (*subresource).to_owned(), of: type_name(of), verbs: words_of(verbs) };
            version.resources.iter_mut().last().into_iter().for_each(|resource| resource.subresources.push(entry.clone()));
        }
        _ => {}
    }
}

fn built_in(group: &str, [plural, kind, verbs, stored]: [&str; 4], namespaced: bool) -> ServedResource {
    let known = Kind::ALL.iter().copied().find(|k| k.resource().kind == kind && (k.resource().group == group || kind == "Event"));
    let row = known.map(Kind::resource);
    let short_names = row.map_or(if kind == "ComponentStatus" { "cs" } else { "" }, |row| row.short_names);
    let is_extension = group == "admissionregistration.k8s.io" || matches!(kind, "APIService" | "CustomResourceDefinition");
    let categories = match known {
        Some(kind) if kind.has(Trait::All) => "all",
        _ if is_extension => "api-extensions",
        _ => "",
    };
    ServedResource {
        plural: plural.to_owned(),
        singular: row.map_or_else(|| kind.to_lowercase(), |row| row.singular.to_owned()),
        kind: kind.to_owned(),
        namespaced,
        verbs: words_of(if verbs == "all" { ALL_VERBS } else { verbs }),
        short_names: words_of(short_names),
        categories: words_of(categories),
        storage_version_hash: (stored != "-").then(|| storage_version_hash(stored)),
        subresources: Vec::new(),
        custom: false,
    }
}

fn words_of(text: &str) -> Vec<String> {
    text.split(',').filter(|word| !word.is_empty()).map(str::to_owned).collect()
}

fn type_name(text: &str) -> TypeName {
    let mut words = text.splitn(3, '/').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    TypeName { group: word(), version: word(), kind: word() }
}

/// Eight bytes of the hash of `group/version/Kind`, as the API server tells them.
fn storage_version_hash(stored: &str) -> String {
    STANDARD.encode(&Sha256::digest(stored.as_bytes())[..8])
}

/// Every group that is served, in the order it is told: the built-in ones, then those of the definitions.
pub fn groups(definitions: &[Value]) -> Vec<ServedGroup> {
    let mut groups = BUILT_IN.clone();
    let mut custom: BTreeMap<String, ServedGroup> = BTreeMap::new();
    for definition in definitions.iter().filter(|definition| is_condition_true(definition, "Established")) {
        let name = text(definition, "/spec/group").to_owned();
        let group = groups.iter_mut().find(|group| group.name == name);
        let new = || ServedGroup { name: name.clone(), priority: CUSTOM_PRIORITY, versions: Vec::new() };
        add_definition(group.unwrap_or_else(|| custom.entry(name.clone()).or_insert_with(new)), definition);
    }
    groups.extend(custom.into_values().filter(|group| !group.versions.is_empty()));
    groups
}

fn add_definition(group: &mut ServedGroup, definition: &Value) {
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    for version in versions.into_iter().flatten().filter(|version| version["served"] == true) {
        let name = version["name"].as_str().unwrap_or_default();
        if !group.versions.iter().any(|known| known.name == name) {
            group.versions.push(ServedVersion { name: name.to_owned(), resources: Vec::new() });
            group.versions.sort_by(|a, b| kube_aware(&b.name, &a.name));
        }
        let resource = custom(definition, version);
        for known in group.versions.iter_mut().filter(|known| known.name == name) {
            known.resources.push(resource.clone());
            known.resources.sort_by(|a, b| a.plural.cmp(&b.plural));
        }
    }
}

fn custom(definition: &Value, version: &Value) -> ServedResource {
    let names = definition.pointer("/status/acceptedNames").unwrap_or(&Value::Null);
    let list = |field: &str| {
        let words = names[field].as_array().into_iter().flatten();
        words.filter_map(|word| word.as_str().map(str::to_owned)).collect()
    };
    let kind = text(names, "/kind").to_owned();
    let (group, version_name) = (text(definition, "/spec/group"), text(version, "/name"));
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    let stored = versions.into_iter().flatten().find(|version| version["storage"] == true && version["served"] == true);
    let stored = stored.map(|version| format!("{group}/{}/{}", text(version, "/name"), text(definition, "/spec/names/kind")));
    let terminating = is_condition_true(definition, "Terminating");
    ServedResource {
        plural: text(names, "/plural").to_owned(),
        singular: text(names, "/singular").to_owned(),
        namespaced: text(definition, "/spec/scope") == "Namespaced",
        verbs: words_of(if terminating { TERMINATING_VERBS } else { CUSTOM_VERBS }),
        short_names: list("shortNames"),
        categories: list("categories"),
        storage_version_hash: stored.map(|stored| storage_version_hash(&stored)),
        subresources: custom_subresources(
            version,
            &TypeName { group: group.to_owned(), version: version_name.to_owned(), kind: kind.clone() },
        ),
        kind,
        custom: true,
    }
}

fn custom_subresources(version: &Value, own: &TypeName) -> Vec<Subresource> {
    let scale = TypeName { group: "autoscaling".to_owned(), version: "v1".to_owned(), kind: "Scale".to_owned() };
    let possible = [("status", own.clone()), ("scale", scale)];
    let has = |name: &str| version.pointer(&format!("/subresources/{name}")).is_some_and(|found| !found.is_null());
    let made = possible.into_iter().filter(|(name, _)| has(name));
    made.map(|(name, of)| Subresource { name: name.to_owned(), of, verbs: words_of(CHANGE_VERBS) }).collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn is_condition_true(definition: &Value, name: &str) -> bool {
    let conditions = definition.pointer("/status/conditions").and_then(Value::as_array);
    conditions.into_iter().flatten().any(|condition| condition["type"] == name && condition["status"] == "True")
}

/// Which of two versions is the newer: releases before betas before alphas, then by number, then other names by alphabet.
fn kube_aware(a: &str, b: &str) -> Ordering {
    match (parts(a), parts(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        (Some(_), None) => Ordering::Greater,
        (None, Some(_)) => Ordering::Less,
        (None, None) => b.cmp(a),
    }
}

/// Stability (2 for a release), major, minor.
fn parts(version: &str) -> Option<(u8, u64, u64)> {
    let rest = version.strip_prefix('v')?;
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let major = rest[..digits].parse().ok()?;
    let rest = &rest[digits..];
    for (word, stability) in [("beta", 1), ("alpha", 0)] {
        if let Some(minor) = rest.strip_prefix(word) {
            return Some((stability, major, minor.parse().ok()?));
        }
    }
    rest.is_empty().then_some((2, major, 0))
}
