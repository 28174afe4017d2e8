//! The parser's lower half: words with quotes and expansions.

use super::parse::{DEPTH_MAX, Parser, parse_at};
use super::script::{Part, Word};

impl Parser {
    /// One word; may be empty before a separator (as in `X= cmd`).
    pub(super) fn word(&mut self) -> Result<Word, String> {
        let mut parts = Vec::new();
        while let Some(c) = self.peek() {
            match c {
                ' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>' => break,
                '\'' => parts.push(self.single_quoted()?),
                '"' => self.double_quoted(&mut parts)?,
                '$' | '`' => parts.push(self.expansion(false)?),
                '\\' => {
                    self.at += 2;
                    let text = self.chars.get(self.at - 1).filter(|c| **c != '\n').map(char::to_string).unwrap_or_default();
                    parts.push(Part::Text { text, quoted: true });
                }
                _ => {
                    self.at += 1;
                    push_text(&mut parts, c, false);
                }
            }
        }
        self.at = self.at.min(self.chars.len());
        Ok(parts)
    }

    fn single_quoted(&mut self) -> Result<Part, String> {
        self.at += 1;
        let text = self.until('\'').ok_or("syntax error: unterminated quoted string")?;
        Ok(Part::Text { text, quoted: true })
    }

    fn double_quoted(&mut self, parts: &mut Word) -> Result<(), String> {
        self.at += 1;
        parts.push(Part::Text { text: String::new(), quoted: true });
        loop {
            match self.peek().ok_or("syntax error: unterminated quoted string")? {
                '"' => break self.at += 1,
                '$' | '`' => parts.push(self.expansion(true)?),
                '\\' if matches!(self.chars.get(self.at + 1), Some('"' | '\\' | '$' | '`')) => {
                    push_text(parts, self.chars[self.at + 1], true);
                    self.at += 2;
                }
                c => {
                    push_text(parts, c, true);
                    self.at += 1;
                }
            }
        }
        Ok(())
    }

    fn expansion(&mut self, quoted: bool) -> Result<Part, String> {
        if self.peek() == Some('`') {
            self.at += 1;
            let inside = self.until('`').ok_or("syntax error: unterminated quoted string")?;
            return Ok(Part::Command { script: parse_at(&inside, self.depth + 1)?, quoted });
        }
        self.at += 1;
        match (self.peek(), self.chars.get(self.at + 1)) {
            (Some('('), Some('(')) => {
                let inside = self.balanced()?;
                let inside = inside.strip_prefix('(').and_then(|inside| inside.strip_suffix(')')).ok_or("syntax error: missing '))'")?;
                let mut expression = Vec::new();
                self.nested(&format!("{inside}\""))?.double_quoted_body(&mut expression)?;
                Ok(Part::Arithmetic { expression })
            }
            (Some('('), _) => {
                let inside = self.balanced()?;
                Ok(Part::Command { script: parse_at(&inside, self.depth + 1)?, quoted })
            }
            (Some('{'), _) => self.braced(quoted),
            (Some(c @ ('?' | '$' | '#' | '@' | '*' | '!' | '0'..='9')), _) => {
                self.at += 1;
                Ok(Part::Variable { name: c.to_string(), default: None, quoted })
            }
            _ => match self.name() {
                name if name.is_empty() => Ok(Part::Text { text: "$".into(), quoted: true }),
                name => Ok(Part::Variable { name, default: None, quoted }),
            },
        }
    }

    fn nested(&self, text: &str) -> Result<Parser, String> {
        if self.depth >= DEPTH_MAX {
            return Err("syntax error: nested too deeply".into());
        }
        Ok(Parser { chars: text.chars().collect(), at: 0, ops: Vec::new(), loops: Vec::new(), depth: self.depth + 1 })
    }

    fn double_quoted_body(&mut self, parts: &mut Word) -> Result<(), String> {
        self.chars.insert(0, '"');
        self.double_quoted(parts)
    }

    fn braced(&mut self, quoted: bool) -> Result<Part, String> {
        self.at += 1;
        let name = match self.peek() {
            Some(c @ ('?' | '#' | '@' | '0'..='9')) => {
                self.at += 1;
                c.to_string()
            }
            _ => self.name(),
        };
        let rest = self.until('}').ok_or("syntax error: missing '}'")?;
        let default = match rest.strip_prefix(":-").or_else(|| rest.strip_prefix('-')) {
            None if rest.is_empty() => None,
            None => return Err("syntax error: bad substitution".into()),
            Some(word) => {
                let mut parts = Vec::new();
                self.nested(&format!("{word}\""))?.double_quoted_body(&mut parts)?;
                Some(parts)
            }
        };
        if name.is_empty() {
            return Err("syntax error: bad substitution".into());
        }
        Ok(Part::Variable { name, default, quoted })
    }

    /// The inside of the parentheses that begin here; quotes inside are respected.
    fn balanced(&mut self) -> Result<String, String> {
        let (start, mut open, mut quote) = (self.at + 1, 0usize, None);
        while let Some(c) = self.peek() {
            match (c, quote) {
                (_, Some(mark)) if c == mark => quote = None,
                (_, Some(_)) => {}
                ('\'' | '"', None) => quote = Some(c),
                ('(', None) => open += 1,
                (')', None) => open -= 1,
                _ => {}
            }
            self.at += 1;
            if open == 0 {
                return Ok(self.chars[start..self.at - 1].iter().collect());
            }
        }
        Err("syntax error: missing ')'".into())
    }
}

fn push_text(parts: &mut Word, c: char, quoted: bool) {
    match parts.last_mut() {
        Some(Part::Text { text, quoted: same }) if *same == quoted => text.push(c),
        _ => parts.push(Part::Text { text: c.to_string(), quoted }),
    }
}
