//! The query of a URL, decoded as Go's net/url does: in order, `+` is a space, a later value does not replace an earlier.

use percent_encoding::percent_decode_str;

/// The decoded query.
#[derive(Clone, Debug, Default)]
pub struct Query(Vec<(String, String)>);

impl Query {
    /// Decodes what follows `?`. Pairs that are not valid are left out.
    pub fn parse(text: &str) -> Query {
        let decode = |t: &str| percent_decode_str(&t.replace('+', " ")).decode_utf8().ok().map(|t| t.into_owned());
        let pair = |part: &str| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Some((decode(name)?, decode(value)?))
        };
        Query(text.split('&').filter(|p| !p.is_empty()).filter_map(pair).collect())
    }

    /// The first value of a name, empty if there is none.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Whether a name is there.
    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(n, _)| n == name)
    }

    /// Every name and value, in order.
    pub fn pairs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// All values of a name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    /// A flag as Kubernetes reads it: there, and neither `false` nor `0`.
    pub fn flag(&self, name: &str) -> bool {
        self.has(name) && !matches!(self.get(name).to_ascii_lowercase().as_str(), "false" | "0")
    }
}
