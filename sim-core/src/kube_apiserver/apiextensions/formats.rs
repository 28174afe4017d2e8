//! The formats of strings that a schema may ask for, and which texts have them. A format that is not known is no format.
//! Source: kube-openapi pkg/validation/strfmt, apiextensions-apiserver pkg/apiserver/validation/formats.go.
//! Not modelled: `creditcard`, `ssn` and `isbn` are checked by their digits' count only.

use std::net::{Ipv4Addr, Ipv6Addr};

/// A known format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format(&'static str);

const KNOWN: [&str; 28] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "date-time",
    "k8s-short-name",
    "k8s-long-name",
    "int-or-string",
];

/// Formats of numbers, which validation knows in another way.
const NUMERIC: [&str; 6] = ["int32", "int64", "float", "double", "uint32", "uint64"];

/// The format of that name.
pub(crate) fn known(name: &str) -> Option<Format> {
    KNOWN.iter().find(|k| **k == name && name != "int-or-string").map(|k| Format(k))
}

/// Whether a definition that asks for a format of this name is warned that nothing is checked.
pub(crate) fn is_recognized(name: &str) -> bool {
    KNOWN.contains(&name) || NUMERIC.contains(&name)
}

impl Format {
    /// Whether a text has the format.
    pub fn fits(self, text: &str) -> bool {
        let matches = |pattern: &str| regex::Regex::new(pattern).is_ok_and(|r| r.is_match(text));
        match self.0 {
            "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
            "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
            "cidr" => is_cidr(text),
            "date" => text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10,
            "date-time" | "datetime" => matches(DATE_TIME),
            "duration" => sim_cel::duration_nanos(text).is_some() || matches(DURATION_WORDS),
            "byte" => is_base64(text),
            "uuid" => matches(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
            "uuid3" => matches(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
            "uuid4" => matches(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
            "uuid5" => matches(r"(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
            "mac" => matches(r"^([0-9A-Fa-f]{2}[:-]){5}([0-9A-Fa-f]{2})$"),
            "email" => matches(r"^[^@\s]+@[^@\s]+$"),
            "hostname" => matches(HOSTNAME) && text.len() <= 255,
            "uri" => matches(r"^([a-zA-Z][a-zA-Z0-9+.-]*:\S*|/\S*)$"),
            "hexcolor" => matches(r"^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
            "rgbcolor" => matches(r"^rgb\(\s*\d{1,3}\s*,\s*\d{1,3}\s*,\s*\d{1,3}\s*\)$"),
            "bsonobjectid" => matches(r"^[0-9a-fA-F]{24}$"),
            "isbn10" => matches(r"^(\d[- ]?){9}[\dX]$"),
            "isbn13" => matches(r"^(\d[- ]?){12}\d$"),
            "isbn" => matches(r"^(\d[- ]?){9}([\dX]|(\d[- ]?){3}\d)$"),
            "ssn" => matches(r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
            "creditcard" => matches(r"^(\d[- ]?){12,18}\d$"),
            "k8s-short-name" => sim_apimachinery::names::dns1123_label(text).is_empty(),
            "k8s-long-name" => sim_apimachinery::names::dns1123_subdomain(text).is_empty(),
            _ => true,
        }
    }
}

const DATE_TIME: &str = r"(?i)^\d{4}-\d{2}-\d{2}t\d{2}:\d{2}:\d{2}(\.\d+)?(z|[+-]\d{2}:\d{2})$";
const DURATION_WORDS: &str = r"^(\d+)\s*(ns|nano|us|µs|micro|ms|milli|s|sec|m|min|h|hr|hour|d|day|w|wk|week)[a-z]*$";
const HOSTNAME: &str = r"^([a-zA-Z0-9\p{S}\p{L}]((-?[a-zA-Z0-9\p{S}\p{L}]{0,62})?)|([a-zA-Z0-9\p{S}\p{L}](([a-zA-Z0-9-\p{S}\p{L}]{0,61}[a-zA-Z0-9\p{S}\p{L}])?)(\.)){1,}([a-zA-Z\p{L}]){2,63})$";

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let Ok(bits) = bits.parse::<u8>() else { return false };
    (address.parse::<Ipv4Addr>().is_ok() && bits <= 32) || (address.parse::<Ipv6Addr>().is_ok() && bits <= 128)
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}
