//! When an image is pulled, by how it is named. Source: pkg/util/parsers and distribution/reference, whose grammar says
//! which names are ones; of a name that is none nothing is known.

/// `Always` for the tag `latest` or none, `IfNotPresent` for any other tag and for digests.
pub(super) fn pull_policy(image: &str) -> &'static str {
    if tag(image) == Some("latest") { "Always" } else { "IfNotPresent" }
}

/// The tag, `latest` without one and without a digest; `None` if there is a digest only or if this is no image's name.
fn tag(image: &str) -> Option<&str> {
    let (name, digest) = match image.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (image, None),
    };
    let slash = name.rfind('/').map_or(0, |at| at + 1);
    let (path, tag) = match name[slash..].split_once(':') {
        Some((last, tag)) => (&name[..slash + last.len()], Some(tag)),
        None => (name, None),
    };
    let well_formed = is_path(path) && tag.is_none_or(is_tag) && digest.is_none_or(is_digest);
    match (well_formed, tag, digest) {
        (false, ..) | (true, None, Some(_)) => None,
        (true, Some(tag), _) => Some(tag),
        (true, None, None) => Some("latest"),
    }
}

fn is_path(path: &str) -> bool {
    let mut parts: Vec<&str> = path.split('/').collect();
    let is_host = |part: &str| part.contains(['.', ':']) || part == "localhost" || part.bytes().any(|b| b.is_ascii_uppercase());
    if parts.len() > 1 && is_host(parts[0]) {
        let host = parts.remove(0);
        if !host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:[]".contains(&b)) {
            return false;
        }
    }
    parts.into_iter().all(is_component)
}

/// Lower case letters and digits, with dots, one or two underscores, or dashes between them.
fn is_component(part: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = part.as_bytes();
    let edges = bytes.first().is_some_and(|b| inner(*b)) && bytes.last().is_some_and(|b| inner(*b));
    let plain = part.bytes().all(|b| inner(b) || b"._-".contains(&b));
    let mixed = ["..", "___", "._", "_.", ".-", "-.", "_-", "-_"].iter().any(|pair| part.contains(pair));
    edges && plain && !mixed
}

fn is_tag(tag: &str) -> bool {
    const TAG_MAX: usize = 128;
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    tag.len() <= TAG_MAX && tag.bytes().next().is_some_and(word) && tag.bytes().all(|b| word(b) || b == b'.' || b == b'-')
}

fn is_digest(digest: &str) -> bool {
    const HEX_MIN: usize = 32;
    digest
        .split_once(':')
        .is_some_and(|(algorithm, hex)| !algorithm.is_empty() && hex.len() >= HEX_MIN && hex.bytes().all(|b| b.is_ascii_hexdigit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_newest_is_pulled_always() {
        let digest = format!("nginx@sha256:{}", "a".repeat(64));
        let cases = [("nginx", "Always"), ("nginx:latest", "Always"), ("nginx:1.27", "IfNotPresent"), (digest.as_str(), "IfNotPresent")];
        for (image, policy) in cases {
            assert_eq!(pull_policy(image), policy, "{image}");
        }
        assert_eq!(pull_policy("localhost:5000/a/b"), "Always");
    }

    #[test]
    fn what_is_no_name_is_not_pulled_always() {
        for image in ["Nginx", " nginx ", "a//b", "", "nginx:"] {
            assert_eq!(pull_policy(image), "IfNotPresent", "{image:?}");
        }
    }
}
