//! Tests of the whole, in one binary.

mod api_properties;
mod bad_input;
mod causes;
mod commands;
mod controllers;
mod fidelity;
mod golden;
mod mutations;
mod page;
mod play;
mod scenario_properties;
mod scenarios;
mod schema;
mod tidy;
mod view;
mod webhooks;
