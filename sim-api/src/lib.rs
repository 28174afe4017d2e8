//! The HTTP face of the API server, without sockets: a request (method, path, headers, body) goes in, an answer comes out.
//! Everything here is a function of the request, the cluster and the cluster's clock: no IO, no thread, no wall clock, so a
//! recorded session replays exactly. `sim-web` brings sockets, TLS and streams.
//! Not modelled: CBOR bodies, API priority and fairness beyond its headers, audit logs.

mod attributes;
pub mod authentication;
mod component_statuses;
mod connect;
mod frontend;
mod http;
mod labels;
mod logs;
mod metrics;
mod negotiation;
mod options;
mod pages;
mod query;
mod respond;
mod review_options;
mod reviews;
mod route;
mod served;
mod subresources;
mod texts;
mod verbs;
mod watch;

pub mod discovery;
pub mod openapi;
pub mod printers;
pub mod protobuf;

pub use frontend::{Frontend, Settings};
pub use http::{Answer, Connect, ConnectKind, Request, Response};
pub use labels::Labels;
pub use logs::line as log_line;
pub use negotiation::clauses as accept_clauses;
pub use watch::Watch;
