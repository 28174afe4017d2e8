//! Tolerances: read strictly, with a reason for each, and applied.

use sim_compare::{Comparer, Tolerances};

use crate::lines;

fn parse(text: &str) -> Result<Tolerances, String> {
    Tolerances::parse("t.yaml", &format!("format: ksim-tolerances/v1\n{text}"))
}

fn refused(text: &str, expected: &str) {
    let message = parse(text).expect_err(text);
    assert!(message.contains(expected), "{message:?} does not say {expected:?}");
}

#[test]
fn an_entry_without_a_reason_is_refused_with_its_line() {
    refused("ignore:\n  fields:\n    - fields: [uid]\n", "missing field `why`");
    refused("ignore:\n  fields:\n    - fields: [uid]\n", "t.yaml:4:");
    refused("ignore:\n  kinds:\n    - {kinds: [Node], why: '  '}\n", "the why is empty");
    refused("times:\n  absolute: {value: 1s}\n", "missing field `why`");
}

#[test]
fn unknown_keys_and_wrong_values_are_refused_with_their_line() {
    refused("ignored: {}\n", "t.yaml:2:1: unknown field `ignored`");
    refused("ignore:\n  kind: []\n", "unknown field `kind`, expected one of");
    refused("times:\n  relative: {value: 10, why: w}\n", "t.yaml:3:");
    refused("times:\n  absolute: {value: 1m, why: w}\n", "\"1m\" is not a time such as 1s or 250ms");
    refused("blank:\n  - {pattern: '(', with: x, why: w}\n", "not a regular expression");
    refused("extends: everything\n", "extends: \"everything\" is not known");
    let other = Tolerances::parse("t.yaml", "format: ksim-tolerances/v2\n").expect_err("another version");
    assert!(other.contains("reads \"ksim-tolerances/v1\""), "{other}");
}

#[test]
fn a_file_may_add_to_the_default_or_stand_alone() {
    let added = parse("extends: default\ntimes:\n  absolute: {value: 3s, why: a slow machine}\n").expect("it is right");
    assert_eq!((added.absolute, added.relative), (3.0, 0.1));
    let alone = parse("times:\n  absolute: {value: 250ms, why: a quick machine}\n").expect("it is right");
    assert_eq!((alone.absolute, alone.relative), (0.25, 0.0));
}

#[test]
fn what_is_ignored_does_not_differ_and_what_is_not_does() {
    let pod = |uid: &str| {
        format!(
            r#"{{"t":1,"type":"ADDED","object":{{"kind":"Pod","metadata":{{"name":"a","namespace":"x","uid":"{uid}","labels":{{"a":"b","c":"d","e":"f","g":"h","i":"j"}}}}}}}}"#
        )
    };
    let (real, other) = (lines(&[&pod("1")]), lines(&[&pod("2")]));
    let differences = |tolerances: Tolerances| {
        let mut comparer = Comparer::new(tolerances);
        let (real, other) = (comparer.prepare(&real).expect("small"), comparer.prepare(&other).expect("small"));
        comparer.differences(&comparer.compare(&real, &other))
    };
    assert!(differences(Tolerances::default()).is_empty());
    let strict = parse("times:\n  absolute: {value: 1s, why: w}\n").expect("it is right");
    let found = differences(strict);
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!((found[0].what.as_str(), found[0].how.as_str()), ("metadata.uid", "\"1\" → \"2\""));
}
