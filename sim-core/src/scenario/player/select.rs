//! Which objects a scenario means.

use sim_apimachinery::selector::Selector;
use sim_apimachinery::{Kind, Object, ObjectKey};

use super::{Done, Player, StepError};
use crate::scenario::format::{PodSelection, Selection};

/// The namespace meant when none is named.
pub const DEFAULT_NAMESPACE: &str = "default";

impl Player {
    /// The kind a selection means and the namespace it looks in, empty for a kind without.
    pub(super) fn place<'a>(&self, selection: &'a Selection) -> Done<(Kind, &'a str)> {
        let kind = self.kind(&selection.kind)?;
        let namespace = if kind.is_namespaced() { selection.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE) } else { "" };
        Ok((kind, namespace))
    }

    /// The objects a selection means now, in order of their names.
    pub(super) fn selected(&self, selection: &Selection) -> Done<Vec<Object>> {
        let (kind, namespace) = self.place(selection)?;
        let mut found: Vec<Object> = match &selection.name {
            Some(name) => self.cluster.object(kind, namespace, name).cloned().into_iter().collect(),
            None => {
                let selector =
                    Selector::parse(selection.selector.as_deref().unwrap_or_default()).map_err(|e| StepError::Failed(e.to_string()))?;
                let nothing = Default::default();
                let matches = |o: &&Object| selector.matches(o.metadata().labels.as_ref().unwrap_or(&nothing));
                self.cluster.etcd().list(kind, namespace).filter(matches).cloned().collect()
            }
        };
        if let Some(index) = selection.index {
            found = found.into_iter().skip(index).take(1).collect();
        }
        Ok(found)
    }

    /// The one object a selection means.
    pub(super) fn one(&self, selection: &Selection) -> Done<Object> {
        let found = self.selected(selection)?;
        found.into_iter().next().ok_or_else(|| {
            let what = selection.name.clone().or_else(|| selection.selector.clone()).unwrap_or_default();
            StepError::Failed(format!("Error from server (NotFound): {} \"{what}\" not found", selection.kind))
        })
    }

    /// The keys of the pods meant, in order of their names.
    pub(super) fn pods(&self, pods: &PodSelection, namespace: Option<&str>) -> Done<Vec<ObjectKey>> {
        let selection = Selection {
            kind: "pods".into(),
            name: pods.name.clone(),
            namespace: namespace.map(str::to_owned),
            selector: pods.selector.clone(),
            index: pods.index,
        };
        Ok(self.selected(&selection)?.iter().map(Object::key).collect())
    }
}
