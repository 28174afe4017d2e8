//! The server as its clients meet it: the program is started on a free port and driven over HTTPS, with nothing but cargo.
#![allow(clippy::disallowed_types, reason = "what is measured here is the server, by the clock of its clients")]

mod abuse;
mod certificates;
mod conversion;
mod ctl;
mod face;
mod http;
mod https;
mod killed;
mod page;
mod record;
mod scenario;
mod server;
mod trace;
mod webhooks;
