//! Two recordings beside each other: read, aligned object by object, scored, their differences explained and shown.
//! For `ksim compare`, and for whoever reads recordings (`ksim calibrate`).
//!
//! - [`Recording`] reads the format `k8s-watch-trace/v1`, plain or gzipped, from a file or from anything.
//! - [`Comparer`] makes recordings ready ([`Side`]), aligns two of them ([`Comparison`]) and says how alike they are
//!   ([`Figures`]); [`Tolerances`] say what is not held against a recording, and why.
//! - [`Comparer::differences`] explains what differs, by class and by weight; [`Coverage`] asks whether a real run looks like one
//!   more seed; [`report`] shows all that as text, JSON, JUnit, Markdown or one HTML page.
//!
//! Promises: no input makes it panic; equal input gives equal output, to the byte. Nothing here knows the simulator or Kubernetes'
//! types: a recording of the simulator is a recording.
//! Left out: what the actions printed is read ([`Line::Done`]), but not compared.

mod align;
mod comparer;
mod coverage;
mod explain;
mod figures;
mod normal;
pub mod recording;
pub mod report;
mod side;
pub mod tolerances;

pub use align::{Match, Pair};
pub use comparer::{Comparer, Comparison};
pub use coverage::{Coverage, Uncovered};
pub use explain::{Class, Difference, Example};
pub use figures::{FIGURES, Figures};
pub use recording::{Change, Header, Line, ReadError, ReadOptions, Recording, Watch};
pub use side::{EventKey, Group, STATES_MAX, Side, State, Timeline};
pub use tolerances::Tolerances;
