//! The cluster's certificate authority, with a key on P-256. Who serves the cluster brings his own, whose key nobody else
//! knows; a cluster that nobody serves has one that is the same everywhere and vouches for nothing.
//! Source: pkg/controller/certificates/authority.

use std::sync::{Arc, LazyLock};

use p256::ecdsa::signature::Signer;
use p256::ecdsa::{DerSignature, SigningKey};
use rsa::sha2::{Digest, Sha256};

use super::certificate::{parts, pem_block, to_pem};
use super::certificate_request::CertificateRequest;
use super::der::{self, bit_string, integer, sequence};
use super::stream::Stream;
use crate::time::{Nanos, SECOND, SimTime};

/// How long before its making a certificate begins.
const BACKDATE: Nanos = 300 * SECOND;
/// Certificates that live shorter do not end earlier by that much.
const SHORT: Nanos = 8 * 3600 * SECOND;
/// The object identifiers, DER.
const ECDSA_SHA256: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
const KEY_USAGE: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x0f];
const EXTENDED_KEY_USAGE: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x25];
const BASIC_CONSTRAINTS: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x13];
const SUBJECT_KEY_ID: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x0e];
const AUTHORITY_KEY_ID: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x23];
const ALTERNATIVE_NAMES: &[u8] = &[0x06, 0x03, 0x55, 0x1d, 0x11];
const TRUE: &[u8] = &[der::BOOLEAN, 1, 0xff];

/// Usages with the number of their bit.
const USAGES: [(&str, u8); 10] = [
    ("signing", 0),
    ("digital signature", 0),
    ("content commitment", 1),
    ("key encipherment", 2),
    ("data encipherment", 3),
    ("key agreement", 4),
    ("cert sign", 5),
    ("crl sign", 6),
    ("encipher only", 7),
    ("decipher only", 8),
];
/// The object identifier under which most extended usages are.
const PURPOSES: &[u8] = &[0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03];
/// Extended usages, in the order they are written in, with the last number of their object identifier or all of it.
const EXTENDED_USAGES: [(&str, &[u8]); 13] = [
    ("any", &[0x55, 0x1d, 0x25, 0x00]),
    ("server auth", &[1]),
    ("client auth", &[2]),
    ("code signing", &[3]),
    ("email protection", &[4]),
    ("s/mime", &[4]),
    ("ipsec end system", &[5]),
    ("ipsec tunnel", &[6]),
    ("ipsec user", &[7]),
    ("timestamping", &[8]),
    ("ocsp signing", &[9]),
    ("microsoft sgc", &[0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x0a, 0x03, 0x03]),
    ("netscape sgc", &[0x60, 0x86, 0x48, 0x01, 0x86, 0xf8, 0x42, 0x04, 0x01]),
];

/// The authority.
#[derive(Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its certificate, PEM.
    pub certificate_pem: String,
    subject: Vec<u8>,
    not_after: SimTime,
    key_id: Option<Vec<u8>>,
    secret: [u8; 32],
}

/// What a certificate is to be like, besides what the request says.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    /// What it may be used for, in the words of the API.
    pub usages: &'a [String],
    /// How long it is to be good.
    pub lifetime: Nanos,
    /// The present.
    pub now: SimTime,
    /// What its serial number is made of.
    pub serial: &'a str,
}

impl Authority {
    /// The authority of clusters that nobody serves.
    pub fn well_known() -> Arc<Authority> {
        static ONE: LazyLock<Arc<Authority>> = LazyLock::new(|| Arc::new(Authority::made()));
        ONE.clone()
    }

    /// The authority with this certificate and key, PEM.
    pub fn from_pem(certificate_pem: &str, key_pem: &str) -> Result<Authority, String> {
        let certificate = pem_block(certificate_pem.as_bytes(), "CERTIFICATE").ok_or("the authority's certificate is no PEM")?;
        let parts = parts(&certificate).ok_or("the authority's certificate is malformed")?;
        let key = pem_block(key_pem.as_bytes(), "PRIVATE KEY").ok_or("the authority's key is no PKCS #8 in PEM")?;
        let secret = secret(&key).ok_or("the authority's key is not on P-256")?;
        let (subject, key_id) = (parts.subject.to_vec(), parts.key_id.map(<[u8]>::to_vec));
        Ok(Authority { certificate_pem: certificate_pem.to_owned(), subject, not_after: parts.not_after, key_id, secret })
    }

    fn made() -> Authority {
        const NAME: &[u8] = b"kubernetes";
        let (begins, ends) = (SimTime(1_577_836_800 * SECOND), SimTime(4_733_510_400 * SECOND));
        let secret: [u8; 32] = Stream::new("the authority of clusters that nobody serves").bytes();
        let attribute = sequence(&[&[0x06, 0x03, 0x55, 0x04, 0x03], &der::write(der::UTF8_STRING, NAME)]);
        let subject = sequence(&[&der::write(der::SET, &attribute)]);
        let mut authority = Authority { certificate_pem: String::new(), subject, not_after: ends, key_id: None, secret };
        let point = authority.key().verifying_key().to_sec1_point(false).as_bytes().to_vec();
        let key_id = Sha256::digest(&point)[..20].to_vec();
        const P256: &[u8] =
            &[0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let public_key = sequence(&[P256, &bit_string(&point)]);
        let extensions = [
            extension(KEY_USAGE, true, &der::bits(&[0, 2, 5])),
            extension(BASIC_CONSTRAINTS, true, &sequence(&[TRUE])),
            extension(SUBJECT_KEY_ID, false, &der::write(der::OCTET_STRING, &key_id)),
        ];
        let subject = authority.subject.clone();
        authority.certificate_pem = authority.certificate("0", (begins, ends), &subject, &public_key, &extensions.concat());
        authority.key_id = Some(key_id);
        authority
    }

    fn key(&self) -> SigningKey {
        SigningKey::from_slice(&self.secret).expect("it was read as a key, or is the well-known one")
    }

    /// The certificate that was asked for, PEM. Errors: the words of the signer.
    pub fn sign(&self, request: &CertificateRequest, wanted: &Wanted<'_>) -> Result<String, String> {
        request.check_signature().map_err(|why| format!("unable to verify certificate request signature: {why}"))?;
        if wanted.now >= self.not_after {
            let ended = self.not_after.to_time().0.strftime("%Y-%m-%d %H:%M:%S +0000 UTC");
            return Err(format!("refusing to sign a certificate that expired in the past: NotAfter={ended}"));
        }
        let begins = SimTime(wanted.now.0.saturating_sub(BACKDATE));
        let lives = if wanted.lifetime < SHORT { wanted.lifetime } else { wanted.lifetime - BACKDATE };
        let ends = wanted.now.plus(lives).min(self.not_after);
        let extensions = self.extensions(request, wanted.usages);
        Ok(self.certificate(wanted.serial, (begins, ends), &request.subject.name, &request.public_key, &extensions))
    }

    fn extensions(&self, request: &CertificateRequest, usages: &[String]) -> Vec<u8> {
        let is_wanted = |name: &str| usages.iter().any(|u| u == name);
        let plain: Vec<u8> = USAGES.iter().filter(|(name, _)| is_wanted(name)).map(|(_, bit)| *bit).collect();
        let mut purposes: Vec<Vec<u8>> = Vec::new();
        for (_, id) in EXTENDED_USAGES.iter().filter(|(name, _)| is_wanted(name)) {
            let whole = if id.len() == 1 { [PURPOSES, id].concat() } else { id.to_vec() };
            let written = der::write(der::OBJECT_IDENTIFIER, &whole);
            if !purposes.contains(&written) {
                purposes.push(written);
            }
        }
        let mut all = Vec::new();
        if !plain.is_empty() {
            all.extend(extension(KEY_USAGE, true, &der::bits(&plain)));
        }
        if !purposes.is_empty() {
            all.extend(extension(EXTENDED_KEY_USAGE, false, &der::write(der::SEQUENCE, &purposes.concat())));
        }
        all.extend(extension(BASIC_CONSTRAINTS, true, &sequence(&[])));
        if let Some(id) = &self.key_id {
            all.extend(extension(AUTHORITY_KEY_ID, false, &sequence(&[&der::write(0x80, id)])));
        }
        if let Some(names) = &request.alternative_names {
            // Where the subject says nothing, the names are what the certificate is about.
            let nameless = request.subject.name.len() <= 2;
            all.extend(extension(ALTERNATIVE_NAMES, nameless, names));
        }
        all
    }

    fn certificate(
        &self,
        serial: &str,
        (begins, ends): (SimTime, SimTime),
        subject: &[u8],
        public_key: &[u8],
        extensions: &[u8],
    ) -> String {
        const VERSION_3: &[u8] = &[0xa0, 3, der::INTEGER, 1, 2];
        let algorithm = sequence(&[ECDSA_SHA256]);
        let body = sequence(&[
            VERSION_3,
            &integer(&Sha256::digest(serial.as_bytes())[..16]),
            &algorithm,
            &self.subject,
            &sequence(&[&der::time(begins), &der::time(ends)]),
            subject,
            public_key,
            &der::write(0xa3, &der::write(der::SEQUENCE, extensions)),
        ]);
        let signature: DerSignature = self.key().sign(&body);
        to_pem("CERTIFICATE", &sequence(&[&body, &algorithm, &bit_string(signature.as_bytes())]))
    }
}

fn extension(kind: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    sequence(&[kind, if critical { TRUE } else { &[] }, &der::write(der::OCTET_STRING, value)])
}

/// The secret number of a key on P-256 in PKCS #8 (RFC 5958, RFC 5915).
fn secret(key: &[u8]) -> Option<[u8; 32]> {
    let fields = der::inside(key, der::SEQUENCE)?;
    let inner = der::inside(fields.get(2)?.content, der::SEQUENCE)?;
    let secret: [u8; 32] = inner.get(1)?.content.try_into().ok()?;
    SigningKey::from_slice(&secret).is_ok().then_some(secret)
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Authority({})", self.certificate_pem.len())
    }
}
