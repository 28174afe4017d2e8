//! Regular expressions: what Go says of one that is none. Source: Go regexp/syntax.

use regex_syntax::ast::{ErrorKind, parse::Parser};

/// What is wrong with a pattern, as `regexp.Compile` says it; `None` if nothing is.
pub fn regex_error(pattern: &str) -> Option<String> {
    let error = match Parser::new().parse(pattern) {
        Ok(_) if regex::Regex::new(pattern).is_ok() => return None,
        Ok(_) => return Some(told("invalid or unsupported Perl syntax", pattern)),
        Err(error) => error,
    };
    let rest = &pattern[error.span().start.offset..];
    let part = &pattern[error.span().start.offset..error.span().end.offset.min(pattern.len())];
    Some(match error.kind() {
        ErrorKind::GroupUnclosed => told("missing closing )", pattern),
        ErrorKind::GroupUnopened => told("unexpected )", pattern),
        ErrorKind::ClassUnclosed => told("missing closing ]", rest),
        ErrorKind::RepetitionMissing => {
            let operator = rest.chars().next().map(String::from).unwrap_or_default();
            told("missing argument to repetition operator", &operator)
        }
        ErrorKind::ClassRangeInvalid => told("invalid character class range", part),
        ErrorKind::EscapeUnexpectedEof => told("trailing backslash at end of expression", ""),
        ErrorKind::EscapeUnrecognized | ErrorKind::UnsupportedBackreference => told("invalid escape sequence", part),
        ErrorKind::RepetitionCountInvalid => told("invalid repeat count", part),
        _ => told("invalid or unsupported Perl syntax", part),
    })
}

fn told(what: &str, part: &str) -> String {
    format!("error parsing regexp: {what}: `{part}`")
}
