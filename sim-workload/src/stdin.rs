//! What a program reads: text that somebody gave it and that it has not read yet; and how any bytes are held as text.
//! On a terminal the end of input is said once and more may follow; else nothing follows it.
//! Promise: [`bytes_of`] gives back exactly the bytes that [`text_of`] took.

use serde::{Deserialize, Serialize};

/// The most that may wait to be read, in bytes; what comes beyond is lost.
const WAITING_MAX: usize = 64 << 20;
/// Ends the input of a terminal once.
const END: char = '\u{4}';
/// Where bytes that are no UTF-8 are put: 0x80 at the first of these 128 characters of the private use area.
const FIRST_BYTE: u32 = 0xEF80;

/// What is given to a program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Given {
    /// Input; bytes as [`text_of`] writes them.
    Text(String),
    /// The input ends: for good, or on a terminal once.
    End,
    /// Ctrl-C on its terminal.
    Interrupt,
    /// Who gave it input has gone.
    Left,
}

/// The input of a program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stdin {
    waiting: String,
    ended: bool,
    /// Whether it is a terminal.
    pub tty: bool,
}

/// What reading a line comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A line, with its newline if it has one.
    Line(String),
    /// There is no more.
    End,
    /// Somebody has still to write it.
    NotYet,
}

impl Stdin {
    /// Of a terminal or of a pipe.
    pub fn new(tty: bool) -> Stdin {
        Stdin { tty, ..Stdin::default() }
    }

    /// Takes in input.
    pub fn give(&mut self, text: &str) {
        if !self.ended && self.waiting.len() + text.len() <= WAITING_MAX {
            self.waiting.push_str(text);
        }
    }

    /// Ends it.
    pub fn end(&mut self) {
        if self.tty { self.waiting.push(END) } else { self.ended = true }
    }

    /// Ends it for good.
    pub fn close(&mut self) {
        self.ended = true;
    }

    /// Takes in what is given.
    pub fn take_in(&mut self, given: &Given) {
        match given {
            Given::Text(text) => self.give(text),
            Given::End => self.end(),
            Given::Left => self.close(),
            Given::Interrupt => {}
        }
    }

    /// Puts back what was taken last.
    pub fn put_back(&mut self, text: &str) {
        self.waiting.insert_str(0, text);
    }

    /// Forgets what was not read.
    pub fn flush(&mut self) {
        self.waiting.clear();
    }

    /// Takes the next line.
    pub fn line(&mut self) -> Taken {
        let end = self.waiting.find(|c| c == '\n' || self.tty && c == END);
        match end {
            Some(at) if self.waiting[at..].starts_with('\n') => Taken::Line(self.take(at + 1)),
            Some(0) => {
                self.take(1);
                Taken::End
            }
            Some(at) => {
                let line = self.take(at);
                self.take(1);
                Taken::Line(line)
            }
            None if !self.ended => Taken::NotYet,
            None if self.waiting.is_empty() => Taken::End,
            None => Taken::Line(std::mem::take(&mut self.waiting)),
        }
    }

    /// Takes all up to its end, once the end is there.
    pub fn all(&mut self) -> Option<String> {
        let end = if self.tty { self.waiting.find(END) } else { None };
        match end {
            Some(at) => {
                let text = self.take(at);
                self.take(1);
                Some(text)
            }
            None => self.ended.then(|| std::mem::take(&mut self.waiting)),
        }
    }

    fn take(&mut self, length: usize) -> String {
        let rest = self.waiting.split_off(length);
        std::mem::replace(&mut self.waiting, rest)
    }
}

/// Bytes as text. What is no UTF-8 becomes characters of the private use area; these themselves are taken apart as such.
pub fn text_of(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let put = |text: &mut String, bytes: &[u8]| text.extend(bytes.iter().filter_map(|b| char::from_u32(FIRST_BYTE - 0x80 + u32::from(*b))));
    for chunk in bytes.utf8_chunks() {
        for part in chunk.valid().split_inclusive(|c| byte_of(c).is_some()) {
            match part.char_indices().next_back().filter(|(_, c)| byte_of(*c).is_some()) {
                Some((at, _)) => {
                    text.push_str(&part[..at]);
                    put(&mut text, &part.as_bytes()[at..]);
                }
                None => text.push_str(part),
            }
        }
        put(&mut text, chunk.invalid());
    }
    text
}

/// The bytes that a text stands for.
pub fn bytes_of(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for part in text.split_inclusive(|c| byte_of(c).is_some()) {
        match part.char_indices().next_back().and_then(|(at, c)| Some((at, byte_of(c)?))) {
            Some((at, byte)) => {
                bytes.extend_from_slice(&part.as_bytes()[..at]);
                bytes.push(byte);
            }
            None => bytes.extend_from_slice(part.as_bytes()),
        }
    }
    bytes
}

fn byte_of(c: char) -> Option<u8> {
    let offset = u32::from(c).checked_sub(FIRST_BYTE)?;
    u8::try_from(offset).ok()?.checked_add(0x80).filter(|_| offset < 0x80)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_terminal_ends_its_input_once_and_a_pipe_for_good() {
        let mut terminal = Stdin::new(true);
        terminal.give("a\nb");
        terminal.end();
        terminal.give("c\n");
        let taken: Vec<Taken> = (0..4).map(|_| terminal.line()).collect();
        assert_eq!(taken, [Taken::Line("a\n".into()), Taken::Line("b".into()), Taken::Line("c\n".into()), Taken::NotYet]);
        let mut pipe = Stdin::new(false);
        pipe.give("a\u{4}b");
        assert_eq!((pipe.line(), pipe.all()), (Taken::NotYet, None));
        pipe.end();
        assert_eq!((pipe.line(), pipe.line()), (Taken::Line("a\u{4}b".into()), Taken::End));
    }

    #[test]
    fn text_stays_as_it_is() {
        assert_eq!((text_of("käse\n".as_bytes()).as_str(), bytes_of("käse\n")), ("käse\n", "käse\n".as_bytes().to_vec()));
    }

    proptest! {
        #[test]
        fn any_bytes_come_back(bytes in proptest::collection::vec(prop_oneof![any::<u8>(), Just(0xee), Just(0xbe), Just(0xbf)], 0..64)) {
            prop_assert_eq!(bytes_of(&text_of(&bytes)), bytes);
        }
    }
}
