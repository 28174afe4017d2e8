//! What controllers inside the API server write into statuses: whether the priority level of a flow schema is there, and
//! whether the server behind an APIService can be reached. They run at once after the request that gave them work, as writes
//! of their own.
//! Sources: apiserver pkg/util/flowcontrol/apf_controller.go, kube-aggregator pkg/controllers/status/{local,remote}.
//! Not modelled: aggregated API servers. No request is handed on to one, so one whose service is in order is said not to answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1::{APIService, APIServiceCondition, ServiceReference};
use serde_json::json;
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Typed};

use super::{ApiServer, Call};

const FLOW_CONTROL: &str = "api-priority-and-fairness-config-consumer-v1";
const SERVICE_NAME: &str = "kubernetes.io/service-name";
const HTTPS: i32 = 443;

/// What is to be looked at after the request.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    flow: bool,
    services: bool,
    /// The APIServices that name a service.
    remote: BTreeSet<String>,
}

/// A status, a reason and a message.
type Finding = (&'static str, &'static str, String);

/// A new APIService has no status but that it is there, if it is this server's own.
pub(super) fn begin_api_service(service: &mut APIService, now: &Time) {
    service.status = Some(Default::default());
    if service.spec.as_ref().is_none_or(|s| s.service.is_none()) {
        set_available(service, ("True", "Local", "Local APIServices are always available".into()), now);
    }
}

/// Sets the condition `Available`; its time changes with its status only. Whether that changed anything.
fn set_available(service: &mut APIService, (status, reason, message): Finding, now: &Time) -> bool {
    let conditions = service.status.get_or_insert_default().conditions.get_or_insert_default();
    let old = conditions.iter().find(|c| c.type_ == "Available").cloned();
    let kept = old.as_ref().filter(|o| o.status == status).and_then(|o| o.last_transition_time.clone());
    let new = APIServiceCondition {
        type_: "Available".into(),
        status: status.into(),
        reason: Some(reason.into()),
        message: Some(message),
        last_transition_time: kept.or_else(|| Some(now.clone())),
    };
    if old.as_ref() == Some(&new) {
        return false;
    }
    match conditions.iter_mut().find(|c| c.type_ == "Available") {
        Some(found) => *found = new,
        None => conditions.push(new),
    }
    true
}

impl ApiServer {
    /// Takes note of what was written.
    pub(super) fn note_upkeep(&mut self, key: &ObjectKey) {
        match key.kind {
            Kind::FlowSchema | Kind::PriorityLevelConfiguration => self.upkeep.flow = true,
            Kind::APIService => {
                let names_service =
                    |o: &Object| APIService::from_object(o).and_then(|s| s.spec.as_ref()).is_some_and(|s| s.service.is_some());
                match self.etcd.get(key).is_some_and(names_service) {
                    true => _ = self.upkeep.remote.insert(key.name.to_string()),
                    false => _ = self.upkeep.remote.remove(&*key.name),
                }
                self.upkeep.services = true;
            }
            Kind::Service | Kind::EndpointSlice => self.upkeep.services |= !self.upkeep.remote.is_empty(),
            _ => {}
        }
    }

    /// Brings the statuses up to date after a request.
    pub(super) fn settle_upkeep(&mut self, call: &mut Call<'_>) {
        let (flow, services) = (std::mem::take(&mut self.upkeep.flow), std::mem::take(&mut self.upkeep.services));
        if flow {
            self.settle_flow_schemas(call);
        }
        if services {
            self.settle_api_services(call);
        }
        (self.upkeep.flow, self.upkeep.services) = (false, false);
    }

    fn settle_flow_schemas(&mut self, call: &mut Call<'_>) {
        let schemas: Vec<Object> = self.etcd.list(Kind::FlowSchema, "").cloned().collect();
        for object in schemas {
            let Object::FlowSchema(schema) = &object else { continue };
            let level = schema.spec.as_ref().map(|s| s.priority_level_configuration.name.clone()).unwrap_or_default();
            let is_there = self.etcd.get(&ObjectKey::new(Kind::PriorityLevelConfiguration, "", &level)).is_some();
            let start = format!("This FlowSchema references the PriorityLevelConfiguration object named {level:?}");
            let (status, reason, message) = match is_there {
                true => ("False", "Found", format!("{start} and it exists")),
                false => ("True", "NotFound", format!("{start} but there is no such object")),
            };
            let conditions = schema.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default();
            let dangling = conditions.iter().find(|c| c.type_.as_deref() == Some("Dangling"));
            let is_known = dangling.is_some_and(|c| c.status.as_deref() == Some(status) && c.message.as_deref() == Some(message.as_str()));
            if is_known {
                continue;
            }
            let condition = json!({"type": "Dangling", "status": status, "reason": reason, "message": message, "lastTransitionTime": call.now.to_time()});
            let intent = json!({
                "apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": object.name()},
                "status": {"conditions": [condition]},
            });
            let mut own = Call::of_component(call.now, &Arc::from(FLOW_CONTROL), call.trace);
            own.cause = call.cause;
            // The schema is there, and nobody else owns this condition by force; a store without a quorum is tried again later.
            let _stored = self.apply(&object.key(), Part::Status, &intent, true, &mut own);
        }
    }

    fn settle_api_services(&mut self, call: &mut Call<'_>) {
        for name in self.upkeep.remote.clone() {
            let Some(current) = self.etcd.get(&ObjectKey::new(Kind::APIService, "", &name)).cloned() else { continue };
            let Some(found) = APIService::from_object(&current).and_then(|s| self.reached(s)) else { continue };
            let mut next = current.clone();
            let Object::APIService(service) = &mut next else { continue };
            if !set_available(Arc::make_mut(service), found, &call.now.to_time()) {
                continue;
            }
            let mut own = Call::of_component(call.now, &Arc::from("kube-apiserver"), call.trace);
            own.cause = call.cause;
            // It was read in this same step, so nobody can have changed it.
            let _stored = self.replace(&current, next, Part::Status, &mut own);
        }
    }

    /// What can be said of the way to an APIService's server; nothing if it is this server.
    fn reached(&self, service: &APIService) -> Option<Finding> {
        let spec = service.spec.as_ref()?;
        let reference = spec.service.as_ref()?;
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        let (namespace, name) = (text(&reference.namespace), text(&reference.name));
        let named = format!("service/{name} in {namespace:?}");
        let key = ObjectKey::new(Kind::Service, &namespace, &name);
        let Some(found) = self.etcd.get(&key).and_then(Service::from_object) else {
            return Some(("False", "ServiceNotFound", format!("{named} is not present")));
        };
        self.endpoints_problem(found, reference, &named).or_else(|| {
            let path = format!("/apis/{}/{}", text(&spec.group), text(&spec.version));
            let port = reference.port.unwrap_or(HTTPS);
            let url = format!("https://{name}.{namespace}.svc:{port}{path}");
            Some(("False", "FailedDiscoveryCheck", format!("failing or missing response from {url}: Get {url:?}: EOF")))
        })
    }

    fn endpoints_problem(&self, service: &Service, reference: &ServiceReference, named: &str) -> Option<Finding> {
        let spec = service.spec.as_ref()?;
        if spec.type_.as_deref() != Some("ClusterIP") {
            return None;
        }
        let wanted = reference.port.unwrap_or(HTTPS);
        let Some(port) = spec.ports.iter().flatten().find(|p| p.port == wanted) else {
            return Some(("False", "ServicePortError", format!("{named} is not listening on port {wanted}")));
        };
        let namespace = service.metadata.namespace.as_deref().unwrap_or_default();
        let of_service = |slice: &&Arc<EndpointSlice>| {
            let label = slice.metadata.labels.as_ref().and_then(|l| l.get(SERVICE_NAME));
            label == service.metadata.name.as_ref()
        };
        let slices: Vec<_> =
            self.etcd.list(Kind::EndpointSlice, namespace).filter_map(EndpointSlice::from_object).filter(of_service).collect();
        let port_name = port.name.clone().unwrap_or_default();
        let is_ready = |slice: &&Arc<EndpointSlice>| {
            slice.endpoints.iter().flatten().any(|e| e.conditions.as_ref().and_then(|c| c.ready).unwrap_or(true))
                && slice.ports.iter().flatten().any(|p| p.name.as_ref() == Some(&port_name) && p.port.is_some())
        };
        if slices.is_empty() {
            return Some(("False", "EndpointsNotFound", format!("cannot find endpointslices for {named}")));
        }
        let message = || format!("endpointslices for {named} have no addresses with port name {port_name:?}");
        (!slices.iter().any(is_ready)).then(|| ("False", "MissingEndpoints", message()))
    }
}
