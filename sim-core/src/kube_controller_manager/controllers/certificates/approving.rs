//! Approves requests of kubelets for client certificates, if who sends them may have them made: for himself (`selfnodeclient`)
//! or for any node (`nodeclient`), as a review of his rights says (csrapproving).
//! Reads requests; asks for reviews and for approvals. Every other request waits for somebody to decide.
//! Source: pkg/controller/certificates/approver.

use std::sync::Arc;

use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use sim_apimachinery::{Answer, Kind, ObjectKey, Part, Reply, UserInfo, Verb};

use super::{APPROVED, DENIED, KUBELET_CLIENT, certificate, has, kubelet_client, retry_limit, usages};
use crate::client_go::rate_limit::RetryLimit;
use crate::client_go::{Ask, CacheEvent, Controller, Plan, Then, View, Wake};
use crate::credentials::CertificateRequest;

/// What a request can be recognised as: the right it needs, and what its approval says. The number is the plan's stage.
const RECOGNISED: [(&str, &str); 2] = [
    ("selfnodeclient", "Auto approving self kubelet client certificate after SubjectAccessReview."),
    ("nodeclient", "Auto approving kubelet client certificate after SubjectAccessReview."),
];
const SELF: u8 = 0;
const ANY: u8 = 1;

/// The controller.
#[derive(Clone, Debug, Default)]
pub struct ApprovingController;

impl Controller for ApprovingController {
    fn name(&self) -> &'static str {
        "certificatesigningrequest-approving-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::CertificateSigningRequest]
    }

    fn on_event(&mut self, event: &CacheEvent, _view: &mut View<'_>, wake: &mut Wake) {
        if event.object.kind() == Kind::CertificateSigningRequest {
            wake.now(event.object.key());
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, view: &mut View<'_>) -> Plan {
        let Some(request) = undecided(key, view) else { return Plan::nothing() };
        let asked = match CertificateRequest::parse(&request.spec.request.0) {
            Ok(asked) => asked,
            Err(why) => return Plan::retry(format!("unable to parse csr {:?}: {why}", key.name)),
        };
        if request.spec.signer_name != KUBELET_CLIENT || kubelet_client(&asked, usages(&request)).is_err() {
            return Plan::nothing();
        }
        let own = request.spec.username.as_deref() == Some(&asked.subject.common_name);
        review(&request, if own { SELF } else { ANY })
    }

    fn resume(&mut self, key: &ObjectKey, stage: u8, answers: &[Answer], view: &mut View<'_>) -> Plan {
        let Some(request) = undecided(key, view) else { return Plan::nothing() };
        match answers.last() {
            Some(Ok(Reply::Allowed(true))) => approve(&request, RECOGNISED[usize::from(stage.min(ANY))].1),
            _ if stage == SELF => review(&request, ANY),
            _ => Plan::retry(format!("recognized csr {:?} as a kubelet's but subject access review was not approved", key.name)),
        }
    }

    fn retry_limit(&self) -> RetryLimit {
        retry_limit()
    }
}

fn undecided(key: &ObjectKey, view: &View<'_>) -> Option<Arc<CertificateSigningRequest>> {
    let request = view.caches.get::<CertificateSigningRequest>("", &key.name)?;
    let open = certificate(request).is_none() && !has(request, APPROVED) && !has(request, DENIED);
    open.then(|| request.clone())
}

fn review(request: &CertificateSigningRequest, stage: u8) -> Plan {
    let spec = &request.spec;
    let user = UserInfo {
        name: spec.username.clone().unwrap_or_default(),
        uid: spec.uid.clone().unwrap_or_default(),
        groups: spec.groups.clone().unwrap_or_default(),
        extra: spec.extra.clone().unwrap_or_default(),
    };
    let verb = Verb::ReviewAccess {
        user: Arc::new(user),
        verb: "create".into(),
        group: "certificates.k8s.io".into(),
        resource: "certificatesigningrequests".into(),
        subresource: RECOGNISED[usize::from(stage)].0.into(),
    };
    let mut plan = Plan { then: Then::Resume(stage), ..Plan::nothing() };
    plan.ask(Ask::new(verb, "may who asks have it made"));
    plan
}

fn approve(request: &CertificateSigningRequest, message: &str) -> Plan {
    let mut next = request.clone();
    next.status.get_or_insert_default().conditions.get_or_insert_default().push(CertificateSigningRequestCondition {
        type_: APPROVED.into(),
        status: "True".into(),
        reason: Some("AutoApproved".into()),
        message: Some(message.into()),
        ..Default::default()
    });
    let mut plan = Plan { decision: "who asks may have it".into(), ..Plan::nothing() };
    plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Approval }, message));
    plan
}
