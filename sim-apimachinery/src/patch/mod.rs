//! The patch types of the API: JSON patch, JSON merge patch, strategic merge patch.
//! Not here yet: server-side apply.

pub mod json_patch;
pub mod merge;
pub mod strategic;
