//! Requests made by OpenSSL are read and signed; what is signed is read back.

use super::certificate::{parts, pem_block};
use super::der;
use super::*;
use crate::time::{SECOND, SimTime};

const EC: &[u8] = include_bytes!("requests/ec.csr");
const RSA: &[u8] = include_bytes!("requests/rsa.csr");
const ED25519: &[u8] = include_bytes!("requests/ed.csr");

fn wanted<'a>(usages: &'a [String], lifetime: u64) -> Wanted<'a> {
    Wanted { usages, lifetime: lifetime * SECOND, now: SimTime(1_767_225_600 * SECOND), serial: "a uid" }
}

#[test]
fn a_request_tells_its_subject_and_names() {
    let request = CertificateRequest::parse(EC).expect("it is one");
    assert_eq!(request.subject.common_name, "jane");
    assert_eq!(request.subject.organizations, ["developers", "testers"]);
    assert_eq!((request.dns_names, request.ip_addresses, request.uris, request.email_addresses), (1, 1, 0, 0));
    assert_eq!(CertificateRequest::parse(b"nothing").err().as_deref(), Some("PEM block type must be CERTIFICATE REQUEST"));
}

#[test]
fn who_asks_must_have_the_key() {
    for pem in [EC, RSA] {
        let request = CertificateRequest::parse(pem).expect("it is one");
        assert_eq!(request.check_signature(), Ok(()));
    }
    let mut forged = CertificateRequest::parse(EC).expect("it is one");
    forged.public_key = CertificateRequest::parse(include_bytes!("requests/node.csr")).expect("it is one").public_key;
    assert_eq!(forged.check_signature(), Ok(()), "both were made with one key");
    let bytes = pem_block(EC, "CERTIFICATE REQUEST").expect("PEM");
    let at = bytes.windows(4).position(|w| w == b"jane").expect("the name");
    let mut changed = bytes.clone();
    changed[at] = b'J';
    let changed = super::certificate::to_pem("CERTIFICATE REQUEST", &changed);
    let changed = CertificateRequest::parse(changed.as_bytes()).expect("it is well formed");
    assert_eq!(changed.check_signature(), Err("x509: ECDSA verification failure".into()));
    let other = CertificateRequest::parse(ED25519).expect("it is one");
    assert_eq!(other.check_signature(), Err("x509: cannot verify signature: algorithm unimplemented".into()));
}

#[test]
fn a_certificate_has_the_subject_of_its_request_and_ends_when_it_should() {
    let authority = Authority::well_known();
    let request = CertificateRequest::parse(EC).expect("it is one");
    let usages = ["client auth".to_owned(), "digital signature".to_owned()];
    let signed = authority.sign(&request, &wanted(&usages, 3600)).expect("it is signed");
    assert_eq!(authority.sign(&request, &wanted(&usages, 3600)).as_ref(), Ok(&signed), "the same comes of the same");
    let bytes = pem_block(signed.as_bytes(), "CERTIFICATE").expect("PEM");
    assert_eq!(parts(&bytes).expect("it can be read").subject, request.subject.name);
    assert_eq!(not_after(signed.as_bytes()), Some(SimTime((1_767_225_600 + 3600) * SECOND)));
    let long = authority.sign(&request, &wanted(&usages, 86_400)).expect("it is signed");
    assert_eq!(not_after(long.as_bytes()), Some(SimTime((1_767_225_600 + 86_400 - 300) * SECOND)));
}

#[test]
fn an_authority_is_what_its_pem_says() {
    let one = Authority::well_known();
    let end = not_after(one.certificate_pem.as_bytes()).expect("it can be read");
    assert_eq!(end, SimTime(4_733_510_400 * SECOND));
    assert!(Authority::from_pem(&one.certificate_pem, "no key").is_err());
}

#[test]
fn no_bytes_make_reading_panic() {
    for pem in [EC, RSA] {
        let bytes = pem_block(pem, "CERTIFICATE REQUEST").expect("PEM");
        for place in 0..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0xff;
            for bytes in [&changed[..], &bytes[..place]] {
                let pem = super::certificate::to_pem("CERTIFICATE REQUEST", bytes);
                let _either = CertificateRequest::parse(pem.as_bytes());
                let _either = parts(bytes);
            }
        }
    }
}

#[test]
fn moments_are_written_as_the_century_asks() {
    for seconds in [1_577_836_800_u64, 4_733_510_400] {
        let written = der::time(SimTime(seconds * SECOND));
        let (element, _) = der::first(&written).expect("an element");
        assert_eq!(der::read_time(&element), Some(SimTime(seconds * SECOND)));
    }
    assert_eq!(der::bits(&[0, 2]), [0x03, 2, 5, 0xa0]);
    assert_eq!(der::integer(&[0x80]), [0x02, 2, 0, 0x80]);
}
