//! `ksim schema`: the JSON schema of scenario files.

use sim_core::scenario::Scenario;

use crate::output::{HELD, line};

/// Prints the schema.
pub fn print() -> i32 {
    let schema = schemars::schema_for!(Scenario);
    line(&serde_json::to_string_pretty(&schema).unwrap_or_default());
    HELD
}
