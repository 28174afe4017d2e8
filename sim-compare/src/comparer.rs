//! The way from recordings to a comparison. One `Comparer` may compare many recordings: what they share is kept once.

use std::sync::Arc;

use crate::align::{self, Match};
use crate::explain::{self, Difference};
use crate::figures::{Figures, Totals, figures};
use crate::normal::Fields;
use crate::recording::Recording;
use crate::side::{self, Bodies, Side};
use crate::tolerances::Tolerances;

/// Compares recordings with one set of tolerances.
#[derive(Clone, Debug)]
pub struct Comparer {
    tolerances: Tolerances,
    pub(crate) fields: Fields,
    pub(crate) bodies: Bodies,
}

/// Two recordings beside each other.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// What the other side is held against.
    pub real: Arc<Side>,
    /// A simulation, or another recording of the same actions.
    pub other: Arc<Side>,
    /// Which objects are taken for one, and their aligned states.
    pub matches: Vec<Match>,
    /// How alike they are.
    pub figures: Figures,
    pub(crate) totals: Totals,
}

impl Comparer {
    /// A comparer that knows no recording yet.
    pub fn new(tolerances: Tolerances) -> Comparer {
        Comparer { tolerances, fields: Fields::default(), bodies: Bodies::default() }
    }

    /// What is not held against a recording.
    pub fn tolerances(&self) -> &Tolerances {
        &self.tolerances
    }

    /// Makes a recording ready. An error names the object that has too many states.
    pub fn prepare(&mut self, recording: &Recording) -> Result<Arc<Side>, String> {
        side::prepare(recording, &self.tolerances, &mut self.fields, &mut self.bodies).map(Arc::new)
    }

    /// Aligns two sides that this comparer made ready, and scores them.
    pub fn compare(&self, real: &Arc<Side>, other: &Arc<Side>) -> Comparison {
        let matches = align::matches(&self.bodies, real, other);
        let (figures, totals) = figures(real, other, &matches, &self.tolerances);
        Comparison { real: real.clone(), other: other.clone(), matches, figures, totals }
    }

    /// What differs, the heaviest first: the weight is what the figures lose by it.
    pub fn differences(&self, comparison: &Comparison) -> Vec<Difference> {
        explain::differences(self, comparison)
    }

    /// What an object's state is called: `created`, `deleted`, or the most telling fields that it changed.
    pub fn state_name(&self, side: &Side, object: usize, state: usize) -> String {
        explain::state_name(self, &side.objects[object], state)
    }
}
