//! Where a time lies on the drawing. Clusters do much in moments and then wait: waiting is pressed together, moments are spread,
//! so that both can be read; the ticks say which time it is.

/// From seconds to the drawing's units.
pub(super) struct Scale {
    /// Times and their places, both rising.
    knots: Vec<(f64, f64)>,
    /// Where the drawing begins and how wide it is.
    left: f64,
    width: f64,
}

/// How wide drawings are, and a second without a wait if there is room.
const WIDTH_MIN: f64 = 1000.0;
const WIDTH_MAX: f64 = 2400.0;
const UNIT: f64 = 24.0;
/// A wait longer than this is marked as one.
const WAIT_SECONDS: f64 = 8.0;
/// Ticks keep this distance.
const TICK_DISTANCE: f64 = 54.0;
/// So many whole seconds are tried for ticks.
const TICKS_TRIED_MAX: f64 = 4000.0;

impl Scale {
    /// A scale on which all of these times have a place; it is as wide as they need.
    pub(super) fn new(times: impl Iterator<Item = f64>, left: f64) -> Scale {
        let mut times: Vec<f64> = times.chain([0.0]).collect();
        times.sort_by(f64::total_cmp);
        times.dedup();
        let mut knots: Vec<(f64, f64)> = Vec::with_capacity(times.len());
        for time in times {
            let place = knots.last().map_or(0.0, |(before, place)| place + spread(time - before));
            knots.push((time, place));
        }
        let whole = knots.last().map_or(0.0, |k| k.1).max(1e-9);
        let width = (whole * UNIT).clamp(WIDTH_MIN, WIDTH_MAX);
        knots.iter_mut().for_each(|knot| knot.1 *= width / whole);
        Scale { knots, left, width }
    }

    /// The place of a time.
    pub(super) fn x(&self, time: f64) -> f64 {
        let after = self.knots.partition_point(|knot| knot.0 < time);
        let place = match (after.checked_sub(1).and_then(|i| self.knots.get(i)), self.knots.get(after)) {
            (_, Some(knot)) if knot.0 == time => knot.1,
            (Some(a), Some(b)) => a.1 + (b.1 - a.1) * (time - a.0) / (b.0 - a.0),
            (Some(knot), None) | (None, Some(knot)) => knot.1,
            (None, None) => 0.0,
        };
        self.left + place
    }

    /// Where the drawing ends.
    pub(super) fn right(&self) -> f64 {
        self.left + self.width
    }

    /// Long waits: from where to where, and how many seconds.
    pub(super) fn waits(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let long = self.knots.windows(2).filter(|w| w[1].0 - w[0].0 > WAIT_SECONDS);
        long.map(|w| (self.left + w[0].1, self.left + w[1].1, w[1].0 - w[0].0))
    }

    /// Whole seconds that have room for their number.
    pub(super) fn ticks(&self) -> Vec<(f64, f64)> {
        let (first, last) = (self.knots[0].0.ceil(), self.knots[self.knots.len() - 1].0);
        let step = ((last - first) / TICKS_TRIED_MAX).ceil().max(1.0);
        let mut ticks: Vec<(f64, f64)> = Vec::new();
        let mut time = first;
        while time <= last {
            let x = self.x(time);
            if ticks.last().is_none_or(|tick| x - tick.1 >= TICK_DISTANCE) {
                ticks.push((time, x));
            }
            time += step;
        }
        ticks
    }
}

/// How much room a stretch without anything happening takes.
fn spread(seconds: f64) -> f64 {
    seconds.min(1.0).powf(0.75) + (seconds - 1.0).max(0.0).ln_1p()
}
