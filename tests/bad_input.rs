//! Bad input gets a clear message with a place, and no panic.

use proptest::prelude::*;
use sim_core::scenario;

const HEAD: &str = "apiVersion: ksim.dev/v1\nkind: Scenario\nmetadata: {name: x}\nabout: x\n";

fn check(text: &str, line: usize, message: &str) {
    let read = &mut |file: &str| Err(format!("{file}: no such file"));
    let problem = scenario::load("x.yaml", text, read).expect_err(text);
    assert_eq!((problem.position.line, problem.message.contains(message)), (line, true), "{problem:?}");
}

#[test]
fn a_message_names_the_place() {
    check("a: [1", 1, "");
    check(&format!("{HEAD}steps: []\nstepz: []\n"), 6, "unknown field `stepz`");
    check(&format!("{HEAD}steps:\n- at: -1s\n  wait: {{for: {{}}}}\n"), 6, "must not be negative");
    check(&format!("{HEAD}steps:\n- at: 1s\n"), 6, "a step does one thing");
    check(&format!("{HEAD}steps:\n- scale: {{object: {{kind: deploy}}, replicas: many}}\n"), 6, "invalid type");
    check(&format!("{HEAD}steps:\n- apply: {{files: [gone.yaml]}}\n"), 6, "no such file");
    check(&format!("{HEAD}cluster: {{profile: moon}}\nsteps: []\n"), 5, "there is no cluster profile");
}

#[test]
fn a_bomb_is_refused() {
    let mut bomb = String::from("a: &a [x, x, x, x, x, x, x, x, x]\n");
    let mut last = 'a';
    for next in 'b'..='k' {
        bomb.push_str(&format!("{next}: &{next} [{}]\n", vec![format!("*{last}"); 9].join(", ")));
        last = next;
    }
    let problem = scenario::load("x.yaml", &bomb, &mut |_| Err(String::new())).expect_err("a bomb");
    assert!(problem.message.contains("too many values"), "{problem:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,300}") {
        let _either = scenario::load("x.yaml", &text, &mut |_| Err(String::new()));
    }
}
