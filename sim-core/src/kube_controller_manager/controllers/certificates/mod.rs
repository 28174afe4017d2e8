//! The controllers of certificate signing requests: one approves those of kubelets, one signs what is approved, one tidies
//! up; and what they share: what a request has come to, and what kubelets' requests must be like.
//! Sources: pkg/controller/certificates, pkg/apis/certificates/helpers.go.
//! Not modelled: PodCertificateRequests.

pub mod approving;
pub mod cleaner;
pub mod signing;

use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};

use crate::client_go::rate_limit::RetryLimit;
use crate::credentials::CertificateRequest;
use crate::time::SECOND;

const KUBELET_CLIENT: &str = "kubernetes.io/kube-apiserver-client-kubelet";
const APPROVED: &str = "Approved";
const DENIED: &str = "Denied";
const FAILED: &str = "Failed";

/// Requests that fail are tried again after 200 ms, doubling to 1,000 s.
fn retry_limit() -> RetryLimit {
    RetryLimit { base: SECOND / 5, ..RetryLimit::default() }
}

fn conditions<'a>(request: &'a CertificateSigningRequest, kind: &'a str) -> impl Iterator<Item = &'a CertificateSigningRequestCondition> {
    request.status.iter().flat_map(|s| s.conditions.iter().flatten()).filter(move |c| c.type_ == kind)
}

fn has(request: &CertificateSigningRequest, kind: &str) -> bool {
    conditions(request, kind).next().is_some()
}

fn certificate(request: &CertificateSigningRequest) -> Option<&[u8]> {
    request.status.as_ref()?.certificate.as_ref().map(|c| c.0.as_slice()).filter(|c| !c.is_empty())
}

fn usages(request: &CertificateSigningRequest) -> &[String] {
    request.spec.usages.as_deref().unwrap_or_default()
}

/// What is wrong with a request for a kubelet's client certificate.
fn kubelet_client(request: &CertificateRequest, usages: &[String]) -> Result<(), String> {
    of_nodes(request)?;
    let names = [
        (request.dns_names, "DNS subjectAltNames are not allowed"),
        (request.email_addresses, "Email subjectAltNames are not allowed"),
        (request.ip_addresses, "IP subjectAltNames are not allowed"),
        (request.uris, "URI subjectAltNames are not allowed"),
    ];
    refuse(&names)?;
    of_node(request)?;
    exactly(usages, "client auth")
}

/// What is wrong with a request for a kubelet's serving certificate.
fn kubelet_serving(request: &CertificateRequest, usages: &[String]) -> Result<(), String> {
    of_nodes(request)?;
    if request.dns_names + request.ip_addresses == 0 {
        return Err("DNS or IP subjectAltName is required".into());
    }
    refuse(&[(request.email_addresses, "Email subjectAltNames are not allowed"), (request.uris, "URI subjectAltNames are not allowed")])?;
    exactly(usages, "server auth")?;
    of_node(request)
}

fn of_nodes(request: &CertificateRequest) -> Result<(), String> {
    let fits = request.subject.organizations == ["system:nodes"];
    if fits { Ok(()) } else { Err("subject organization is not system:nodes".into()) }
}

fn of_node(request: &CertificateRequest) -> Result<(), String> {
    let fits = request.subject.common_name.starts_with("system:node:");
    if fits { Ok(()) } else { Err("subject common name does not begin with system:node:".into()) }
}

fn refuse(names: &[(usize, &str)]) -> Result<(), String> {
    names.iter().find(|(count, _)| *count > 0).map_or(Ok(()), |(_, why)| Err((*why).to_owned()))
}

/// Kubelets ask for one purpose, for signing and, with RSA keys, for enciphering keys.
fn exactly(usages: &[String], purpose: &str) -> Result<(), String> {
    const SIGNING: &str = "digital signature";
    const ENCIPHERMENT: &str = "key encipherment";
    let is = |wanted: &[&str]| wanted.iter().all(|w| usages.iter().any(|u| u == w)) && usages.iter().all(|u| wanted.contains(&u.as_str()));
    if is(&[purpose, SIGNING]) || is(&[purpose, SIGNING, ENCIPHERMENT]) {
        return Ok(());
    }
    let mut all = [purpose, SIGNING, ENCIPHERMENT];
    all.sort_unstable();
    Err(format!("usages did not match [{}]", all.join(" ")))
}

#[cfg(test)]
mod tests;
