//! Keys, their order, values, and the loops that are timed.
//!
//! Keys are random and come in a random order from a list made beforehand; each
//! passes a `black_box`, every value is copied out and folded into a sum that
//! ends in one. So no lookup's result is known to the optimiser, and none is left out.

use std::hint::black_box;

use anyhow::{Result, ensure};

use crate::Store;

/// Longest value in bytes, in every store.
pub const VALUE_SIZE: usize = 256;

/// Most entries, in every store.
pub const CAPACITY: usize = 1024;

/// Length of a status value in bytes, as short as most are.
pub const SHORT: usize = 12;

/// The least number of keys in a [`Cycle`]. The branch predictor of a Zen 5 memorises 16 Ki keys (a
/// miss then takes two thirds of its time); from 64 Ki on, more make no difference.
const CYCLE: usize = 64 * 1024;

/// Keys that are present in the stores, and as many that are absent.
#[derive(Debug)]
pub struct Workload {
    present: Vec<i32>,
    absent: Vec<i32>,
}

/// Which keys a run of lookups asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mix {
    /// Present keys only.
    Hits,
    /// Absent keys only.
    Misses,
    /// Three of four are present.
    Mixed,
}

/// A list of keys to walk through again and again.
#[derive(Debug)]
pub struct Cycle<K = i32> {
    keys: Vec<K>,
    at: usize,
}

/// What a run of lookups saw.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Lookups that found a value.
    pub hits: u64,
    /// All bytes of all values, folded.
    pub sum: u64,
}

/// SplitMix64 (Steele, Lea, Flood 2014): small, and the same everywhere.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A sequence that depends on `seed` only.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`, which is far below 2^32.
    pub fn below(&mut self, bound: usize) -> usize {
        ((self.next_u64() >> 32) as usize * bound) >> 32
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> Option<T> {
        from.get(self.below(from.len())).copied()
    }
}

impl Workload {
    /// `n` present keys, the same ones in every process.
    #[must_use]
    pub fn new(n: usize) -> Self {
        let mut random = Random::new(1);
        let mut seen = std::collections::HashSet::new();
        let mut fresh = || {
            loop {
                let key = random.next_u64() as i32;
                if seen.insert(key) {
                    return key;
                }
            }
        };
        // Present keys of a smaller workload are those of a larger one.
        let absent = (0..CAPACITY).map(|_| fresh()).collect();
        let present = (0..n).map(|_| fresh()).collect();
        Self { present, absent }
    }

    /// The keys that are present, in random order.
    #[must_use]
    pub fn present(&self) -> &[i32] {
        &self.present
    }

    /// The present keys at even or odd places: for two writers that write
    /// different keys.
    #[must_use]
    pub fn half(&self, odd: bool) -> Vec<i32> {
        self.present.iter().copied().skip(usize::from(odd)).step_by(2).collect()
    }

    /// The value of a key, or its first bytes if less is asked for.
    #[must_use]
    pub fn value(key: i32) -> [u8; VALUE_SIZE] {
        let mut random = Random::new(key as u64);
        let mut value = [0; VALUE_SIZE];
        for to in value.as_chunks_mut::<8>().0 {
            *to = random.next_u64().to_ne_bytes();
        }
        value
    }

    /// Fills a store with the present keys and values of `len` bytes.
    ///
    /// # Errors
    /// When the store refuses one.
    pub fn fill(&self, store: &impl Store, len: usize) -> Result<()> {
        for &key in &self.present {
            let value = Self::value(key);
            ensure!(store.upsert(key, value.get(..len).unwrap_or(&value)), "fill: upsert {key}");
        }
        Ok(())
    }

    /// Keys to look up, in random order; as many as there are entries, at least.
    #[must_use]
    pub fn cycle(&self, mix: Mix) -> Cycle {
        let mut random = Random::new(2);
        let keys = (0..CYCLE.max(self.present.len())).filter_map(|_| {
            let hit = match mix {
                Mix::Hits => true,
                Mix::Misses => false,
                Mix::Mixed => random.below(4) != 0,
            };
            random.pick(if hit { &self.present } else { &self.absent })
        });
        Cycle::new(keys.collect())
    }

    /// Checks that a store holds the workload: the right values for the present
    /// keys, none for the absent ones.
    ///
    /// # Errors
    /// When it does not.
    pub fn check<const LEN: usize>(&self, store: &impl Store) -> Result<()> {
        let expected = self.present.iter().fold(Tally::default(), |mut tally, &key| {
            tally.add::<LEN>(&Self::value(key));
            tally
        });
        ensure!(lookups::<LEN>(store, &self.present) == expected, "a store has other values");
        ensure!(lookups::<LEN>(store, &self.absent).hits == 0, "a store has other keys");
        Ok(())
    }
}

impl<K> Cycle<K> {
    /// Walks through `keys`.
    #[must_use]
    pub fn new(keys: Vec<K>) -> Self {
        Self { keys, at: 0 }
    }

    /// Calls `f` with the next `count` keys, in one or more slices.
    pub fn next(&mut self, count: u64, mut f: impl FnMut(&[K])) {
        let mut left = count as usize;
        while left > 0 {
            if self.at >= self.keys.len() {
                self.at = 0;
            }
            let rest = self.keys.get(self.at..).unwrap_or_default();
            let some = rest.get(..left).unwrap_or(rest);
            f(some);
            self.at += some.len();
            left -= some.len().max(1);
        }
    }
}

impl Tally {
    /// Counts a hit and folds the first `LEN` bytes of its value, word by word.
    #[inline(always)]
    pub fn add<const LEN: usize>(&mut self, buffer: &[u8; VALUE_SIZE]) {
        self.hits += 1;
        let words = buffer.as_chunks::<4>().0.iter().take(LEN / 4);
        let folded = words.fold(0, |sum, &word| sum ^ u32::from_ne_bytes(word));
        self.sum = self.sum.wrapping_add(u64::from(folded));
    }
}

/// Looks up `keys` one after the other; the values are `LEN` bytes long.
#[inline(never)]
pub fn lookups<const LEN: usize>(store: &impl Store, keys: &[i32]) -> Tally {
    lookups_by::<LEN>(keys, |key, buffer| store.get_into(key, buffer))
}

/// As [`lookups`], by any function.
#[inline(always)]
pub fn lookups_by<const LEN: usize>(
    keys: &[i32],
    mut get: impl FnMut(i32, &mut [u8; VALUE_SIZE]) -> Option<usize>,
) -> Tally {
    let mut buffer = [0; VALUE_SIZE];
    let mut tally = Tally::default();
    for &key in keys {
        if get(black_box(key), &mut buffer) == Some(LEN) {
            tally.add::<LEN>(&buffer);
        }
    }
    black_box(tally)
}

/// Looks up keys of which each is known only once the value before it is there:
/// the latency of a lookup, where [`lookups`] lets the processor overlap them.
#[inline(never)]
pub fn chained_lookups<const LEN: usize>(store: &impl Store, keys: &[i32]) -> Tally {
    let mut buffer = [0; VALUE_SIZE];
    let mut tally = Tally::default();
    let nothing = black_box(0);
    for &key in keys {
        // Zero, in a form that the compiler cannot know before the value is loaded.
        let zero = tally.sum as i32 & nothing;
        if store.get_into(black_box(key) ^ zero, &mut buffer) == Some(LEN) {
            tally.add::<LEN>(&buffer);
        }
    }
    black_box(tally)
}

/// Upserts `keys` with 12-byte values. Returns how many succeeded.
#[inline(never)]
pub fn upserts(store: &impl Store, keys: &[i32]) -> usize {
    let value = Workload::value(7);
    let value = value.get(..SHORT).unwrap_or(&value);
    let done = |&&key: &&i32| store.upsert(black_box(key), black_box(value));
    black_box(keys.iter().filter(done).count())
}

/// Removes each of `keys` and adds it again. Returns how many succeeded.
#[inline(never)]
pub fn replacements(store: &impl Store, keys: &[i32]) -> usize {
    let value = Workload::value(7);
    let value = value.get(..SHORT).unwrap_or(&value);
    let done =
        |&&key: &&i32| store.remove(black_box(key)) && store.add(black_box(key), black_box(value));
    black_box(keys.iter().filter(done).count())
}
