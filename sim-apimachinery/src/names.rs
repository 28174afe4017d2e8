//! Names and labels: what is a valid one, and the alphabet of generated names.
//! Messages are Kubernetes' own. Source: apimachinery pkg/util/validation, pkg/api/validate/content and pkg/util/rand.
//! Each function returns what is wrong, nothing if all is well.

const ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";
const LABEL_MAX: usize = 63;
const SUBDOMAIN_MAX: usize = 253;

/// A name that something is going to follow: a dash at its end is fine. Check the result.
pub fn as_prefix(base: &str) -> String {
    match base.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let kept: String = rest.chars().take(rest.chars().count() - 1).collect();
            format!("{kept}a")
        }
        _ => base.to_owned(),
    }
}

/// Replaces each character by one of the alphabet of generated names.
pub fn safe_encode(text: &str) -> String {
    text.bytes().map(|b| char::from(ALPHABET[usize::from(b) % ALPHABET.len()])).collect()
}

const SUBDOMAIN: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_KEY: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";

/// A DNS-1123 label: a namespace's or a container's name.
pub fn dns1123_label(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, LABEL_MAX);
    if is_dns_label(text, false) {
        return wrong;
    }
    wrong.push(if is_subdomain(text) {
        "must not contain dots".into()
    } else {
        "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')".into()
    });
    wrong
}

/// A DNS-1123 subdomain: most objects' names.
pub fn dns1123_subdomain(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, SUBDOMAIN_MAX);
    if !is_subdomain(text) {
        wrong.push(format!("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '{SUBDOMAIN}')"));
    }
    wrong
}

/// A DNS-1123 subdomain whose labels may have underscores: a search domain.
pub fn dns1123_subdomain_with_underscore(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, SUBDOMAIN_MAX);
    let fine = |label: &str| {
        let label = label.strip_prefix('_').unwrap_or(label);
        is_edged(label, |b| b.is_ascii_lowercase() || b.is_ascii_digit(), b"-_")
    };
    if !text.split('.').all(fine) {
        wrong.push("a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '_', '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '_?[a-z0-9]([-_a-z0-9]*[a-z0-9])?(\\._?[a-z0-9]([-_a-z0-9]*[a-z0-9])?)*')".into());
    }
    wrong
}

/// A subdomain that begins with `*.`: an ingress' host.
pub fn wildcard_dns1123_subdomain(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, SUBDOMAIN_MAX);
    if !text.strip_prefix("*.").is_some_and(is_subdomain) {
        wrong.push(format!("a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. '*.example.com', regex used for validation is '\\*\\.{SUBDOMAIN}')"));
    }
    wrong
}

/// A DNS-1035 label, which begins with a letter.
pub fn dns1035_label(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, LABEL_MAX);
    if !is_dns_label(text, true) {
        wrong.push("a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')".into());
    }
    wrong
}

/// A part of a URL's path: the names that may be nearly anything, such as a role's.
pub fn path_segment(text: &str) -> Vec<String> {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    path_segment_prefix(text)
}

/// The beginning of a part of a URL's path.
pub fn path_segment_prefix(text: &str) -> Vec<String> {
    ["/", "%"].into_iter().filter(|part| text.contains(part)).map(|part| format!("may not contain '{part}'")).collect()
}

/// A label's value.
pub fn label_value(text: &str) -> Vec<String> {
    let mut wrong = too_many_bytes(text, LABEL_MAX, "");
    if !text.is_empty() && !is_label_text(text) {
        wrong.push("a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')".into());
    }
    wrong
}

/// A qualified name: a label's or annotation's key, a resource's name.
pub fn qualified_name(text: &str) -> Vec<String> {
    let (prefix, name) = match text.split_once('/') {
        Some((_, rest)) if rest.contains('/') => {
            return vec![format!(
                "a valid label key {LABEL_KEY} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let mut wrong = prefix.map(key_prefix).unwrap_or_default();
    if name.is_empty() {
        wrong.push("name part must be non-empty".into());
    }
    wrong.extend(too_many_bytes(name, LABEL_MAX, "name part "));
    if !is_label_text(name) {
        wrong.push(format!("name part {LABEL_KEY}"));
    }
    wrong
}

fn key_prefix(prefix: &str) -> Vec<String> {
    if prefix.is_empty() {
        return vec!["prefix part must be non-empty".into()];
    }
    let mut wrong = too_many_bytes(prefix, SUBDOMAIN_MAX, "prefix part ");
    if !is_subdomain(prefix) {
        wrong.extend(dns1123_subdomain(prefix).pop().map(|text| format!("prefix part {text}")));
    }
    wrong
}

/// A port's number.
pub fn port_number(port: i32) -> Vec<String> {
    in_range(port.into(), 1, 65_535)
}

/// A number between two, both included.
pub fn in_range(value: i64, least: i64, most: i64) -> Vec<String> {
    if (least..=most).contains(&value) { vec![] } else { vec![format!("must be between {least} and {most}, inclusive")] }
}

/// A user's or group's number.
pub fn user_id(id: i64) -> Vec<String> {
    in_range(id, 0, i64::from(i32::MAX))
}

/// A port's name.
pub fn port_name(text: &str) -> Vec<String> {
    const PORT_NAME_MAX: usize = 15;
    let mut wrong = too_long(text, PORT_NAME_MAX);
    let is_port_text = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if text.is_empty() || !text.bytes().all(is_port_text) {
        wrong.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into());
    }
    if !text.bytes().any(|b| b.is_ascii_lowercase()) {
        wrong.push("must contain at least one letter (a-z)".into());
    }
    if text.contains("--") {
        wrong.push("must not contain consecutive hyphens".into());
    }
    if text.starts_with('-') || text.ends_with('-') {
        wrong.push("must not begin or end with a hyphen".into());
    }
    wrong
}

/// The name of an environment variable, as relaxed since v1.34.
pub fn environment_variable(text: &str) -> Vec<String> {
    if text.is_empty() {
        return vec!["environment variable name must be non-empty".into()];
    }
    if text.bytes().all(|b| (0x20..0x7f).contains(&b) && b != b'=') {
        return vec![];
    }
    vec!["a valid environment variable name must consist only of printable ASCII characters other than '='".into()]
}

/// The key of a ConfigMap or Secret.
pub fn config_map_key(text: &str) -> Vec<String> {
    let mut wrong = too_long(text, SUBDOMAIN_MAX);
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b)) {
        wrong.push("a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')".into());
    }
    match text {
        "." | ".." => wrong.push(format!("must not be '{text}'")),
        _ if text.starts_with("..") => wrong.push("must not start with '..'".into()),
        _ => {}
    }
    wrong
}

/// The name of an HTTP header.
pub fn http_header_name(text: &str) -> Vec<String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return vec![];
    }
    vec!["a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', regex used for validation is '[-A-Za-z0-9]+')".into()]
}

/// A number followed by `%`.
pub fn percent(text: &str) -> Vec<String> {
    if text.strip_suffix('%').is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
        return vec![];
    }
    vec!["a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')".into()]
}

/// An identifier of C.
pub fn c_identifier(text: &str) -> Vec<String> {
    let inner = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    if text.bytes().next().is_some_and(|b| inner(b) && !b.is_ascii_digit()) && text.bytes().all(inner) {
        return vec![];
    }
    vec!["a valid C identifier must start with alphabetic character or '_', followed by a string of alphanumeric characters or '_' (e.g. 'my_name',  or 'MY_NAME',  or 'MyName', regex used for validation is '[A-Za-z_][A-Za-z0-9_]*')".into()]
}

/// An IP address in a field that is older than strict addresses: leading zeros and IPv4 inside IPv6 are refused, forms
/// that are not canonical are not.
pub fn ip_address(text: &str) -> Vec<String> {
    match text.parse::<std::net::IpAddr>() {
        Ok(std::net::IpAddr::V6(address)) if address.to_ipv4_mapped().is_some() => {
            vec!["must not be an IPv4-mapped IPv6 address".into()]
        }
        Ok(_) => vec![],
        Err(_) if has_leading_zeros(text) => vec!["must not have leading 0s".into()],
        Err(_) => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".into()],
    }
}

/// Whether it would be an IPv4 address but for zeros before its numbers.
fn has_leading_zeros(text: &str) -> bool {
    let part = |p: &str| !p.is_empty() && p.bytes().all(|b| b.is_ascii_digit()) && p.trim_start_matches('0').len() <= 3;
    let parts: Vec<&str> = text.split('.').collect();
    let number = |p: &&str| p.trim_start_matches('0').parse::<u8>().is_ok() || p.bytes().all(|b| b == b'0');
    parts.len() == 4 && parts.iter().all(|p| part(p)) && parts.iter().all(number)
}

fn too_long(text: &str, max: usize) -> Vec<String> {
    if text.len() > max { vec![format!("must be no more than {max} characters")] } else { vec![] }
}

/// The newer checks count the same thing but call it bytes.
fn too_many_bytes(text: &str, max: usize, prefix: &str) -> Vec<String> {
    if text.len() > max { vec![format!("{prefix}must be no more than {max} bytes")] } else { vec![] }
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|label| is_dns_label(label, false))
}

/// Whether all bytes are of `edge` or `inner`, and the first and the last are of `edge`.
fn is_edged(text: &str, edge: impl Fn(&u8) -> bool, inner: &[u8]) -> bool {
    let bytes = text.as_bytes();
    bytes.first().is_some_and(&edge) && bytes.last().is_some_and(&edge) && bytes.iter().all(|b| edge(b) || inner.contains(b))
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
