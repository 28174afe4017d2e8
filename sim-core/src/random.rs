//! Chance, in named streams: the same seed and name give the same numbers on every machine.
//! Integers only; a latency is drawn from a table of quantiles, not from a formula with floats.

use std::collections::BTreeMap;
use std::fmt::Debug;

use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

use crate::time::{MICROSECOND, Nanos};

const SUFFIX_ALPHABET: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// A number for a text, the same on every machine (FNV-1a, 64 bits).
pub(crate) fn hash(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3))
}

/// One named stream of random numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Random(Pcg64);

impl Random {
    /// The stream with this name under this seed.
    pub fn named(seed: u64, name: &str) -> Random {
        Random(Pcg64::seed_from_u64(seed.rotate_left(32) ^ hash(name)))
    }

    /// 64 random bits.
    pub fn bits(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number in `0..bound`, evenly; 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.bits()) * u128::from(bound)) >> 64) as u64
    }

    /// A number in `low..=high`, evenly.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low).saturating_add(1))
    }

    /// True this many times in a million.
    pub fn chance(&mut self, per_million: u64) -> bool {
        self.below(1_000_000) < per_million
    }

    /// `base` lengthened by up to `percent` of itself (`wait.Jitter`).
    pub fn jitter(&mut self, base: Nanos, percent: u64) -> Nanos {
        base + self.below(base / 100 * percent + 1)
    }

    /// Five characters of the alphabet of generated names.
    pub fn name_suffix(&mut self) -> String {
        (0..5).map(|_| char::from(SUFFIX_ALPHABET[self.below(27) as usize])).collect()
    }

    /// A version 4 UUID.
    pub fn uuid(&mut self) -> String {
        let (high, low) = (self.bits(), self.bits());
        let (a, b, c) = (high >> 32, (high >> 16) & 0xffff, (high & 0x0fff) | 0x4000);
        let (d, e) = (((low >> 48) & 0x3fff) | 0x8000, low & 0xffff_ffff_ffff);
        format!("{a:08x}-{b:04x}-{c:04x}-{d:04x}-{e:012x}")
    }

    /// This many hexadecimal digits.
    pub fn hex(&mut self, digits: usize) -> String {
        (0..digits).map(|_| char::from_digit(self.below(16) as u32, 16).unwrap_or('0')).collect()
    }

    /// Shuffles in place.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for i in (1..items.len()).rev() {
            items.swap(i, self.below(i as u64 + 1) as usize);
        }
    }
}

/// A stream for each who draws: what one does changes nothing in the luck of another.
#[derive(Clone, Debug)]
pub struct Streams<K> {
    seed: u64,
    name: &'static str,
    streams: BTreeMap<K, Random>,
}

impl<K: Clone + Debug + Ord> Streams<K> {
    /// Streams of this purpose under this seed.
    pub fn named(seed: u64, name: &'static str) -> Streams<K> {
        Streams { seed, name, streams: BTreeMap::new() }
    }

    /// Whether somebody was given a stream.
    pub fn has(&self, who: &K) -> bool {
        self.streams.contains_key(who)
    }

    /// The stream of one of them.
    pub fn of(&mut self, who: &K) -> &mut Random {
        let (seed, name) = (self.seed, self.name);
        self.streams.entry(who.clone()).or_insert_with(|| Random::named(seed, &format!("{name}{who:?}")))
    }
}

/// How long something takes: five quantiles (0, 25, 50, 75 and 100 %) in microseconds, straight lines between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Latency(pub [u64; 5]);

impl Latency {
    /// Always the same.
    pub const fn fixed_micros(micros: u64) -> Latency {
        Latency([micros; 5])
    }

    /// The same, so many thousandths as long.
    pub fn slower(&self, per_mille: u64) -> Latency {
        Latency(self.0.map(|micros| (u128::from(micros) * u128::from(per_mille) / 1000).min(u64::MAX.into()) as u64))
    }

    /// Draws one, in nanoseconds.
    pub fn draw(&self, random: &mut Random) -> Nanos {
        let at = random.below(4 << 32);
        let (step, within) = ((at >> 32) as usize, at & 0xffff_ffff);
        let (low, high) = (self.0[step] * MICROSECOND, self.0[step + 1] * MICROSECOND);
        low + (((high.saturating_sub(low)) as u128 * within as u128) >> 32) as u64
    }
}
