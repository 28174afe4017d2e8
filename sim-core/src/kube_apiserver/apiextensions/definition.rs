//! What the API server knows of a CustomResourceDefinition: its names, versions, schemas and subresources, read once when
//! the definition is stored. A `CustomResource` is one served version of it, and what the HTTP face asks for.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceColumnDefinition, CustomResourceDefinition, CustomResourceDefinitionNames, CustomResourceDefinitionVersion,
    CustomResourceSubresourceScale,
};
use serde_json::Value;
use sim_apimachinery::kinds::CustomNames;
use sim_apimachinery::schema::Schema;
use sim_apimachinery::{CustomKind, Kind, Scope};

use super::cel_rules::RuleNode;
use super::conversion_webhook::Converter;
use super::schema::SchemaRef;

/// A definition, read.
#[derive(Debug)]
pub struct Definition {
    /// `plural.group`.
    pub name: String,
    /// The API group.
    pub group: String,
    /// The names that were accepted.
    pub names: CustomResourceDefinitionNames,
    /// Where its objects live.
    pub scope: Scope,
    /// Its versions, as declared.
    pub versions: Vec<Version>,
    /// Who converts its objects between versions; nobody if only their `apiVersion` changes.
    pub(crate) converter: Option<Converter>,
    /// Whether its resources are served.
    pub is_established: bool,
    /// Whether it is being deleted.
    pub is_terminating: bool,
}

/// One version of a definition.
#[derive(Debug)]
pub struct Version {
    /// `v1`.
    pub name: String,
    /// Whether it is served.
    pub is_served: bool,
    /// Whether objects are stored at it.
    pub is_storage: bool,
    /// What users of a deprecated version are warned of.
    pub deprecation_warning: Option<String>,
    /// The `openAPIV3Schema`, an empty object if there is none.
    pub schema: Value,
    /// The same as types: list keys, field ownership.
    pub types: Schema,
    /// Its rules in CEL, compiled.
    pub(super) rules: Option<RuleNode>,
    /// Whether it has the subresource `status`.
    pub has_status: bool,
    /// The paths of the subresource `scale`.
    pub scale: Option<CustomResourceSubresourceScale>,
    /// The columns of a table, after the name; none declared means the age alone.
    pub columns: Vec<CustomResourceColumnDefinition>,
    /// The JSON paths by which objects can be selected, without the leading dot.
    pub selectable_fields: Vec<String>,
    /// The kind at this version.
    pub kind: Kind,
}

/// One version of a custom resource. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CustomResource {
    definition: Arc<Definition>,
    version: usize,
}

impl CustomResource {
    /// The definition it is a version of.
    pub fn definition(&self) -> &Arc<Definition> {
        &self.definition
    }

    /// The version.
    pub fn version(&self) -> &Version {
        &self.definition.versions[self.version]
    }

    /// The kind; its table row has this version, so a key of this kind says at which version to answer.
    pub fn kind(&self) -> Kind {
        self.version().kind
    }

    /// `group/version`.
    pub fn api_version(&self) -> String {
        format!("{}/{}", self.definition.group, self.version().name)
    }

    /// The kind's name.
    pub fn kind_name(&self) -> &str {
        &self.definition.names.kind
    }

    /// The kind of its lists.
    pub fn list_kind(&self) -> String {
        let kind = &self.definition.names.kind;
        self.definition.names.list_kind.clone().filter(|l| !l.is_empty()).unwrap_or_else(|| format!("{kind}List"))
    }

    /// Whether its objects live in namespaces.
    pub fn is_namespaced(&self) -> bool {
        self.definition.scope == Scope::Namespaced
    }

    /// The schema.
    pub(crate) fn schema(&self) -> SchemaRef<'_> {
        SchemaRef(&self.version().schema)
    }
}

impl Definition {
    /// Reads a definition.
    pub fn read(crd: &CustomResourceDefinition) -> Definition {
        let spec = &crd.spec;
        let condition = |wanted: &str| {
            let conditions = crd.status.iter().flat_map(|s| s.conditions.iter().flatten());
            conditions.filter(|c| c.type_ == wanted).any(|c| c.status == "True")
        };
        let scope = if spec.scope == "Cluster" { Scope::Cluster } else { Scope::Namespaced };
        let names = accepted_names(crd);
        let version = |v: &CustomResourceDefinitionVersion| read_version(v, crd, &names, scope);
        Definition {
            name: crd.metadata.name.clone().unwrap_or_default(),
            group: spec.group.clone(),
            versions: spec.versions.iter().map(version).collect(),
            scope,
            converter: Converter::read(spec.conversion.as_ref()),
            is_established: condition("Established"),
            is_terminating: crd.metadata.deletion_timestamp.is_some(),
            names,
        }
    }

    /// Whether a word in small letters means it: plural, singular, a short name or the kind, with or without the group.
    pub fn answers_to(&self, word: &str) -> bool {
        let name = word.strip_suffix(&format!(".{}", self.group)).unwrap_or(word);
        let names = &self.names;
        let kind = names.kind.to_ascii_lowercase();
        let mut own =
            [Some(&names.plural), names.singular.as_ref(), Some(&kind)].into_iter().flatten().chain(names.short_names.iter().flatten());
        own.any(|own| own == name)
    }

    /// The version of that name.
    pub fn version(self: &Arc<Self>, name: &str) -> Option<CustomResource> {
        let version = self.versions.iter().position(|v| v.name == name)?;
        Some(CustomResource { definition: self.clone(), version })
    }

    /// The version at which objects are stored.
    pub fn storage(self: &Arc<Self>) -> Option<CustomResource> {
        let version = self.versions.iter().position(|v| v.is_storage)?;
        Some(CustomResource { definition: self.clone(), version })
    }

    /// The served versions, as declared.
    pub fn served(self: &Arc<Self>) -> impl Iterator<Item = CustomResource> {
        let served: Vec<usize> = self.versions.iter().enumerate().filter(|(_, v)| v.is_served).map(|(i, _)| i).collect();
        let definition = self.clone();
        served.into_iter().map(move |version| CustomResource { definition: definition.clone(), version })
    }
}

/// The names a definition goes by: those that were accepted, or those it asks for as long as none are.
fn accepted_names(crd: &CustomResourceDefinition) -> CustomResourceDefinitionNames {
    let accepted = crd.status.as_ref().and_then(|s| s.accepted_names.clone());
    accepted.filter(|n| !n.plural.is_empty() && !n.kind.is_empty()).unwrap_or_else(|| crd.spec.names.clone())
}

fn read_version(
    version: &CustomResourceDefinitionVersion,
    crd: &CustomResourceDefinition,
    names: &CustomResourceDefinitionNames,
    scope: Scope,
) -> Version {
    let schema = version.schema.as_ref().and_then(|s| s.open_api_v3_schema.as_ref());
    let schema = schema.and_then(|s| serde_json::to_value(s).ok()).unwrap_or_else(|| Value::Object(Default::default()));
    let subresources = version.subresources.as_ref();
    let has_status = subresources.is_some_and(|s| s.status.is_some());
    let scale = subresources.and_then(|s| s.scale.clone());
    let short_names = names.short_names.clone().unwrap_or_default().join(",");
    let row = CustomNames {
        group: &crd.spec.group,
        version: &version.name,
        kind: &names.kind,
        plural: &crd.spec.names.plural,
        singular: names.singular.as_deref().unwrap_or_default(),
        short_names: &short_names,
    };
    Version {
        name: version.name.clone(),
        is_served: version.served,
        is_storage: version.storage,
        deprecation_warning: deprecation_warning(version, crd),
        types: Schema::from_open_api(&schema),
        rules: RuleNode::compile(SchemaRef(&schema), true),
        schema,
        has_status,
        kind: Kind::Custom(CustomKind::new(&row, scope, has_status, scale.is_some())),
        scale,
        columns: version.additional_printer_columns.clone().unwrap_or_default(),
        selectable_fields: version.selectable_fields.iter().flatten().map(|f| f.json_path.trim_start_matches('.').to_owned()).collect(),
    }
}

/// The definition's own warning, or one that names the version to go to: the most stable one that is served and newer.
fn deprecation_warning(version: &CustomResourceDefinitionVersion, crd: &CustomResourceDefinition) -> Option<String> {
    if version.deprecated != Some(true) {
        return None;
    }
    if let Some(own) = &version.deprecation_warning {
        return Some(own.clone());
    }
    let (group, kind) = (&crd.spec.group, &crd.spec.names.kind);
    let mut text = format!("{group}/{} {kind} is deprecated", version.name);
    let own_rank = version_rank(&version.name);
    let stable = |v: &&CustomResourceDefinitionVersion| v.served && v.deprecated != Some(true) && version_rank(&v.name) > own_rank;
    if let Some(better) = crd.spec.versions.iter().filter(stable).max_by_key(|v| version_rank(&v.name)) {
        text.push_str(&format!("; use {group}/{} {kind}", better.name));
    }
    Some(text)
}

/// How Kubernetes orders versions: `v2` over `v1` over `v1beta1` over `v1alpha1` over all other names.
/// Source: apimachinery pkg/version/helpers.go.
pub fn version_rank(name: &str) -> (u8, u64, u64, std::cmp::Reverse<String>) {
    let other = (0, 0, 0, std::cmp::Reverse(name.to_owned()));
    let number = |text: &str| text.parse::<u64>().ok().filter(|n| *n > 0 && !text.starts_with('0') && !text.starts_with('+'));
    let none = std::cmp::Reverse(String::new());
    let Some(rest) = name.strip_prefix('v') else { return other };
    if let Some(major) = number(rest) {
        return (3, major, 0, none);
    }
    for (word, level) in [("beta", 2), ("alpha", 1)] {
        if let Some((major, minor)) = rest.split_once(word)
            && let (Some(major), Some(minor)) = (number(major), if minor.is_empty() { Some(0) } else { number(minor) })
        {
            return (level, major, minor, none);
        }
    }
    other
}

/// The names a word of `names` may not take twice within a group.
pub(crate) fn resource_words(names: &CustomResourceDefinitionNames) -> BTreeSet<String> {
    let mut words: BTreeSet<String> = names.short_names.iter().flatten().cloned().collect();
    words.extend([names.plural.clone(), names.singular.clone().unwrap_or_default()]);
    words
}

#[cfg(test)]
mod tests {
    use super::version_rank;

    #[test]
    fn stable_versions_rank_over_beta_over_alpha_over_others() {
        let mut names = vec!["foo1", "v1alpha1", "v11beta2", "v2", "v10", "v3beta1", "foo10", "v12alpha1", "v11alpha2", "v10beta3"];
        names.sort_by_key(|n| std::cmp::Reverse(version_rank(n)));
        assert_eq!(names, ["v10", "v2", "v11beta2", "v10beta3", "v3beta1", "v12alpha1", "v11alpha2", "v1alpha1", "foo1", "foo10"]);
    }
}
