//! Who may approve and sign certificate requests: besides the right to write the request, the verbs `approve` and `sign`
//! on its signer, by name or as `DOMAIN/*` (CertificateApproval and CertificateSigning).
//! Source: plugin/pkg/admission/certificates/{approval,signing}, pkg/certauthorization.

use k8s_openapi::api::certificates::v1::CertificateSigningRequest;
use sim_apimachinery::{Object, Part, UserInfo};

use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};
use crate::kube_apiserver::authorization::Attributes;

pub(super) const PLUGIN: Plugin = Plugin { name: "CertificateApproval, CertificateSigning", change: None, check: Some(check) };

fn check(server: &mut ApiServer, object: &Object, asked: &Asked<'_>, call: &mut Call<'_>) -> Outcome<()> {
    let (Some(Object::CertificateSigningRequest(before)), Object::CertificateSigningRequest(after)) = (asked.old, object) else {
        return Ok(());
    };
    let (Some(user), Some(verb)) = (call.user.as_deref(), verb(before, after, asked.part)) else { return Ok(()) };
    let signer = &before.spec.signer_name;
    let domain = signer.split('/').next().unwrap_or_default();
    if may(server, user, verb, signer) || may(server, user, verb, &format!("{domain}/*")) {
        return Ok(());
    }
    Err(forbidden(object, &format!("user not permitted to {verb} requests with signerName {signer:?}")))
}

/// What the write does that needs a right of its own.
fn verb(before: &CertificateSigningRequest, after: &CertificateSigningRequest, part: Part) -> Option<&'static str> {
    let result = |request: &CertificateSigningRequest| {
        let status = request.status.clone().unwrap_or_default();
        (status.certificate, status.conditions.unwrap_or_default())
    };
    match part {
        Part::Approval => Some("approve"),
        Part::Status if result(before) != result(after) => Some("sign"),
        _ => None,
    }
}

fn may(server: &ApiServer, user: &UserInfo, verb: &str, signer: &str) -> bool {
    let asked = Attributes::for_resource(&user.clone().into(), verb, "certificates.k8s.io", "signers");
    server.authorize(&Attributes { name: signer.into(), ..asked }).allowed
}
