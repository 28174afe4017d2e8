//! Whether a signature is right: RSA with PKCS #1 v1.5 and ECDSA on P-256, each with SHA-2. Others are told to be unknown.

use p256::ecdsa::signature::Verifier;
use rsa::pkcs8::DecodePublicKey;
use rsa::sha2::{Sha256, Sha384, Sha512};

use super::der;

const ECDSA_SHA256: [u8; 8] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// What the object identifiers of RSA with SHA-256, -384 and -512 begin with; they end in 11, 12 and 13.
const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
const UNKNOWN: &str = "x509: cannot verify signature: algorithm unimplemented";

/// Checks what was signed by the owner of a public key (with its algorithm, DER) under an algorithm (object identifier).
pub fn check(public_key: &[u8], algorithm: &[u8], signed: &[u8], signature: &[u8]) -> Result<(), String> {
    match algorithm.split_last() {
        _ if algorithm == ECDSA_SHA256 => p256(public_key, signed, signature),
        Some((last @ 11..=13, first)) if first == RSA => rsa(public_key, *last, signed, signature),
        _ => Err(UNKNOWN.into()),
    }
}

fn p256(public_key: &[u8], signed: &[u8], signature: &[u8]) -> Result<(), String> {
    const WRONG: &str = "x509: ECDSA verification failure";
    let parts = der::inside(public_key, der::SEQUENCE).unwrap_or_default();
    let point = parts.get(1).and_then(|p| p.content.strip_prefix(&[0])).ok_or(WRONG)?;
    let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map_err(|_| UNKNOWN)?;
    let signature = p256::ecdsa::DerSignature::from_bytes(signature).map_err(|_| WRONG)?;
    key.verify(signed, &signature).map_err(|_| WRONG.to_owned())
}

fn rsa(public_key: &[u8], hash: u8, signed: &[u8], signature: &[u8]) -> Result<(), String> {
    use rsa::pkcs1v15::{Signature, VerifyingKey};
    const WRONG: &str = "crypto/rsa: verification error";
    let key = rsa::PublicKey::from_public_key_der(public_key).map_err(|_| WRONG)?;
    let signature = Signature::try_from(signature).map_err(|_| WRONG)?;
    let checked = match hash {
        11 => VerifyingKey::<Sha256>::new(key).verify(signed, &signature),
        12 => VerifyingKey::<Sha384>::new(key).verify(signed, &signature),
        _ => VerifyingKey::<Sha512>::new(key).verify(signed, &signature),
    };
    checked.map_err(|_| WRONG.to_owned())
}
