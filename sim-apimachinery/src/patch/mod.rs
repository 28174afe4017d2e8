//! The patch types of the API: JSON patch, JSON merge patch, strategic merge patch. Server-side apply is in
//! `managed_fields`, because it is about who owns what.

pub mod json_patch;
pub mod lists;
pub mod merge;
pub mod strategic;
mod three_way;

pub use three_way::three_way;
