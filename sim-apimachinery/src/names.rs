//! Names and labels: what is a valid one, and the alphabet of generated names.
//! Messages are Kubernetes' own. Source: apimachinery pkg/util/validation and pkg/util/rand.

const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;

/// Replaces each character by one of the alphabet of generated names.
pub fn safe_encode(text: &str) -> String {
    text.bytes().map(|b| char::from(ALPHABET[usize::from(b) % ALPHABET.len()])).collect()
}

/// What is wrong with a DNS-1123 label, if anything.
pub fn dns1123_label(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, LABEL_MAX);
    if !is_dns_label(text, false) {
        wrong.push("a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')".into());
    }
    wrong
}

/// What is wrong with a DNS-1123 subdomain, if anything.
pub fn dns1123_subdomain(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, SUBDOMAIN_MAX);
    if text.is_empty() || !text.split('.').all(|part| is_dns_label(part, false)) {
        wrong.push("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')".into());
    }
    wrong
}

/// What is wrong with a DNS-1035 label (a service's name), if anything.
pub fn dns1035_label(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, LABEL_MAX);
    if !is_dns_label(text, true) {
        wrong.push("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')".into());
    }
    wrong
}

/// What is wrong with a label's value, if anything.
pub fn label_value(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, LABEL_MAX);
    if !text.is_empty() && !is_label_text(text) {
        wrong.push("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".into());
    }
    wrong
}

/// What is wrong with a qualified name (a label's or annotation's key), if anything.
pub fn qualified_name(text: &str) -> Vec<String> {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let mut wrong = Vec::new();
    match prefix {
        Some("") => wrong.push("prefix part must be non-empty".into()),
        Some(prefix) => wrong.extend(dns1123_subdomain(prefix).into_iter().map(|w| format!("prefix part {w}"))),
        None => {}
    }
    if name.is_empty() {
        wrong.push("name part must be non-empty".into());
    } else if name.len() > LABEL_MAX {
        wrong.push(format!("name part must be no more than {LABEL_MAX} bytes"));
    }
    if !is_label_text(name) {
        wrong.push("name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')".into());
    }
    wrong
}

fn too_long(text: &str, max: usize) -> Vec<String> {
    if text.len() > max { vec![format!("must be no more than {max} bytes")] } else { vec![] }
}

fn is_dns_label(text: &str, begins_with_letter: bool) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    let begins = if begins_with_letter { first.is_ascii_lowercase() } else { inner(*first) };
    begins && inner(*last) && bytes.iter().all(|b| inner(*b) || *b == b'-')
}

fn is_label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    let edge = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    edge(bytes.first()) && edge(bytes.last()) && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(b))
}
