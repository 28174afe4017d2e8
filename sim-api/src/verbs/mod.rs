//! The verbs on objects and collections: get, list, watch, create, update, patch, delete, deletecollection.

mod body;
mod delete;
pub mod pods;
mod read;
pub mod scale;
mod show;
pub mod table;
mod write;

pub use read::{key, list_options};
pub use show::{Shown, empty_object};

use crate::frontend::{Exchange, Outcome};
use crate::http::Answer;
use crate::respond::wrong_method;

/// Does what a method asks of an object or a collection.
pub fn dispatch(exchange: &mut Exchange<'_>, method: &str) -> Outcome<Answer> {
    match (method, exchange.path.name.is_empty()) {
        ("GET", false) => read::get(exchange),
        ("GET", true) => read::list_or_watch(exchange),
        ("POST", true) => write::create(exchange),
        ("PUT", false) => write::update(exchange, sim_apimachinery::Part::Main),
        ("PATCH", false) => write::patch(exchange, sim_apimachinery::Part::Main),
        ("DELETE", false) => delete::delete(exchange),
        ("DELETE", true) => delete::delete_collection(exchange),
        _ => Err(wrong_method()),
    }
}

/// Writes to a part of an object.
pub fn write_part(exchange: &mut Exchange<'_>, method: &str, part: sim_apimachinery::Part) -> Outcome<Answer> {
    match method {
        "GET" => read::get(exchange),
        "PUT" => write::update(exchange, part),
        "PATCH" => write::patch(exchange, part),
        _ => Err(wrong_method()),
    }
}
