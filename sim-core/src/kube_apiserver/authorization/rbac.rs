//! Role-based access control: a user may do what a rule of a role says that a binding gives to the user, to one of the
//! user's groups, or to the service account that the user is. Rights only add up; nothing is taken away.
//! Cluster role bindings count everywhere, role bindings in their namespace. The first rule that fits is the reason.
//! Source: plugin/pkg/auth/authorizer/rbac, pkg/registry/rbac/validation.

use std::ops::ControlFlow;

use k8s_openapi::api::rbac::v1::{PolicyRule, RoleRef, Subject};
use sim_apimachinery::{Kind, Object, ObjectKey, UserInfo};

use super::{Attributes, Decision};
use crate::kube_apiserver::ApiServer;

/// The API group of roles and bindings.
pub const RBAC: &str = "rbac.authorization.k8s.io";

/// One rule, as an authorizer tells it to a `SelfSubjectRulesReview`.
pub type Rule = PolicyRule;

/// The rules that apply to a user, and what could not be resolved.
#[derive(Clone, Debug, Default)]
pub struct ResolvedRules {
    /// The rules, in the order of the bindings.
    pub rules: Vec<Rule>,
    /// Kind and name of roles that are not there.
    pub missing: Vec<(String, String)>,
}

/// Where a rule comes from.
struct Source<'a> {
    binding: &'a Object,
    role: &'a RoleRef,
    subject: &'a Subject,
}

impl Source<'_> {
    /// `RBAC: allowed by …`: the binding, the role and the subject by which the user has the right.
    fn reason(&self) -> String {
        let (name, namespace) = (self.binding.name(), self.binding.namespace());
        let binding = if namespace.is_empty() { name.to_owned() } else { format!("{name}/{namespace}") };
        let subject = match (self.subject.kind.as_str(), self.subject.namespace.as_deref()) {
            ("ServiceAccount", Some(own)) if !own.is_empty() => format!("{}/{own}", self.subject.name),
            ("ServiceAccount", _) => format!("{}/{namespace}", self.subject.name),
            _ => self.subject.name.clone(),
        };
        let (kind, role) = (self.binding.kind(), self.role);
        format!("RBAC: allowed by {kind} {binding:?} of {} {:?} to {} {subject:?}", role.kind, role.name, self.subject.kind)
    }
}

impl ApiServer {
    pub(super) fn authorize_rbac(&self, attributes: &Attributes) -> Decision {
        let (mut reason, mut errors) = (None, Vec::new());
        self.visit_rules(&attributes.user, &attributes.namespace, &mut |found| match found {
            Ok((source, rule)) if rule_allows(rule, attributes) => {
                reason = Some(source.reason());
                ControlFlow::Break(())
            }
            Ok(_) => ControlFlow::Continue(()),
            Err(role) => {
                errors.push(missing_role(&role.kind, &role.name));
                ControlFlow::Continue(())
            }
        });
        match reason {
            Some(reason) => Decision::allow(reason),
            None if errors.is_empty() => Decision::no_opinion(""),
            None => Decision::no_opinion(format!("RBAC: {}", aggregate(errors))),
        }
    }

    /// All rules that apply to a user in a namespace (empty: only those that apply everywhere).
    pub fn rules_for(&self, user: &UserInfo, namespace: &str) -> ResolvedRules {
        let mut resolved = ResolvedRules::default();
        self.visit_rules(user, namespace, &mut |found| {
            match found {
                Ok((_, rule)) => resolved.rules.push(rule.clone()),
                Err(role) => resolved.missing.push((role.kind.clone(), role.name.clone())),
            }
            ControlFlow::Continue(())
        });
        resolved
    }

    /// The rules of the role a binding in this namespace refers to; `None` when there is no such role.
    pub(super) fn role_rules(&self, role: &RoleRef, namespace: &str) -> Option<&[PolicyRule]> {
        let (kind, namespace) = if role.kind == "Role" { (Kind::Role, namespace) } else { (Kind::ClusterRole, "") };
        let object = self.etcd.get(&ObjectKey::new(kind, namespace, &role.name))?;
        let rules = match object {
            Object::Role(role) => &role.rules,
            Object::ClusterRole(role) => &role.rules,
            _ => return None,
        };
        Some(rules.as_deref().unwrap_or_default())
    }

    fn visit_rules(&self, user: &UserInfo, namespace: &str, visit: &mut Visit<'_>) {
        for at in [Some(""), Some(namespace).filter(|n| !n.is_empty())].into_iter().flatten() {
            for key in self.bindings.of(user, at) {
                let Some(source) = self.etcd.get(&key).and_then(|b| source_for(b, user)) else { continue };
                if self.visit_role(&source, at, visit).is_break() {
                    return;
                }
            }
        }
    }

    fn visit_role(&self, source: &Source<'_>, namespace: &str, visit: &mut Visit<'_>) -> ControlFlow<()> {
        let Some(rules) = self.role_rules(source.role, namespace) else {
            return visit(Err(source.role));
        };
        rules.iter().try_for_each(|rule| visit(Ok((source, rule))))
    }
}

type Visit<'v> = dyn FnMut(Result<(&Source<'_>, &PolicyRule), &RoleRef>) -> ControlFlow<()> + 'v;

/// The first subject of a binding that means the user.
fn source_for<'a>(binding: &'a Object, user: &UserInfo) -> Option<Source<'a>> {
    let (role, subjects) = match binding {
        Object::ClusterRoleBinding(b) => (&b.role_ref, b.subjects.as_deref()),
        Object::RoleBinding(b) => (&b.role_ref, b.subjects.as_deref()),
        _ => return None,
    };
    let subject = subjects?.iter().find(|s| means(s, user, binding.namespace()))?;
    Some(Source { binding, role, subject })
}

fn means(subject: &Subject, user: &UserInfo, binding_namespace: &str) -> bool {
    match subject.kind.as_str() {
        "User" => user.name == subject.name,
        "Group" => user.groups.contains(&subject.name),
        "ServiceAccount" => {
            let own = subject.namespace.as_deref().filter(|n| !n.is_empty()).unwrap_or(binding_namespace);
            !own.is_empty() && service_account_of(&user.name) == Some((own, subject.name.as_str()))
        }
        _ => false,
    }
}

/// The namespace and name in `system:serviceaccount:NAMESPACE:NAME`.
pub fn service_account_of(user: &str) -> Option<(&str, &str)> {
    user.strip_prefix("system:serviceaccount:")?.split_once(':')
}

/// Whether a rule covers what is asked.
pub(super) fn rule_allows(rule: &PolicyRule, attributes: &Attributes) -> bool {
    if !has(&rule.verbs, "*") && !has(&rule.verbs, &attributes.verb) {
        return false;
    }
    if !attributes.is_resource {
        return rule.non_resource_urls.iter().flatten().any(|url| url_matches(url, &attributes.path));
    }
    let groups = rule.api_groups.as_deref().unwrap_or_default();
    (has(groups, "*") || has(groups, &attributes.group)) && resource_matches(rule, attributes) && name_matches(rule, &attributes.name)
}

fn has(list: &[String], word: &str) -> bool {
    list.iter().any(|w| w == word)
}

fn resource_matches(rule: &PolicyRule, attributes: &Attributes) -> bool {
    let (resource, subresource) = (attributes.resource.as_str(), attributes.subresource.as_str());
    rule.resources.iter().flatten().any(|word| match word.split_once('/') {
        None => word == "*" || (subresource.is_empty() && word == resource),
        Some((main, sub)) => !subresource.is_empty() && sub == subresource && (main == "*" || main == resource),
    })
}

fn name_matches(rule: &PolicyRule, name: &str) -> bool {
    let names = rule.resource_names.as_deref().unwrap_or_default();
    names.is_empty() || has(names, name)
}

fn url_matches(pattern: &str, path: &str) -> bool {
    pattern == path || (pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*')))
}

/// What a cache of roles says of one that is not there.
pub fn missing_role(kind: &str, name: &str) -> String {
    format!("{}.{RBAC} {name:?} not found", kind.to_lowercase())
}

/// Several errors in one text: one as it is, more in brackets, none twice (`utilerrors.NewAggregate`).
pub fn aggregate(errors: Vec<String>) -> String {
    let mut once: Vec<String> = Vec::new();
    for error in errors {
        if !once.contains(&error) {
            once.push(error);
        }
    }
    if once.len() == 1 { once.remove(0) } else { format!("[{}]", once.join(", ")) }
}
