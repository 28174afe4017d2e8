//! Reading one object. Lists are in `list`.

use sim_apimachinery::{Object, ObjectKey, Status};

use super::{ApiServer, Outcome};

impl ApiServer {
    pub(super) fn get(&self, key: &ObjectKey) -> Outcome<Object> {
        self.load(key).ok_or_else(|| Box::new(Status::not_found(key.kind, &key.name)))
    }
}
