//! Reads a POSIX shell script into operations.
//! Modelled: lists (`;`, newline, `&&`, `||`, `&`, `!`), pipelines of simple commands, `if`, `while`, `until`, `for`, `break`,
//! `continue`, `( )`, `{ }`, quotes, `$NAME`, `${NAME:-word}`, `$( )`, backquotes, `$(( ))`, redirections to files and streams.
//! Not modelled (a syntax error, exit code 2): functions, `case`, here-documents, other `${…}` forms, file name patterns.

use super::script::{Op, Part, Redirect, RedirectKind, Script, Simple};
use std::sync::Arc;

/// How deep scripts may nest.
pub(super) const DEPTH_MAX: usize = 40;
const CLOSING: [&str; 7] = ["then", "elif", "else", "fi", "do", "done", "}"];

/// Reads a whole script. The error is the text after `sh: `.
pub fn parse(text: &str) -> Result<Script, String> {
    parse_at(text, 0)
}

pub(super) fn parse_at(text: &str, depth: usize) -> Result<Script, String> {
    let mut parser = Parser { chars: text.chars().collect(), at: 0, ops: Vec::new(), loops: Vec::new(), depth };
    parser.list(false)?;
    match parser.at < parser.chars.len() {
        true => Err(parser.unexpected()),
        false => Ok(Arc::new(parser.ops)),
    }
}

pub(super) struct Parser {
    pub(super) chars: Vec<char>,
    pub(super) at: usize,
    pub(super) ops: Vec<Op>,
    /// For each open loop: where `continue` goes, and the jumps of `break` to be set.
    pub(super) loops: Vec<(usize, Vec<usize>)>,
    pub(super) depth: usize,
}

impl Parser {
    /// Commands up to a closing word, a closing parenthesis or the end.
    fn list(&mut self, tested: bool) -> Result<(), String> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return Err("syntax error: nested too deeply".into());
        }
        loop {
            self.blank(true);
            if self.at_list_end() {
                break;
            }
            let start = self.ops.len();
            self.and_or(tested)?;
            self.blank(false);
            match self.peek() {
                Some('&') => self.send_to_background(start)?,
                Some(';' | '\n') => self.at += 1,
                _ if self.at_list_end() => break,
                _ => return Err(self.unexpected()),
            }
        }
        self.depth -= 1;
        Ok(())
    }

    fn at_list_end(&self) -> bool {
        matches!(self.peek(), None | Some(')')) || CLOSING.iter().any(|word| self.at_word(word))
    }

    fn send_to_background(&mut self, start: usize) -> Result<(), String> {
        self.at += 1;
        if self.loops.iter().any(|(_, breaks)| breaks.iter().any(|hole| *hole >= start)) {
            return Err("syntax error: break out of a background command".into());
        }
        let mut script = self.ops.split_off(start);
        for op in &mut script {
            if let Op::Jump(target) | Op::JumpIfOk(target) | Op::JumpIfFail(target) | Op::ForNext { end: target, .. } = op {
                *target = target.checked_sub(start).ok_or("syntax error: continue out of a background command")?;
            }
        }
        self.ops.push(Op::Background(Arc::new(script)));
        Ok(())
    }

    fn and_or(&mut self, tested: bool) -> Result<(), String> {
        let start = self.ops.len();
        self.pipeline(tested)?;
        loop {
            self.blank(false);
            let jump = match (self.peek(), self.chars.get(self.at + 1)) {
                (Some('&'), Some('&')) => Op::JumpIfFail(0),
                (Some('|'), Some('|')) => Op::JumpIfOk(0),
                _ => return Ok(()),
            };
            self.at += 2;
            self.blank(true);
            self.mark_tested(start);
            let hole = self.ops.len();
            self.ops.push(jump);
            self.pipeline(tested)?;
            self.set_target(hole, self.ops.len());
        }
    }

    /// What stands left of `&&` or `||` does not end the shell under `set -e`.
    fn mark_tested(&mut self, start: usize) {
        for op in &mut self.ops[start..] {
            if let Op::Run { tested, .. } | Op::Pipe { tested, .. } = op {
                *tested = true;
            }
        }
    }

    fn pipeline(&mut self, tested: bool) -> Result<(), String> {
        if self.take_word("!") {
            self.blank(false);
            self.pipeline(true)?;
            self.ops.push(Op::Invert);
            return Ok(());
        }
        let start = self.ops.len();
        self.command(tested)?;
        let mut stages = Vec::new();
        while self.at_pipe() {
            self.at += 1;
            self.blank(true);
            let next = self.ops.len();
            self.command(tested)?;
            stages.push((next, self.ops.len()));
        }
        if stages.is_empty() {
            return Ok(());
        }
        let simple = |op: Op| match op {
            Op::Run { command, .. } => Ok(command),
            _ => Err("syntax error: only simple commands are modelled in a pipeline".to_string()),
        };
        let stages = self.ops.split_off(start).into_iter().map(simple).collect::<Result<_, _>>()?;
        self.ops.push(Op::Pipe { stages, tested });
        Ok(())
    }

    fn at_pipe(&mut self) -> bool {
        self.blank(false);
        self.peek() == Some('|') && self.chars.get(self.at + 1) != Some(&'|')
    }

    fn command(&mut self, tested: bool) -> Result<(), String> {
        self.blank(false);
        match () {
            () if self.take_word("if") => self.if_command(tested),
            () if self.take_word("while") => self.while_command(tested, Op::JumpIfFail(0)),
            () if self.take_word("until") => self.while_command(tested, Op::JumpIfOk(0)),
            () if self.take_word("for") => self.for_command(tested),
            () if self.take_word("break") => self.leave_loop(false),
            () if self.take_word("continue") => self.leave_loop(true),
            () if self.take_word("{") => {
                self.list(tested)?;
                self.expect_word("}")
            }
            () if self.peek() == Some('(') => self.subshell(),
            () => self.simple(tested),
        }
    }

    fn if_command(&mut self, tested: bool) -> Result<(), String> {
        let mut ends = Vec::new();
        loop {
            self.list(true)?;
            self.expect_word("then")?;
            let to_else = self.hole(Op::JumpIfFail(0));
            self.list(tested)?;
            ends.push(self.hole(Op::Jump(0)));
            self.set_target(to_else, self.ops.len());
            if !self.take_word("elif") {
                break;
            }
        }
        if self.take_word("else") {
            self.list(tested)?;
        } else {
            self.ops.push(Op::Status(0));
        }
        self.expect_word("fi")?;
        ends.into_iter().for_each(|end| self.set_target(end, self.ops.len()));
        Ok(())
    }

    fn while_command(&mut self, tested: bool, leave: Op) -> Result<(), String> {
        let start = self.ops.len();
        self.list(true)?;
        self.expect_word("do")?;
        let exit = self.hole(leave);
        self.loop_body(tested, start)?;
        self.ops.push(Op::Jump(start));
        self.set_target(exit, self.ops.len());
        self.close_loop(self.ops.len());
        self.ops.push(Op::Status(0));
        Ok(())
    }

    fn for_command(&mut self, tested: bool) -> Result<(), String> {
        self.blank(false);
        let name = self.name();
        self.blank(true);
        if name.is_empty() || !self.take_word("in") {
            return Err(self.unexpected());
        }
        let mut words = Vec::new();
        self.blank(false);
        while !matches!(self.peek(), None | Some(';' | '\n')) {
            words.push(self.word()?);
            self.blank(false);
        }
        self.at += 1;
        self.blank(true);
        self.expect_word("do")?;
        self.ops.push(Op::ForStart(words));
        let next = self.hole(Op::ForNext { name, end: 0 });
        self.loop_body(tested, next)?;
        self.ops.push(Op::Jump(next));
        self.set_target(next, self.ops.len());
        self.close_loop(self.ops.len());
        self.ops.push(Op::ForEnd);
        Ok(())
    }

    fn loop_body(&mut self, tested: bool, again: usize) -> Result<(), String> {
        self.loops.push((again, Vec::new()));
        self.list(tested)?;
        self.expect_word("done")
    }

    fn close_loop(&mut self, end: usize) {
        let (_, breaks) = self.loops.pop().unwrap_or_default();
        breaks.into_iter().for_each(|hole| self.set_target(hole, end));
    }

    fn leave_loop(&mut self, again: bool) -> Result<(), String> {
        let hole = self.ops.len();
        let Some((start, breaks)) = self.loops.last_mut() else {
            return Err("syntax error: break or continue outside a loop".into());
        };
        self.ops.push(Op::Jump(*start));
        if !again {
            breaks.push(hole);
        }
        Ok(())
    }

    fn subshell(&mut self) -> Result<(), String> {
        self.at += 1;
        let outer = (std::mem::take(&mut self.ops), std::mem::take(&mut self.loops));
        self.list(false)?;
        let inner = std::mem::replace(&mut self.ops, outer.0);
        self.loops = outer.1;
        if self.peek() != Some(')') {
            return Err(self.unexpected());
        }
        self.at += 1;
        self.ops.push(Op::Subshell(Arc::new(inner)));
        Ok(())
    }

    fn simple(&mut self, tested: bool) -> Result<(), String> {
        let mut command = Simple::default();
        loop {
            self.blank(false);
            match self.peek() {
                None | Some(';' | '\n' | '&' | '|' | ')') => break,
                Some('(') => return Err("syntax error: functions are not modelled".into()),
                _ => {}
            }
            if let Some(redirect) = self.redirect()? {
                command.redirects.push(redirect);
                continue;
            }
            match self.assignment() {
                Some(name) if command.words.is_empty() => command.assignments.push((name, self.word()?)),
                Some(name) => {
                    let mut word = vec![Part::Text { text: format!("{name}="), quoted: false }];
                    word.extend(self.word()?);
                    command.words.push(word);
                }
                None => command.words.push(self.word()?),
            }
        }
        if command == Simple::default() {
            return Err(self.unexpected());
        }
        self.ops.push(Op::Run { command, tested });
        Ok(())
    }

    /// `NAME=` at this place; the value follows.
    fn assignment(&mut self) -> Option<String> {
        let before = self.at;
        let name = self.name();
        if !name.is_empty() && self.peek() == Some('=') {
            self.at += 1;
            return Some(name);
        }
        self.at = before;
        None
    }

    fn redirect(&mut self) -> Result<Option<Redirect>, String> {
        let digit = self.peek().and_then(|c| c.to_digit(10)).map(|digit| digit as usize);
        let sign = if digit.is_some() { self.at + 1 } else { self.at };
        let (kind, length) = match (self.chars.get(sign), self.chars.get(sign + 1)) {
            (Some('>'), Some('>')) => (RedirectKind::Append, 2),
            (Some('>'), Some('&')) => (RedirectKind::Duplicate, 2),
            (Some('>'), _) => (RedirectKind::Write, 1),
            (Some('<'), Some('<')) => return Err("syntax error: here-documents are not modelled".into()),
            (Some('<'), _) => (RedirectKind::Read, 1),
            _ => return Ok(None),
        };
        self.at = sign + length;
        self.blank(false);
        let stream = digit.unwrap_or(usize::from(kind != RedirectKind::Read));
        Ok(Some(Redirect { stream, kind, target: self.word()? }))
    }

    pub(super) fn until(&mut self, end: char) -> Option<String> {
        let length = self.chars.get(self.at..)?.iter().position(|c| *c == end)?;
        let text = self.chars[self.at..self.at + length].iter().collect();
        self.at += length + 1;
        Some(text)
    }

    pub(super) fn name(&mut self) -> String {
        let rest = self.chars.get(self.at..).unwrap_or_default();
        let begins = rest.first().is_some_and(|c| c.is_ascii_alphabetic() || *c == '_');
        let length = if begins { rest.iter().take_while(|c| c.is_ascii_alphanumeric() || **c == '_').count() } else { 0 };
        self.at += length;
        rest_text(&self.chars, self.at - length, self.at)
    }

    pub(super) fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    /// Skips blanks, continued lines and comments; newlines too if asked.
    fn blank(&mut self, newlines: bool) {
        loop {
            match (self.peek(), self.chars.get(self.at + 1)) {
                (Some(' ' | '\t' | '\r'), _) => self.at += 1,
                (Some('\n'), _) if newlines => self.at += 1,
                (Some('\\'), Some('\n')) => self.at += 2,
                (Some('#'), _) if self.at == 0 || matches!(self.chars[self.at - 1], ' ' | '\t' | '\n' | ';') => {
                    while !matches!(self.peek(), None | Some('\n')) {
                        self.at += 1;
                    }
                }
                _ => return,
            }
        }
    }

    fn at_word(&self, word: &str) -> bool {
        let end = self.at + word.len();
        let matches = self.chars.get(self.at..end).is_some_and(|chars| chars.iter().copied().eq(word.chars()));
        matches && matches!(self.chars.get(end), None | Some(' ' | '\t' | '\n' | ';' | '&' | '|' | '(' | ')' | '<' | '>'))
    }

    fn take_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.at += word.len();
        }
        found
    }

    fn expect_word(&mut self, word: &str) -> Result<(), String> {
        self.blank(true);
        if self.take_word(word) { Ok(()) } else { Err(format!("{} (expecting \"{word}\")", self.unexpected())) }
    }

    fn unexpected(&self) -> String {
        match self.chars.get(self.at) {
            None => "syntax error: unexpected end of file".into(),
            Some('\n') => "syntax error: unexpected newline".into(),
            Some(_) => {
                let rest = rest_text(&self.chars, self.at, self.chars.len());
                let word = rest.split([' ', '\n', '\t']).next().unwrap_or_default();
                format!("syntax error: unexpected \"{word}\"")
            }
        }
    }

    fn hole(&mut self, op: Op) -> usize {
        self.ops.push(op);
        self.ops.len() - 1
    }

    fn set_target(&mut self, hole: usize, to: usize) {
        if let Some(Op::Jump(target) | Op::JumpIfOk(target) | Op::JumpIfFail(target) | Op::ForNext { end: target, .. }) =
            self.ops.get_mut(hole)
        {
            *target = to;
        }
    }
}

fn rest_text(chars: &[char], from: usize, to: usize) -> String {
    chars.get(from..to).unwrap_or_default().iter().collect()
}
