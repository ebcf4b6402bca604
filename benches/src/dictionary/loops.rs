//! The loops that are timed.

use std::hint::black_box;

/// A map from byte strings to byte strings.
pub trait Dictionary {
    /// The value of a key.
    fn value(&self, key: &[u8]) -> Option<&[u8]>;
}

/// Entries seen, and all bytes of their values (and a byte of their keys, where those are read),
/// folded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fold {
    /// Number of entries.
    pub entries: u64,
    /// The bytes.
    pub sum: u64,
}

impl Fold {
    /// Counts an entry and reads its value.
    #[inline(always)]
    pub fn add(&mut self, value: &[u8]) {
        self.entries += 1;
        if let (Some(head), Some(tail)) = (value.first_chunk::<8>(), value.last_chunk::<4>()) {
            let word = u64::from_ne_bytes(*head) ^ u64::from(u32::from_ne_bytes(*tail));
            self.sum = self.sum.wrapping_add(word);
        }
    }

    /// As [`Fold::add`], and reads the end of the key.
    #[inline(always)]
    pub fn add_entry(&mut self, key: &[u8], value: &[u8]) {
        self.add(value);
        self.sum = self.sum.wrapping_add(key.last().map_or(0, |&byte| u64::from(byte)));
    }
}

/// Looks up keys one after the other.
#[inline(never)]
pub fn gets(map: &impl Dictionary, keys: &[&[u8]]) -> Fold {
    let mut fold = Fold::default();
    for &key in keys {
        if let Some(value) = map.value(black_box(key)) {
            fold.add(value);
        }
    }
    black_box(fold)
}

/// Looks up keys of which each is known only once the value before it is there: the latency of a
/// lookup, where [`gets`] lets the processor overlap them.
#[inline(never)]
pub fn chained_gets(map: &impl Dictionary, keys: &[&[u8]]) -> Fold {
    let mut fold = Fold::default();
    let nothing = black_box(0);
    for at in 0..keys.len() {
        // Zero, in a form that the compiler cannot know before the value is loaded.
        let zero = fold.sum as usize & nothing;
        let key = keys.get(at + zero).copied().unwrap_or_default();
        if let Some(value) = map.value(black_box(key)) {
            fold.add(value);
        }
    }
    black_box(fold)
}

/// Goes through all entries.
#[inline(never)]
pub fn full_scan<K: AsRef<[u8]>, V: AsRef<[u8]>>(entries: impl Iterator<Item = (K, V)>) -> Fold {
    let mut fold = Fold::default();
    for (key, value) in entries {
        fold.add_entry(key.as_ref(), value.as_ref());
    }
    black_box(fold)
}

/// Goes from each of `keys` through at most `length` entries.
#[inline(never)]
pub fn range_scans<'k, K, V, I>(
    keys: &[&'k [u8]],
    length: usize,
    range: impl Fn(&'k [u8]) -> I,
) -> Fold
where
    K: AsRef<[u8]>,
    V: AsRef<[u8]>,
    I: Iterator<Item = (K, V)>,
{
    let mut fold = Fold::default();
    for &key in keys {
        for (key, value) in range(black_box(key)).take(length) {
            fold.add_entry(key.as_ref(), value.as_ref());
        }
    }
    black_box(fold)
}
