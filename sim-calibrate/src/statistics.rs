//! Quantiles of a few numbers, the distance of two sets of them, and rounding. Times are milliseconds where nothing else is said.

/// In how many steps a distance is measured.
const STEPS: usize = 200;

/// A set of numbers in order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// Sorts; what is no number is left out.
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Sorted {
        let mut kept: Vec<f64> = numbers.into_iter().filter(|n| n.is_finite()).collect();
        kept.sort_by(f64::total_cmp);
        Sorted(kept)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The quantile at `at` (0 to 1), straight lines between numbers; 0 if there are none.
    pub fn quantile(&self, at: f64) -> f64 {
        let Some(last) = self.0.len().checked_sub(1) else { return 0.0 };
        let place = at.clamp(0.0, 1.0) * last as f64;
        let (low, part) = (place as usize, place.fract());
        let (a, b) = (self.0[low], self.0[(low + 1).min(last)]);
        a + (b - a) * part
    }

    /// How far they reach, without the ends, which grow with the number of samples.
    pub fn reach(&self) -> f64 {
        self.quantile(0.95) - self.quantile(0.05)
    }
}

/// The mean distance between equal quantiles of two sets (Wasserstein-1).
pub fn distance(a: &Sorted, b: &Sorted) -> f64 {
    distance_of(&|at| a.quantile(at), &|at| b.quantile(at))
}

/// The same of two quantile functions.
pub fn distance_of(a: &dyn Fn(f64) -> f64, b: &dyn Fn(f64) -> f64) -> f64 {
    let places = (0..STEPS).map(|step| (step as f64 + 0.5) / STEPS as f64);
    places.map(|at| (a(at) - b(at)).abs()).sum::<f64>() / STEPS as f64
}

/// Microseconds without false precision: two or three digits.
pub fn rounded(micros: f64) -> u64 {
    let micros = micros.max(0.0).round() as u64;
    let unit = [(100_000, 1_000), (10_000, 500), (2_000, 100)].into_iter().find(|(from, _)| micros >= *from).map_or(10, |(_, unit)| unit);
    (micros + unit / 2) / unit * unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_lie_on_lines_between_samples() {
        let sorted = Sorted::of([3.0, 1.0, f64::NAN, 2.0]);
        assert_eq!((sorted.len(), sorted.quantile(0.0), sorted.quantile(0.25), sorted.quantile(1.0)), (3, 1.0, 1.5, 3.0));
        assert_eq!(Sorted::default().quantile(0.5), 0.0);
    }

    #[test]
    fn the_distance_of_shifted_sets_is_the_shift_and_size_does_not_matter() {
        let (few, many) = (Sorted::of([0.0, 10.0]), Sorted::of((0..=100).map(|n| f64::from(n) / 10.0 + 4.0)));
        assert!((distance(&few, &many) - 4.0).abs() < 1e-9);
    }
}
