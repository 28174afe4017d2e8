//! Random and mutated input: never a panic, and what can be read can be compared, explained and shown.

use proptest::prelude::*;
use sim_compare::report::{self, Floor, Row};
use sim_compare::{Comparer, ReadOptions, Recording, Tolerances};

use crate::root;

/// The beginning of a real recording, unpacked.
fn sample() -> &'static Vec<String> {
    static SAMPLE: std::sync::OnceLock<Vec<String>> = std::sync::OnceLock::new();
    SAMPLE.get_or_init(|| {
        let file = std::fs::File::open(root().join("tests/real-cluster/readiness.jsonl.gz")).expect("it is there");
        let text = std::io::read_to_string(flate2::read::GzDecoder::new(file)).expect("it is text");
        text.lines().take(60).map(str::to_owned).collect()
    })
}

/// Reads, and does everything that can be done with what was read.
fn exercise(bytes: &[u8]) {
    for allow_cut in [false, true] {
        let Ok(recording) = Recording::from_reader("x", bytes, ReadOptions { allow_cut }) else { continue };
        let mut comparer = Comparer::new(Tolerances::default());
        let whole = Recording::from_reader("y", sample().join("\n").as_bytes(), ReadOptions::default()).expect("it is whole");
        let (Ok(mutated), Ok(whole)) = (comparer.prepare(&recording), comparer.prepare(&whole)) else { continue };
        let row = Row::of(&comparer, &whole, Some(&mutated), &mutated, "mutated");
        for figure in row.figures.all() {
            assert!((0.0..=1.0).contains(&figure), "{figure}");
        }
        let rows = [row];
        assert!(!report::text(&rows, 0).is_empty());
        assert!(report::json(&rows, &Floor::default()).len() > 2);
        report::html::html(&comparer, &rows, &Floor::default());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        exercise(&bytes);
    }

    #[test]
    fn random_bytes_after_a_gzip_head_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let packed: Vec<u8> = [0x1f, 0x8b, 8, 0].into_iter().chain(bytes).collect();
        exercise(&packed);
    }

    #[test]
    fn changed_bytes_of_a_recording_never_panic(places in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = sample().join("\n").into_bytes();
        for (place, byte) in places {
            let at = place.index(bytes.len());
            bytes[at] = byte;
        }
        exercise(&bytes);
    }

    #[test]
    fn lines_left_out_swapped_and_given_other_values_never_panic(
        order in proptest::collection::vec(any::<prop::sample::Index>(), 1..60),
        value in prop_oneof![Just("null"), Just("[]"), Just("{}"), Just("-1"), Just("1e9"), Just("\"\""), Just("[{\"type\":7},{\"type\":null}]")],
        key in prop_oneof![Just("\"metadata\":"), Just("\"status\":"), Just("\"count\":"), Just("\"conditions\":"), Just("\"t\":"), Just("\"involvedObject\":")],
    ) {
        let lines = sample();
        let mut text = lines[0].clone();
        for (i, index) in order.iter().enumerate() {
            text.push('\n');
            let line = &lines[1 + index.index(lines.len() - 1)];
            text.push_str(&if i % 3 == 0 { with(line, key, value) } else { line.clone() });
        }
        exercise(text.as_bytes());
    }

    #[test]
    fn random_tolerances_never_panic(text in "[a-z: \\[\\]{}\"\n-]{0,80}") {
        let _ = Tolerances::parse("x", &format!("format: ksim-tolerances/v1\n{text}"));
    }
}

/// The line with the value of a key, wherever it is, put in another's place: JSON as long as the value was a scalar.
fn with(line: &str, key: &str, value: &str) -> String {
    let Ok(mut json) = serde_json::from_str::<serde_json::Value>(line) else { return line.to_owned() };
    let key = key.trim_matches(|c| c == '"' || c == ':');
    let value: serde_json::Value = serde_json::from_str(value).expect("it is JSON");
    replace(&mut json, key, &value);
    json.to_string()
}

fn replace(json: &mut serde_json::Value, key: &str, value: &serde_json::Value) {
    match json {
        serde_json::Value::Object(map) => {
            if let Some(place) = map.get_mut(key) {
                *place = value.clone();
            }
            map.values_mut().for_each(|inner| replace(inner, key, value));
        }
        serde_json::Value::Array(list) => list.iter_mut().for_each(|inner| replace(inner, key, value)),
        _ => {}
    }
}
