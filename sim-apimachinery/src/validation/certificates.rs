//! Certificate signing requests. Source: pkg/apis/certificates/validation.
//! What was stored under older rules keeps what it has.
//! Not checked: what is inside a PEM block, beyond that it is base64: neither the request's structure and signature nor the
//! certificate's structure.

use std::collections::BTreeSet;

use k8s_openapi::api::certificates::v1::{CertificateSigningRequest, CertificateSigningRequestCondition};

use super::errors::Errors;
use super::go_value::{Raw, json_string};
use super::path::Path;
use super::{metadata, names_of_signers};

const LEGACY: &str = "kubernetes.io/legacy-unknown";
const EXPIRATION_SECONDS_MIN: i32 = 600;
const USAGES: &[&str] = &[
    "any",
    "cert sign",
    "client auth",
    "code signing",
    "content commitment",
    "crl sign",
    "data encipherment",
    "decipher only",
    "digital signature",
    "email protection",
    "encipher only",
    "ipsec end system",
    "ipsec tunnel",
    "ipsec user",
    "key agreement",
    "key encipherment",
    "microsoft sgc",
    "netscape sgc",
    "ocsp signing",
    "s/mime",
    "server auth",
    "signing",
    "timestamping",
];

/// Which part of a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The request itself.
    Main,
    /// Its status: the certificate.
    Status,
    /// Its approval: the conditions.
    Approval,
}

/// What is wrong with a new request.
pub fn create(request: &CertificateSigningRequest, errors: &mut Errors) {
    content(request, None, errors);
}

/// What is wrong with a request's next state.
pub fn update(next: &CertificateSigningRequest, current: &CertificateSigningRequest, written: Written, errors: &mut Errors) {
    content(next, Some(current), errors);
    let status = Path::root("status");
    let field = status.child("conditions");
    for kind in ["Approved", "Denied", "Failed"] {
        if of_type(next, kind).len() < of_type(current, kind).len() {
            errors.forbidden(&field, &format!("updates may not remove a condition of type {kind:?}"));
        }
    }
    for kind in ["Approved", "Denied"].into_iter().filter(|_| written != Written::Approval) {
        let (now, before) = (of_type(next, kind), of_type(current, kind));
        if now.len() > before.len() {
            errors.forbidden(&field, &format!("updates may not add a condition of type {kind:?}"));
        } else if now.len() == before.len() && now != before {
            errors.forbidden(&field, &format!("updates may not modify a condition of type {kind:?}"));
        }
    }
    let (now, before) = (certificate(next), certificate(current));
    if now != before && written != Written::Status {
        errors.forbidden(&status.child("certificate"), "updates may not set certificate content");
    } else if now != before && !before.is_empty() {
        errors.forbidden(&status.child("certificate"), "updates may not modify existing certificate content");
    }
    metadata::validate_update(&next.metadata, &current.metadata, errors);
}

fn conditions(request: &CertificateSigningRequest) -> &[CertificateSigningRequestCondition] {
    request.status.as_ref().and_then(|s| s.conditions.as_deref()).unwrap_or_default()
}

fn of_type<'a>(request: &'a CertificateSigningRequest, kind: &str) -> Vec<&'a CertificateSigningRequestCondition> {
    conditions(request).iter().filter(|c| c.type_ == kind).collect()
}

fn certificate(request: &CertificateSigningRequest) -> &[u8] {
    request.status.as_ref().and_then(|s| s.certificate.as_ref()).map(|c| c.0.as_slice()).unwrap_or_default()
}

fn has_duplicates<'a>(texts: impl Iterator<Item = &'a str>) -> bool {
    let mut seen = BTreeSet::new();
    !texts.into_iter().all(|text| seen.insert(text))
}

fn content(request: &CertificateSigningRequest, current: Option<&CertificateSigningRequest>, errors: &mut Errors) {
    metadata::validate(&request.metadata, false, |_| vec![], errors);
    let spec = &request.spec;
    let at = Path::root("spec");
    if pem_blocks(&spec.request.0).first().is_none_or(|b| b != "CERTIFICATE REQUEST") {
        let shown = if spec.request.0.is_empty() { "null".to_owned() } else { json_string(&base64(&spec.request.0)) };
        errors.invalid(&at.child("request"), Raw(shown), "PEM block type must be CERTIFICATE REQUEST");
    }
    let usages = spec.usages.as_deref().unwrap_or_default();
    let before = current.and_then(|c| c.spec.usages.as_deref()).unwrap_or_default();
    let list = at.child("usages");
    if usages.is_empty() {
        errors.required(&list, "");
    }
    if before.iter().all(|u| USAGES.contains(&u.as_str())) {
        for (index, usage) in usages.iter().enumerate().filter(|(_, u)| !USAGES.contains(&u.as_str())) {
            errors.not_supported(&list.index(index), usage, USAGES);
        }
    }
    if !has_duplicates(before.iter().map(String::as_str)) {
        let mut seen = BTreeSet::new();
        for (index, usage) in usages.iter().enumerate().filter(|(_, u)| !seen.insert(*u)) {
            errors.duplicate(&list.index(index), usage);
        }
    }
    if spec.signer_name == LEGACY && current.is_none_or(|c| c.spec.signer_name != LEGACY) {
        errors.invalid(&at.child("signerName"), LEGACY, "the legacy signerName is not allowed via this API version");
    } else {
        names_of_signers::signer_name(&spec.signer_name, &at.child("signerName"), errors);
    }
    if let Some(seconds) = spec.expiration_seconds.filter(|s| *s < EXPIRATION_SECONDS_MIN) {
        let text = "may not specify a duration less than 600 seconds (10 minutes)";
        errors.invalid(&at.child("expirationSeconds"), seconds, text);
    }
    check_conditions(request, current, errors);
    check_certificate(request, current, errors);
}

fn check_conditions(request: &CertificateSigningRequest, current: Option<&CertificateSigningRequest>, errors: &mut Errors) {
    let status = Path::root("status");
    let list = status.child("conditions");
    let before = current.map(conditions).unwrap_or_default();
    let had = |kind: &str| before.iter().any(|c| c.type_ == kind);
    let had_both = had("Approved") && had("Denied");
    let had_duplicates = has_duplicates(before.iter().map(|c| c.type_.as_str()));
    let mut seen: BTreeSet<&str> = BTreeSet::new();
    for (index, condition) in conditions(request).iter().enumerate() {
        let at = list.index(index);
        let kind = condition.type_.as_str();
        if kind.is_empty() && !had("") {
            errors.required(&at.child("type"), "");
        }
        let only_true = matches!(kind, "Approved" | "Denied" | "Failed");
        let allowed: &[&str] = if only_true { &["True"] } else { &["False", "True", "Unknown"] };
        match condition.status.as_str() {
            "" => errors.required(&at.child("status"), ""),
            found if !allowed.contains(&found) => errors.not_supported(&at.child("status"), found, allowed),
            _ => {}
        }
        let other = if kind == "Approved" { "Denied" } else { "Approved" };
        if !had_both && matches!(kind, "Approved" | "Denied") && seen.contains(other) {
            errors.invalid(&list, kind, "Approved and Denied conditions are mutually exclusive");
        }
        if !seen.insert(kind) && !had_duplicates {
            errors.duplicate(&at.child("type"), kind);
        }
    }
}

fn check_certificate(request: &CertificateSigningRequest, current: Option<&CertificateSigningRequest>, errors: &mut Errors) {
    let (now, before) = (certificate(request), current.map(certificate));
    let kept = before.is_some_and(|b| b == now || wrong_certificate(b).is_some());
    if let Some(why) = wrong_certificate(now).filter(|_| !kept) {
        errors.invalid(&Path::root("status").child("certificate"), "<certificate data>", &why);
    }
}

fn wrong_certificate(bytes: &[u8]) -> Option<String> {
    let blocks = pem_blocks(bytes);
    if bytes.is_empty() {
        return None;
    }
    if blocks.is_empty() {
        return Some("must contain at least one CERTIFICATE PEM block".into());
    }
    let other = blocks.iter().find(|b| *b != "CERTIFICATE")?;
    Some(format!("only CERTIFICATE PEM blocks are allowed, found {other:?}"))
}

/// The types of the PEM blocks in a text, in order.
pub(crate) fn pem_blocks(bytes: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(bytes);
    let mut blocks = Vec::new();
    let mut open: Option<&str> = None;
    for line in text.lines().map(str::trim) {
        let label = |begin: &str| line.strip_prefix(begin).and_then(|l| l.strip_suffix("-----"));
        if let Some(found) = label("-----BEGIN ") {
            open = Some(found);
        } else if let Some(found) = label("-----END ") {
            blocks.extend(open.take().filter(|o| *o == found).map(str::to_owned));
        } else if !line.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b)) && !line.contains(':') {
            open = None;
        }
    }
    blocks
}

fn base64(bytes: &[u8]) -> String {
    serde_json::to_value(k8s_openapi::ByteString(bytes.to_vec())).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_told_by_their_labels() {
        let text = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN X-----\nAA==\n-----END X-----\n";
        assert_eq!(pem_blocks(text), ["CERTIFICATE", "X"]);
        assert_eq!(wrong_certificate(b"nope").as_deref(), Some("must contain at least one CERTIFICATE PEM block"));
        assert_eq!(wrong_certificate(text).as_deref(), Some("only CERTIFICATE PEM blocks are allowed, found \"X\""));
    }
}
