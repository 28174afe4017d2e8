//! What the controllers of certificate signing requests decide, without a cluster around them.

use std::sync::Arc;

use serde_json::{Value, json};
use sim_apimachinery::{Kind, Object, ObjectKey, Part, Reply, Verb};

use super::approving::ApprovingController;
use super::cleaner::CleanerController;
use super::signing::SigningController;
use crate::client_go::{Controller, Plan, Then};
use crate::credentials::{Authority, not_after};
use crate::kube_controller_manager::controllers::testing::{Desk, object};
use crate::time::SECOND;

const NODE: &[u8] = include_bytes!("../../../credentials/requests/node.csr");
const JANE: &[u8] = include_bytes!("../../../credentials/requests/rsa.csr");
const CLIENT: &str = "kubernetes.io/kube-apiserver-client";
const KUBELET: &str = "kubernetes.io/kube-apiserver-client-kubelet";

fn request(pem: &[u8], signer: &str, usages: &Value, user: &str, conditions: &Value) -> Object {
    object(&json!({
        "apiVersion": "certificates.k8s.io/v1", "kind": "CertificateSigningRequest",
        "metadata": {"name": "x", "uid": "u-1", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"request": k8s_openapi::ByteString(pem.to_vec()), "signerName": signer, "usages": usages, "username": user},
        "status": {"conditions": conditions},
    }))
}

fn approved() -> Value {
    json!([{"type": "Approved", "status": "True", "lastUpdateTime": "2026-01-01T00:00:00Z"}])
}

fn look<C: Controller>(desk: &mut Desk<C>) -> Plan {
    desk.reconcile(Kind::CertificateSigningRequest, "", "x")
}

fn written(plan: &Plan, desk: &Desk<impl Controller>, wanted: Part) -> Value {
    match desk.verbs(plan)[..] {
        [Verb::Update { object, part }] if *part == wanted => object.to_json(),
        _ => panic!("{plan:?}"),
    }
}

#[test]
fn a_kubelet_that_may_gets_its_approval() {
    let usages = json!(["client auth", "digital signature"]);
    let mut desk = Desk::new(ApprovingController);
    desk.tell(request(NODE, KUBELET, &usages, "system:node:worker", &json!([])));
    let plan = look(&mut desk);
    let [Verb::ReviewAccess { user, subresource, .. }] = desk.verbs(&plan)[..] else { panic!("{plan:?}") };
    assert_eq!((user.name.as_str(), subresource.as_str()), ("system:node:worker", "selfnodeclient"));
    let key = ObjectKey::new(Kind::CertificateSigningRequest, "", "x");
    let Then::Resume(stage) = plan.then else { panic!("{plan:?}") };
    let next = desk.resume(&key, stage, &[Ok(Reply::Allowed(false))]);
    let [Verb::ReviewAccess { subresource, .. }] = desk.verbs(&next)[..] else { panic!("{next:?}") };
    assert_eq!(subresource, "nodeclient");
    let Then::Resume(stage) = next.then else { panic!("{next:?}") };
    assert!(matches!(desk.resume(&key, stage, &[Ok(Reply::Allowed(false))]).then, Then::Retry(_)));
    let done = desk.resume(&key, stage, &[Ok(Reply::Allowed(true))]);
    let condition = &written(&done, &desk, Part::Approval)["status"]["conditions"][0];
    assert_eq!(condition["message"], "Auto approving kubelet client certificate after SubjectAccessReview.");
}

#[test]
fn nobody_else_is_approved_by_itself() {
    let mut desk = Desk::new(ApprovingController);
    desk.tell(request(JANE, KUBELET, &json!(["client auth", "digital signature"]), "jane", &json!([])));
    assert!(look(&mut desk).is_empty(), "it is no kubelet's");
    desk.tell(request(NODE, CLIENT, &json!(["client auth", "digital signature"]), "system:node:worker", &json!([])));
    assert!(look(&mut desk).is_empty(), "it is for another signer");
}

#[test]
fn what_is_approved_is_signed() {
    let mut desk = Desk::new(SigningController::new(&Authority::well_known()));
    desk.tell(request(JANE, CLIENT, &json!(["client auth"]), "jane", &json!([])));
    assert!(look(&mut desk).is_empty(), "nobody has approved it");
    desk.tell(request(JANE, CLIENT, &json!(["client auth"]), "jane", &approved()));
    let plan = look(&mut desk);
    let [Verb::Update { object: Object::CertificateSigningRequest(signed), .. }] = desk.verbs(&plan)[..] else { panic!("{plan:?}") };
    let pem = signed.status.as_ref().and_then(|s| s.certificate.as_ref()).map(|c| c.0.clone()).unwrap_or_default();
    assert_eq!(not_after(&pem), Some(desk.now.plus((365 * 86_400 - 300) * SECOND)));
    desk.tell(Object::CertificateSigningRequest(Arc::clone(signed)));
    assert!(look(&mut desk).is_empty(), "it is signed");
}

#[test]
fn a_request_its_signer_does_not_sign_fails_with_the_reason() {
    let cases = [
        (CLIENT, json!(["client auth", "server auth"]), "invalid usage for client certificate: server auth"),
        (CLIENT, json!(["digital signature"]), "missing required usage for client certificate: client auth"),
        (KUBELET, json!(["client auth"]), "subject organization is not system:nodes"),
        ("kubernetes.io/kubelet-serving", json!(["server auth"]), "subject organization is not system:nodes"),
    ];
    for (signer, usages, message) in cases {
        let mut desk = Desk::new(SigningController::new(&Authority::well_known()));
        desk.tell(request(JANE, signer, &usages, "jane", &approved()));
        let plan = look(&mut desk);
        let condition = &written(&plan, &desk, Part::Status)["status"]["conditions"][1];
        assert_eq!((&condition["type"], &condition["message"]), (&json!("Failed"), &json!(message)));
    }
    let mut desk = Desk::new(SigningController::new(&Authority::well_known()));
    desk.tell(request(NODE, KUBELET, &json!(["client auth"]), "jane", &approved()));
    let plan = look(&mut desk);
    let said = "usages did not match [client auth digital signature key encipherment]";
    assert_eq!(written(&plan, &desk, Part::Status)["status"]["conditions"][1]["message"], said);
    desk.tell(request(JANE, "example.com/signer", &json!(["client auth"]), "jane", &approved()));
    assert!(look(&mut desk).is_empty(), "it is for a signer of somebody else");
}

#[test]
fn requests_are_kept_as_long_as_kubernetes_keeps_them() {
    let denied = json!([{"type": "Denied", "status": "True", "lastUpdateTime": "2026-01-01T00:00:00Z"}]);
    for (conditions, hours) in [(json!([]), 24), (denied, 1), (approved(), 24)] {
        let mut desk = Desk::new(CleanerController::default());
        desk.controller.on_start(desk.now, &mut Default::default());
        desk.tell(request(JANE, CLIENT, &json!(["client auth"]), "jane", &conditions));
        desk.now = desk.now.plus(hours * 3600 * SECOND);
        let plan = look(&mut desk);
        assert!(plan.is_empty() && plan.then == Then::After(3600 * SECOND), "{hours} hours are not more than {hours} hours");
        desk.now = desk.now.plus(3600 * SECOND);
        let plan = look(&mut desk);
        assert!(matches!(desk.verbs(&plan)[..], [Verb::Delete { .. }]), "{conditions}");
    }
}
