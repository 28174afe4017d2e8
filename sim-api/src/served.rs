//! Which resources are served: built-in kinds at the versions v1.36 serves by default, custom resources, and their
//! subresources with the methods each allows.

use sim_apimachinery::{Kind, Scope, Trait};

/// A resource at a served version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served<'a> {
    /// The kind.
    pub kind: Kind,
    /// The group in the URL (events are served in two).
    pub group: &'a str,
    /// The version in the URL.
    pub version: &'a str,
}

/// Kinds that are also served at another group and version than the one they are held at: kind, group, version.
const ALSO: [(Kind, &str, &str); 2] = [(Kind::HorizontalPodAutoscaler, "autoscaling", "v1"), (Kind::Event, "events.k8s.io", "v1")];

impl<'a> Served<'a> {
    /// The built-in resource of these names, if it is served.
    pub fn built_in(group: &'a str, version: &'a str, plural: &str) -> Option<Served<'a>> {
        let held = Kind::ALL.iter().copied().find(|k| {
            let r = k.resource();
            r.plural == plural && r.group == group && r.version == version && is_stable(version)
        });
        let also = || ALSO.iter().find(|(k, g, v)| k.resource().plural == plural && *g == group && *v == version).map(|(k, ..)| *k);
        held.or_else(also).map(|kind| Served { kind, group, version })
    }

    /// `apiVersion` as it is served.
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_owned() } else { format!("{}/{}", self.group, self.version) }
    }

    /// Whether its objects live in namespaces.
    pub fn is_namespaced(&self) -> bool {
        self.kind.resource().scope == Scope::Namespaced
    }

    /// The methods its path allows: the collection's (no name), an object's, or a subresource's; `None` if there is no such path.
    pub fn methods(&self, name: &str, subresource: &str, in_namespace: bool) -> Option<&'static [&'static str]> {
        match (name.is_empty(), subresource) {
            (true, _) => Some(self.collection_methods(in_namespace)),
            (false, "") => Some(&["GET", "PUT", "PATCH", "DELETE"]),
            (false, sub) => self.subresource_methods(sub),
        }
    }

    fn collection_methods(&self, in_namespace: bool) -> &'static [&'static str] {
        if self.is_namespaced() && !in_namespace {
            &["GET"]
        } else if self.kind == Kind::Namespace {
            &["GET", "POST"]
        } else {
            &["GET", "POST", "DELETE"]
        }
    }

    fn subresource_methods(&self, sub: &str) -> Option<&'static [&'static str]> {
        const CHANGE: &[&str] = &["GET", "PUT", "PATCH"];
        const ALL: &[&str] = &["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
        match (self.kind, sub) {
            (kind, "status") if kind.resource().has_status => Some(CHANGE),
            (kind, "scale") if kind.has(Trait::Scale) => Some(CHANGE),
            (Kind::Pod, "log") => Some(&["GET"]),
            (Kind::Pod, "exec" | "attach" | "portforward") => Some(&["GET", "POST"]),
            (Kind::Pod, "binding" | "eviction") => Some(&["POST"]),
            (Kind::Pod, "ephemeralcontainers" | "resize") => Some(CHANGE),
            (Kind::Pod | Kind::Service | Kind::Node, "proxy") => Some(ALL),
            (Kind::Namespace, "finalize") => Some(&["PUT"]),
            (Kind::ServiceAccount, "token") => Some(&["POST"]),
            (Kind::CertificateSigningRequest, "approval") => Some(CHANGE),
            _ => None,
        }
    }
}

/// Beta and alpha versions are off by default.
fn is_stable(version: &str) -> bool {
    !version.contains("alpha") && !version.contains("beta")
}
