use sim_apimachinery::{Kind, ObjectKey};

use crate::kube_apiserver::{ApiServer, ApiServerConfig};
use crate::time::SimTime;

#[test]
fn a_fresh_server_has_what_every_server_has() {
    let mut server = ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, 1);
    server.plant_first_objects(SimTime(0));
    let count = |kind| server.etcd().count(kind);
    assert_eq!((count(Kind::Namespace), count(Kind::PriorityClass), count(Kind::Lease)), (4, 2, 1));
    for (kind, namespace, name) in
        [(Kind::Service, "default", "kubernetes"), (Kind::ConfigMap, "kube-system", "extension-apiserver-authentication")]
    {
        assert!(server.etcd().get(&ObjectKey::new(kind, namespace, name)).is_some(), "{name}");
    }
}

#[test]
fn the_first_objects_are_valid() {
    let mut server = ApiServer::new(&ApiServerConfig { service_network: [10, 96] }, 1);
    server.plant_first_objects(SimTime(0));
    for kind in Kind::ALL {
        for object in server.etcd().list(*kind, "") {
            let causes = sim_apimachinery::validation::validate_create(object);
            assert!(causes.is_empty(), "{}: {causes:?}", object.key());
        }
    }
}
