//! What is read from certificates, and the PEM form (RFC 7468) of them and of requests.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::certificate_request::Subject;
use super::der::{self, Element, SEQUENCE};
use crate::time::SimTime;

/// Characters in a line of base64.
const LINE: usize = 64;
/// The tag of a certificate's version, which may be left out.
const VERSION: u8 = 0xa0;
/// The tag of a certificate's extensions.
const EXTENSIONS: u8 = 0xa3;

/// The bytes of the first PEM block in a text, if it has this label.
pub fn pem_block(text: &[u8], label: &str) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let (_, rest) = text.split_once("-----BEGIN ")?;
    let (found, rest) = rest.split_once("-----")?;
    let (body, _) = rest.split_once("-----END ")?;
    // Headers, as of encrypted keys, come before an empty line.
    let body = body.rsplit_once("\n\n").filter(|(head, _)| head.contains(':')).map_or(body, |(_, body)| body);
    let packed: String = body.split_whitespace().collect();
    STANDARD.decode(packed).ok().filter(|_| found == label)
}

/// Bytes as a PEM block.
pub fn to_pem(label: &str, bytes: &[u8]) -> String {
    let packed = STANDARD.encode(bytes);
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in packed.as_bytes().chunks(LINE) {
        text.extend(line.iter().map(|b| char::from(*b)));
        text.push('\n');
    }
    text.push_str(&format!("-----END {label}-----\n"));
    text
}

/// The parts of a certificate that signing with its key needs.
pub struct Parts<'a> {
    /// Its subject, DER.
    pub subject: &'a [u8],
    /// When it ends.
    pub not_after: SimTime,
    /// The identifier of its key, if it tells one.
    pub key_id: Option<&'a [u8]>,
}

/// The parts of a certificate in DER.
pub fn parts(certificate: &[u8]) -> Option<Parts<'_>> {
    const KEY_ID: [u8; 3] = [0x55, 0x1d, 0x0e];
    let whole = der::inside(certificate, SEQUENCE)?;
    let fields = der::elements(whole.first()?.content)?;
    // Serial number, signature, issuer, validity, subject, public key; the version before them may be left out.
    let at = usize::from(fields.first()?.tag == VERSION);
    let validity = der::elements(fields.get(at + 3)?.content)?;
    let not_after = der::read_time(validity.get(1)?)?;
    let subject = fields.get(at + 4)?.whole;
    let extensions = fields.iter().find(|f| f.tag == EXTENSIONS).and_then(|f| der::inside(f.content, SEQUENCE)).unwrap_or_default();
    let key_id = extensions.iter().find_map(|e| extension(e, &KEY_ID)).and_then(|value| Some(der::first(value)?.0.content));
    Some(Parts { subject, not_after, key_id })
}

/// Who a certificate in DER is for.
pub fn subject(certificate: &[u8]) -> Option<Subject> {
    let (name, _) = der::first(parts(certificate)?.subject)?;
    Subject::read(&name)
}

/// The value of an extension, if it is of this kind.
pub fn extension<'a>(element: &Element<'a>, kind: &[u8]) -> Option<&'a [u8]> {
    let parts = der::elements(element.content)?;
    (parts.first()?.content == kind).then_some(parts.last()?.content)
}

/// When the first certificate in a PEM text ends.
pub fn not_after(pem: &[u8]) -> Option<SimTime> {
    parts(&pem_block(pem, "CERTIFICATE")?).map(|p| p.not_after)
}
