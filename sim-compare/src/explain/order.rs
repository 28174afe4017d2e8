//! Pairs of states that come the other way round. A pair is told of once: by the state that has moved past most others.
//! Limit: of a hopeless comparison only so many pairs are told of.

use super::words::{Names, seconds};
use super::{Class, Example, Gathered};
use crate::comparer::{Comparer, Comparison};

const ORDER: usize = 3;
/// More swapped pairs than this are not explained one by one.
const PAIRS_MAX: usize = 200_000;

/// An aligned state.
struct Placed {
    object: String,
    name: String,
    what: String,
    real: f64,
    other: f64,
}

pub(super) fn gather(comparer: &Comparer, comparison: &Comparison, names: &Names, found: &mut Gathered) {
    let placed = placed(comparison, names);
    let mut swapped = swapped(&placed, comparer.tolerances().concurrent);
    let loss = 1.0 / comparison.totals.ordered.max(1.0);
    loop {
        let Some((moved, partners)) = swapped.iter().enumerate().max_by_key(|(i, p)| (p.len(), std::cmp::Reverse(*i))) else { return };
        if partners.is_empty() {
            return;
        }
        let partners = std::mem::take(&mut swapped[moved]);
        for partner in &partners {
            swapped[*partner].retain(|p| *p != moved);
        }
        say(&placed, moved, &partners, loss, found);
    }
}

fn say(placed: &[Placed], moved: usize, partners: &[usize], loss: f64, found: &mut Gathered) {
    let own = &placed[moved];
    let later = partners.iter().filter(|p| placed[**p].real > own.real).count();
    let nearest = partners.iter().min_by(|a, b| {
        let apart = |p: &usize| (placed[*p].real - own.real).abs();
        apart(a).total_cmp(&apart(b))
    });
    let word = if later * 2 >= partners.len() { "after" } else { "before" };
    let group = found.group(Class::OtherOrder, &own.object, own.what.clone());
    let example = Example { object: own.name.clone(), real_time: Some(own.real), other_time: Some(own.other) };
    group.add(ORDER, loss * partners.len() as f64, example);
    if let Some(nearest) = nearest.map(|p| &placed[*p]) {
        group.say(format!("comes {word} {} {}, {} apart", nearest.object, nearest.what, seconds((nearest.real - own.real).abs())));
    }
}

fn placed(comparison: &Comparison, names: &Names) -> Vec<Placed> {
    let mut placed = Vec::new();
    for one in &comparison.matches {
        let (Some(x), Some(y)) = (one.real, one.other) else { continue };
        let (real, other) = (&comparison.real.objects[x], &comparison.other.objects[y]);
        for pair in &one.pairs {
            placed.push(Placed {
                object: real.group.to_string(),
                name: real.name.clone(),
                what: names.real(one, pair.real),
                real: real.states[pair.real].time,
                other: other.states[pair.other].time,
            });
        }
    }
    placed.sort_by(|a, b| a.real.total_cmp(&b.real).then(a.other.total_cmp(&b.other)));
    placed
}

/// For each state, the states it has changed places with.
fn swapped(placed: &[Placed], concurrent: f64) -> Vec<Vec<usize>> {
    let mut swapped = vec![Vec::new(); placed.len()];
    let mut pairs = 0;
    for (j, after) in placed.iter().enumerate() {
        if pairs > PAIRS_MAX {
            break;
        }
        for (i, before) in placed[..j].iter().enumerate() {
            if after.real - before.real <= concurrent {
                break;
            }
            if after.other < before.other {
                swapped[i].push(j);
                swapped[j].push(i);
                pairs += 1;
            }
        }
    }
    swapped
}
