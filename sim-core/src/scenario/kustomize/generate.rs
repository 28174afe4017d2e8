//! Config maps and secrets made from literals, files and env files, merged into or replacing earlier ones.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Item, Kustomization};

/// One generated object.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Generator {
    name: String,
    namespace: String,
    behavior: Option<Behavior>,
    literals: Vec<String>,
    files: Vec<String>,
    envs: Vec<String>,
    #[serde(rename = "type")]
    kind_of_secret: Option<String>,
    options: Options,
}

/// How generated objects are made.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Options {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    disable_name_suffix_hash: bool,
    immutable: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Behavior {
    Create,
    Merge,
    Replace,
}

/// Makes all generated objects of a kustomization.
pub fn generate(
    kustomization: &Kustomization,
    items: &mut Vec<Item>,
    read: &mut dyn FnMut(&str) -> Result<String, String>,
) -> Result<(), String> {
    let maps = kustomization.config_map_generator.iter().map(|g| ("ConfigMap", g));
    for (kind, generator) in maps.chain(kustomization.secret_generator.iter().map(|g| ("Secret", g))) {
        if generator.name.is_empty() {
            return Err(format!("a generator of a {kind} needs a name"));
        }
        let item = object(kind, generator, &kustomization.generator_options, &pairs(generator, read)?);
        let same = items.iter().position(|i| i.kind() == kind && i.is_called(&generator.name));
        match (generator.behavior.unwrap_or(Behavior::Create), same) {
            (Behavior::Create, _) => items.push(item),
            (behavior, None) => return Err(format!("id {kind} {} does not exist; cannot {behavior:?}", generator.name).to_lowercase()),
            (behavior, Some(at)) => combine(&mut items[at], item, behavior),
        }
    }
    Ok(())
}

/// Keys and values in the order of their sources.
fn pairs(generator: &Generator, read: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<BTreeMap<String, String>, String> {
    let mut found = Vec::new();
    for file in &generator.envs {
        let text = read(file)?;
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        found.extend(lines.map(|l| l.split_once('=').map_or((l.to_owned(), String::new()), |(k, v)| (k.to_owned(), v.to_owned()))));
    }
    for literal in &generator.literals {
        let (key, value) = literal.split_once('=').ok_or_else(|| format!("invalid literal source {literal}, expected key=value"))?;
        found.push((key.to_owned(), unquoted(value).to_owned()));
    }
    for source in &generator.files {
        let (key, file) = source.split_once('=').unwrap_or_else(|| (source.rsplit('/').next().unwrap_or(source), source));
        found.push((key.to_owned(), read(file)?));
    }
    let mut pairs = BTreeMap::new();
    for (key, value) in found {
        if pairs.insert(key.clone(), value).is_some() {
            return Err(format!("configmap {} illegally repeats the key `{key}`", generator.name));
        }
    }
    Ok(pairs)
}

fn unquoted(text: &str) -> &str {
    let inner = |quote: char| text.strip_prefix(quote).and_then(|t| t.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(text)
}

fn object(kind: &str, generator: &Generator, common: &Options, pairs: &BTreeMap<String, String>) -> Item {
    let mut value = json!({"apiVersion": "v1", "kind": kind, "metadata": {"name": generator.name}});
    if !generator.namespace.is_empty() {
        value["metadata"]["namespace"] = generator.namespace.clone().into();
    }
    if !pairs.is_empty() {
        let encoded = |text: &String| match kind {
            "Secret" => serde_json::to_value(ByteString(text.clone().into_bytes())).unwrap_or_default(),
            _ => Value::from(text.clone()),
        };
        value["data"] = pairs.iter().map(|(k, v)| (k.clone(), encoded(v))).collect::<serde_json::Map<_, _>>().into();
    }
    if kind == "Secret" {
        value["type"] = generator.kind_of_secret.clone().unwrap_or_else(|| "Opaque".into()).into();
    }
    let merged = |a: &BTreeMap<String, String>, b: &BTreeMap<String, String>| {
        a.iter().chain(b).map(|(k, v)| (k.clone(), v.clone())).collect::<BTreeMap<_, _>>()
    };
    let own = &generator.options;
    for (field, pairs) in [("labels", merged(&common.labels, &own.labels)), ("annotations", merged(&common.annotations, &own.annotations))]
    {
        if !pairs.is_empty() {
            value["metadata"][field] = json!(pairs);
        }
    }
    if common.immutable || own.immutable {
        value["immutable"] = true.into();
    }
    let hashed = !(common.disable_name_suffix_hash || own.disable_name_suffix_hash);
    Item { hashed, ..Item::new(value) }
}

fn combine(before: &mut Item, mut now: Item, behavior: Behavior) {
    if behavior == Behavior::Merge {
        for (key, value) in before.value["data"].as_object().cloned().unwrap_or_default() {
            let data = &mut now.value["data"];
            if data.get(&key).is_none() {
                data[key] = value;
            }
        }
    }
    now.value["metadata"]["name"] = before.value["metadata"]["name"].clone();
    now.names = std::mem::take(&mut before.names);
    *before = now;
}
