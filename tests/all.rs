//! Tests of the whole, in one binary.

mod bad_input;
mod play;
mod scenarios;
mod schema;
mod tidy;
