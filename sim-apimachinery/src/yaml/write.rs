//! Writes a value as YAML, as kubectl prints it: maps in order of their keys, lists not indented under their key, texts
//! plain where they read back as texts, literal blocks for several lines, long plain texts folded after column 80.
//! Source: the emitter of goyaml.v2 with its default width.

use std::cmp::Ordering;

use serde_json::Value;

use super::resolve;

const WIDTH: usize = 80;

/// The value as one document.
pub fn write(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Object(map) if !map.is_empty() => entries(&mut out, map, 0),
        Value::Array(list) if !list.is_empty() => items(&mut out, list, 0),
        // At the very left a block has no place for the sign of its indentation, and a folded line may look like a mark.
        Value::String(text) => out.push_str(&(one_line(text) + "\n")),
        scalar => {
            inline(&mut out, scalar, 0);
            out.push('\n');
        }
    }
    out
}

fn entries(out: &mut String, map: &serde_json::Map<String, Value>, indent: usize) {
    let mut sorted: Vec<(&String, &Value)> = map.iter().collect();
    sorted.sort_by(|(a, _), (b, _)| natural(a, b));
    for (at, (key, value)) in sorted.into_iter().enumerate() {
        if at > 0 || !out.ends_with("- ") {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(&one_line(key));
        out.push(':');
        under(out, value, indent);
    }
}

fn under(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            entries(out, map, indent + 2);
        }
        Value::Array(list) if !list.is_empty() => {
            out.push('\n');
            items(out, list, indent);
        }
        scalar => {
            out.push(' ');
            inline(out, scalar, indent + 2);
            out.push('\n');
        }
    }
}

fn items(out: &mut String, list: &[Value], indent: usize) {
    for (at, item) in list.iter().enumerate() {
        if at > 0 || !out.ends_with("- ") {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str("- ");
        match item {
            Value::Object(map) if !map.is_empty() => entries(out, map, indent + 2),
            Value::Array(list) if !list.is_empty() => items(out, list, indent + 2),
            scalar => {
                inline(out, scalar, indent + 2);
                out.push('\n');
            }
        }
    }
}

/// A scalar, or something empty; `indent` is where further lines of it begin.
fn inline(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::String(text) if text.contains('\n') && is_literal(text) => literal(out, text, indent),
        Value::String(text) => folded(out, &one_line(text), indent),
        Value::Object(_) => out.push_str("{}"),
        Value::Array(_) => out.push_str("[]"),
        scalar => out.push_str(&scalar.to_string()),
    }
}

/// The order of keys: letters after all else, numbers in keys by what they count. Source: goyaml.v2 sorter.go.
fn natural(a: &str, b: &str) -> Ordering {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let Some(at) = (0..a.len().min(b.len())).find(|i| a[*i] != b[*i]) else { return a.len().cmp(&b.len()) };
    let (x, y) = (a[at], b[at]);
    match (x.is_alphabetic(), y.is_alphabetic()) {
        (true, true) => return x.cmp(&y),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    let before = a[..at].iter().rev().take_while(|c| c.is_ascii_digit()).any(|c| *c != '0');
    let begun = u64::from((x == '0' || y == '0') && before);
    let number = |letters: &[char]| {
        let digits = letters.iter().map_while(|c| c.to_digit(10));
        digits.fold((begun, 0), |(value, count), digit| (value.wrapping_mul(10).wrapping_add(u64::from(digit)), count + 1))
    };
    let ((an, ai), (bn, bi)): ((u64, u32), (u64, u32)) = (number(&a[at..]), number(&b[at..]));
    an.cmp(&bn).then(ai.cmp(&bi)).then(x.cmp(&y))
}

/// Whether a text of several lines can stand as a literal block.
fn is_literal(text: &str) -> bool {
    let printable = |c: char| c == '\n' || !is_special(c);
    text.chars().all(printable) && !text.contains(" \n") && !text.ends_with(' ')
}

fn literal(out: &mut String, text: &str, indent: usize) {
    let chomp = match (text.ends_with('\n'), text == "\n" || text.ends_with("\n\n")) {
        (false, _) => "-",
        (true, true) => "+",
        (true, false) => "",
    };
    let hint = if text.starts_with([' ', '\n']) { "2" } else { "" };
    out.push_str(&format!("|{hint}{chomp}"));
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        out.push('\n');
        if !line.is_empty() {
            out.push_str(&" ".repeat(indent));
            out.push_str(line);
        }
    }
}

/// Breaks a text at the first single space after the width is passed.
fn folded(out: &mut String, text: &str, indent: usize) {
    let mut column = out.len() - out.rfind('\n').map_or(0, |at| at + 1);
    let letters: Vec<char> = text.chars().collect();
    for (at, letter) in letters.iter().enumerate() {
        let alone = at > 0 && letters[at - 1] != ' ' && letters.get(at + 1).is_some_and(|next| *next != ' ');
        let escaped = text.starts_with('"');
        let breaks = *letter == ' ' && column > WIDTH && at > 0 && at + 2 < letters.len();
        if breaks && escaped && letters[at - 1] != ' ' {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
            if letters[at + 1] == ' ' {
                out.push('\\');
                column += 1;
            }
        } else if breaks && alone && !escaped {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
        } else {
            out.push(*letter);
            column += 1;
        }
    }
}

/// A text on one line: plain, in single quotes, or in double quotes.
fn one_line(text: &str) -> String {
    let special = text.chars().any(is_special);
    if special || resolve::plain(text) != Ok(Value::String(text.to_owned())) || is_old_bool(text) || is_time(text) {
        return double_quoted(text);
    }
    if is_plain(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// A letter that is only ever written as an escape (`is_printable` and `is_break` of goyaml.v2).
fn is_special(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{feff}' | '\u{fffe}' | '\u{ffff}' | '\u{2028}' | '\u{2029}')
}

/// A text in double quotes, with YAML's own escapes.
fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            '\r' => out.push_str("\\r"),
            '\u{1b}' => out.push_str("\\e"),
            '\u{85}' => out.push_str("\\N"),
            '\u{2028}' => out.push_str("\\L"),
            '\u{2029}' => out.push_str("\\P"),
            other @ ('\u{feff}' | '\u{fffe}' | '\u{ffff}') => out.push_str(&format!("\\u{:04X}", u32::from(other))),
            other if other.is_control() => out.push_str(&format!("\\x{:02X}", u32::from(other))),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// Words that older readers take for truths, and numbers in base 60.
fn is_old_bool(text: &str) -> bool {
    let base60 = text.contains(':') && text.split(':').all(|p| !p.is_empty() && p.chars().all(|c| c.is_ascii_digit() || c == '.'));
    base60
        || matches!(text, "y" | "Y" | "n" | "N" | "yes" | "Yes" | "YES" | "no" | "No" | "NO" | "on" | "On" | "ON" | "off" | "Off" | "OFF")
}

/// Dates and times, which older readers take for such.
fn is_time(text: &str) -> bool {
    let shape: String = text.chars().take(10).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00" && text.chars().skip(10).all(|c| c.is_ascii_digit() || "TtZz:.+- ".contains(c))
}

fn is_plain(text: &str) -> bool {
    let mut letters = text.chars();
    let (first, second) = (letters.next().unwrap_or(' '), letters.next());
    let indicator = "#,[]{}&*!|>'\"%@`".contains(first) || "-?:".contains(first) && second.is_none_or(|c| c == ' ');
    let edges = text.starts_with(' ') || text.ends_with(' ') || text.starts_with("---") || text.starts_with("...");
    !(indicator || edges || text.contains(": ") || text.ends_with(':') || text.contains(" #"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn objects_look_as_kubectl_prints_them() {
        let value = json!({"b": [{"x": 1, "a": "true"}, []], "a": {"t": "l1\nl2\n", "e": "", "m": {}, "n": null, "c": "a: b", "at": "2026-01-01T00:00:30Z"}});
        let expected = "a:\n  at: \"2026-01-01T00:00:30Z\"\n  c: 'a: b'\n  e: \"\"\n  m: {}\n  \"n\": null\n  t: |\n    l1\n    l2\nb:\n- a: \"true\"\n  x: 1\n- []\n";
        assert_eq!(write(&value), expected);
    }

    #[test]
    fn texts_are_written_as_goyaml_writes_them() {
        let shown = |value: Value| write(&json!({ "k": value }));
        assert_eq!(shown(json!("a\n\tb\n")), "k: \"a\\n\\tb\\n\"\n");
        assert_eq!(shown(json!("\na")), "k: |2-\n\n  a\n");
        assert_eq!(
            write(&json!({"f:a": 1, ".": {}, "a10": 1, "a2": 2, "_": 3})),
            "_: 3\n.: {}\na2: 2\na10: 1\nf:a: 1\n".replacen("_: 3\n.: {}", ".: {}\n_: 3", 1)
        );
        let long = format!("{} {}", "x".repeat(90), "1\u{1}");
        assert_eq!(shown(json!(long)), format!("k: \"{}\n  1\\x01\"\n", "x".repeat(90)));
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(texts in proptest::collection::btree_map("[a-z]{3,6}", "[ -~\n]{0,120}", 0..6)) {
            let value = json!({"texts": texts, "list": [texts.values().collect::<Vec<_>>()]});
            let written = write(&value);
            let read = super::super::read(&written, &Default::default());
            prop_assert_eq!(&read.map(|r| r.documents[0].value.clone()), &Ok(value), "{}", written);
        }
    }
}
