//! Who may do what: the authorizers of a kubeadm cluster in their order. Members of `system:masters` may do everything,
//! a kubelet what its node's pods need (`node`), everybody what roles grant (`rbac`); what nobody allows is refused.
//! Requests of the cluster's own components are not asked about: they hold the rights that their bootstrap roles grant.
//! Not modelled: webhook and ABAC authorizers, conditions in an AuthorizationConfiguration.

mod bindings;
mod escalation;
mod node;
mod node_relations;
mod rbac;
mod review;

use std::sync::Arc;

use sim_apimachinery::{Reason, Status, UserInfo};

pub use self::bindings::BindingIndex;
pub use self::node::node_identity;
pub use self::rbac::{ResolvedRules, Rule, aggregate, missing_role, service_account_of};
pub use self::review::review;
use super::ApiServer;

/// Members may do everything.
pub const SYSTEM_MASTERS: &str = "system:masters";

/// What an authorizer is asked about: one request, seen from outside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Who asks.
    pub user: Arc<UserInfo>,
    /// `get`, `list`, `watch`, `create`, …; for other paths the lower-case method.
    pub verb: String,
    /// API group, empty for the core group.
    pub group: String,
    /// API version, `*` for any.
    pub version: String,
    /// Plural of the resource, as in the URL.
    pub resource: String,
    /// `status`, `scale`, `log`, …, or empty.
    pub subresource: String,
    /// Namespace, empty for all and for the cluster scope.
    pub namespace: String,
    /// Name, empty where the request has none.
    pub name: String,
    /// The equalities of the field selector of a list, watch or deletecollection.
    pub field_equals: Vec<(String, String)>,
    /// The path of a request that is not about a resource.
    pub path: String,
    /// Whether it is about a resource.
    pub is_resource: bool,
}

/// What the authorizers say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may go on.
    pub allowed: bool,
    /// Why, in the authorizers' words; often empty.
    pub reason: String,
}

impl Decision {
    fn allow(reason: String) -> Decision {
        Decision { allowed: true, reason }
    }

    fn no_opinion(reason: impl Into<String>) -> Decision {
        Decision { allowed: false, reason: reason.into() }
    }
}

impl Attributes {
    /// A question about a path that is no resource, such as `/healthz`.
    pub fn for_path(user: &Arc<UserInfo>, verb: &str, path: &str) -> Attributes {
        Attributes { user: user.clone(), verb: verb.into(), path: path.into(), ..Attributes::default() }
    }

    /// A question about a resource; what is not given is empty.
    pub fn for_resource(user: &Arc<UserInfo>, verb: &str, group: &str, resource: &str) -> Attributes {
        let (user, verb, group, resource) = (user.clone(), verb.to_owned(), group.to_owned(), resource.to_owned());
        Attributes { user, verb, group, resource, version: "*".into(), is_resource: true, ..Attributes::default() }
    }

    /// `resource` or `resource/subresource`.
    fn combined_resource(&self) -> String {
        if self.subresource.is_empty() { self.resource.clone() } else { format!("{}/{}", self.resource, self.subresource) }
    }

    /// The refusal that a user sees, with the authorizers' reason (apiserver `responsewriters.ForbiddenStatusError`).
    pub fn forbidden(&self, reason: &str) -> Status {
        let said = without_markup(&self.sentence());
        let said = if reason.is_empty() { said } else { format!("{said}: {reason}") };
        let qualified = if self.group.is_empty() { self.resource.clone() } else { format!("{}.{}", self.resource, self.group) };
        let message = match (self.resource.is_empty(), self.name.is_empty()) {
            (true, _) => format!("forbidden: {said}"),
            (false, true) => format!("{qualified} is forbidden: {said}"),
            (false, false) => format!("{qualified} {:?} is forbidden: {said}", self.name),
        };
        let (group, kind, name) = (self.group.clone(), self.resource.clone(), self.name.clone());
        Status { group, kind, name, ..Status::generic(Reason::Forbidden, message) }
    }

    fn sentence(&self) -> String {
        let (user, verb) = (&self.user.name, &self.verb);
        if !self.is_resource {
            return format!("User {user:?} cannot {verb} path {:?}", self.path);
        }
        let what = format!("User {user:?} cannot {verb} resource {:?} in API group {:?}", self.combined_resource(), self.group);
        if self.namespace.is_empty() {
            format!("{what} at the cluster scope")
        } else {
            format!("{what} in the namespace {:?}", self.namespace)
        }
    }
}

impl ApiServer {
    /// Asks the authorizers in their order; the first that allows decides.
    pub fn authorize(&self, attributes: &Attributes) -> Decision {
        if attributes.user.groups.iter().any(|g| g == SYSTEM_MASTERS) {
            return Decision::allow(String::new());
        }
        let node = self.authorize_node(attributes);
        if node.allowed {
            return node;
        }
        let rbac = self.authorize_rbac(attributes);
        if rbac.allowed {
            return rbac;
        }
        let reasons: Vec<String> = [node.reason, rbac.reason].into_iter().filter(|r| !r.is_empty()).collect();
        Decision::no_opinion(reasons.join("\n"))
    }
}

/// The equalities of a field selector in its string form; what cannot be read is left out.
pub fn field_equalities(selector: &str) -> Vec<(String, String)> {
    let terms = selector.split(',').filter(|t| !t.contains("!="));
    let pair = |term: &str| term.split_once("==").or_else(|| term.split_once('=')).map(|(f, v)| (f.trim().to_owned(), v.trim().to_owned()));
    terms.filter_map(pair).collect()
}

/// Refusals must not look like HTML.
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests;
