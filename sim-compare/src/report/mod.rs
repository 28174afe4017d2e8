//! Shows comparisons: as text for a terminal, JSON, JUnit XML, Markdown for the docs, and one HTML page that needs nothing else.
//! All say the same: the figures, their ceiling and the share of it, what differs and by how much, and how seeds cover the times.

pub mod html;
mod json;
mod junit;
mod markdown;
mod text;

pub use json::json;
pub use junit::junit;
pub use markdown::markdown;
pub use text::text;

use std::sync::Arc;

use crate::comparer::{Comparer, Comparison};
use crate::coverage::Coverage;
use crate::explain::Difference;
use crate::figures::Figures;
use crate::side::Side;

/// One scenario: a real recording and what is beside it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The story's name, such as `crash`.
    pub name: String,
    /// What the other side is: a file, or a scenario with its seed.
    pub other: String,
    /// The two beside each other.
    pub comparison: Comparison,
    /// Figure by figure the better of the comparisons with all given recordings of the real cluster.
    pub figures: Figures,
    /// How alike two recordings of the real cluster are, if a second one is given.
    pub ceiling: Option<Figures>,
    /// What differs, the heaviest first.
    pub differences: Vec<Difference>,
    /// How seeds cover the times, if asked for.
    pub coverage: Option<Coverage>,
    /// What the seeds cover of each other: for each the share of its times that the others cover, the least first. A real run that is
    /// like one more seed has a share like these.
    pub each_other: Vec<f64>,
    /// For each of those seeds its share of the ceiling (its figures, without a ceiling).
    pub seeds: Vec<Figures>,
}

impl Row {
    /// Compares `real`, and `second` if there is one, with `other`, which is called `named`.
    pub fn of(comparer: &Comparer, real: &Arc<Side>, second: Option<&Arc<Side>>, other: &Arc<Side>, named: &str) -> Row {
        let comparison = comparer.compare(real, other);
        let mut differences = comparer.differences(&comparison);
        let mut figures = comparison.figures;
        let between = second.map(|second| comparer.compare(real, second));
        if let (Some(second), Some(between)) = (second, &between) {
            figures = figures.best(&comparer.compare(second, other).figures);
            let real = comparer.differences(between);
            differences.iter_mut().for_each(|d| d.excuse(&real));
        }
        Row {
            name: real.header.name.clone(),
            other: named.to_owned(),
            comparison,
            figures,
            ceiling: between.map(|b| b.figures),
            differences,
            coverage: None,
            each_other: Vec::new(),
            seeds: Vec::new(),
        }
    }

    /// Holds runs of many seeds against the recordings.
    pub fn hold_seeds(&mut self, comparer: &Comparer, real: &Arc<Side>, second: Option<&Arc<Side>>, seeds: &[Arc<Side>]) {
        self.coverage = Some(Coverage::of(comparer, real, seeds));
        self.each_other = each_other(comparer, seeds);
        let share = |seed: &Arc<Side>| {
            let own = comparer.compare(real, seed).figures;
            let best = second.map_or(own, |second| own.best(&comparer.compare(second, seed).figures));
            self.ceiling.map_or(best, |ceiling| best.share_of(&ceiling))
        };
        self.seeds = seeds.iter().map(share).collect();
    }

    /// Figure by figure the least and the median over the seeds.
    pub fn over_seeds(&self) -> Option<(Figures, Figures)> {
        let sorted = |index: usize| {
            let mut values: Vec<f64> = self.seeds.iter().map(|seed| seed.all()[index]).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let middle = self.seeds.len() / 2;
        (!self.seeds.is_empty()).then(|| {
            (Figures::from_all(std::array::from_fn(|i| sorted(i)[0])), Figures::from_all(std::array::from_fn(|i| sorted(i)[middle])))
        })
    }

    /// How many of the seeds are covered by the others to this share.
    pub fn covered_seeds(&self, least: f64) -> usize {
        self.each_other.iter().filter(|share| **share >= least).count()
    }

    /// What the seeds cover of each other: the least and the median share.
    pub fn covered_of_each_other(&self) -> Option<(f64, f64)> {
        Some((*self.each_other.first()?, self.each_other[self.each_other.len() / 2]))
    }

    /// The share of the ceiling, or the figures themselves without one.
    pub fn share(&self) -> Figures {
        self.ceiling.map_or(self.figures, |ceiling| self.figures.share_of(&ceiling))
    }

    /// Whether nothing differs.
    pub fn alike(&self) -> bool {
        self.differences.is_empty()
    }
}

/// What the seeds cover of each other, the least first; nothing of fewer than two.
fn each_other(comparer: &Comparer, seeds: &[Arc<Side>]) -> Vec<f64> {
    if seeds.len() < 2 {
        return Vec::new();
    }
    let others =
        |left: usize| -> Vec<Arc<Side>> { seeds.iter().enumerate().filter(|(at, _)| *at != left).map(|(_, s)| s.clone()).collect() };
    let mut shares: Vec<f64> = (0..seeds.len()).map(|at| Coverage::of(comparer, &seeds[at], &others(at)).share()).collect();
    shares.sort_by(f64::total_cmp);
    shares
}

/// What is asked of every row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Floor {
    /// The least share of the ceiling (or least figure, without a ceiling).
    pub share: Option<f64>,
    /// The least share of aligned states that seeds cover.
    pub coverage: Option<f64>,
}

impl Floor {
    /// What of a row is below: in words, none if all is reached. Without a floor, whatever differs is.
    pub fn missed(&self, row: &Row) -> Vec<String> {
        let mut missed = Vec::new();
        if let Some(least) = self.share {
            for (name, share) in crate::FIGURES.iter().zip(row.share().all()).filter(|(_, share)| *share < least) {
                missed.push(format!("{name} {share:.4} is below {least}"));
            }
        } else if self.coverage.is_none() && !row.alike() {
            missed.push(format!("{} differences", row.differences.len()));
        }
        if let (Some(least), Some(coverage)) = (self.coverage, &row.coverage)
            && coverage.share() < least
        {
            missed.push(format!("the seeds cover {:.4} of the times, below {least}", coverage.share()));
        }
        missed
    }
}

/// `0.9876`, the way figures are printed.
fn figure(value: f64) -> String {
    format!("{value:.3}")
}

/// Which figure a difference costs most, and how much.
fn costs(difference: &Difference) -> String {
    let told = crate::FIGURES.iter().zip(difference.losses).filter(|(_, loss)| *loss > 0.0);
    let told: Vec<String> = told.map(|(name, loss)| format!("{name} −{loss:.4}")).collect();
    told.join(", ")
}
