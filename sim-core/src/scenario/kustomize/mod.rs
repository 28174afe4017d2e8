//! Kustomizations, built as `kubectl apply -k` builds them: resources of files and folders, generated config maps and
//! secrets with the hash in their names, patches, namespace, prefixes, labels, annotations, replicas, images, and the
//! references between objects kept true. The order of the result is kubectl's (namespaces first).
//! Fields that are not built here are refused by their names. Source: kustomize v5, api/internal/target.

mod generate;
mod hash;
mod patches;
mod references;
mod transform;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use sim_apimachinery::yaml::{Limits, Position};

use super::load::{Problem, documents};

/// The names a kustomization file may have.
const FILE_NAMES: [&str; 3] = ["kustomization.yaml", "kustomization.yml", "Kustomization"];
/// Kustomizations that name each other deeper than this are taken for a circle.
const DEPTH_MAX: usize = 16;

/// One object on its way through the build.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// The object.
    value: Value,
    /// The names it had before, oldest first.
    names: Vec<String>,
    /// Whether its name ends in a hash of its content.
    hashed: bool,
}

impl Item {
    fn new(value: Value) -> Item {
        Item { value, names: vec![], hashed: false }
    }

    fn text(&self, path: &str) -> &str {
        self.value.pointer(path).and_then(Value::as_str).unwrap_or_default()
    }

    fn kind(&self) -> &str {
        self.text("/kind")
    }

    fn name(&self) -> &str {
        self.text("/metadata/name")
    }

    fn group(&self) -> &str {
        self.text("/apiVersion").split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether this is, or once was, the object's name.
    fn is_called(&self, name: &str) -> bool {
        self.name() == name || self.names.iter().any(|n| n == name)
    }

    fn rename(&mut self, name: String) {
        if name != self.name() {
            self.names.push(self.name().to_owned());
            self.value["metadata"]["name"] = name.into();
        }
    }
}

/// The fields of a kustomization that are built.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Kustomization {
    api_version: String,
    kind: String,
    metadata: Value,
    resources: Vec<String>,
    namespace: String,
    name_prefix: String,
    name_suffix: String,
    labels: Vec<Labels>,
    common_labels: BTreeMap<String, String>,
    common_annotations: BTreeMap<String, String>,
    images: Vec<Image>,
    replicas: Vec<Replicas>,
    patches: Vec<Patch>,
    config_map_generator: Vec<generate::Generator>,
    secret_generator: Vec<generate::Generator>,
    generator_options: generate::Options,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Labels {
    pairs: BTreeMap<String, String>,
    include_selectors: bool,
    include_templates: bool,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Image {
    name: String,
    new_name: String,
    new_tag: String,
    digest: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Replicas {
    name: String,
    count: i64,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Patch {
    path: String,
    patch: String,
    target: Option<Target>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Target {
    group: String,
    version: String,
    kind: String,
    name: String,
    namespace: String,
    label_selector: String,
    annotation_selector: String,
}

/// Reads a file by its path.
pub type Read<'a> = dyn FnMut(&str) -> Result<String, String> + 'a;

/// Builds the kustomization in a folder: its objects, in the order in which they are applied.
pub fn build(folder: &str, read: &mut Read<'_>, warnings: &mut Vec<Problem>) -> Result<Vec<Value>, Problem> {
    let mut builder = Builder { read, warnings };
    let mut items = builder.folder(folder, 0)?;
    for item in items.iter_mut().filter(|i| i.hashed) {
        let hash = hash::of(&item.value);
        item.rename(format!("{}-{hash}", item.name()));
    }
    references::mend(&mut items);
    items.sort_by_key(|i| (order(i.kind()), i.group().to_owned(), i.kind().to_owned()));
    Ok(items.into_iter().map(|i| i.value).collect())
}

/// kubectl's order of kinds.
fn order(kind: &str) -> usize {
    const FIRST: [&str; 22] = [
        "Namespace",
        "ResourceQuota",
        "StorageClass",
        "CustomResourceDefinition",
        "ServiceAccount",
        "PodSecurityPolicy",
        "Role",
        "ClusterRole",
        "RoleBinding",
        "ClusterRoleBinding",
        "ConfigMap",
        "Secret",
        "Endpoints",
        "Service",
        "LimitRange",
        "PriorityClass",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "Deployment",
        "StatefulSet",
        "CronJob",
        "PodDisruptionBudget",
    ];
    let last = matches!(kind, "MutatingWebhookConfiguration" | "ValidatingWebhookConfiguration");
    FIRST.iter().position(|k| *k == kind).unwrap_or(FIRST.len() + usize::from(last))
}

struct Builder<'a, 'b> {
    read: &'a mut Read<'b>,
    warnings: &'a mut Vec<Problem>,
}

impl Builder<'_, '_> {
    fn folder(&mut self, folder: &str, depth: usize) -> Result<Vec<Item>, Problem> {
        let found = FILE_NAMES.iter().find_map(|name| {
            let path = join(folder, name);
            (self.read)(&path).ok().map(|text| (path, text))
        });
        let Some((file, text)) = found else {
            return Err(problem(folder, Position::default(), format!("unable to find one of '{}' in '{folder}'", FILE_NAMES.join("', '"))));
        };
        if depth > DEPTH_MAX {
            return Err(problem(&file, Position::default(), "kustomizations name each other in a circle".into()));
        }
        let (kustomization, place) = self.parse(&file, &text)?;
        let mut items = Vec::new();
        for (at, resource) in kustomization.resources.iter().enumerate() {
            let more = self.resource(folder, resource, depth).map_err(|mut p| {
                if p.position == Position::default() {
                    (p.file, p.position) = (file.clone(), place(&format!("resources[{at}]")));
                }
                p
            })?;
            items.extend(more);
        }
        let fail = |message: String| problem(&file, Position { line: 1, column: 1 }, message);
        let read = &mut |name: &str| (self.read)(&join(folder, name));
        generate::generate(&kustomization, &mut items, read).map_err(fail)?;
        patches::apply(&kustomization.patches, &mut items, read).map_err(fail)?;
        transform::transform(&kustomization, &mut items);
        no_duplicates(&items).map_err(fail)?;
        Ok(items)
    }

    fn parse(&mut self, file: &str, text: &str) -> Result<(Kustomization, impl Fn(&str) -> Position + use<>), Problem> {
        let mut documents = documents(file, text, self.warnings)?;
        let document = if documents.len() == 1 {
            documents.remove(0)
        } else {
            return Err(problem(file, Position::default(), "expected one document".into()));
        };
        let spans = document.spans.clone();
        let place = move |path: &str| spans.nearest(path);
        let kustomization: Kustomization = serde_path_to_error::deserialize(document.value).map_err(|error| {
            let message = error.inner().to_string();
            let field = message.strip_prefix("unknown field `").and_then(|m| m.split('`').next()).map(str::to_owned);
            let path = error.path().to_string();
            match field {
                Some(field) => {
                    let at = place(&format!("{path}.{field}").trim_start_matches("..").replace(&format!("{field}.{field}"), &field));
                    problem(
                        file,
                        at,
                        format!(
                            "kustomizations with the field {field:?} are not built here; give the files that `kubectl kustomize` prints"
                        ),
                    )
                }
                None => problem(file, place(&path), format!("{path}: {message}")),
            }
        })?;
        Ok((kustomization, place))
    }

    /// The objects of a resource: a file of manifests, or a folder with a kustomization.
    fn resource(&mut self, folder: &str, resource: &str, depth: usize) -> Result<Vec<Item>, Problem> {
        if resource.contains("://") || resource.starts_with("github.com") {
            return Err(problem("", Position::default(), format!("{resource}: resources are read from files only")));
        }
        let path = join(folder, resource);
        let Ok(text) = (self.read)(&path) else { return self.folder(&path, depth + 1) };
        let documents = documents(&path, &text, self.warnings)?;
        let lists = documents.into_iter().map(|d| d.value).filter(|v| !v.is_null());
        let flat = lists.flat_map(|v| match v.get("items") {
            Some(Value::Array(items)) if v["kind"].as_str().is_some_and(|k| k.ends_with("List")) => items.clone(),
            _ => vec![v],
        });
        Ok(flat.map(Item::new).collect())
    }
}

fn no_duplicates(items: &[Item]) -> Result<(), String> {
    let mut seen = std::collections::BTreeSet::new();
    for item in items {
        let id = (item.group(), item.kind(), item.text("/metadata/namespace"), item.name());
        if !seen.insert(id) {
            return Err(format!("may not add resource with an already registered id: {}.{} {}", item.kind(), item.group(), item.name()));
        }
    }
    Ok(())
}

fn problem(file: &str, position: Position, message: String) -> Problem {
    Problem { file: file.into(), position, message, hint: String::new() }
}

/// A path relative to a folder, without `.` and `..` where they can be resolved.
fn join(folder: &str, path: &str) -> String {
    if path.starts_with('/') {
        return path.to_owned();
    }
    let mut parts: Vec<&str> = Vec::new();
    for part in folder.split('/').chain(path.split('/')).filter(|p| !p.is_empty() && *p != ".") {
        match (part, parts.last()) {
            ("..", Some(last)) if *last != ".." => _ = parts.pop(),
            _ => parts.push(part),
        }
    }
    let joined = parts.join("/");
    if folder.starts_with('/') { format!("/{joined}") } else { joined }
}

/// Manifests have few limits of their own; patches are small.
fn parse_yaml(text: &str) -> Result<Vec<Value>, String> {
    let read = sim_apimachinery::yaml::read(text, &Limits::default()).map_err(|e| format!("line {}: {}", e.position.line, e.message))?;
    Ok(read.documents.into_iter().map(|d| d.value).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(files: &[(&str, &str)]) -> Result<Vec<Value>, Problem> {
        let files: BTreeMap<&str, &str> = files.iter().copied().collect();
        build("over", &mut |p| files.get(p).map(|t| (*t).to_owned()).ok_or_else(|| format!("{p}: no such file")), &mut vec![])
    }

    const BASE: &str = "kind: Kustomization\nresources: [web.yaml]\nconfigMapGenerator:\n- {name: settings, literals: [FOO=Bar]}\n";
    const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n    spec:\n      containers:\n      - {name: web, image: 'nginx:1', envFrom: [{configMapRef: {name: settings}}]}\n---\napiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec: {selector: {app: web}}\n";

    #[test]
    fn an_overlay_changes_names_images_replicas_and_keeps_references_true() {
        let over = "resources: [../base]\nnamespace: shop\nnamePrefix: my-\ncommonLabels: {team: a}\nimages: [{name: nginx, newTag: '2'}]\nreplicas: [{name: web, count: 4}]\npatches:\n- target: {kind: Service}\n  patch: '[{\"op\": \"add\", \"path\": \"/spec/type\", \"value\": \"NodePort\"}]'\n- patch: '{\"apiVersion\": \"apps/v1\", \"kind\": \"Deployment\", \"metadata\": {\"name\": \"web\"}, \"spec\": {\"template\": {\"spec\": {\"containers\": [{\"name\": \"web\", \"tty\": true}]}}}}'\n";
        let objects =
            built(&[("over/kustomization.yaml", over), ("base/kustomization.yaml", BASE), ("base/web.yaml", WEB)]).expect("it builds");
        let kinds: Vec<&str> = objects.iter().filter_map(|o| o["kind"].as_str()).collect();
        assert_eq!(kinds, ["ConfigMap", "Service", "Deployment"]);
        let (map, service, web) = (&objects[0], &objects[1], &objects[2]);
        assert_eq!(
            (&web["metadata"]["name"], &web["metadata"]["namespace"], &web["spec"]["replicas"]),
            (&"my-web".into(), &"shop".into(), &4.into())
        );
        let container = &web["spec"]["template"]["spec"]["containers"][0];
        assert_eq!((&container["image"], &container["tty"]), (&"nginx:2".into(), &true.into()));
        assert_eq!(container["envFrom"][0]["configMapRef"]["name"], map["metadata"]["name"]);
        assert!(map["metadata"]["name"].as_str().is_some_and(|n| n.starts_with("my-settings-")));
        assert_eq!((&service["spec"]["type"], &service["spec"]["selector"]["team"]), (&"NodePort".into(), &"a".into()));
        assert_eq!(web["spec"]["template"]["metadata"]["labels"]["team"], "a");
    }

    #[test]
    fn hashes_are_those_of_kubectl_kustomize() {
        let over = "configMapGenerator:\n- {name: example-configmap-1, files: [application.properties]}\n- {name: example-configmap-2, literals: [FOO=Bar]}\nsecretGenerator:\n- {name: example-secret, files: [password.txt]}\n- {name: example-secret, namespace: b, literals: [username=admin, password=secret]}\n";
        let objects = built(&[
            ("over/kustomization.yaml", over),
            ("over/application.properties", "FOO=Bar\n"),
            ("over/password.txt", "username=admin\npassword=secret\n"),
        ])
        .expect("it builds");
        let names: Vec<&str> = objects.iter().filter_map(|o| o["metadata"]["name"].as_str()).collect();
        assert_eq!(
            names,
            ["example-configmap-1-g4hk9g2ff8", "example-configmap-2-42cfbf598f", "example-secret-2kdd8ckcc7", "example-secret-8c5228dkb9"]
        );
    }

    #[test]
    fn what_is_not_built_is_refused_by_name_and_place() {
        let problem = built(&[("over/kustomization.yaml", "resources: []\nhelmCharts: []\n")]).expect_err("refused");
        assert_eq!((problem.position.line, problem.message.contains("\"helmCharts\"")), (2, true), "{problem:?}");
        let problem = built(&[("over/kustomization.yaml", "resources:\n- gone.yaml\n")]).expect_err("refused");
        assert_eq!((problem.file.as_str(), problem.position.line), ("over/kustomization.yaml", 2), "{problem:?}");
    }
}
