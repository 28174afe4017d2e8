//! YAML as kubectl reads it: YAML 1.1 scalars (`0644` is 420, `yes` is true), merge keys, several documents, JSON too.
//! The scanner is a library; what a scalar means is decided here, because it must be what goyaml decides. Every key and
//! value keeps its line and column. Limits guard against alias bombs, deep nesting and huge files.
//! Known differences from goyaml: `1e400` is a text here, and a null key is the text `null`.

mod build;
mod resolve;
mod write;

use serde_json::Value;

pub use write::write;

/// A place in a text, both counted from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// How much a text may hold.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Bytes of the text.
    pub bytes: usize,
    /// Keys and values, aliases counted as often as they are used.
    pub nodes: usize,
    /// Nesting.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { bytes: 3 << 20, nodes: 400_000, depth: 100 }
    }
}

/// One document.
#[derive(Clone, Debug, PartialEq)]
pub struct Document {
    /// What it says.
    pub value: Value,
    /// Where it says it.
    pub spans: SpanTree,
}

/// Where a value and everything in it stands.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SpanTree {
    /// The value itself.
    pub position: Position,
    /// What is in it.
    pub inside: Inside,
}

/// What is in a value.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Inside {
    /// Nothing.
    #[default]
    Scalar,
    /// The items of a list.
    List(Vec<SpanTree>),
    /// The entries of a map: where the key stands, and the value.
    Map(std::collections::BTreeMap<String, (Position, SpanTree)>),
}

impl SpanTree {
    /// The place of the value at a path like `spec.containers[0].name`; of its nearest ancestor that is there, if it is not.
    pub fn nearest(&self, path: &str) -> Position {
        let mut at = self;
        let mut position = self.position;
        for item in items(path) {
            let next = match (&at.inside, item) {
                (Inside::Map(map), Item::Key(key)) => map.get(key).map(|(place, tree)| (*place, tree)),
                (Inside::List(list), Item::Index(index)) => list.get(index).map(|tree| (tree.position, tree)),
                _ => None,
            };
            match next {
                Some((place, tree)) => (position, at) = (place, tree),
                None => break,
            }
        }
        position
    }
}

enum Item<'a> {
    Key(&'a str),
    Index(usize),
}

fn items(path: &str) -> Vec<Item<'_>> {
    let mut found = Vec::new();
    for part in path.split('.').filter(|p| !p.is_empty()) {
        let (key, rest) = part.split_once('[').unwrap_or((part, ""));
        if !key.is_empty() {
            found.push(Item::Key(key));
        }
        found.extend(rest.split('[').filter_map(|i| i.trim_end_matches(']').parse().ok()).map(Item::Index));
    }
    found
}

/// Something a reader should know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// Where.
    pub position: Position,
    /// What.
    pub message: String,
}

/// Why a text cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// Where.
    pub position: Position,
    /// Why, with a hint where there is one.
    pub message: String,
}

/// What was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Read {
    /// The documents; empty ones are left out.
    pub documents: Vec<Document>,
    /// Duplicate keys and scalars that may not mean what they look like.
    pub warnings: Vec<Warning>,
}

/// Reads all documents of a text.
pub fn read(text: &str, limits: &Limits) -> Result<Read, YamlError> {
    if text.len() > limits.bytes {
        let message = format!("the file has {} bytes, at most {} are read", text.len(), limits.bytes);
        return Err(YamlError { position: Position { line: 1, column: 1 }, message });
    }
    build::documents(text.trim_start_matches('\u{feff}'), limits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn check(text: &str, expected: Value) {
        let read = read(text, &Limits::default()).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(read.documents.first().map(|d| d.value.clone()), Some(expected), "{text}");
    }

    fn refused(text: &str) -> YamlError {
        read(text, &Limits::default()).expect_err(text)
    }

    #[test]
    fn scalars_mean_what_kubectl_makes_of_them() {
        check("a: 0644", json!({"a": 420}));
        check("a: [yes, off, y, True]", json!({"a": [true, false, true, true]}));
        check("a: [1_000, 0b11, 0x1F, 0o17, 1e3, 1.5, -0644]", json!({"a": [1000, 3, 31, 15, 1000, 1.5, -420]}));
        check(
            "a: [12:30, 2001-12-14, 100m, 1.2.3, ~, Null, '', \"yes\"]",
            json!({"a": ["12:30", "2001-12-14", "100m", "1.2.3", null, null, "", "yes"]}),
        );
        check("on: 1\n80: x", json!({"true": 1, "80": "x"}));
        check("a: !Ref foo", json!({"a": "foo"}));
        check("a: !!str 12", json!({"a": "12"}));
    }

    #[test]
    fn merge_keys_are_applied_and_own_keys_win() {
        check("p: &x {a: 1, b: 2}\nq: {<<: *x, b: 3}", json!({"p": {"a": 1, "b": 2}, "q": {"a": 1, "b": 3}}));
    }

    #[test]
    fn documents_without_content_are_left_out() {
        let read = read("---\n# nothing\n---\na: 1\n---\n", &Limits::default()).unwrap();
        assert_eq!(read.documents.len(), 1);
    }

    #[test]
    fn a_duplicate_key_is_warned_about_and_the_last_wins() {
        let read = read("a: 1\nb: 2\na: 3\n", &Limits::default()).unwrap();
        assert_eq!(read.documents[0].value, json!({"a": 3, "b": 2}));
        assert_eq!(read.warnings[0].position, Position { line: 3, column: 1 });
    }

    #[test]
    fn every_value_has_its_place() {
        let read = read("spec:\n  containers:\n  - name: web\n    image: nginx\n", &Limits::default()).unwrap();
        assert_eq!(read.documents[0].spans.nearest("spec.containers[0].image"), Position { line: 4, column: 5 });
        assert_eq!(read.documents[0].spans.nearest("spec.containers[0].ports[1]").line, 3);
    }

    #[test]
    fn bombs_are_refused() {
        let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n");
        for i in 1..9 {
            bomb += &format!("a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(","));
        }
        assert!(refused(&bomb).message.contains("too many"));
        assert_eq!(refused(&"[".repeat(5000)).position.line, 1);
        assert!(read(&"a".repeat(4 << 20), &Limits::default()).is_err());
    }

    #[test]
    fn an_error_says_where() {
        assert_eq!(refused("a: 1\nb: [1\nc: 2\n").position.line, 3);
        assert!(refused("a: .inf").message.contains("unsupported value"));
    }

    proptest! {
        #[test]
        fn json_is_yaml(keys in proptest::collection::btree_map("[a-z]{1,6}", any::<i32>(), 0..8)) {
            let value = json!(keys);
            prop_assume!(!keys.contains_key("y") && !keys.contains_key("n") && !keys.contains_key("on") && !keys.contains_key("no"));
            let read = read(&value.to_string(), &Limits::default()).unwrap();
            prop_assert_eq!(&read.documents[0].value, &value);
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
            let _either = read(&text, &Limits::default());
        }
    }
}
