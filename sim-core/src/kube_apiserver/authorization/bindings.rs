//! Which bindings name a user: role bindings and cluster role bindings by their subjects, so that a request looks at the
//! bindings of its user and groups and not at all there are.
//! Invariant: the index says of every stored binding what its subjects are; the store's three writes keep it so.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::api::rbac::v1::Subject;
use sim_apimachinery::{Kind, Object, ObjectKey, UserInfo};

use super::rbac::service_account_of;

/// A subject in the one form in which a user can be looked up: kind and full name.
type SubjectName = (char, String);

/// Bindings by subject.
#[derive(Clone, Debug, Default)]
pub struct BindingIndex {
    by_subject: Arc<BTreeMap<SubjectName, BTreeSet<ObjectKey>>>,
}

impl BindingIndex {
    /// An object changed from one state to another; `None` is absence. Only bindings matter.
    pub fn changed(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let kind = before.or(after).map(Object::kind);
        if !matches!(kind, Some(Kind::ClusterRoleBinding | Kind::RoleBinding)) {
            return;
        }
        let index = Arc::make_mut(&mut self.by_subject);
        for (subject, key) in before.into_iter().flat_map(subjects_of) {
            if let Some(keys) = index.get_mut(&subject) {
                keys.remove(&key);
                if keys.is_empty() {
                    index.remove(&subject);
                }
            }
        }
        for (subject, key) in after.into_iter().flat_map(subjects_of) {
            index.entry(subject).or_default().insert(key);
        }
    }

    /// The bindings in a namespace (empty: cluster role bindings) that name the user or one of its groups, by name.
    pub fn of(&self, user: &UserInfo, namespace: &str) -> BTreeSet<ObjectKey> {
        let account = service_account_of(&user.name).map(|(namespace, name)| ('S', format!("{namespace}:{name}")));
        let groups = user.groups.iter().map(|group| ('G', group.clone()));
        let names = groups.chain([('U', user.name.clone())]).chain(account);
        let kind = if namespace.is_empty() { Kind::ClusterRoleBinding } else { Kind::RoleBinding };
        let first = ObjectKey::new(kind, namespace, "");
        let mut found = BTreeSet::new();
        for keys in names.filter_map(|name| self.by_subject.get(&name)) {
            found.extend(keys.range(first.clone()..).take_while(|k| k.kind == kind && *k.namespace == *namespace).cloned());
        }
        found
    }
}

fn subjects_of(binding: &Object) -> Vec<(SubjectName, ObjectKey)> {
    let subjects = match binding {
        Object::ClusterRoleBinding(b) => b.subjects.as_deref(),
        Object::RoleBinding(b) => b.subjects.as_deref(),
        _ => None,
    };
    let key = binding.key();
    subjects.unwrap_or_default().iter().filter_map(|s| Some((lookup_name(s, &key.namespace)?, key.clone()))).collect()
}

fn lookup_name(subject: &Subject, binding_namespace: &str) -> Option<SubjectName> {
    match subject.kind.as_str() {
        "User" => Some(('U', subject.name.clone())),
        "Group" => Some(('G', subject.name.clone())),
        "ServiceAccount" => {
            let namespace = subject.namespace.as_deref().filter(|n| !n.is_empty()).unwrap_or(binding_namespace);
            Some(('S', format!("{namespace}:{}", subject.name)))
        }
        _ => None,
    }
}
