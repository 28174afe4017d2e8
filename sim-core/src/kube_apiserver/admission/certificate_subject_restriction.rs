//! Refuses to have client certificates signed whose group may do everything (CertificateSubjectRestriction).
//! Source: plugin/pkg/admission/certificates/subjectrestriction.

use sim_apimachinery::Object;

use super::{ApiServer, Asked, Call, Outcome, Plugin, forbidden};

pub(super) const PLUGIN: Plugin = Plugin { name: "CertificateSubjectRestriction", change: None, check: Some(check) };

const SIGNER: &str = "kubernetes.io/kube-apiserver-client";
const MASTERS: &str = "system:masters";
/// How DER writes the name of a subject's organization.
const ORGANIZATION: [u8; 5] = [6, 3, 0x55, 4, 10];

fn check(_server: &mut ApiServer, object: &Object, asked: &Asked<'_>, _call: &mut Call<'_>) -> Outcome<()> {
    let Object::CertificateSigningRequest(request) = object else { return Ok(()) };
    let spec = &request.spec;
    if asked.is_create() && spec.signer_name == SIGNER && asks_for_masters(&spec.request.0) {
        let text = format!("use of {SIGNER} signer with {MASTERS} group is not allowed");
        return Err(forbidden(object, &text));
    }
    Ok(())
}

fn asks_for_masters(pem: &[u8]) -> bool {
    let text = String::from_utf8_lossy(pem);
    let body = text.split("-----").nth(2).unwrap_or_default();
    let der = decoded(body);
    let groups = der.windows(ORGANIZATION.len()).enumerate().filter(|(_, bytes)| *bytes == ORGANIZATION);
    groups.map(|(at, _)| &der[at + ORGANIZATION.len()..]).any(|rest| match rest {
        [_, length, value @ ..] => value.get(..usize::from(*length)) == Some(MASTERS.as_bytes()),
        _ => false,
    })
}

/// What base64 stands for, up to what is none.
fn decoded(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|b| !b.is_ascii_whitespace()) {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count).to_le_bytes()[0]);
            bits &= (1 << count) - 1;
        }
    }
    bytes
}
