//! Reading: get, and list with label and field selectors. Pages and old revisions are in `list`.

use sim_apimachinery::list_options::ListOptions;
use sim_apimachinery::{Kind, Object, ObjectKey, Reply, Status};

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
        let options = ListOptions { labels: labels.into(), fields: fields.into(), ..ListOptions::default() };
        let selection = self.selection(kind, &options, false)?;
        Ok(self.etcd.list(kind, namespace).filter(|o| selection.matches(o)).cloned().collect())
    }
}
