//! The texts of objects in lists, kept so that a list that is asked for again is not written anew.
//! Promise: a text is used only for an object that equals the one it was written of, with the same owners of its fields.
//! Not kept: texts in other encodings than JSON, tables, metadata alone.

use std::collections::BTreeMap;
use std::sync::Arc;

use sim_apimachinery::managed_fields::Managers;
use sim_apimachinery::{Kind, Object, ObjectKey, encoding};
use sim_core::cluster::Cluster;

use crate::served::Served;

/// Texts that are kept; when there are more, all are forgotten.
const TEXTS_MAX: usize = 10_000;

/// A text and what it was written of.
#[derive(Clone, Debug)]
struct Text {
    object: Object,
    owners: Arc<Managers>,
    text: Arc<str>,
}

/// Texts by object and served version.
#[derive(Clone, Debug, Default)]
pub struct Texts(BTreeMap<(ObjectKey, String), Text>);

impl Texts {
    /// An object as an item of a list: its JSON, without kind and version if it is of a built-in kind.
    pub fn item(&mut self, cluster: &mut Cluster, served: &Served<'_>, object: &Object) -> Arc<str> {
        let api_version = served.api_version();
        let owners = cluster.apiserver_mut().owners(object);
        let key = (object.key(), api_version);
        if let Some(found) = self.0.get(&key)
            && Arc::ptr_eq(&found.owners, &owners)
            && found.object == *object
        {
            return found.text.clone();
        }
        let mut shown = encoding::encode(&cluster.apiserver_mut().with_managed_fields(object), &key.1);
        if let (false, Some(map)) = (matches!(served.kind, Kind::Custom(_)), shown.as_object_mut()) {
            map.remove("kind");
            map.remove("apiVersion");
        }
        let text: Arc<str> = shown.to_string().into();
        if self.0.len() >= TEXTS_MAX {
            self.0.clear();
        }
        self.0.insert(key, Text { object: object.clone(), owners, text: text.clone() });
        text
    }
}
