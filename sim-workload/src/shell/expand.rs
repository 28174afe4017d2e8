//! Expansion of words: variables, command substitution, arithmetic, splitting at blanks.
//! Not modelled: file name patterns, `~`, `IFS`. A command substitution runs in no time: its `sleep` does not wait.

use super::script::{Part, Script, Word};
use super::{Blocked, Host, Shell, Stream, Turn};

/// How many turns a command substitution may take.
const SUBSTITUTION_TURNS_MAX: usize = 20;

impl Shell {
    /// All words after expansion and splitting.
    pub(super) fn expand_words(&mut self, words: &[Word], host: &mut Host) -> Vec<String> {
        words.iter().flat_map(|word| self.expand_split(word, host)).collect()
    }

    /// One word without splitting (assignments, redirections).
    pub(super) fn expand_one(&mut self, word: &Word, host: &mut Host) -> String {
        word.iter().map(|part| self.expand_part(part, host).0).collect()
    }

    fn expand_split(&mut self, word: &Word, host: &mut Host) -> Vec<String> {
        let (mut fields, mut current): (Vec<String>, Option<String>) = (Vec::new(), None);
        for part in word {
            let (text, quoted) = self.expand_part(part, host);
            if quoted {
                current.get_or_insert_default().push_str(&text);
                continue;
            }
            if text.starts_with(char::is_whitespace) {
                fields.extend(current.take());
            }
            let mut pieces = text.split_whitespace().peekable();
            while let Some(piece) = pieces.next() {
                current.get_or_insert_default().push_str(piece);
                if pieces.peek().is_some() || text.ends_with(char::is_whitespace) {
                    fields.extend(current.take());
                }
            }
        }
        fields.extend(current);
        fields
    }

    /// The text of a part, and whether it stays in one piece.
    fn expand_part(&mut self, part: &Part, host: &mut Host) -> (String, bool) {
        match part {
            Part::Text { text, quoted } => (text.clone(), *quoted || !text.contains(char::is_whitespace)),
            Part::Variable { name, default, quoted } => {
                let value = self.variable(name, host).filter(|value| !value.is_empty());
                let text = match (value, default) {
                    (Some(value), _) => value,
                    (None, Some(word)) => self.expand_one(word, host),
                    (None, None) => String::new(),
                };
                (text, *quoted)
            }
            Part::Command { script, quoted } => (self.substitute(script, host), *quoted),
            Part::Arithmetic { expression } => {
                let text = self.expand_one(expression, host);
                (self.calculate(&text, host), true)
            }
        }
    }

    pub(crate) fn variable(&self, name: &str, host: &Host) -> Option<String> {
        match name {
            "?" => return Some(self.status.to_string()),
            "$" => return Some("1".into()),
            "#" => return Some(self.positional.len().saturating_sub(1).to_string()),
            "@" | "*" => return Some(self.positional.iter().skip(1).cloned().collect::<Vec<_>>().join(" ")),
            _ => {}
        }
        if let Ok(index) = name.parse::<usize>() {
            return self.positional.get(index).cloned();
        }
        let set = self.variables.get(name).cloned();
        let inherited = || if self.unset.iter().any(|other| other == name) { None } else { inherited(name, host) };
        set.or_else(inherited)
    }

    fn substitute(&mut self, script: &Script, host: &mut Host) -> String {
        let mut shell = Shell {
            variables: self.variables.clone(),
            unset: self.unset.clone(),
            positional: self.positional.clone(),
            directory: self.directory.clone(),
            ..Shell::default()
        };
        shell.push_frame(script.clone(), false);
        for _ in 0..SUBSTITUTION_TURNS_MAX {
            match shell.run(host) {
                Turn::Exited(code) => {
                    self.status = code;
                    break;
                }
                // The whole command is run again once the network has answered or the input is there.
                Turn::Waiting if host.calls.is_waiting() => break,
                Turn::Waiting | Turn::Busy(_) => shell.blocked = Blocked::Ready,
                Turn::Exec(_) => break,
            }
        }
        let mut text = String::new();
        for (stream, chunk) in shell.take_chunks() {
            match stream {
                Stream::Stdout => text.push_str(&chunk),
                Stream::Stderr => self.emit(Stream::Stderr, chunk),
            }
        }
        text.truncate(text.trim_end_matches('\n').len());
        text
    }

    fn calculate(&mut self, text: &str, host: &Host) -> String {
        let variable = |name: &str| self.variable(name, host).and_then(|value| value.trim().parse().ok()).unwrap_or(0);
        let mut reader = Calculation { rest: text.trim(), variable: &variable, depth: 0 };
        match reader.compare() {
            Some(value) if reader.rest.trim().is_empty() => value.to_string(),
            _ => {
                self.fail(2, "arithmetic syntax error");
                "0".into()
            }
        }
    }
}

/// Variables every container has besides those of its spec.
pub(crate) fn inherited(name: &str, host: &Host) -> Option<String> {
    if let Some(value) = host.spec.env.get(name) {
        return Some(value.clone());
    }
    match name {
        "HOSTNAME" => Some(host.spec.hostname.clone()),
        "PATH" => Some("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".into()),
        "HOME" => Some("/root".into()),
        _ => None,
    }
}

/// Integers, names, `+ - * / %`, comparisons and parentheses.
struct Calculation<'a> {
    rest: &'a str,
    variable: &'a dyn Fn(&str) -> i64,
    depth: usize,
}

impl Calculation<'_> {
    fn compare(&mut self) -> Option<i64> {
        self.depth += 1;
        if self.depth > 40 {
            return None;
        }
        let left = self.sum()?;
        let operator = ["<=", ">=", "==", "!=", "<", ">"].into_iter().find(|operator| self.take(operator));
        let result = match operator {
            None => left,
            Some(operator) => {
                let right = self.sum()?;
                i64::from(match operator {
                    "<=" => left <= right,
                    ">=" => left >= right,
                    "==" => left == right,
                    "!=" => left != right,
                    "<" => left < right,
                    _ => left > right,
                })
            }
        };
        self.depth -= 1;
        Some(result)
    }

    fn sum(&mut self) -> Option<i64> {
        let mut value = self.product()?;
        loop {
            if self.take("+") {
                value = value.wrapping_add(self.product()?);
            } else if self.take("-") {
                value = value.wrapping_sub(self.product()?);
            } else {
                return Some(value);
            }
        }
    }

    fn product(&mut self) -> Option<i64> {
        let mut value = self.atom()?;
        loop {
            if self.take("*") {
                value = value.wrapping_mul(self.atom()?);
            } else if self.take("/") {
                value = value.checked_div(self.atom()?)?;
            } else if self.take("%") {
                value = value.checked_rem(self.atom()?)?;
            } else {
                return Some(value);
            }
        }
    }

    fn atom(&mut self) -> Option<i64> {
        self.rest = self.rest.trim_start();
        if self.take("(") {
            let value = self.compare()?;
            return self.take(")").then_some(value);
        }
        let signs = self.rest.len() - self.rest.trim_start_matches('-').len();
        self.rest = &self.rest[signs..];
        let length = self.rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(length);
        self.rest = rest;
        let value = match word.chars().next()? {
            '0'..='9' => word.parse().ok()?,
            _ => (self.variable)(word),
        };
        Some(if signs % 2 == 1 { value.wrapping_neg() } else { value })
    }

    fn take(&mut self, operator: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(operator) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }
}
