//! Field selectors: equalities on the paths of fields, `a.b=c,d!=e`. Source: apimachinery pkg/fields.
//! Which paths a kind has is not known here: see `selectable_fields`.

use std::fmt;

/// A field selector.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<Term>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Term {
    path: String,
    value: String,
    equal: bool,
}

impl FieldSelector {
    /// Reads the string form; a value's `,`, `=` and `\` are escaped with `\`. The error is the API server's.
    pub fn parse(text: &str) -> Result<FieldSelector, String> {
        let mut parts = split_terms(text);
        parts.sort_unstable();
        let mut terms = Vec::new();
        for part in parts.into_iter().filter(|p| !p.is_empty()) {
            let Some((path, equal, value)) = split_term(part) else {
                return Err(format!("invalid selector: '{text}'; can't understand '{part}'"));
            };
            terms.push(Term { path: path.to_owned(), value: unescape(value)?, equal });
        }
        Ok(FieldSelector { terms })
    }

    /// Replaces each path by what `convert` says it is called; its error ends it.
    pub fn convert(mut self, mut convert: impl FnMut(&str) -> Result<String, String>) -> Result<FieldSelector, String> {
        for term in &mut self.terms {
            term.path = convert(&term.path)?;
        }
        Ok(self)
    }

    /// Whether an object matches, given its fields; a missing field is empty.
    pub fn matches(&self, field: impl Fn(&str) -> Option<String>) -> bool {
        self.terms.iter().all(|term| (field(&term.path).unwrap_or_default() == term.value) == term.equal)
    }

    /// Whether it selects everything.
    pub fn is_empty(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value a field must have, if the selector says so.
    pub fn required(&self, path: &str) -> Option<&str> {
        self.terms.iter().find(|t| t.equal && t.path == path).map(|t| t.value.as_str())
    }
}

impl fmt::Display for FieldSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let escape = |v: &str| v.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
        let terms: Vec<String> =
            self.terms.iter().map(|t| format!("{}{}{}", t.path, if t.equal { "=" } else { "!=" }, escape(&t.value))).collect();
        f.write_str(&terms.join(","))
    }
}

/// The parts between commas that are not escaped.
fn split_terms(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// Path, whether equal, and value, split at the first operator.
fn split_term(term: &str) -> Option<(&str, bool, &str)> {
    term.char_indices().find_map(|(at, _)| {
        let signs = [("!=", false), ("==", true), ("=", true)];
        signs.into_iter().find_map(|(sign, equal)| term[at..].strip_prefix(sign).map(|value| (&term[..at], equal, value)))
    })
}

fn unescape(value: &str) -> Result<String, String> {
    let bad = |sequence: &str| format!("invalid field selector: invalid escape sequence: {sequence}");
    let mut plain = String::new();
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped @ ('\\' | ',' | '=')) => plain.push(escaped),
                Some(other) => return Err(bad(&format!("\\{other}"))),
                None => return Err(bad("\\")),
            },
            ',' | '=' => return Err(format!("invalid field selector: unescaped character in value: {}", u32::from(character))),
            other => plain.push(other),
        }
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_selector_is_read_with_its_escapes() {
        let selector = FieldSelector::parse(r"b!=x,a==y\,z,").map(|s| s.to_string());
        assert_eq!(selector.as_deref(), Ok(r"a=y\,z,b!=x"));
        let fields = |path: &str| (path == "a").then(|| "y,z".to_owned());
        assert_eq!(FieldSelector::parse(r"a=y\,z,b!=x").map(|s| s.matches(fields)), Ok(true));
    }

    #[test]
    fn nonsense_is_refused_in_the_api_servers_words() {
        for (text, expected) in [
            ("abc", "invalid selector: 'abc'; can't understand 'abc'"),
            ("a=b=c", "invalid field selector: unescaped character in value: 61"),
            (r"a=b\c", r"invalid field selector: invalid escape sequence: \c"),
        ] {
            assert_eq!(FieldSelector::parse(text).err().as_deref(), Some(expected), "{text}");
        }
    }
}
