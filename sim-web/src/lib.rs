//! `ksim serve`: sockets, TLS and streams around the simulation, and the clock that drives it.
//! One thread owns the cluster (`simulation`); the async side only carries requests to it and answers back. All that comes
//! from outside is written down with the moment it took effect (`journal`), so a session can be replayed to the same state.
//! Loopback is the default; a request needs a token, a Host that is ours, and, from a browser, an Origin that is ours.

mod appointments;
mod begin;
mod certificates;
mod channels;
mod client_certificates;
mod clock;
mod control;
mod control_document;
mod forwarded;
mod guard;
mod journal;
mod kubeconfig;
mod metrics;
mod page;
mod port_forward;
mod resp;
mod server;
mod session;
mod simulation;
mod sockets;
mod spdy;
mod story;
mod streams;
mod terminal;
mod tokens;
mod upgrade;
mod view;
mod watchers;
mod webhooks;
mod wire;

pub use clock::Speed;
pub use kubeconfig::default_path as default_kubeconfig_path;
pub use server::{Options, Places, serve};
pub use story::ScenarioFile;

/// Decodes base64; nothing if the text is none.
pub fn decode_base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::prelude::BASE64_STANDARD.decode(text).ok()
}
