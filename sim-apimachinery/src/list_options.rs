//! The options of list and watch requests (`metav1.ListOptions`), what is wrong with them, and continue tokens.
//! Sources: apimachinery pkg/apis/meta/internalversion/validation, apiserver pkg/storage/continue.go.
//! Here is what depends on the options alone; what depends on the store is in the API server's `list`.

use serde_json::Value;

use crate::kinds::Kind;
use crate::object::Object;
use crate::selectable_fields;
use crate::selector::{FieldSelector, Selector};
use crate::status::{Cause, Reason, Status};

/// The options of a list or a watch, as they stand in the query.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListOptions {
    /// `labelSelector`.
    pub labels: String,
    /// `fieldSelector`.
    pub fields: String,
    /// `resourceVersion`, empty if not given.
    pub resource_version: String,
    /// `resourceVersionMatch`, empty if not given.
    pub resource_version_match: String,
    /// `limit`; 0 or less means no limit.
    pub limit: i64,
    /// `continue`, empty if not given.
    pub continue_token: String,
    /// `sendInitialEvents`, if given.
    pub send_initial_events: Option<bool>,
    /// Whether it is asked through `events.k8s.io`, where the fields of events have other names.
    pub events_v1: bool,
}

/// Which objects are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// By their labels.
    pub labels: Selector,
    /// By their fields.
    pub fields: FieldSelector,
}

impl Selection {
    /// Whether an object is asked for.
    pub fn matches(&self, object: &Object) -> bool {
        let nothing = Default::default();
        self.labels.matches(object.metadata().labels.as_ref().unwrap_or(&nothing))
            && self.fields.matches(|path| selectable_fields::value(object, path))
    }

    /// Whether every object is.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty() && self.fields.is_empty()
    }
}

fn bad_request(message: String) -> Box<Status> {
    Box::new(Status::new(Reason::BadRequest, message))
}

impl ListOptions {
    /// Checks the options in the API server's order and reads the selectors. `custom` holds the selectable paths of a custom
    /// resource. Errors: 400 for selectors that cannot be read or name an unknown field, 422 for options that contradict
    /// each other.
    pub fn selection(&self, kind: Kind, watch: bool, custom: &[String]) -> Result<Selection, Box<Status>> {
        let labels = Selector::parse(&self.labels).map_err(bad_request)?;
        let fields = FieldSelector::parse(&self.fields).map_err(bad_request)?;
        let causes = if watch { self.wrong_for_watch() } else { self.wrong_for_list() };
        if !causes.is_empty() {
            return Err(Box::new(invalid(causes)));
        }
        let fields = selectable_fields::convert(fields, kind, self.events_v1, custom).map_err(bad_request)?;
        Ok(Selection { labels, fields })
    }

    fn wrong_for_list(&self) -> Vec<Cause> {
        const MATCH: &str = "resourceVersionMatch";
        let matching = self.resource_version_match.as_str();
        let mut causes = Vec::new();
        if !matching.is_empty() {
            if self.resource_version.is_empty() {
                causes.push(forbidden(MATCH, "resourceVersionMatch is forbidden unless resourceVersion is provided"));
            }
            if !self.continue_token.is_empty() {
                causes.push(forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
            }
            if !matches!(matching, "Exact" | "NotOlderThan") {
                causes.push(not_supported(MATCH, matching, r#""Exact", "NotOlderThan", """#));
            }
            if matching == "Exact" && self.resource_version == "0" {
                causes.push(forbidden(MATCH, "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
            }
        }
        if self.send_initial_events.is_some() {
            causes.push(forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list"));
        }
        causes
    }

    /// A watch from revision 0 or none that says nothing else asks for initial events, and for no older revision.
    fn wrong_for_watch(&self) -> Vec<Cause> {
        const MATCH: &str = "resourceVersionMatch";
        let is_default = self.send_initial_events.is_none()
            && self.resource_version_match.is_empty()
            && matches!(self.resource_version.as_str(), "" | "0");
        let initial_events = self.send_initial_events.or(is_default.then_some(true));
        let matching = if is_default { "NotOlderThan" } else { self.resource_version_match.as_str() };
        let mut causes = Vec::new();
        if initial_events.is_some() && matching != "NotOlderThan" {
            causes.push(forbidden(MATCH, "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
        }
        if !matching.is_empty() {
            if initial_events.is_none() {
                causes.push(forbidden(MATCH, "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"));
            }
            if matching != "NotOlderThan" {
                causes.push(not_supported(MATCH, matching, r#""NotOlderThan""#));
            }
            if !self.continue_token.is_empty() {
                causes.push(forbidden(MATCH, "resourceVersionMatch is forbidden when continue is provided"));
            }
        }
        causes
    }
}

fn forbidden(field: &str, detail: &str) -> Cause {
    Cause { reason: "FieldValueForbidden".into(), field: field.into(), message: format!("Forbidden: {detail}") }
}

fn not_supported(field: &str, value: &str, supported: &str) -> Cause {
    let message = format!("Unsupported value: {value:?}: supported values: {supported}");
    Cause { reason: "FieldValueNotSupported".into(), field: field.into(), message }
}

/// The refusal of options that contradict each other.
fn invalid(causes: Vec<Cause>) -> Status {
    let texts: Vec<String> = causes.iter().map(|c| format!("{}: {}", c.field, c.message)).collect();
    let joined = if texts.len() == 1 { texts[0].clone() } else { format!("[{}]", texts.join(", ")) };
    let message = format!("ListOptions.meta.k8s.io \"\" is invalid: {joined}");
    Status { group: "meta.k8s.io".into(), kind: "ListOptions".into(), causes, ..Status::new(Reason::Invalid, message) }
}

/// Reads a resourceVersion: empty is 0. The error is the text of a field error on `resourceVersion`.
pub fn parse_resource_version(text: &str) -> Result<u64, String> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse::<u64>() {
        _ if text.is_empty() => Ok(0),
        Ok(number) if plain => Ok(number),
        _ => {
            let why = if plain { "value out of range" } else { "invalid syntax" };
            Err(format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: {why}"))
        }
    }
}

/// Where a list goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continue {
    /// At which revision; below 0 for the latest.
    pub revision: i64,
    /// The first key, from `/` on.
    pub start: String,
}

const TOKEN_VERSION: &str = "meta.k8s.io/v1";

impl Continue {
    /// The token a client is given.
    pub fn encode(&self) -> String {
        let start = Value::String(self.start.clone());
        base64_url(format!("{{\"v\":\"{TOKEN_VERSION}\",\"rv\":{},\"start\":{start}}}", self.revision).as_bytes())
    }

    /// Reads a token. The error is what goes after `invalid continue token: `.
    pub fn decode(token: &str) -> Result<Continue, String> {
        let wrong = |why: String| format!("continue key is not valid: {why}");
        let bytes = from_base64_url(token).map_err(|at| wrong(format!("illegal base64 data at input byte {at}")))?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|e| wrong(go_syntax_error(&bytes, &e)))?;
        let member = |name: &str| value.get(name);
        let version = member("v").and_then(Value::as_str).unwrap_or_default();
        if version != TOKEN_VERSION {
            return Err(wrong(format!("server does not recognize this encoded version {version}")));
        }
        let revision = member("rv").and_then(Value::as_i64).unwrap_or(0);
        if revision == 0 {
            return Err(wrong(format!("incorrect encoded start resourceVersion (version {TOKEN_VERSION})")));
        }
        let key = member("start").and_then(Value::as_str).unwrap_or_default();
        if key.is_empty() {
            return Err(wrong(format!("encoded start key empty (version {TOKEN_VERSION})")));
        }
        let start = if key.starts_with('/') { key.to_owned() } else { format!("/{key}") };
        let clean = start.split('/').skip(1).all(|part| !matches!(part, "" | "." | ".."));
        if clean { Ok(Continue { revision, start }) } else { Err(wrong(key.to_owned())) }
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs, without padding.
fn base64_url(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |w, b| w << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for place in 0..=chunk.len() {
            let index = (word >> (18 - 6 * place)) & 63;
            text.push(char::from(ALPHABET[index as usize]));
        }
    }
    text
}

/// The bytes behind base64 for URLs without padding, or the place of the first wrong letter.
fn from_base64_url(text: &str) -> Result<Vec<u8>, usize> {
    let mut bytes = Vec::new();
    let letters: Vec<u8> = text.bytes().collect();
    for (number, chunk) in letters.chunks(4).enumerate() {
        let mut word = 0_u32;
        for (place, letter) in chunk.iter().enumerate() {
            let index = ALPHABET.iter().position(|a| a == letter).ok_or(number * 4 + place)?;
            word = word << 6 | index as u32;
        }
        if chunk.len() == 1 {
            return Err(number * 4 + 1);
        }
        word <<= 6 * (4 - chunk.len());
        bytes.extend(word.to_be_bytes().into_iter().skip(1).take(chunk.len() - 1));
    }
    Ok(bytes)
}

/// What Go's decoder says of bytes that are no JSON: the first that cannot begin a value, or that the text ends too soon.
fn go_syntax_error(bytes: &[u8], error: &serde_json::Error) -> String {
    let Some(first) = bytes.iter().find(|b| !b.is_ascii_whitespace()).filter(|_| !error.is_eof()) else {
        return "unexpected end of JSON input".into();
    };
    let character = char::from(*first);
    let shown =
        if (' '..='~').contains(&character) || character >= '\u{a1}' { character.to_string() } else { format!("\\u{:04x}", *first) };
    format!("invalid character '{shown}' looking for beginning of value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_the_real_servers_and_reads_back() {
        let place = Continue { revision: 1226, start: "/cm-2\u{0}".into() };
        let token = "eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MTIyNiwic3RhcnQiOiIvY20tMlx1MDAwMCJ9";
        assert_eq!(place.encode(), token);
        assert_eq!(Continue::decode(token), Ok(place));
    }

    #[test]
    fn a_bad_token_is_refused_in_the_real_servers_words() {
        for (token, expected) in [
            ("garbage", "invalid character '\\u0081' looking for beginning of value"),
            ("aGVsbG8", "invalid character 'h' looking for beginning of value"),
            ("eyJ2IjoibWV0YS5rOHMuaW8vdjkiLCJydiI6NSwic3RhcnQiOiJ4In0", "server does not recognize this encoded version meta.k8s.io/v9"),
            ("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTF9", "encoded start key empty (version meta.k8s.io/v1)"),
            ("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6LTEsInN0YXJ0IjoiLi4veCJ9", "../x"),
        ] {
            assert_eq!(Continue::decode(token), Err(format!("continue key is not valid: {expected}")));
        }
    }

    #[test]
    fn a_watch_of_everything_asks_for_initial_events_and_so_knows_no_token() {
        let options = ListOptions { resource_version: "0".into(), continue_token: "x".into(), ..ListOptions::default() };
        let message = options.selection(Kind::Pod, true, &[]).err().map(|s| s.message);
        let expected = "ListOptions.meta.k8s.io \"\" is invalid: resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden when continue is provided";
        assert_eq!(message.as_deref(), Some(expected));
        let options = ListOptions { resource_version: "0".into(), ..ListOptions::default() };
        assert!(options.selection(Kind::Pod, true, &[]).is_ok());
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let options = ListOptions { resource_version_match: "Bogus".into(), ..ListOptions::default() };
        let message = options.selection(Kind::Pod, false, &[]).err().map(|s| s.message);
        let expected = "ListOptions.meta.k8s.io \"\" is invalid: [resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden unless resourceVersion is provided, resourceVersionMatch: Unsupported value: \"Bogus\": supported values: \"Exact\", \"NotOlderThan\", \"\"]";
        assert_eq!(message.as_deref(), Some(expected));
    }
}
