//! The committed JSON schema of scenario files is the one the code makes.
//! To renew it: `cargo run --release -- schema > docs/scenario.schema.json`.

use crate::play::root;
use sim_core::scenario::Scenario;

#[test]
fn the_committed_schema_is_up_to_date() {
    let made = serde_json::to_string_pretty(&schemars::schema_for!(Scenario)).expect("a schema is JSON");
    let committed = std::fs::read_to_string(root().join("docs/scenario.schema.json")).expect("the schema is committed");
    assert_eq!(committed.trim_end(), made, "run: cargo run --release -- schema > docs/scenario.schema.json");
}
