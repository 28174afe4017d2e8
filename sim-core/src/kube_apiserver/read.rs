//! Reading one object. Lists are in `list`.

use sim_apimachinery::{Object, ObjectKey, Status};

use super::{ApiServer, Call, Outcome};

impl ApiServer {
    pub(super) fn get(&self, key: &ObjectKey, call: &mut Call<'_>) -> Outcome<Object> {
        self.load(key, call)?.ok_or_else(|| Box::new(Status::not_found(key.kind, &key.name)))
    }
}
