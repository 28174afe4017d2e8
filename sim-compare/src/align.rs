//! Aligns the states of two lives of an object, and pairs the objects of a group by how alike their lives are.
//! The rules are those of the score `fidelity.py`. Quadratic in the states of an object and in the objects of a group; how
//! alike two bodies are is worked out once.

use std::collections::BTreeMap;

use crate::side::{Bodies, BodyId, Group, Side, State};

/// Two objects that are taken for one, or one that has no counterpart.
#[derive(Clone, Debug)]
pub struct Match {
    /// Index into the real side's objects.
    pub real: Option<usize>,
    /// Index into the other side's objects.
    pub other: Option<usize>,
    /// How alike the lives are: the sum of all likenesses.
    pub score: f64,
    /// Aligned states, in order of time on both sides.
    pub pairs: Vec<Pair>,
}

/// Two states that are taken for one.
#[derive(Clone, Copy, Debug)]
pub struct Pair {
    /// Index into the real object's states.
    pub real: usize,
    /// Index into the other object's states.
    pub other: usize,
    /// More than 0, and 1 if they are equal.
    pub likeness: f64,
}

/// Pairs all objects of two sides, in order of their groups.
pub(crate) fn matches(bodies: &Bodies, real: &Side, other: &Side) -> Vec<Match> {
    let mut groups: BTreeMap<&Group, (Vec<usize>, Vec<usize>)> = BTreeMap::new();
    for (index, object) in real.objects.iter().enumerate() {
        groups.entry(&object.group).or_default().0.push(index);
    }
    for (index, object) in other.objects.iter().enumerate() {
        groups.entry(&object.group).or_default().1.push(index);
    }
    let mut likeness = Likeness { bodies, known: BTreeMap::new() };
    groups.into_values().flat_map(|(reals, others)| in_group(&mut likeness, real, other, &reals, &others)).collect()
}

struct Candidate {
    /// Thousandths, negative so that the most alike come first.
    rank: i64,
    /// Mean distance of aligned times, in seconds.
    distance: f64,
    real: usize,
    other: usize,
    score: f64,
    pairs: Vec<Pair>,
}

fn in_group(likeness: &mut Likeness<'_>, real: &Side, other: &Side, reals: &[usize], others: &[usize]) -> Vec<Match> {
    let mut candidates = Vec::new();
    for &x in reals {
        for &y in others {
            candidates.push(candidate(likeness, real, other, x, y));
        }
    }
    candidates.sort_by(|a, b| a.rank.cmp(&b.rank).then(a.distance.total_cmp(&b.distance)).then((a.real, a.other).cmp(&(b.real, b.other))));
    let (mut real_used, mut other_used) = (std::collections::BTreeSet::new(), std::collections::BTreeSet::new());
    let mut found = Vec::new();
    for c in candidates {
        if !real_used.contains(&c.real) && !other_used.contains(&c.other) {
            real_used.insert(c.real);
            other_used.insert(c.other);
            found.push(Match { real: Some(c.real), other: Some(c.other), score: c.score, pairs: c.pairs });
        }
    }
    let alone = |real, other| Match { real, other, score: 0.0, pairs: Vec::new() };
    found.extend(reals.iter().filter(|x| !real_used.contains(x)).map(|x| alone(Some(*x), None)));
    found.extend(others.iter().filter(|y| !other_used.contains(y)).map(|y| alone(None, Some(*y))));
    found
}

fn candidate(likeness: &mut Likeness<'_>, real: &Side, other: &Side, x: usize, y: usize) -> Candidate {
    let (xs, ys) = (&real.objects[x].states, &other.objects[y].states);
    let (score, pairs) = align(likeness, xs, ys);
    let apart: f64 = pairs.iter().map(|p| (xs[p.real].time - ys[p.other].time).abs()).sum();
    let longest = xs.len().max(ys.len()).max(1);
    Candidate {
        rank: -((score / longest as f64 * 1000.0).round_ties_even() as i64),
        distance: apart / pairs.len().max(1) as f64,
        real: x,
        other: y,
        score,
        pairs,
    }
}

/// The alignment with the greatest sum of likenesses.
fn align(likeness: &mut Likeness<'_>, xs: &[State], ys: &[State]) -> (f64, Vec<Pair>) {
    let (n, m) = (xs.len(), ys.len());
    let width = m + 1;
    let mut best = vec![0.0_f64; (n + 1) * width];
    let mut alike = vec![0.0_f64; n * m];
    for i in (0..n).rev() {
        for j in (0..m).rev() {
            let own = likeness.of(&xs[i], &ys[j]);
            alike[i * m + j] = own;
            let without = best[(i + 1) * width + j].max(best[i * width + j + 1]);
            best[i * width + j] = without.max(best[(i + 1) * width + j + 1] + own);
        }
    }
    let (mut i, mut j, mut pairs) = (0, 0, Vec::new());
    while i < n && j < m {
        let own = alike[i * m + j];
        let (below, right) = (best[(i + 1) * width + j], best[i * width + j + 1]);
        if own > 0.0 && (best[i * width + j] - best[(i + 1) * width + j + 1] - own).abs() < 1e-9 {
            pairs.push(Pair { real: i, other: j, likeness: own });
            (i, j) = (i + 1, j + 1);
        } else if below >= right {
            i += 1;
        } else {
            j += 1;
        }
    }
    (best[0], pairs)
}

/// How alike bodies are, worked out once each.
struct Likeness<'b> {
    bodies: &'b Bodies,
    known: BTreeMap<(BodyId, BodyId), f64>,
}

impl Likeness<'_> {
    fn of(&mut self, x: &State, y: &State) -> f64 {
        if x.deleted != y.deleted {
            return 0.0;
        }
        if x.deleted || x.body == y.body {
            return 1.0;
        }
        let bodies = self.bodies;
        *self.known.entry((x.body, y.body)).or_insert_with(|| {
            let (a, b) = (bodies.get(x.body), bodies.get(y.body));
            let common = common(a, b);
            let share = common as f64 / (a.len() + b.len() - common).max(1) as f64;
            // Most fields never change: what changes is stretched.
            ((share - 0.6) / 0.4).max(0.0) * 0.9
        })
    }
}

/// How many fields two sorted sets share.
fn common(a: &[u32], b: &[u32]) -> usize {
    let (mut i, mut j, mut count) = (0, 0, 0);
    while let (Some(x), Some(y)) = (a.get(i), b.get(j)) {
        match x.cmp(y) {
            std::cmp::Ordering::Less => i += 1,
            std::cmp::Ordering::Greater => j += 1,
            std::cmp::Ordering::Equal => (i, j, count) = (i + 1, j + 1, count + 1),
        }
    }
    count
}
