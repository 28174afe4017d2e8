//! Which objects of which moment of a scenario: the arguments `ksim get` and `ksim describe` share, as kubectl has them.
//! The world of a moment is read from the store's history, which is kept whole.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use serde_json::Value;
use sim_apimachinery::selector::{FieldSelector, Selector};
use sim_apimachinery::{Kind, Object, Typed};
use sim_core::component::ChangeType;
use sim_core::kube_apiserver::apiextensions::Definition;
use sim_core::time::SimTime;

use crate::report;
use crate::session::{self, Played};

/// The kinds that `all` means.
const ALL: [&str; 9] =
    ["pods", "services", "daemonsets", "deployments", "replicasets", "statefulsets", "horizontalpodautoscalers", "jobs", "cronjobs"];

/// A scenario, a moment of it, and the objects meant.
#[derive(Args)]
pub struct Moment {
    /// The scenario file
    scenario: PathBuf,
    /// KIND, KIND NAME..., KIND/NAME..., KIND,KIND or `all`, as kubectl takes them
    #[arg(required = true)]
    objects: Vec<String>,
    /// When, from the beginning of the scenario; its end if nothing is said
    #[arg(long)]
    at: Option<String>,
    /// The namespace
    #[arg(short, long, default_value = "default")]
    namespace: String,
    /// All namespaces
    #[arg(short = 'A', long)]
    pub all_namespaces: bool,
    /// Only objects with these labels
    #[arg(short = 'l', long, default_value = "")]
    selector: String,
    /// Only objects with these fields
    #[arg(long, default_value = "")]
    field_selector: String,
    /// The seed of chance, instead of the scenario's own
    #[arg(long)]
    seed: Option<u64>,
}

impl Moment {
    /// Plays the scenario.
    pub fn play(&self) -> Result<Played, String> {
        let loaded = session::load(&self.scenario).map_err(|problem| report::problem(&problem))?;
        let seed = self.seed.unwrap_or(loaded.scenario.seed);
        session::play(&Arc::new(loaded), seed, &mut |_, _| {})
    }

    /// The moment.
    pub fn at(&self, played: &Played) -> Result<SimTime, String> {
        match &self.at {
            Some(text) => Ok(played.player.began().plus(sim_core::scenario::load::duration(text)?)),
            None => Ok(played.player.cluster.now()),
        }
    }

    /// The objects meant, as they were at the moment, in order of kind, namespace and name.
    pub fn objects(&self, played: &Played) -> Result<Vec<Object>, String> {
        let at = self.at(played)?;
        let labels = Selector::parse(&self.selector)?;
        let fields = FieldSelector::parse(&self.field_selector)?;
        let nothing = BTreeMap::new();
        let mut found = Vec::new();
        for (kind, name) in self.meant(played, at)? {
            let here = |o: &&Object| self.all_namespaces || !kind.is_namespaced() || o.namespace() == self.namespace;
            let chosen = |o: &&Object| labels.matches(o.metadata().labels.as_ref().unwrap_or(&nothing)) && has_fields(&fields, o);
            let present = objects_at(played, kind, at);
            let of_kind: Vec<&Object> = present.values().filter(here).filter(chosen).collect();
            match &name {
                None => found.extend(of_kind.into_iter().cloned()),
                Some(name) => found.extend(by_name(&of_kind, name, kind)?),
            }
        }
        if found.is_empty() {
            return Err(self.nothing_found());
        }
        Ok(found)
    }

    fn nothing_found(&self) -> String {
        match self.all_namespaces {
            true => "No resources found".into(),
            false => format!("No resources found in {} namespace.", self.namespace),
        }
    }

    /// Kinds with the names asked for.
    fn meant(&self, played: &Played, at: SimTime) -> Result<Vec<(Kind, Option<String>)>, String> {
        let first = self.objects.first().map(String::as_str).unwrap_or_default();
        if first.contains('/') {
            let pair = |o: &String| {
                let (kind, name) = o.split_once('/').ok_or_else(|| format!("there is no need to specify a resource type as a separate argument when passing arguments in resource/name form (e.g. 'ksim get SCENARIO resource/<resource_name>' instead of {o:?})"))?;
                Ok((kind_of(played, at, kind)?, Some(name.to_owned())))
            };
            return self.objects.iter().map(pair).collect();
        }
        let words: Vec<&str> = if first == "all" { ALL.to_vec() } else { first.split(',').collect() };
        let mut meant = Vec::new();
        for word in words {
            let kind = kind_of(played, at, word)?;
            match self.objects.get(1..).unwrap_or_default() {
                [] => meant.push((kind, None)),
                names => meant.extend(names.iter().map(|n| (kind, Some(n.clone())))),
            }
        }
        Ok(meant)
    }
}

/// The kind that a word means at a moment: a built-in one, or one that a definition gave by then.
fn kind_of(played: &Played, at: SimTime, word: &str) -> Result<Kind, String> {
    let lower = word.to_ascii_lowercase();
    let custom = || definitions(played, at).into_iter().filter(|d| d.is_established && d.answers_to(&lower)).find_map(kind_given);
    Kind::from_word(word).or_else(custom).ok_or_else(|| format!("the server doesn't have a resource type {word:?}"))
}

/// The definitions of custom resources that there were at a moment.
fn definitions(played: &Played, at: SimTime) -> Vec<Definition> {
    let objects = objects_at(played, Kind::CustomResourceDefinition, at);
    objects.values().filter_map(CustomResourceDefinition::from_object).map(|definition| Definition::read(definition)).collect()
}

/// The kind that a definition gives, at the version at which its objects are stored.
pub fn kind_given(definition: Definition) -> Option<Kind> {
    Arc::new(definition).storage().map(|resource| resource.kind())
}

/// The columns that a custom kind's definition declared at a moment, for the version at which its objects are stored.
pub fn columns_at(played: &Played, kind: Kind, at: SimTime) -> Vec<Value> {
    let row = kind.resource();
    let name = format!("{}.{}", row.plural, row.group);
    let objects = objects_at(played, Kind::CustomResourceDefinition, at);
    let definition = objects.values().find(|o| o.name() == name).map(Object::to_json).unwrap_or_default();
    let versions = definition["spec"]["versions"].as_array();
    let stored = versions.into_iter().flatten().find(|version| version["storage"] == true);
    stored.and_then(|version| version["additionalPrinterColumns"].as_array().cloned()).unwrap_or_default()
}

/// The object of a name, or those whose names begin so.
fn by_name(objects: &[&Object], name: &str, kind: Kind) -> Result<Vec<Object>, String> {
    let exact: Vec<Object> = objects.iter().filter(|o| o.name() == name).map(|o| (*o).clone()).collect();
    let begun = || objects.iter().filter(|o| o.name().starts_with(name)).map(|o| (*o).clone()).collect::<Vec<_>>();
    let found = if exact.is_empty() { begun() } else { exact };
    if found.is_empty() {
        let resource = kind.resource();
        let group = if resource.group.is_empty() { String::new() } else { format!(".{}", resource.group) };
        return Err(format!("Error from server (NotFound): {}{group} {name:?} not found", resource.plural));
    }
    Ok(found)
}

fn has_fields(selector: &FieldSelector, object: &Object) -> bool {
    let value = if *selector == FieldSelector::default() { Value::Null } else { object.to_json() };
    selector.matches(|path| {
        let found = value.pointer(&format!("/{}", path.replace('.', "/")))?;
        Some(found.as_str().map_or_else(|| found.to_string(), str::to_owned))
    })
}

/// The objects of a kind at a moment, from the store's history, by namespace and name.
pub fn objects_at(played: &Played, kind: Kind, at: SimTime) -> BTreeMap<String, Object> {
    let mut objects = BTreeMap::new();
    for change in played.player.cluster.etcd().history().iter().filter(|c| c.object.kind() == kind && c.time <= at) {
        let path = change.object.key().path();
        match change.change {
            ChangeType::Deleted => _ = objects.remove(&path),
            _ => _ = objects.insert(path, change.object.clone()),
        }
    }
    objects
}
