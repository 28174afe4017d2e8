//! Reads the string form of label selectors, with the API server's own words for what is wrong.
//! Invariant: what is accepted, and which error is told first, follow the grammar of apimachinery pkg/labels.
//! A token is looked at again as an identifier where no operator can stand: `in in (in)` is a selector.

use super::{Operator, Requirement};
use crate::names;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    End,
    Closed,
    Open,
    Comma,
    Not,
    Equals,
    DoubleEquals,
    NotEquals,
    Greater,
    Less,
    In,
    NotIn,
    Identifier,
    Wrong,
}

const SPECIAL: &str = "=!(),><";
const BLANK: &[char] = &[' ', '\t', '\r', '\n'];

/// The requirements of a selector, in the order in which they are written.
pub fn requirements(text: &str) -> Result<Vec<Requirement>, String> {
    let mut parser = Parser { tokens: tokens(text), at: 0 };
    let mut found = Vec::new();
    loop {
        match parser.peek() {
            (Token::Identifier | Token::Not, _) => {
                found.push(parser.requirement().map_err(|e| format!("unable to parse requirement: {e}"))?)
            }
            (Token::End, _) => return Ok(found),
            (_, word) => return Err(format!("found '{word}', expected: !, identifier, or 'end of string'")),
        }
        match parser.take() {
            (Token::End, _) => return Ok(found),
            (Token::Comma, _) => {
                if let (token, word) = parser.peek()
                    && !matches!(token, Token::Identifier | Token::Not)
                {
                    return Err(format!("found '{word}', expected: identifier after ','"));
                }
            }
            (_, word) => return Err(format!("found '{word}', expected: ',' or 'end of string'")),
        }
    }
}

fn tokens(text: &str) -> Vec<(Token, String)> {
    let mut rest = text;
    let mut found = Vec::new();
    loop {
        rest = rest.trim_start_matches(BLANK);
        let Some(first) = rest.chars().next() else {
            found.push((Token::End, String::new()));
            return found;
        };
        let (token, length) = if SPECIAL.contains(first) { sign(rest) } else { word(rest) };
        found.push((token, rest[..length].to_owned()));
        rest = &rest[length..];
    }
}

/// The longest sign at the beginning of a text that begins with a special character.
fn sign(text: &str) -> (Token, usize) {
    for (sign, token) in [("==", Token::DoubleEquals), ("!=", Token::NotEquals)] {
        if text.starts_with(sign) {
            return (token, 2);
        }
    }
    let token = match text.as_bytes().first() {
        Some(b'=') => Token::Equals,
        Some(b'!') => Token::Not,
        Some(b'(') => Token::Open,
        Some(b')') => Token::Closed,
        Some(b',') => Token::Comma,
        Some(b'>') => Token::Greater,
        Some(b'<') => Token::Less,
        _ => Token::Wrong,
    };
    (token, 1)
}

fn word(text: &str) -> (Token, usize) {
    let end = text.find(|c: char| SPECIAL.contains(c) || BLANK.contains(&c)).unwrap_or(text.len());
    let token = match &text[..end] {
        "in" => Token::In,
        "notin" => Token::NotIn,
        _ => Token::Identifier,
    };
    (token, end)
}

struct Parser {
    tokens: Vec<(Token, String)>,
    at: usize,
}

impl Parser {
    /// The next token, words of the grammar being identifiers.
    fn peek(&self) -> (Token, &str) {
        let (token, word) = self.raw(self.at);
        (if matches!(token, Token::In | Token::NotIn) { Token::Identifier } else { token }, word)
    }

    fn take(&mut self) -> (Token, String) {
        let (token, word) = self.peek();
        let taken = (token, word.to_owned());
        self.at += 1;
        taken
    }

    fn raw(&self, at: usize) -> (Token, &str) {
        self.tokens.get(at).map_or((Token::End, ""), |(token, word)| (*token, word))
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let (mut token, mut key) = self.take();
        let negated = token == Token::Not;
        if negated {
            (token, key) = self.take();
        }
        if token != Token::Identifier {
            return Err(format!("found '{key}', expected: identifier"));
        }
        check_key(&key)?;
        if negated {
            return Ok(Requirement::new(&key, Operator::DoesNotExist, vec![]));
        }
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(Requirement::new(&key, Operator::Exists, vec![]));
        }
        let (operator, equality) = self.operator()?;
        let values = match operator {
            Operator::In | Operator::NotIn if !equality => self.values()?,
            _ => vec![self.exact_value()?],
        };
        check_values(&key, operator, &values)?;
        Ok(Requirement { equality, ..Requirement::new(&key, operator, values) })
    }

    fn operator(&mut self) -> Result<(Operator, bool), String> {
        let (token, word) = self.raw(self.at);
        let found = match token {
            Token::In => (Operator::In, false),
            Token::NotIn => (Operator::NotIn, false),
            Token::Equals | Token::DoubleEquals => (Operator::In, true),
            Token::NotEquals => (Operator::NotIn, true),
            Token::Greater => (Operator::Gt, false),
            Token::Less => (Operator::Lt, false),
            _ => return Err(format!("found '{word}', expected: in, notin, =, ==, !=, gt, lt")),
        };
        self.at += 1;
        Ok(found)
    }

    fn exact_value(&mut self) -> Result<String, String> {
        if matches!(self.peek().0, Token::End | Token::Comma) {
            return Ok(String::new());
        }
        match self.take() {
            (Token::Identifier, word) => Ok(word),
            (_, word) => Err(format!("found '{word}', expected: identifier")),
        }
    }

    /// `(x,,y)`: an empty place is the empty value.
    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.take() {
            (Token::Open, _) => {}
            (_, word) => return Err(format!("found '{word}' expected: '('")),
        }
        match self.peek() {
            (Token::Identifier | Token::Comma, _) => self.listed_values(),
            (Token::Closed, _) => {
                self.at += 1;
                Ok(vec![String::new()])
            }
            (_, word) => Err(format!("found '{word}', expected: ',', ')' or identifier")),
        }
    }

    fn listed_values(&mut self) -> Result<Vec<String>, String> {
        let mut values = std::collections::BTreeSet::new();
        loop {
            match self.take() {
                (Token::Identifier, word) => {
                    values.insert(word);
                    match self.peek() {
                        (Token::Comma, _) => {}
                        (Token::Closed, _) => break,
                        (_, word) => return Err(format!("found '{word}', expected: ',' or ')'")),
                    }
                }
                (Token::Comma, _) => {
                    let next = self.peek().0;
                    if values.is_empty() || matches!(next, Token::Closed | Token::Comma) {
                        values.insert(String::new());
                    }
                    if next == Token::Closed {
                        break;
                    }
                }
                (_, word) => return Err(format!("found '{word}', expected: ',', or identifier")),
            }
        }
        self.at += 1;
        Ok(values.into_iter().collect())
    }
}

fn check_key(key: &str) -> Result<(), String> {
    let wrong = label_key(key);
    if wrong.is_empty() { Ok(()) } else { Err(format!("<nil>: Invalid value: {key:?}: {}", wrong.join("; "))) }
}

/// What is wrong with a label's key; more than one slash has an error of its own.
fn label_key(key: &str) -> Vec<String> {
    if key.matches('/').count() < 2 {
        return names::qualified_name(key);
    }
    vec![
        "a valid label key must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            .into(),
    ]
}

fn check_values(key: &str, operator: Operator, values: &[String]) -> Result<(), String> {
    let mut wrong = Vec::new();
    for (index, value) in values.iter().enumerate() {
        if matches!(operator, Operator::Gt | Operator::Lt) && value.parse::<i64>().is_err() {
            wrong.push(format!("values[{index}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"));
        }
    }
    for (index, value) in values.iter().enumerate() {
        let texts = names::label_value(value);
        if !texts.is_empty() {
            wrong.push(format!("values[{index}][{key}]: Invalid value: {value:?}: {}", texts.join("; ")));
        }
    }
    match wrong.len() {
        0 => Ok(()),
        1 => Err(wrong.swap_remove(0)),
        _ => Err(format!("[{}]", wrong.join(", "))),
    }
}
