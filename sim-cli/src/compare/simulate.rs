//! A scenario played and recorded, all in memory.

use std::sync::Arc;

use sim_compare::{Comparer, ReadOptions, Recording, Side};
use sim_core::scenario::Loaded;

use super::inputs::Told;
use crate::output::{EXPECTATION_FAILED, HELD, INVARIANT_BROKEN, WRONG_INPUT};
use crate::{run, session};

/// Plays a scenario. Expectations that fail are told, and the comparison goes on; what keeps it from its end is an error.
pub(super) fn side(comparer: &mut Comparer, loaded: &Arc<Loaded>, seed: u64) -> Result<Arc<Side>, Told> {
    let play = std::panic::AssertUnwindSafe(|| session::play(loaded, seed, &mut |_, _| {}));
    let played = std::panic::catch_unwind(play)
        .map_err(|_| told(INVARIANT_BROKEN, loaded, seed, "an invariant of the simulator broke, please report it"))?
        .map_err(|message| told(WRONG_INPUT, loaded, seed, &message))?;
    match run::code_of(&played) {
        HELD => {}
        EXPECTATION_FAILED => eprintln!("warning: {} (seed {seed}): not all that it expects held; ksim run tells", loaded.file),
        code => return Err(told(code, loaded, seed, "the scenario does not come to its end; ksim run tells why")),
    }
    let mut text = String::new();
    played.recording(&mut |line| {
        text.push_str(line);
        text.push('\n');
    });
    let recording = Recording::from_reader(&loaded.file, text.as_bytes(), ReadOptions::default());
    let recording = recording.map_err(|error| told(INVARIANT_BROKEN, loaded, seed, &error.to_string()))?;
    comparer.prepare(&recording).map_err(|message| told(WRONG_INPUT, loaded, seed, &message))
}

fn told(code: i32, loaded: &Loaded, seed: u64, message: &str) -> Told {
    Told { code, message: format!("{} (seed {seed}): {message}", loaded.file) }
}
