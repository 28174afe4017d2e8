//! Subresources: parts of objects, and verbs that are posted to them.

use sim_apimachinery::Part;

use crate::frontend::{Exchange, Outcome};
use crate::http::Answer;
use crate::respond::no_resource;
use crate::verbs;

/// Does what a method asks of a subresource.
pub fn dispatch(exchange: &mut Exchange<'_>, method: &str) -> Outcome<Answer> {
    match exchange.path.subresource.as_str() {
        "status" => verbs::write_part(exchange, method, Part::Status),
        "finalize" => verbs::write_part(exchange, method, Part::Finalize),
        "scale" => verbs::scale::dispatch(exchange, method),
        "approval" => verbs::write_part(exchange, method, Part::Approval),
        "resize" => verbs::write_part(exchange, method, Part::Resize),
        "ephemeralcontainers" => verbs::write_part(exchange, method, Part::EphemeralContainers),
        "binding" => verbs::pods::bind(exchange),
        "eviction" => verbs::pods::evict(exchange),
        "log" | "exec" | "attach" | "portforward" | "proxy" => crate::connect::connect(exchange),
        _ => Err(no_resource()),
    }
}
