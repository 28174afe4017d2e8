//! Signs approved requests with the key of the cluster's authority (csrsigning), each of Kubernetes' own signers by its rules.
//! Reads requests; asks for their certificate, or for the condition `Failed` where a request is not what its signer signs.
//! Requests of other signers are left to others. Source: pkg/controller/certificates/signer.

use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};
use sim_apimachinery::{Kind, ObjectKey, Part, Verb};

use super::{APPROVED, DENIED, FAILED, KUBELET_CLIENT, certificate, has, kubelet_client, kubelet_serving, retry_limit, usages};
use crate::client_go::rate_limit::RetryLimit;
use crate::client_go::{Ask, CacheEvent, Controller, Plan, View, Wake};
use crate::credentials::{Authority, CertificateRequest, Wanted};
use crate::time::{Nanos, SECOND, SimTime};

/// How long a certificate lives at most (`--cluster-signing-duration`), and at least.
const LIFETIME_MAX: Nanos = 365 * 86_400 * SECOND;
const LIFETIME_MIN: Nanos = 600 * SECOND;

/// The controller with the authority whose key it has.
#[derive(Clone, Debug)]
pub struct SigningController {
    authority: Arc<Authority>,
}

impl SigningController {
    /// A signer for an authority.
    pub fn new(authority: &Arc<Authority>) -> Self {
        SigningController { authority: authority.clone() }
    }
}

impl Controller for SigningController {
    fn name(&self) -> &'static str {
        "certificatesigningrequest-signing-controller"
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
        let Some(request) = view.caches.get::<CertificateSigningRequest>("", &key.name) else { return Plan::nothing() };
        let approved = has(request, APPROVED) && !has(request, DENIED);
        if certificate(request).is_some() || !approved || super::conditions(request, FAILED).any(|c| c.status == "True") {
            return Plan::nothing();
        }
        let Some(rule) = rule(&request.spec.signer_name) else { return Plan::nothing() };
        let asked = match CertificateRequest::parse(&request.spec.request.0) {
            Ok(asked) => asked,
            Err(why) => return Plan::retry(format!("unable to parse csr {:?}: {why}", key.name)),
        };
        if let Err(why) = rule(&asked, usages(request)) {
            return failed(request, &why, view.now);
        }
        let serial = request.metadata.uid.as_deref().unwrap_or_default();
        let wanted = Wanted { usages: usages(request), lifetime: lifetime(request.spec.expiration_seconds), now: view.now, serial };
        match self.authority.sign(&asked, &wanted) {
            Ok(pem) => signed(request, pem),
            Err(why) => Plan { decision: why.clone(), ..Plan::retry(format!("error auto signing csr: {why}")) },
        }
    }

    fn retry_limit(&self) -> RetryLimit {
        retry_limit()
    }
}

type Rule = fn(&CertificateRequest, &[String]) -> Result<(), String>;

/// What a signer signs; `None` for signers that are not Kubernetes' own.
fn rule(signer: &str) -> Option<Rule> {
    match signer {
        "kubernetes.io/kube-apiserver-client" => Some(|_, usages| client_usages(usages)),
        KUBELET_CLIENT => Some(kubelet_client),
        "kubernetes.io/kubelet-serving" => Some(kubelet_serving),
        "kubernetes.io/legacy-unknown" => Some(|_, _| Ok(())),
        _ => None,
    }
}

fn client_usages(usages: &[String]) -> Result<(), String> {
    const PURPOSE: &str = "client auth";
    match usages.iter().find(|u| ![PURPOSE, "digital signature", "key encipherment"].contains(&u.as_str())) {
        Some(other) => Err(format!("invalid usage for client certificate: {other}")),
        None if !usages.iter().any(|u| u == PURPOSE) => Err(format!("missing required usage for client certificate: {PURPOSE}")),
        None => Ok(()),
    }
}

fn lifetime(seconds: Option<i32>) -> Nanos {
    let Some(seconds) = seconds else { return LIFETIME_MAX };
    (u64::try_from(seconds).unwrap_or(0) * SECOND).clamp(LIFETIME_MIN, LIFETIME_MAX)
}

fn signed(request: &CertificateSigningRequest, pem: String) -> Plan {
    let mut next = request.clone();
    next.status.get_or_insert_default().certificate = Some(ByteString(pem.into_bytes()));
    let mut plan = Plan { decision: format!("it is approved, and {} signs it", request.spec.signer_name), ..Plan::nothing() };
    plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, "it is approved"));
    plan
}

fn failed(request: &CertificateSigningRequest, why: &str, now: SimTime) -> Plan {
    let mut next = request.clone();
    next.status.get_or_insert_default().conditions.get_or_insert_default().push(CertificateSigningRequestCondition {
        type_: FAILED.into(),
        status: "True".into(),
        reason: Some("SignerValidationFailure".into()),
        message: Some(why.into()),
        last_update_time: Some(now.truncated().to_time()),
        ..Default::default()
    });
    let mut plan = Plan { decision: format!("its signer does not sign such requests: {why}"), ..Plan::nothing() };
    plan.ask(Ask::new(Verb::Update { object: next.into(), part: Part::Status }, why));
    plan
}
