//! The paths of a version and their operations: one rule for all resources, as the API server installs them.

use serde_json::{Map, Value};

use super::archive;
use super::operation::{
    CREATE, CUSTOM_PATCHES, DELETE, LIST, Media, Operation, PATCH, PATCHES, delete_collection, path_parameter, query, sorted,
};
use crate::discovery::{ServedResource, ServedVersion, Subresource, TypeName};

const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.";
const DEPRECATED: &str = "deprecated: use the 'watch' parameter with a list operation instead";

/// Kinds whose deletion is answered with the object.
const SHOWN_WHEN_DELETED: [&str; 16] = [
    "CSIDriver",
    "CSINode",
    "DeviceClass",
    "PersistentVolume",
    "PersistentVolumeClaim",
    "Pod",
    "PodTemplate",
    "ResourceClaim",
    "ResourceClaimTemplate",
    "ResourceQuota",
    "ResourceSlice",
    "Service",
    "ServiceAccount",
    "StorageClass",
    "VolumeAttachment",
    "VolumeAttributesClass",
];

/// The paths of the built-in resources of a version.
pub(super) fn of_version(group: &str, version: &ServedVersion) -> Map<String, Value> {
    let mut paths = Paths::new(group, &version.name);
    let id = format!("get{}APIResources", paths.prefix);
    let operation = Operation::new("get available resources", id, &paths.tag);
    paths.put("/", "get", operation.answers(&format!("{META}APIResourceList"), &[200], Media::Object), vec![]);
    for resource in version.resources.iter().filter(|resource| !resource.custom) {
        let of = TypeName { group: group.to_owned(), version: version.name.clone(), kind: resource.kind.clone() };
        let schema = schema_of(&of);
        Installer { list_schema: format!("{schema}List"), schema, of, resource, paths: &mut paths }.install();
    }
    paths.finish()
}

/// The paths of a custom resource.
pub(super) fn of_custom(group: &str, version: &str, resource: &ServedResource, list_kind: &str) -> Map<String, Value> {
    let mut paths = Paths::new(group, version);
    let of = TypeName { group: group.to_owned(), version: version.to_owned(), kind: resource.kind.clone() };
    let schema = super::custom::schema_name(group, version, &resource.kind);
    let list_schema = super::custom::schema_name(group, version, list_kind);
    Installer { schema, list_schema, of, resource, paths: &mut paths }.install();
    paths.finish()
}

/// The name of a built-in type's schema.
fn schema_of(of: &TypeName) -> String {
    let package = match of.group.as_str() {
        "" => "io.k8s.api.core",
        "apiextensions.k8s.io" => "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
        "apiregistration.k8s.io" => "io.k8s.kube-aggregator.pkg.apis.apiregistration",
        other => return format!("io.k8s.api.{}.{}.{}", other.split('.').next().unwrap_or_default(), of.version, of.kind),
    };
    format!("{package}.{}.{}", of.version, of.kind)
}

/// The paths of one version, in the making.
struct Paths {
    root: String,
    /// Group and version as they stand in operation ids: `AppsV1`.
    prefix: String,
    tag: String,
    found: Map<String, Value>,
}

impl Paths {
    fn new(group: &str, version: &str) -> Self {
        let root = if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") };
        let group = if group.is_empty() { "core" } else { group.strip_suffix(".k8s.io").unwrap_or(group) };
        let words: String = group.split('.').map(capitalized).collect();
        let tag = format!("{}{}_{version}", words[..1].to_lowercase(), &words[1..]);
        Paths { root, prefix: format!("{words}{}", capitalized(version)), tag, found: Map::new() }
    }

    /// Adds an operation, and the parameters that all operations of its path have.
    fn put(&mut self, path: &str, method: &str, operation: Operation, shared: Vec<Value>) {
        let item = self.found.entry(format!("{}{path}", self.root)).or_insert_with(|| Value::Object(Map::new()));
        item[method] = operation.into_value();
        if !shared.is_empty() {
            item["parameters"] = sorted(shared);
        }
    }

    /// Where a path has one operation, its parameters are the path's.
    fn finish(mut self) -> Map<String, Value> {
        for item in self.found.values_mut().filter_map(Value::as_object_mut) {
            let methods: Vec<String> = item.keys().filter(|key| *key != "parameters").cloned().collect();
            let [method] = methods.as_slice() else { continue };
            let own = item.get_mut(method).and_then(Value::as_object_mut).and_then(|operation| operation.remove("parameters"));
            let Some(Value::Array(mut all)) = own else { continue };
            all.extend(item.get("parameters").and_then(Value::as_array).cloned().unwrap_or_default());
            item.insert("parameters".into(), sorted(all));
        }
        self.found
    }
}

fn capitalized(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Adds the paths of one resource.
struct Installer<'a> {
    resource: &'a ServedResource,
    of: TypeName,
    schema: String,
    list_schema: String,
    paths: &'a mut Paths,
}

impl Installer<'_> {
    fn install(mut self) {
        self.collection();
        self.item();
        if self.can("watch") && !self.resource.custom {
            self.watches();
        }
        for sub in &self.resource.subresources {
            if sub.of.kind.ends_with("Options") {
                self.connections(sub);
            } else if sub.name == "log" {
                self.log(sub);
            } else {
                self.subresource(sub);
            }
        }
    }

    fn can(&self, verb: &str) -> bool {
        self.resource.verbs.iter().any(|known| known == verb)
    }

    /// The path of the collection: that of one namespace, if the resource has namespaces.
    fn base(&self) -> String {
        let place = if self.resource.namespaced { "/namespaces/{namespace}" } else { "" };
        format!("{place}/{}", self.resource.plural)
    }

    fn item_path(&self) -> String {
        format!("{}/{{name}}", self.base())
    }

    /// The path's own parameters; `named` is what `{name}` names, if it is in the path.
    fn in_path(&self, named: Option<&str>) -> Vec<Value> {
        let namespace = self.resource.namespaced.then(|| path_parameter("namespace", ""));
        namespace.into_iter().chain(named.map(|kind| path_parameter("name", kind))).collect()
    }

    fn with_pretty(&self, named: Option<&str>) -> Vec<Value> {
        let mut parameters = self.in_path(named);
        parameters.extend(query(&["pretty"]));
        parameters
    }

    fn id(&self, verb: &str, suffix: &str) -> String {
        let place = if self.resource.namespaced { "Namespaced" } else { "" };
        format!("{verb}{}{place}{}{suffix}", self.paths.prefix, self.of.kind)
    }

    fn operation(&self, description: &str, id: String) -> Operation {
        Operation::new(description, id, &self.paths.tag)
    }

    fn media(&self) -> Media {
        if self.resource.custom { Media::Custom } else { Media::Object }
    }

    fn body_types(&self) -> &'static [&'static str] {
        if self.resource.custom { &["application/json", "application/yaml"] } else { &["*/*"] }
    }

    fn collection(&mut self) {
        let (base, kind) = (self.base(), self.of.kind.clone());
        let shared = self.with_pretty(None);
        if self.can("list") {
            self.lists(&base, &kind, shared.clone());
        }
        if self.can("create") {
            let operation = self.operation(&format!("create {}", with_article(&kind)), self.id("create", ""));
            let operation = operation.answers(&self.schema, &[200, 201, 202], self.media()).parameters(query(&CREATE));
            let operation = operation.body(&self.schema, self.body_types(), true).action("post", &self.of);
            self.paths.put(&base, "post", operation, shared.clone());
        }
        if self.can("deletecollection") {
            let place = if self.resource.namespaced { "Namespaced" } else { "" };
            let id = format!("delete{}Collection{place}{kind}", self.paths.prefix);
            let operation = self.operation(&format!("delete collection of {kind}"), id);
            let operation = operation.answers(&format!("{META}Status"), &[200], self.media()).action("deletecollection", &self.of);
            let operation = if self.resource.custom {
                operation.parameters(query(&LIST))
            } else {
                operation.parameters(query(&delete_collection())).body(&format!("{META}DeleteOptions"), &["*/*"], false)
            };
            self.paths.put(&base, "delete", operation, shared);
        }
    }

    fn lists(&mut self, base: &str, kind: &str, shared: Vec<Value>) {
        let media = if self.resource.custom { Media::Custom } else { Media::Stream };
        let can_watch = self.can("watch") && !self.resource.custom;
        let description = format!("list {}objects of kind {kind}", if can_watch { "or watch " } else { "" });
        let list = |id: String| {
            let operation = self.operation(&description, id).answers(&self.list_schema, &[200], media);
            operation.action("list", &self.of).parameters(query(&LIST))
        };
        let own = list(self.id("list", ""));
        let everywhere = list(format!("list{}{kind}ForAllNamespaces", self.paths.prefix));
        self.paths.put(base, "get", own, shared);
        if self.resource.namespaced {
            self.paths.put(&format!("/{}", self.resource.plural), "get", everywhere, query(&["pretty"]));
        }
    }

    fn item(&mut self) {
        let (path, kind, media) = (self.item_path(), self.of.kind.clone(), self.media());
        let shared = self.with_pretty(Some(&kind));
        let (schema, of) = (self.schema.clone(), self.of.clone());
        if self.can("get") {
            let operation = self.operation(&format!("read the specified {kind}"), self.id("read", ""));
            self.paths.put(&path, "get", operation.answers(&schema, &[200], media).action("get", &of), shared.clone());
        }
        if self.can("update") {
            let operation = self.operation(&format!("replace the specified {kind}"), self.id("replace", "")).action("put", &of);
            let operation = operation.answers(&schema, &[200, 201], media).parameters(query(&CREATE));
            self.paths.put(&path, "put", operation.body(&schema, self.body_types(), true), shared.clone());
        }
        if self.can("patch") {
            let operation = self.operation(&format!("partially update the specified {kind}"), self.id("patch", ""));
            self.paths.put(&path, "patch", self.patched(operation, &schema).action("patch", &of), shared.clone());
        }
        if self.can("delete") {
            let answer =
                if SHOWN_WHEN_DELETED.contains(&kind.as_str()) && !self.resource.custom { schema } else { format!("{META}Status") };
            let operation = self.operation(&format!("delete {}", with_article(&kind)), self.id("delete", "")).action("delete", &of);
            let operation = operation.answers(&answer, &[200, 202], media).parameters(query(&DELETE));
            self.paths.put(&path, "delete", operation.body(&format!("{META}DeleteOptions"), self.body_types(), false), shared);
        }
    }

    fn patched(&self, operation: Operation, schema: &str) -> Operation {
        let custom = self.resource.custom;
        let (types, codes): (&[&str], &[u16]) = if custom { (&CUSTOM_PATCHES, &[200]) } else { (&PATCHES, &[200, 201]) };
        operation.answers(schema, codes, self.media()).parameters(query(&PATCH)).body(&format!("{META}Patch"), types, true)
    }

    fn watches(&mut self) {
        let (base, kind) = (self.base(), self.of.kind.clone());
        let event = format!("{META}WatchEvent");
        let each = format!("watch individual changes to a list of {kind}. {DEPRECATED}.");
        let one = format!(
            "watch changes to an object of kind {kind}. {DEPRECATED}, filtered to a single item with the 'fieldSelector' parameter."
        );
        let watch = |description: &str, id: String, action: &str| {
            self.operation(description, id).answers(&event, &[200], Media::Stream).action(action, &self.of)
        };
        let list = watch(&each, self.id("watch", "List"), "watchlist");
        let item = watch(&one, self.id("watch", ""), "watch");
        let everywhere = watch(&each, format!("watch{}{kind}ListForAllNamespaces", self.paths.prefix), "watchlist");
        let shared = |named| self.with_pretty(named).into_iter().chain(query(&LIST)).collect::<Vec<_>>();
        let (in_list, in_item) = (shared(None), shared(Some(kind.as_str())));
        self.paths.put(&format!("/watch{base}"), "get", list, in_list);
        self.paths.put(&format!("/watch{base}/{{name}}"), "get", item, in_item);
        if self.resource.namespaced {
            let in_all = query(&["pretty"]).into_iter().chain(query(&LIST)).collect();
            self.paths.put(&format!("/watch/{}", self.resource.plural), "get", everywhere, in_all);
        }
    }

    fn connections(&mut self, sub: &Subresource) {
        let path = format!("{}/{}", self.item_path(), sub.name);
        let parameters: Vec<Value> = self.in_path(Some(&sub.of.kind)).into_iter().chain(archive::parameters_of(&sub.of.kind)).collect();
        let proxy = sub.name == "proxy";
        let methods: &[&str] = if proxy { &["delete", "get", "head", "options", "patch", "post", "put"] } else { &["get", "post"] };
        for method in methods {
            let description = format!("connect {} requests to {} of {}", method.to_uppercase(), sub.name, self.of.kind);
            let place = if self.resource.namespaced { "Namespaced" } else { "" };
            let name = capitalized(&sub.name);
            let id = format!("connect{}{}{place}{}{name}", self.paths.prefix, capitalized(method), self.of.kind);
            let connect = |id: String| self.operation(&description, id).answers("", &[200], Media::Any).action("connect", &sub.of);
            let (short, long) = (connect(id.clone()), connect(format!("{id}WithPath")));
            self.paths.put(&path, method, short, parameters.clone());
            if proxy {
                let with_path = parameters.iter().cloned().chain([path_parameter("path", "")]).collect();
                self.paths.put(&format!("{path}/{{path}}"), method, long, with_path);
            }
        }
    }

    fn log(&mut self, sub: &Subresource) {
        let kind = self.of.kind.clone();
        let operation = self.operation(&format!("read log of the specified {kind}"), self.id("read", "Log"));
        let operation = operation.answers("", &[200], Media::Text).action("get", &sub.of);
        let shared = self.with_pretty(Some(&kind)).into_iter().chain(archive::parameters_of("log")).collect();
        self.paths.put(&format!("{}/log", self.item_path()), "get", operation, shared);
    }

    fn subresource(&mut self, sub: &Subresource) {
        let path = format!("{}/{}", self.item_path(), sub.name);
        let (kind, name, suffix) = (self.of.kind.clone(), &sub.name, capitalized(&sub.name));
        // A custom resource's operations all are of its own kind.
        let of = if self.resource.custom { self.of.clone() } else { sub.of.clone() };
        let schema = if self.resource.custom && sub.of == self.of { self.schema.clone() } else { schema_of(&sub.of) };
        let media = self.media();
        let mut shared = self.with_pretty(Some(&of.kind));
        let can = |verb: &str| sub.verbs.iter().any(|known| known == verb);
        // A subresource that can only be written keeps the parameters of writing with its path.
        let only_written = sub.verbs.len() == 1;
        if only_written {
            shared.extend(query(&CREATE));
        }
        if can("create") {
            let operation = self.operation(&format!("create {name} of {}", with_article(&kind)), self.id("create", &suffix));
            let operation = operation.answers(&schema, &[200, 201, 202], media).body(&schema, self.body_types(), true);
            self.paths.put(&path, "post", operation.action("post", &of), shared.clone());
        }
        if can("get") {
            let operation = self.operation(&format!("read {name} of the specified {kind}"), self.id("read", &suffix));
            self.paths.put(&path, "get", operation.answers(&schema, &[200], media).action("get", &of), shared.clone());
        }
        if can("update") {
            let operation = self.operation(&format!("replace {name} of the specified {kind}"), self.id("replace", &suffix));
            let operation = operation.answers(&schema, &[200, 201], media).body(&schema, self.body_types(), true).action("put", &of);
            let operation = if only_written { operation } else { operation.parameters(query(&CREATE)) };
            self.paths.put(&path, "put", operation, shared.clone());
        }
        if can("patch") {
            let operation = self.operation(&format!("partially update {name} of the specified {kind}"), self.id("patch", &suffix));
            self.paths.put(&path, "patch", self.patched(operation, &schema).action("patch", &of), shared);
        }
    }
}

/// A kind with its article; plurals have none.
fn with_article(kind: &str) -> String {
    let plural = kind.ends_with('s') && !kind.ends_with("ss");
    match kind.chars().next().map(|first| first.to_ascii_lowercase()) {
        _ if plural => kind.to_owned(),
        Some('a' | 'e' | 'i' | 'o' | 'u') => format!("an {kind}"),
        _ => format!("a {kind}"),
    }
}
