//! A list that only grows, kept in pieces that clones share, so that a fork does not copy what was remembered before it.

use std::sync::Arc;

/// How many entries a piece holds.
const PIECE: usize = 4096;

/// The entries so far, oldest first.
#[derive(Clone, Debug)]
pub struct Log<T> {
    full: Vec<Arc<Vec<T>>>,
    open: Vec<T>,
}

impl<T> Default for Log<T> {
    fn default() -> Self {
        Log { full: vec![], open: vec![] }
    }
}

impl<T> Log<T> {
    /// Adds one.
    pub fn add(&mut self, entry: T) {
        self.open.push(entry);
        if self.open.len() == PIECE {
            self.full.push(Arc::new(std::mem::replace(&mut self.open, Vec::with_capacity(PIECE))));
        }
    }

    /// Those after the first so many.
    pub fn after(&self, known: usize) -> impl Iterator<Item = &T> {
        let pieces = self.full.iter().skip(known / PIECE).flat_map(|piece| piece.iter());
        let known_pieces = (known / PIECE).min(self.full.len());
        pieces.chain(&self.open).skip(known - known_pieces * PIECE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_read_on_from_anywhere() {
        let mut log = Log::default();
        (0..10_000).for_each(|n| log.add(n));
        for known in [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 9_999, 10_000] {
            let rest: Vec<usize> = log.after(known).copied().collect();
            assert_eq!(rest, (known..10_000).collect::<Vec<_>>(), "after {known}");
        }
    }
}
