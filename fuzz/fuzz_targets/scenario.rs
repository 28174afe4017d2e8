//! Any text is read as a scenario or refused with a place; nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let manifest = |_: &str| Ok("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n".to_owned());
    if let Err(problem) = sim_core::scenario::load("x.yaml", text, &mut { manifest }) {
        assert!(!problem.message.is_empty());
    }
});
