//! The server as its clients meet it: the program is started on a free port and driven over HTTPS, with nothing but cargo.

mod abuse;
mod ctl;
mod face;
mod http;
mod https;
mod killed;
mod scenario;
mod server;
mod webhooks;
