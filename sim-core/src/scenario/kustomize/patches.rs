//! Patches: strategic merge patches, and JSON patches (RFC 6902) with a target.
//! Names in a target may hold `.*`; other regular expressions are refused.

use serde_json::Value;
use sim_apimachinery::patch::{json_patch, strategic};
use sim_apimachinery::schema;
use sim_apimachinery::selector::Selector;

use super::{Item, Patch, Target, parse_yaml};
use crate::scenario::player::like_text;

/// Applies all patches of a kustomization.
pub fn apply(patches: &[Patch], items: &mut Vec<Item>, read: &mut dyn FnMut(&str) -> Result<String, String>) -> Result<(), String> {
    for patch in patches {
        let text = if patch.path.is_empty() { patch.patch.clone() } else { read(&patch.path)? };
        for document in parse_yaml(&text)? {
            one(&document, patch.target.as_ref(), items)?;
        }
    }
    Ok(())
}

fn one(patch: &Value, target: Option<&Target>, items: &mut Vec<Item>) -> Result<(), String> {
    let chosen = match target {
        Some(target) => targets(target, items)?,
        None if patch.is_array() => return Err("a JSON patch needs a target".into()),
        None => vec![named(patch, items)?],
    };
    for at in chosen.into_iter().rev() {
        if patch.get("$patch").and_then(Value::as_str) == Some("delete") {
            items.remove(at);
        } else if let Some(operations) = patch.as_array() {
            items[at].value = json_patch::apply(&items[at].value, operations)?;
        } else {
            merge(&mut items[at], patch)?;
        }
    }
    Ok(())
}

/// A strategic merge patch leaves kind and name as they are.
fn merge(item: &mut Item, patch: &Value) -> Result<(), String> {
    let mut patch = patch.clone();
    if let Some(metadata) = patch.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("name");
        metadata.remove("namespace");
    }
    if let Some(fields) = patch.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    let of = schema::of_object(&item.value).unwrap_or_else(schema::any_object);
    item.value = strategic::apply(of, &item.value, &patch).map_err(refusal)?;
    Ok(())
}

fn refusal(error: strategic::PatchError) -> String {
    match error {
        strategic::PatchError::Format(why) | strategic::PatchError::Content(why) => why.to_owned(),
        strategic::PatchError::Other(why) => why,
    }
}

fn named(patch: &Value, items: &[Item]) -> Result<usize, String> {
    let text = |path: &str| patch.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let (kind, name) = (text("/kind"), text("/metadata/name"));
    let found = items.iter().position(|i| i.kind() == kind && i.is_called(name) && i.text("/apiVersion") == text("/apiVersion"));
    found.ok_or_else(|| format!("no matches for Id {kind} {name}; failed to find unique target for patch {kind} {name}"))
}

fn targets(target: &Target, items: &[Item]) -> Result<Vec<usize>, String> {
    let labels = Selector::parse(&target.label_selector)?;
    let annotations = Selector::parse(&target.annotation_selector)?;
    let names = pattern(&target.name)?;
    let namespaces = pattern(&target.namespace)?;
    let pairs = |item: &Item, path: &str| {
        let map = item.value.pointer(path).and_then(Value::as_object);
        map.into_iter().flatten().filter_map(|(k, v)| Some((k.clone(), v.as_str()?.to_owned()))).collect()
    };
    let version = |item: &Item| item.text("/apiVersion").rsplit('/').next().unwrap_or_default().to_owned();
    let matches = |item: &Item| {
        (target.kind.is_empty() || target.kind == item.kind())
            && (target.group.is_empty() || target.group == item.group())
            && (target.version.is_empty() || target.version == version(item))
            && (item.names.iter().any(|n| like_text(&names, n)) || like_text(&names, item.name()))
            && like_text(&namespaces, item.text("/metadata/namespace"))
            && labels.matches(&pairs(item, "/metadata/labels"))
            && annotations.matches(&pairs(item, "/metadata/annotations"))
    };
    Ok(items.iter().enumerate().filter(|(_, i)| matches(i)).map(|(at, _)| at).collect())
}

/// A name's pattern with `*` for anything; an empty one matches all.
fn pattern(text: &str) -> Result<String, String> {
    let plain = text.trim_start_matches('^').trim_end_matches('$').replace(".*", "*");
    if plain.chars().any(|c| "+?()[]{}|\\^$".contains(c)) {
        return Err(format!("the pattern {text:?} of a patch's target is not simulated: only .* is"));
    }
    Ok(if plain.is_empty() { "*".into() } else { plain })
}
