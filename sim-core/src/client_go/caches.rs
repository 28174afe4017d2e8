//! Informer caches: what a process has been told of the cluster, with the indexes listers need.
//! Invariant: a cache is only changed by watch events; it holds an object as of the last event about it.
//! Indexes: namespace (the key order), controlling owner, pods by node, and pods and replica sets without an owner.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Pod;
use sim_apimachinery::{Kind, Object, ObjectKey, Typed};

use crate::component::{ChangeType, WatchEvent};

type Name = (Arc<str>, Arc<str>);

/// One event as a cache saw it: with the state it had before.
#[derive(Clone, Debug)]
pub struct CacheEvent {
    /// What happened to the cache (an `Added` for something known is a `Modified`).
    pub change: ChangeType,
    /// The state before, if it was known.
    pub old: Option<Object>,
    /// The state after, or the last state of something deleted.
    pub object: Object,
}

#[derive(Clone, Debug, Default)]
struct Store {
    objects: BTreeMap<Name, Object>,
    by_owner: BTreeMap<Arc<str>, BTreeSet<Name>>,
    by_node: BTreeMap<Arc<str>, BTreeSet<Name>>,
    orphans: BTreeSet<Name>,
    revision: u64,
}

/// The caches of one process, by kind.
#[derive(Clone, Debug, Default)]
pub struct Caches {
    stores: BTreeMap<Kind, Store>,
}

impl Caches {
    /// Takes in one watch event and says what it changed.
    pub fn apply(&mut self, event: &WatchEvent) -> CacheEvent {
        let store = self.stores.entry(event.object.kind()).or_default();
        store.revision = store.revision.max(event.revision);
        let metadata = event.object.metadata();
        let name: Name = (metadata.namespace.as_deref().unwrap_or("").into(), metadata.name.as_deref().unwrap_or("").into());
        let old = match event.change {
            ChangeType::Deleted => store.objects.remove(&name),
            _ => store.objects.insert(name.clone(), event.object.clone()),
        };
        if let Some(old) = &old {
            store.unindex(&name, old);
        }
        let change = match (event.change, &old) {
            (ChangeType::Deleted, _) => ChangeType::Deleted,
            (_, Some(_)) => ChangeType::Modified,
            (_, None) => ChangeType::Added,
        };
        if change != ChangeType::Deleted {
            store.index(&name, &event.object);
        }
        CacheEvent { change, old, object: event.object.clone() }
    }

    /// The revision up to which events of a kind have been seen.
    pub fn revision(&self, kind: Kind) -> u64 {
        self.stores.get(&kind).map_or(0, |s| s.revision)
    }

    /// One object, typed.
    pub fn get<T: Typed>(&self, namespace: &str, name: &str) -> Option<&Arc<T>> {
        T::from_object(self.object(T::KIND, namespace, name)?)
    }

    /// One object by its key.
    pub fn get_key(&self, key: &ObjectKey) -> Option<&Object> {
        self.stores.get(&key.kind)?.objects.get(&(key.namespace.clone(), key.name.clone()))
    }

    /// One object.
    pub fn object(&self, kind: Kind, namespace: &str, name: &str) -> Option<&Object> {
        self.stores.get(&kind)?.objects.get(&(namespace.into(), name.into()))
    }

    /// All objects of a type, by namespace and name.
    pub fn all<T: Typed + 'static>(&self) -> impl Iterator<Item = &Arc<T>> {
        self.stores.get(&T::KIND).into_iter().flat_map(|s| s.objects.values()).filter_map(T::from_object)
    }

    /// All objects of a kind.
    pub fn objects(&self, kind: Kind) -> impl Iterator<Item = &Object> {
        self.stores.get(&kind).into_iter().flat_map(|s| s.objects.values())
    }

    /// How many objects of a kind are known.
    pub fn count(&self, kind: Kind) -> usize {
        self.stores.get(&kind).map_or(0, |s| s.objects.len())
    }

    /// The objects of a type in one namespace.
    pub fn in_namespace<T: Typed + 'static>(&self, namespace: &str) -> impl Iterator<Item = &Arc<T>> {
        let wanted: Arc<str> = namespace.into();
        let from: (Bound<Name>, Bound<Name>) = (Bound::Included((wanted.clone(), "".into())), Bound::Unbounded);
        self.stores
            .get(&T::KIND)
            .into_iter()
            .flat_map(move |s| s.objects.range(from.clone()))
            .take_while(move |((ns, _), _)| *ns == wanted)
            .filter_map(|(_, o)| T::from_object(o))
    }

    /// The objects of a type whose controlling owner has this uid.
    pub fn owned_by<T: Typed + 'static>(&self, uid: &str) -> impl Iterator<Item = &Arc<T>> {
        self.stores.get(&T::KIND).into_iter().flat_map(move |s| s.picked(s.by_owner.get(uid))).filter_map(T::from_object)
    }

    /// The objects of a type in a namespace that no controller owns.
    pub fn orphans<T: Typed + 'static>(&self, namespace: &str) -> impl Iterator<Item = &Arc<T>> {
        let wanted: Arc<str> = namespace.into();
        self.stores
            .get(&T::KIND)
            .into_iter()
            .flat_map(|s| s.picked(Some(&s.orphans)))
            .filter(move |o| o.namespace() == &*wanted)
            .filter_map(T::from_object)
    }

    /// The pods on a node.
    pub fn pods_on_node(&self, node: &str) -> impl Iterator<Item = &Arc<Pod>> {
        self.stores.get(&Kind::Pod).into_iter().flat_map(move |s| s.picked(s.by_node.get(node))).filter_map(Pod::from_object)
    }
}

impl Store {
    fn picked<'a>(&'a self, names: Option<&'a BTreeSet<Name>>) -> impl Iterator<Item = &'a Object> {
        names.into_iter().flatten().filter_map(|n| self.objects.get(n))
    }

    fn index(&mut self, name: &Name, object: &Object) {
        match object.controller() {
            Some(owner) => _ = self.by_owner.entry(owner.uid.as_str().into()).or_default().insert(name.clone()),
            None if matches!(object.kind(), Kind::Pod | Kind::ReplicaSet) => _ = self.orphans.insert(name.clone()),
            None => {}
        }
        if let Some(node) = node_of(object) {
            self.by_node.entry(node.into()).or_default().insert(name.clone());
        }
    }

    fn unindex(&mut self, name: &Name, object: &Object) {
        if let Some(owner) = object.controller() {
            remove(&mut self.by_owner, &owner.uid, name);
        }
        self.orphans.remove(name);
        if let Some(node) = node_of(object) {
            remove(&mut self.by_node, node, name);
        }
    }
}

fn node_of(object: &Object) -> Option<&str> {
    match object {
        Object::Pod(pod) => pod.spec.as_ref()?.node_name.as_deref(),
        _ => None,
    }
}

fn remove(index: &mut BTreeMap<Arc<str>, BTreeSet<Name>>, key: &str, name: &Name) {
    if let Some(names) = index.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            index.remove(key);
        }
    }
}
