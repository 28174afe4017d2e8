//! The terminal between a client's keys and a program: it shows what is typed, lets a line be edited, remembers lines, and
//! gives the program whole lines, the end of input (Ctrl-D on an empty line) and interrupts (Ctrl-C).
//! Keys: backspace, delete, the arrows (up and down go through former lines), Home, End, Ctrl-A, -E, -K, -U, -W.
//! Not modelled: completion, characters of double width, Ctrl-Z, programs that take the keys as they come.

use sim_workload::Given;

/// Characters a line may have.
const LINE_MAX: usize = 64 << 10;
/// Lines that are remembered.
const HISTORY_MAX: usize = 500;

/// What typing comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Typed {
    /// This is shown.
    Shown(String),
    /// The program gets this.
    Given(Given),
}

/// Reads bytes as text; what ends within a character waits for its rest.
#[derive(Debug, Default)]
pub struct Decoder(Vec<u8>);

impl Decoder {
    /// The text, bytes that are no UTF-8 as `sim_workload::text_of` writes them.
    pub fn feed(&mut self, bytes: &[u8]) -> String {
        self.0.extend_from_slice(bytes);
        let whole = match std::str::from_utf8(&self.0) {
            Err(error) if error.error_len().is_none() => error.valid_up_to(),
            _ => self.0.len(),
        };
        let rest = self.0.split_off(whole);
        sim_workload::text_of(&std::mem::replace(&mut self.0, rest))
    }

    /// What waits for its rest, which will not come.
    pub fn end(&mut self) -> String {
        sim_workload::text_of(&std::mem::take(&mut self.0))
    }
}

/// One terminal.
#[derive(Debug, Default)]
pub struct Terminal {
    decoder: Decoder,
    line: Vec<char>,
    cursor: usize,
    history: Vec<String>,
    /// Which former line is shown, counted from the newest; 0 is the one that is being typed.
    back: usize,
    escape: String,
}

impl Terminal {
    /// Takes in keys.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let mut typed = Vec::new();
        for key in self.decoder.feed(bytes).chars() {
            self.key(key, &mut typed);
        }
        typed
    }

    fn key(&mut self, key: char, typed: &mut Vec<Typed>) {
        if !self.escape.is_empty() {
            return self.escaped(key, typed);
        }
        match key {
            '\r' | '\n' => self.enter(typed),
            '\u{3}' => {
                self.clear();
                typed.extend([Typed::Shown("^C".into()), Typed::Given(Given::Interrupt)]);
            }
            '\u{4}' if self.line.is_empty() => typed.push(Typed::Given(Given::End)),
            '\u{4}' => self.erase(self.cursor, self.cursor + 1, typed),
            '\u{8}' | '\u{7f}' => self.erase(self.cursor.saturating_sub(1), self.cursor, typed),
            '\u{1}' => self.move_to(0, typed),
            '\u{5}' => self.move_to(self.line.len(), typed),
            '\u{b}' => self.erase(self.cursor, self.line.len(), typed),
            '\u{15}' => self.erase(0, self.cursor, typed),
            '\u{17}' => self.erase(self.word_before(), self.cursor, typed),
            '\u{1b}' => self.escape.push(key),
            key if key.is_control() => {}
            key if self.line.len() < LINE_MAX => self.insert(key, typed),
            _ => {}
        }
    }

    /// Within a sequence like `ESC [ A`.
    fn escaped(&mut self, key: char, typed: &mut Vec<Typed>) {
        self.escape.push(key);
        if self.escape.len() == 2 && matches!(key, '[' | 'O') || key.is_ascii_digit() && self.escape.len() < 8 {
            return;
        }
        match std::mem::take(&mut self.escape).trim_start_matches(['\u{1b}', '[', 'O']) {
            "A" => self.recall(self.back + 1, typed),
            "B" => self.recall(self.back.saturating_sub(1), typed),
            "C" => self.move_to((self.cursor + 1).min(self.line.len()), typed),
            "D" => self.move_to(self.cursor.saturating_sub(1), typed),
            "H" | "1~" => self.move_to(0, typed),
            "F" | "4~" => self.move_to(self.line.len(), typed),
            "3~" => self.erase(self.cursor, self.cursor + 1, typed),
            _ => {}
        }
    }

    fn clear(&mut self) {
        (self.cursor, self.back) = (0, 0);
        self.line.clear();
    }

    fn enter(&mut self, typed: &mut Vec<Typed>) {
        let line: String = self.line.iter().collect();
        self.clear();
        if !line.trim().is_empty() && self.history.last() != Some(&line) {
            self.history.push(line.clone());
            self.history.drain(..self.history.len().saturating_sub(HISTORY_MAX));
        }
        typed.extend([Typed::Shown("\r\n".into()), Typed::Given(Given::Text(line + "\n"))]);
    }

    fn insert(&mut self, key: char, typed: &mut Vec<Typed>) {
        self.line.insert(self.cursor, key);
        let tail: String = self.line[self.cursor..].iter().collect();
        self.cursor += 1;
        typed.push(Typed::Shown(tail + &backwards(self.line.len() - self.cursor)));
    }

    fn erase(&mut self, from: usize, to: usize, typed: &mut Vec<Typed>) {
        let to = to.min(self.line.len());
        if from >= to {
            return;
        }
        let back = backwards(self.cursor - from.min(self.cursor));
        self.line.drain(from..to);
        self.cursor = from;
        let tail: String = self.line[from..].iter().collect();
        let erased = to - from;
        typed.push(Typed::Shown(format!("{back}{tail}{}{}", " ".repeat(erased), backwards(self.line.len() - from + erased))));
    }

    fn move_to(&mut self, place: usize, typed: &mut Vec<Typed>) {
        let text = if place < self.cursor { backwards(self.cursor - place) } else { self.line[self.cursor..place].iter().collect() };
        self.cursor = place;
        if !text.is_empty() {
            typed.push(Typed::Shown(text));
        }
    }

    fn recall(&mut self, back: usize, typed: &mut Vec<Typed>) {
        if back > self.history.len() || back == self.back {
            return;
        }
        self.back = back;
        self.move_to(self.line.len(), typed);
        self.erase(0, self.line.len(), typed);
        self.line = if back == 0 { vec![] } else { self.history[self.history.len() - back].chars().collect() };
        self.cursor = self.line.len();
        typed.push(Typed::Shown(self.line.iter().collect()));
    }

    fn word_before(&self) -> usize {
        let before = &self.line[..self.cursor];
        let blanks = before.iter().rev().take_while(|c| c.is_whitespace()).count();
        let letters = before.iter().rev().skip(blanks).take_while(|c| !c.is_whitespace()).count();
        self.cursor - blanks - letters
    }
}

fn backwards(columns: usize) -> String {
    "\u{8}".repeat(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types keys; the lines that the program gets, and the last line of the screen as one sees it.
    fn check(keys: &str, given: &[&str], screen: &str) {
        let typed = Terminal::default().feed(keys.as_bytes());
        let mut lines = Vec::new();
        let (mut shown, mut column): (Vec<char>, usize) = (Vec::new(), 0);
        for each in typed {
            match each {
                Typed::Given(Given::Text(line)) => lines.push(line.trim_end().to_owned()),
                Typed::Given(other) => lines.push(format!("{other:?}")),
                Typed::Shown(text) => {
                    for c in text.chars() {
                        match c {
                            '\u{8}' => column -= 1,
                            '\r' => (shown, column) = (Vec::new(), 0),
                            '\n' => {}
                            c => {
                                shown.resize(shown.len().max(column + 1), ' ');
                                shown[column] = c;
                                column += 1;
                            }
                        }
                    }
                }
            }
        }
        let shown: String = shown.into_iter().collect();
        assert_eq!((lines, shown.trim_end()), (given.iter().map(|s| (*s).to_owned()).collect(), screen), "{keys:?}");
    }

    #[test]
    fn a_line_can_be_edited_before_it_is_given() {
        check("lss\u{7f} /\r", &["ls /"], "");
        check("ho\u{1b}[D\u{1b}[De\u{1b}[C\u{1b}[C!\r", &["eho!"], "");
        check("abc\u{1b}[D\u{1b}[D\u{1b}[3~x", &[], "axc");
        check("echo one two\u{17}three\u{1}\u{15}", &[], "echo one three");
        check("gone\u{15}k\u{e4}se", &[], "käse");
    }

    #[test]
    fn former_lines_come_back() {
        check("one\rtwo\r\u{1b}[A\u{1b}[A\r", &["one", "two", "one"], "");
        check("one\r\u{1b}[A\u{1b}[B\u{1b}[A\u{7f}", &["one"], "on");
    }

    #[test]
    fn ctrl_c_and_ctrl_d_are_no_text() {
        check("half\u{3}", &["Interrupt"], "half^C");
        check("\u{4}", &["End"], "");
    }

    #[test]
    fn a_character_may_arrive_in_two_pieces() {
        let mut decoder = Decoder::default();
        assert_eq!((decoder.feed(&[b'a', 0xc3]), decoder.feed(&[0xa4]), decoder.end()), ("a".into(), "ä".into(), String::new()));
        assert_eq!(sim_workload::bytes_of(&decoder.feed(&[0xff, 0x80])), [0xff, 0x80]);
    }
}
