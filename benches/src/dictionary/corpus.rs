//! A set of keys with their values, in random order and in key order.

use crate::dictionary::numbers::ordered_bytes;
use crate::dictionary::{KeyList, KeySet};
use crate::workload::Workload;

/// A value: twelve bytes, as short as most values of a dictionary are.
pub type Value = [u8; 12];

/// Keys with their values.
#[derive(Clone, Debug, Default)]
pub struct Entries {
    keys: KeyList,
    values: Vec<Value>,
}

/// What a measurement is made with.
#[derive(Debug)]
pub struct Corpus {
    /// What its keys look like.
    pub set: KeySet,
    /// The entries in random order.
    pub shuffled: Entries,
    /// The same entries in key order.
    pub sorted: Entries,
    /// Keys of the same kind that have no value.
    pub absent: KeyList,
}

impl Entries {
    fn push(&mut self, key: &[u8]) {
        self.keys.push(key);
        self.values.push(value_of(key));
    }

    /// The entries of a [`Workload`]: its numbers as bytes (see [`ByNumber`](super::ByNumber)), and
    /// their values.
    #[must_use]
    pub fn of_numbers(work: &Workload) -> Self {
        let mut entries = Self::default();
        for &number in work.present() {
            entries.keys.push(&ordered_bytes(number));
            let value = Workload::value(number);
            entries.values.push(value.first_chunk().copied().unwrap_or_default());
        }
        entries
    }

    /// Keys with their values.
    #[must_use]
    pub fn of_keys(keys: &KeyList) -> Self {
        let mut entries = Self::default();
        keys.iter().for_each(|key| entries.push(key));
        entries
    }

    /// The same entries in key order.
    #[must_use]
    pub fn sorted(&self) -> Self {
        let mut order: Vec<(&[u8], &Value)> = self.iter().collect();
        order.sort_unstable();
        let mut sorted = Self::default();
        for (key, value) in order {
            sorted.keys.push(key);
            sorted.values.push(*value);
        }
        sorted
    }

    /// Their keys.
    #[must_use]
    pub fn keys(&self) -> &KeyList {
        &self.keys
    }

    /// Their values.
    #[must_use]
    pub fn values(&self) -> &[Value] {
        &self.values
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.keys.bytes() + self.values.as_flattened().len()
    }

    /// All entries.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &Value)> {
        self.keys.iter().zip(&self.values)
    }
}

impl Corpus {
    /// `n` entries, and an eighth as many absent keys.
    #[must_use]
    pub fn new(set: KeySet, n: usize) -> Self {
        let keys = set.keys(n, (n / 8).max(16));
        let (mut shuffled, mut absent) = (Entries::default(), KeyList::default());
        for (at, key) in keys.iter().enumerate() {
            if at < n {
                shuffled.push(key);
            } else {
                absent.push(key);
            }
        }
        let sorted = shuffled.sorted();
        Self { set, shuffled, sorted, absent }
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.sorted.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sorted.is_empty()
    }
}

/// The value of a key. Any dictionary's answer can be checked by it.
fn value_of(key: &[u8]) -> Value {
    let mut hash = 0xCBF2_9CE4_8422_2325_u64; // FNV-1a
    for &byte in key {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3);
    }
    let mut value = [0; 12];
    for (to, from) in value.iter_mut().zip(hash.to_ne_bytes().iter().cycle()) {
        *to = *from;
    }
    value
}
