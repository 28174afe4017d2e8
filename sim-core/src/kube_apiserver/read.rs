//! Reading: get, and list with label and field selectors.

use sim_apimachinery::selector::{FieldSelector, Selector};
use sim_apimachinery::{Kind, Object, ObjectKey, Reason, Reply, Status};

use super::{ApiServer, Outcome};

impl ApiServer {
    pub(super) fn get(&self, key: &ObjectKey) -> Outcome<Object> {
        self.load(key).ok_or_else(|| Box::new(Status::not_found(key.kind, &key.name)))
    }

    pub(super) fn list(&self, kind: Kind, namespace: &str, labels: &str, fields: &str) -> Outcome<Reply> {
        let items = self.selected(kind, namespace, labels, fields)?;
        Ok(Reply::List { items, revision: self.etcd.revision() })
    }

    pub(super) fn selected(&self, kind: Kind, namespace: &str, labels: &str, fields: &str) -> Outcome<Vec<Object>> {
        let labels = Selector::parse(labels).map_err(|e| bad_request(format!("unable to parse requirement: {e}")))?;
        let fields = FieldSelector::parse(fields).map_err(|e| bad_request(e.to_string()))?;
        let nothing = Default::default();
        let matches =
            |o: &&Object| labels.matches(o.metadata().labels.as_ref().unwrap_or(&nothing)) && fields.matches(|path| field(o, path));
        Ok(self.etcd.list(kind, namespace).map(|o| self.present(o, kind)).filter(|o| matches(&o)).collect())
    }
}

/// The fields by which objects can be selected.
pub fn field(object: &Object, path: &str) -> Option<String> {
    match path {
        "metadata.name" => return Some(object.name().to_owned()),
        "metadata.namespace" => return Some(object.namespace().to_owned()),
        _ => {}
    }
    let mut value = &object.to_json();
    for part in path.split('.') {
        value = value.get(part)?;
    }
    Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
}

fn bad_request(message: String) -> Box<Status> {
    Box::new(Status::new(Reason::BadRequest, message))
}
