//! A unified diff with three lines of context, as Python's difflib makes it: Kubernetes appends one to the errors that say
//! what may not be changed. Source: pmezard/go-difflib, which follows Python's `SequenceMatcher`, its rule about lines
//! that are too frequent among them.

use std::collections::BTreeMap;

const CONTEXT: usize = 3;
/// Texts of so many lines and more ignore lines that make up more than a hundredth of them.
const POPULAR_FROM: usize = 200;

/// The differences between two texts, without the lines that would name them.
pub fn unified_diff(a: &str, b: &str) -> String {
    let (a, b): (Vec<&str>, Vec<&str>) = (a.split('\n').collect(), b.split('\n').collect());
    let changes = opcodes(&matching_blocks(&a, &b), a.len(), b.len());
    let mut out = String::new();
    for group in grouped(changes) {
        let (Some(first), Some(last)) = (group.first(), group.last()) else { continue };
        out.push_str(&format!("@@ -{} +{} @@\n", range(first.a.0, last.a.1), range(first.b.0, last.b.1)));
        for change in &group {
            if change.equal {
                lines(' ', &a[change.a.0..change.a.1], &mut out);
            } else {
                lines('-', &a[change.a.0..change.a.1], &mut out);
                lines('+', &b[change.b.0..change.b.1], &mut out);
            }
        }
    }
    out
}

fn lines(mark: char, lines: &[&str], out: &mut String) {
    for line in lines {
        out.push(mark);
        out.push_str(line);
        out.push('\n');
    }
}

fn range(start: usize, stop: usize) -> String {
    match stop - start {
        1 => format!("{}", start + 1),
        0 => format!("{start},0"),
        length => format!("{},{length}", start + 1),
    }
}

/// A run of lines that are equal, or that replace each other.
#[derive(Clone, Copy)]
struct Change {
    equal: bool,
    a: (usize, usize),
    b: (usize, usize),
}

fn opcodes(blocks: &[(usize, usize, usize)], a_len: usize, b_len: usize) -> Vec<Change> {
    let (mut i, mut j) = (0, 0);
    let mut changes = Vec::new();
    for (in_a, in_b, size) in blocks.iter().copied().chain([(a_len, b_len, 0)]) {
        if i < in_a || j < in_b {
            changes.push(Change { equal: false, a: (i, in_a), b: (j, in_b) });
        }
        if size > 0 {
            changes.push(Change { equal: true, a: (in_a, in_a + size), b: (in_b, in_b + size) });
        }
        (i, j) = (in_a + size, in_b + size);
    }
    changes
}

/// The changes with at most three equal lines before, between and after them.
fn grouped(mut changes: Vec<Change>) -> Vec<Vec<Change>> {
    if let Some(first) = changes.first_mut().filter(|c| c.equal) {
        first.a.0 = first.a.0.max(first.a.1.saturating_sub(CONTEXT));
        first.b.0 = first.b.0.max(first.b.1.saturating_sub(CONTEXT));
    }
    if let Some(last) = changes.last_mut().filter(|c| c.equal) {
        last.a.1 = last.a.1.min(last.a.0 + CONTEXT);
        last.b.1 = last.b.1.min(last.b.0 + CONTEXT);
    }
    let (mut groups, mut group) = (Vec::new(), Vec::new());
    for change in changes {
        let mut change = change;
        if change.equal && change.a.1 - change.a.0 > 2 * CONTEXT {
            group.push(Change { a: (change.a.0, change.a.0 + CONTEXT), b: (change.b.0, change.b.0 + CONTEXT), ..change });
            groups.push(std::mem::take(&mut group));
            change.a.0 = change.a.1 - CONTEXT;
            change.b.0 = change.b.1 - CONTEXT;
        }
        group.push(change);
    }
    groups.push(group);
    groups.retain(|group| group.iter().any(|change| !change.equal));
    groups
}

/// Where runs of lines of `b` are in `a`: place in `a`, place in `b`, length.
fn matching_blocks(a: &[&str], b: &[&str]) -> Vec<(usize, usize, usize)> {
    let places = places_of_lines(b);
    let mut pending = vec![(0, a.len(), 0, b.len())];
    let mut found = Vec::new();
    while let Some((a_low, a_high, b_low, b_high)) = pending.pop() {
        let (i, j, size) = longest(a, b, &places, (a_low, a_high), (b_low, b_high));
        if size == 0 {
            continue;
        }
        found.push((i, j, size));
        if a_low < i && b_low < j {
            pending.push((a_low, i, b_low, j));
        }
        if i + size < a_high && j + size < b_high {
            pending.push((i + size, a_high, j + size, b_high));
        }
    }
    found.sort_unstable();
    let mut joined: Vec<(usize, usize, usize)> = Vec::new();
    for (i, j, size) in found {
        match joined.last_mut() {
            Some(last) if last.0 + last.2 == i && last.1 + last.2 == j => last.2 += size,
            _ => joined.push((i, j, size)),
        }
    }
    joined
}

fn places_of_lines<'a>(b: &[&'a str]) -> BTreeMap<&'a str, Vec<usize>> {
    let mut places: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (index, line) in b.iter().enumerate() {
        places.entry(line).or_default().push(index);
    }
    if b.len() >= POPULAR_FROM {
        let most = b.len() / 100 + 1;
        places.retain(|_, indices| indices.len() <= most);
    }
    places
}

/// The longest common run inside the two ranges, the earliest of those; runs grow into the frequent lines around them.
fn longest(
    a: &[&str],
    b: &[&str],
    places: &BTreeMap<&str, Vec<usize>>,
    (a_low, a_high): (usize, usize),
    (b_low, b_high): (usize, usize),
) -> (usize, usize, usize) {
    let (mut i, mut j, mut size) = (a_low, b_low, 0);
    let mut lengths: BTreeMap<usize, usize> = BTreeMap::new();
    for (index, line) in a.iter().enumerate().take(a_high).skip(a_low) {
        let mut next = BTreeMap::new();
        for place in places.get(line).into_iter().flatten().copied().filter(|p| (b_low..b_high).contains(p)) {
            let length = 1 + place.checked_sub(1).and_then(|before| lengths.get(&before)).copied().unwrap_or(0);
            next.insert(place, length);
            if length > size {
                (i, j, size) = (index + 1 - length, place + 1 - length, length);
            }
        }
        lengths = next;
    }
    while i > a_low && j > b_low && a[i - 1] == b[j - 1] {
        (i, j, size) = (i - 1, j - 1, size + 1);
    }
    while i + size < a_high && j + size < b_high && a[i + size] == b[j + size] {
        size += 1;
    }
    (i, j, size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_line_is_shown_with_three_around_it() {
        let text = |changed: &str| (0..20).map(|n| if n == 10 { changed.to_owned() } else { n.to_string() }).collect::<Vec<_>>().join("\n");
        assert_eq!(unified_diff(&text("old"), &text("new")), "@@ -8,7 +8,7 @@\n 7\n 8\n 9\n-old\n+new\n 11\n 12\n 13\n");
        assert_eq!(unified_diff(&text("same"), &text("same")), "");
    }

    #[test]
    fn added_and_removed_lines_are_counted_apart() {
        assert_eq!(unified_diff("a\nb", "a\nx\nb"), "@@ -1,2 +1,3 @@\n a\n+x\n b\n");
        assert_eq!(unified_diff("a", ""), "@@ -1 +1 @@\n-a\n+\n");
    }
}
