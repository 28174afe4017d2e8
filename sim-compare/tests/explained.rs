//! Each class of difference is told as what it is, and equal differences of several objects as one.

use sim_compare::report::Row;
use sim_compare::{Class, Comparer, Comparison, Coverage, Difference, Recording, Tolerances};

use crate::lines;

/// A line of a pod of a Deployment: `name` is its random part.
fn pod(t: f64, kind: &str, name: &str, phase: &str) -> String {
    format!(
        r#"{{"t":{t},"type":"{kind}","object":{{"kind":"Pod","metadata":{{"name":"web-{name}","generateName":"web-","namespace":"x","labels":{{"a":"1","b":"2","c":"3","d":"4"}}}},"status":{{"phase":"{phase}"}}}}}}"#
    )
}

fn event(t: f64, name: &str, reason: &str, count: u32) -> String {
    format!(
        r#"{{"t":{t},"type":"ADDED","object":{{"kind":"Event","metadata":{{"name":"{name}","namespace":"x"}},"involvedObject":{{"kind":"Pod","name":"web"}},"type":"Normal","reason":"{reason}","message":"m","count":{count},"source":{{"component":"kubelet"}}}}}}"#
    )
}

fn story(lines_of: &[String]) -> Recording {
    lines(&lines_of.iter().map(String::as_str).collect::<Vec<_>>())
}

fn compared(real: &[String], other: &[String]) -> (Comparison, Vec<Difference>) {
    let mut comparer = Comparer::new(Tolerances::default());
    let (real, other) = (comparer.prepare(&story(real)).expect("small"), comparer.prepare(&story(other)).expect("small"));
    let comparison = comparer.compare(&real, &other);
    let differences = comparer.differences(&comparison);
    (comparison, differences)
}

fn only(differences: Vec<Difference>) -> Difference {
    assert_eq!(differences.len(), 1, "{differences:#?}");
    differences.into_iter().next().expect("there is one")
}

#[test]
fn five_pods_that_miss_the_same_step_are_one_difference() {
    let names = ["bcdfg", "bcdfh", "bcdfj", "bcdfk", "bcdfl"];
    let all = |steps: &[(f64, &str)]| -> Vec<String> {
        names.iter().flat_map(|n| steps.iter().map(|(t, phase)| pod(*t, "MODIFIED", n, phase))).collect()
    };
    let (_, differences) =
        compared(&all(&[(1.0, "Pending"), (2.0, "Running"), (9.0, "Succeeded")]), &all(&[(1.0, "Pending"), (9.0, "Succeeded")]));
    let missing = only(differences);
    assert_eq!((missing.class, missing.count, missing.object.as_str()), (Class::MissingStep, 5, "Pod web-*"));
    assert_eq!(missing.what, "status.phase=\"Running\"");
    assert_eq!(missing.examples[0].real_time, Some(2.0));
}

#[test]
fn a_late_state_says_by_how_much() {
    let (_, differences) = compared(&[pod(1.0, "ADDED", "bcdfg", "Pending")], &[pod(4.5, "ADDED", "bcdfg", "Pending")]);
    let late = only(differences);
    assert_eq!((late.class, late.what.as_str(), late.how.as_str()), (Class::OtherTime, "created", "3.50 s late"));
}

#[test]
fn a_field_with_another_value_says_its_path_and_both_values() {
    let (_, differences) = compared(&[pod(1.0, "ADDED", "bcdfg", "Pending")], &[pod(1.0, "ADDED", "bcdfg", "Failed")]);
    let field = only(differences);
    assert_eq!((field.class, field.what.as_str()), (Class::OtherField, "status.phase"));
    assert_eq!(field.how, "\"Pending\" → \"Failed\"");
}

#[test]
fn states_that_come_the_other_way_round_are_told_once() {
    let (first, second) = (|t| pod(t, "ADDED", "bcdfg", "Pending"), |t| pod(t, "ADDED", "bcdfg", "Pending").replace("Pod", "Job"));
    let (comparison, differences) = compared(&[first(1.0), second(1.6)], &[second(1.2), first(1.4)]);
    assert_eq!(comparison.figures.order, 0.0);
    let order = only(differences);
    assert_eq!((order.class, order.count), (Class::OtherOrder, 1));
    assert!(order.how.contains("0.60 s apart"), "{}", order.how);
}

#[test]
fn objects_that_only_one_side_has_are_missing_or_extra() {
    let (_, differences) = compared(&[pod(1.0, "ADDED", "bcdfg", "Pending")], &[]);
    let missing = only(differences);
    assert_eq!((missing.class, missing.weight()), (Class::MissingObject, 1.0));
    let (_, differences) = compared(&[], &[pod(1.0, "ADDED", "bcdfg", "Pending")]);
    assert_eq!(only(differences).class, Class::ExtraObject);
}

#[test]
fn events_are_missing_extra_or_told_another_number_of_times() {
    let (_, differences) = compared(
        &[event(1.0, "a", "Pulled", 1), event(2.0, "b", "BackOff", 5)],
        &[event(2.0, "c", "BackOff", 3), event(3.0, "d", "Killing", 1)],
    );
    let of = |class| differences.iter().find(|d| d.class == class).unwrap_or_else(|| panic!("{class:?}: {differences:#?}"));
    assert_eq!(of(Class::MissingEvent).how, "1 → 0");
    assert_eq!(of(Class::ExtraEvent).how, "0 → 1");
    assert_eq!(of(Class::EventCount).how, "5 → 3");
    assert_eq!(of(Class::EventCount).what, "Normal BackOff (kubelet): m");
}

#[test]
fn seeds_cover_a_time_that_lies_between_theirs_or_a_clock_tick_beside() {
    let mut comparer = Comparer::new(Tolerances::default());
    let mut side = |t| comparer.prepare(&story(&[pod(t, "ADDED", "bcdfg", "Pending")])).expect("small");
    let (seeds, within, beside, outside) = ([side(2.0), side(3.0)], side(2.5), side(3.04), side(4.0));
    let share = |real| {
        let coverage = Coverage::of(&comparer, real, &seeds);
        (coverage.aligned, coverage.covered, coverage.covered_exactly, coverage.uncovered.first().map(|u| u.outside()))
    };
    assert_eq!(share(&within), (1, 1, 1, None));
    assert_eq!(share(&beside), (1, 1, 0, None));
    assert_eq!(share(&outside), (1, 0, 0, Some(1.0)));
}

#[test]
fn seeds_are_held_against_each_other_as_the_real_run_is() {
    let mut comparer = Comparer::new(Tolerances::default());
    let mut side = |t| comparer.prepare(&story(&[pod(t, "ADDED", "bcdfg", "Pending")])).expect("small");
    let (seeds, real) = ([side(2.0), side(2.5), side(3.0)], side(2.5));
    let mut row = Row::of(&comparer, &real, None, &seeds[0], "seed 1");
    assert_eq!(row.covered_of_each_other(), None);
    row.hold_seeds(&comparer, &real, None, &seeds);
    // The first and the last lie outside what the others span.
    assert_eq!(row.each_other, [0.0, 0.0, 1.0]);
    assert_eq!((row.covered_of_each_other(), row.covered_seeds(0.9)), (Some((0.0, 0.0)), 1));
}
