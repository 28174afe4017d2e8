//! Requests for certificates (PKCS #10, RFC 2986), as `openssl req -new` makes them.
//! Not read: attributes other than the requested extensions, and of those all but the alternative names, since the
//! cluster's signer passes on no others.

use super::certificate::{extension, pem_block};
use super::der::{self, Element, SEQUENCE, SET};
use super::verify;

const EXTENSION_REQUEST: [u8; 9] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x09, 0x0e];
const ALTERNATIVE_NAMES: [u8; 3] = [0x55, 0x1d, 0x11];
const COMMON_NAME: [u8; 3] = [0x55, 0x04, 0x03];
const ORGANIZATION: [u8; 3] = [0x55, 0x04, 0x0a];

/// A request that was read.
#[derive(Clone, Debug)]
pub struct CertificateRequest {
    /// Who it is for.
    pub subject: Subject,
    /// Alternative names that are host names.
    pub dns_names: usize,
    /// Alternative names that are mail addresses.
    pub email_addresses: usize,
    /// Alternative names that are IP addresses.
    pub ip_addresses: usize,
    /// Alternative names that are URIs.
    pub uris: usize,
    /// The alternative names, DER.
    pub(super) alternative_names: Option<Vec<u8>>,
    /// The public key with its algorithm, DER.
    pub(super) public_key: Vec<u8>,
    signed: Vec<u8>,
    algorithm: Vec<u8>,
    signature: Vec<u8>,
}

/// A distinguished name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// The last common name, empty if there is none: the user.
    pub common_name: String,
    /// The organizations: the user's groups.
    pub organizations: Vec<String>,
    /// The whole name, DER.
    pub(super) name: Vec<u8>,
}

impl CertificateRequest {
    /// Reads a request in PEM. Errors: the words of `ParseCSR` in pkg/apis/certificates.
    pub fn parse(pem: &[u8]) -> Result<CertificateRequest, String> {
        let bytes = pem_block(pem, "CERTIFICATE REQUEST").ok_or("PEM block type must be CERTIFICATE REQUEST")?;
        CertificateRequest::read(&bytes).ok_or_else(|| "asn1: structure error: malformed certificate request".to_owned())
    }

    fn read(bytes: &[u8]) -> Option<CertificateRequest> {
        let whole = der::inside(bytes, SEQUENCE)?;
        let [signed, algorithm, signature] = whole.as_slice() else { return None };
        let fields = der::elements(signed.content)?;
        let [_version, name, public_key, attributes @ ..] = fields.as_slice() else { return None };
        let mut request = CertificateRequest {
            subject: Subject::read(name)?,
            dns_names: 0,
            email_addresses: 0,
            ip_addresses: 0,
            uris: 0,
            alternative_names: None,
            public_key: public_key.whole.to_vec(),
            signed: signed.whole.to_vec(),
            algorithm: der::elements(algorithm.content)?.first()?.content.to_vec(),
            signature: signature.content.strip_prefix(&[0])?.to_vec(),
        };
        if let Some(attributes) = attributes.first() {
            request.read_extensions(attributes)?;
        }
        Some(request)
    }

    fn read_extensions(&mut self, attributes: &Element<'_>) -> Option<()> {
        for attribute in der::elements(attributes.content)? {
            let parts = der::elements(attribute.content)?;
            let [kind, values] = parts.as_slice() else { return None };
            if kind.content != EXTENSION_REQUEST || values.tag != SET {
                continue;
            }
            let extensions = der::inside(values.content, SEQUENCE)?;
            let Some(names) = extensions.iter().find_map(|e| extension(e, &ALTERNATIVE_NAMES)) else { continue };
            self.alternative_names = Some(names.to_vec());
            for name in der::inside(names, SEQUENCE)? {
                match name.tag {
                    0x81 => self.email_addresses += 1,
                    0x82 => self.dns_names += 1,
                    0x86 => self.uris += 1,
                    0x87 => self.ip_addresses += 1,
                    _ => {}
                }
            }
        }
        Some(())
    }

    /// Whether who asks has the key that the certificate would be for. Errors: the words of Go's crypto/x509.
    pub fn check_signature(&self) -> Result<(), String> {
        verify::check(&self.public_key, &self.algorithm, &self.signed, &self.signature)
    }
}

impl Subject {
    /// Reads a name.
    pub(super) fn read(name: &Element<'_>) -> Option<Subject> {
        let mut subject = Subject { name: name.whole.to_vec(), ..Subject::default() };
        for set in der::elements(name.content)? {
            for attribute in der::elements(set.content)? {
                let parts = der::elements(attribute.content)?;
                let [kind, value] = parts.as_slice() else { return None };
                let text = String::from_utf8_lossy(value.content).into_owned();
                match kind.content {
                    found if found == COMMON_NAME => subject.common_name = text,
                    found if found == ORGANIZATION => subject.organizations.push(text),
                    _ => {}
                }
            }
        }
        Some(subject)
    }
}
