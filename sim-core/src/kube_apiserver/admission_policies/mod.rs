//! ValidatingAdmissionPolicy and MutatingAdmissionPolicy with their bindings: policies written in CEL.
//! Source: apiserver pkg/admission/plugin/policy. Mutations come after the built-in plugins that change an object, validations
//! after all other validation, as in Kubernetes. Policies apply in the order of their names, bindings too.
//! Not modelled: audit annotations (nobody reads an audit log here), a second round of mutations (`reinvocationPolicy`),
//! webhooks that convert the parameters of a binding (they are converted as with the strategy `None`).

mod defaults;
mod matching;
mod mutating;
mod program;
mod resource_rules;
mod rules;
mod scope;
mod validating;
mod webhook_rules;

use std::collections::BTreeMap;
use std::sync::Arc;

use k8s_openapi::api::admissionregistration::v1::{MatchResources, ParamKind, ParamRef};
use serde_json::Value;
use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Kind, Object, ObjectKey};

pub(super) use self::defaults::default_registration;
pub(super) use self::matching::{objects_match, rule_words};
use self::program::Policy;
pub(super) use self::rules::registration_errors;
pub(super) use self::scope::{request_json, shown, user_of};
use super::ApiServer;

/// What admission knows of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Attributes<'a> {
    /// `CREATE`, `UPDATE`, `DELETE` or `CONNECT`.
    pub operation: &'static str,
    /// The kind.
    pub kind: Kind,
    /// The namespace, empty outside of namespaces.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// The subresource, empty for none.
    pub subresource: &'a str,
    /// The object as it is to be.
    pub object: Option<&'a Object>,
    /// The object as it was.
    pub old: Option<&'a Object>,
    /// What is posted instead of an object that is stored: a binding, an eviction, the options of a connection.
    pub posted: Option<&'a Value>,
    /// The group and version the client speaks, if it is not that of the kind's row.
    pub sent_at: Option<(&'a str, &'a str)>,
    /// The group and version a rule names, if it is not the client's.
    pub seen_at: Option<(&'a str, &'a str)>,
}

impl<'a> Attributes<'a> {
    /// The admission of a new object.
    pub fn create(object: &'a Object) -> Self {
        Attributes::of("CREATE", object, Some(object), None, "")
    }

    /// The admission of a change.
    pub fn update(object: &'a Object, old: &'a Object, subresource: &'a str) -> Self {
        Attributes::of("UPDATE", object, Some(object), Some(old), subresource)
    }

    /// The admission of a deletion.
    pub fn delete(old: &'a Object) -> Self {
        Attributes::of("DELETE", old, None, Some(old), "")
    }

    /// The admission of something posted to a subresource of the object under a key, which is none that is stored.
    pub fn posted(operation: &'static str, key: &'a ObjectKey, subresource: &'a str, body: &'a Value) -> Self {
        Attributes {
            operation,
            kind: key.kind,
            namespace: &key.namespace,
            name: &key.name,
            subresource,
            object: None,
            old: None,
            posted: Some(body),
            sent_at: None,
            seen_at: None,
        }
    }

    /// The group and version of the client's request.
    pub fn sent_version(&self) -> (&'a str, &'a str) {
        let row = self.kind.resource();
        self.sent_at.unwrap_or((row.group, row.version))
    }

    /// The group and version at which the request is looked at.
    pub fn seen_version(&self) -> (&'a str, &'a str) {
        self.seen_at.unwrap_or_else(|| self.sent_version())
    }

    fn of(operation: &'static str, it: &'a Object, object: Option<&'a Object>, old: Option<&'a Object>, subresource: &'a str) -> Self {
        let namespace = if it.kind() == Kind::Namespace { it.name() } else { it.namespace() };
        let (kind, name, posted, sent_at, seen_at) = (it.kind(), it.name(), None, None, None);
        Attributes { operation, kind, namespace, name, subresource, object, old, posted, sent_at, seen_at }
    }

    /// Policies are not asked about policies.
    fn is_exempt(&self) -> bool {
        matches!(
            self.kind,
            Kind::ValidatingAdmissionPolicy
                | Kind::ValidatingAdmissionPolicyBinding
                | Kind::MutatingAdmissionPolicy
                | Kind::MutatingAdmissionPolicyBinding
        )
    }
}

/// The policies that are stored, compiled.
#[derive(Clone, Debug, Default)]
pub(super) struct Policies {
    validating: BTreeMap<String, Arc<Policy>>,
    mutating: BTreeMap<String, Arc<Policy>>,
}

/// A binding of either kind.
struct Binding {
    name: String,
    actions: Vec<String>,
    resources: Option<MatchResources>,
    parameters: Option<ParamRef>,
}

/// The parameters of a binding in a request: each is asked on its own; one that is none is for policies without.
type Parameters = Vec<Option<Object>>;

impl ApiServer {
    /// Takes note of what became of a policy.
    pub(super) fn note_policy(&mut self, key: &ObjectKey) {
        if !matches!(key.kind, Kind::ValidatingAdmissionPolicy | Kind::MutatingAdmissionPolicy) {
            return;
        }
        let name = key.name.to_string();
        match (key.kind, self.etcd.get(key)) {
            (_, Some(Object::ValidatingAdmissionPolicy(policy))) => {
                self.policies.validating.insert(name, Arc::new(Policy::validating(policy)));
            }
            (_, Some(Object::MutatingAdmissionPolicy(policy))) => {
                self.policies.mutating.insert(name, Arc::new(Policy::mutating(policy)));
            }
            (Kind::ValidatingAdmissionPolicy, None) => _ = self.policies.validating.remove(&name),
            (Kind::MutatingAdmissionPolicy, None) => _ = self.policies.mutating.remove(&name),
            _ => {}
        }
    }

    /// Whether there are validating policies.
    pub(super) fn has_validating_policies(&self) -> bool {
        !self.policies.validating.is_empty()
    }

    fn bindings_of(&self, kind: Kind, policy: &str) -> Vec<Binding> {
        let read = |object: &Object| match object {
            Object::ValidatingAdmissionPolicyBinding(b) => {
                let spec = b.spec.clone();
                let name = b.metadata.name.clone().unwrap_or_default();
                let binding =
                    Binding { name, actions: spec.validation_actions, resources: spec.match_resources, parameters: spec.param_ref };
                (spec.policy_name == policy).then_some(binding)
            }
            Object::MutatingAdmissionPolicyBinding(b) => {
                let spec = b.spec.clone().unwrap_or_default();
                let name = b.metadata.name.clone().unwrap_or_default();
                let binding = Binding { name, actions: vec![], resources: spec.match_resources, parameters: spec.param_ref };
                (spec.policy_name.as_deref() == Some(policy)).then_some(binding)
            }
            _ => None,
        };
        self.etcd.list(kind, "").filter_map(read).collect()
    }

    /// The parameters of a binding, or why there are none.
    fn parameters(&self, kind: Option<&ParamKind>, reference: Option<&ParamRef>, request: &Attributes<'_>) -> Result<Parameters, String> {
        let Some(kind) = kind else { return Ok(vec![None]) };
        let Some(reference) = reference else {
            // A policy with parameters that are not given sees null.
            return Ok(vec![None]);
        };
        let (version, name) = (kind.api_version.clone().unwrap_or_default(), kind.kind.clone().unwrap_or_default());
        let (group, version) = version.split_once('/').unwrap_or(("", version.as_str()));
        let found = Kind::find(group, &name).or_else(|| self.custom_resource_of_kind(group, version, &name).map(|r| r.kind()));
        let Some(kind) = found else {
            return Err("failed to find resource referenced by paramKind: '".to_owned() + &format!("{group}/{version}, Kind={name}'"));
        };
        let namespace = match (kind.is_namespaced(), reference.namespace.as_deref().filter(|n| !n.is_empty())) {
            (true, Some(namespace)) => namespace.to_owned(),
            (true, None) if request.namespace.is_empty() => {
                return Err("cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".into());
            }
            (true, None) => request.namespace.to_owned(),
            (false, _) => String::new(),
        };
        let parameters: Parameters = match (&reference.name, &reference.selector) {
            (Some(name), _) if !name.is_empty() => {
                self.etcd.get(&ObjectKey::new(kind, &namespace, name)).map(|o| Some(self.present(o, kind))).into_iter().collect()
            }
            (_, Some(selector)) => {
                let selector = Selector::from_label_selector(selector).map_err(|e| e.to_string())?;
                let nothing = Default::default();
                let fits = |o: &&Object| selector.matches(o.metadata().labels.as_ref().unwrap_or(&nothing));
                self.etcd.list(kind, &namespace).filter(fits).map(|o| Some(self.present(o, kind))).collect()
            }
            _ => vec![],
        };
        if parameters.is_empty() && reference.parameter_not_found_action.as_deref() == Some("Deny") {
            return Err("no params found for policy binding with `Deny` parameterNotFoundAction".into());
        }
        Ok(parameters)
    }
}

#[cfg(test)]
mod tests;
