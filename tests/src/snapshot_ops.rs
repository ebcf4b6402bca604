//! Operations on the map that grows and on the image frozen from it, and the `BTreeMap` that both
//! must agree with. One enum serves the property test and the fuzz target.

use std::collections::BTreeMap;
use std::ops::Bound;

use avl_snapshot::{AlignedBytes, Builder, FreezeOptions, RbTree, Snapshot};

use crate::image;
use crate::input::{self, Input};

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Gives a key a value.
    Set(Vec<u8>, Vec<u8>),
    /// Asks the tree, and the snapshot of before.
    Get(Vec<u8>),
    /// Removes a key.
    Remove(Vec<u8>),
    /// Removes all keys.
    Clear,
    /// Sets many keys, which are numbers behind a prefix: so that trees have several tiers.
    Fill(Vec<u8>, u16),
    /// Sets many keys, which are numbers with these bytes after each digit, so that keys tie in all
    /// nodes.
    Spread(Vec<u8>, u16),
    /// Replaces the tree by one that is made of many entries at once.
    Bulk(Vec<(Vec<u8>, Vec<u8>)>),
    /// Freezes the tree, with or without an index, and opens and verifies the image.
    Freeze(bool),
    /// Looks a key up by all calls that take one.
    Rank(Vec<u8>),
    /// The entries between two keys. The bits of the number say whether each bound exists, and
    /// whether it is included.
    Range(Vec<u8>, Vec<u8>, u8),
    /// The entries whose keys start with these bytes.
    Prefix(Vec<u8>),
    /// Many keys at once.
    GetMany(Vec<Vec<u8>>),
    /// Steps from both ends: each bit of the number says from which.
    Iter(u64),
    /// The entry of a rank.
    Nth(u16),
}

/// Operations from any bytes: what the bytes do not tell is zero.
#[must_use]
pub fn decode(bytes: &[u8]) -> Vec<Op> {
    input::decode(bytes, |input| Parts(input).op())
}

/// What operations are made of.
struct Parts<'a, 'b>(&'a mut Input<'b>);

impl Parts<'_, '_> {
    /// Few letters, so that keys meet, tie and are prefixes of each other; and any bytes.
    fn key(&mut self) -> Vec<u8> {
        let how = self.0.byte();
        let len = usize::from(how >> 4);
        let prefix: &[u8] = match how & 7 {
            0 => b"prefix that many share/",
            1 => &[0xFF; 6],
            2 => &[0; 5],
            _ => b"",
        };
        let mut tail = self.0.take(len);
        if how & 8 == 0 {
            tail.iter_mut().for_each(|byte| *byte = [0, 1, b'a', 0xFF][usize::from(*byte % 4)]);
        }
        [prefix, &tail].concat()
    }

    fn value(&mut self) -> Vec<u8> {
        let len = self.0.byte();
        vec![self.0.byte(); usize::from(len % 20) * if len > 250 { 40 } else { 1 }]
    }

    fn number(&mut self) -> u16 {
        u16::from_le_bytes([self.0.byte(), self.0.byte()])
    }

    fn op(&mut self) -> Op {
        match self.0.byte() % 20 {
            0..5 => Op::Set(self.key(), self.value()),
            5 => Op::Get(self.key()),
            6 | 7 => Op::Remove(self.key()),
            8 => match self.0.byte() {
                0..64 => Op::Clear,
                len => Op::Bulk((0..len % 50).map(|_| (self.key(), self.value())).collect()),
            },
            9 => match self.0.byte() & 1 {
                0 => Op::Fill(self.key(), self.number() % 600),
                _ => Op::Spread(self.key(), self.number() % 600),
            },
            10..13 => Op::Freeze(self.0.byte() & 1 == 0),
            13 | 14 => Op::Rank(self.key()),
            15 => Op::Range(self.key(), self.key(), self.0.byte()),
            16 => Op::Prefix(self.key()),
            17 => {
                let len = self.0.byte() % 40;
                Op::GetMany((0..len).map(|_| self.key()).collect())
            }
            18 => Op::Iter((0..8).fold(0, |bits, _| bits << 8 | u64::from(self.0.byte()))),
            _ => Op::Nth(self.number()),
        }
    }
}

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

/// A tree, the last image it was frozen to, and the maps that they must agree with.
pub struct Model {
    tree: RbTree,
    map: Map,
    snapshot: Snapshot<AlignedBytes>,
    frozen: Map,
}

impl Default for Model {
    fn default() -> Self {
        let (map, frozen) = Default::default();
        let tree = RbTree::new();
        let snapshot = Snapshot::new(tree.freeze()).expect("a sound image");
        Self { tree, map, snapshot, frozen }
    }
}

impl Model {
    /// Applies all operations, with a check after each, and freezes in the end.
    ///
    /// # Panics
    /// When something disagrees.
    pub fn run(&mut self, ops: &[Op]) {
        for op in ops {
            self.apply(op);
        }
        self.apply(&Op::Freeze(ops.len().is_multiple_of(2)));
        self.apply(&Op::Iter(0x5A5A_0F0F_3C3C_9669));
    }

    /// Applies one operation.
    ///
    /// # Panics
    /// When something disagrees.
    pub fn apply(&mut self, op: &Op) {
        match op {
            Op::Set(key, value) => self.set(key, value),
            Op::Get(key) => {
                assert_eq!(self.tree.get(key), self.map.get(key).map(Vec::as_slice), "{op:?}");
                assert_eq!(self.tree.contains_key(key), self.map.contains_key(key), "{op:?}");
                self.look_up(key);
            }
            Op::Remove(key) => {
                assert_eq!(self.tree.remove(key), self.map.remove(key).is_some(), "{op:?}");
            }
            Op::Clear => {
                self.tree.clear();
                self.map.clear();
            }
            Op::Fill(prefix, count) => {
                for number in 0..*count {
                    // Not in order, and some keys longer than others.
                    let number = number.wrapping_mul(40_503);
                    let key =
                        [prefix.as_slice(), &number.to_be_bytes()[usize::from(number % 5 == 0)..]]
                            .concat();
                    self.set(&key, &number.to_le_bytes()[..usize::from(number % 3)]);
                }
            }
            Op::Spread(between, count) => {
                for number in 0..*count {
                    let digits = (0..5).map(|place| (number >> (2 * place)) as u8 & 3);
                    let key: Vec<u8> =
                        digits.flat_map(|digit| [&[digit], between.as_slice()].concat()).collect();
                    self.set(&key, &[number as u8]);
                }
            }
            Op::Bulk(entries) => {
                self.tree = RbTree::from_entries(entries.iter().cloned()).expect("small entries");
                self.map = entries.iter().cloned().collect();
            }
            Op::Freeze(index) => self.freeze(*index),
            Op::Rank(key) => self.look_up(key),
            Op::Range(from, to, ends) => self.range(from, to, *ends),
            Op::Prefix(prefix) => {
                let expected = self.frozen.range(prefix.clone()..);
                let expected = expected.take_while(|(key, _)| key.starts_with(prefix));
                assert!(self.snapshot.prefix(prefix).eq(expected.map(slices)), "{op:?}");
            }
            Op::GetMany(keys) => {
                let expected: Vec<_> =
                    keys.iter().map(|key| self.frozen.get(key).map(Vec::as_slice)).collect();
                assert_eq!(self.snapshot.get_many(keys), expected, "{op:?}");
            }
            Op::Iter(steps) => self.iterate(*steps),
            Op::Nth(rank) => {
                let rank = usize::from(*rank);
                let expected = self.frozen.iter().nth(rank).map(slices);
                assert_eq!(self.snapshot.nth(rank), expected, "{op:?}");
                assert_eq!(self.snapshot.iter().nth(rank), expected, "{op:?}");
            }
        }
        assert_eq!(
            (self.tree.len(), self.tree.is_empty()),
            (self.map.len(), self.map.is_empty()),
            "{op:?}"
        );
    }

    fn set(&mut self, key: &[u8], value: &[u8]) {
        let replaced = self.map.insert(key.to_vec(), value.to_vec()).is_some();
        assert_eq!(self.tree.set(key, value), Ok(replaced), "{key:x?}");
    }

    /// The image: deterministic, sound, as the document says, and with these entries.
    fn freeze(&mut self, index: bool) {
        assert!(self.tree.iter().eq(self.map.iter().map(slices)), "the tree itself");
        let options = FreezeOptions::default().hash_index(index);
        let bytes = self.tree.freeze_with(&options);
        let mut builder = Builder::with_options(options);
        for (key, value) in &self.map {
            builder.push(key, value).expect("keys in order");
        }
        assert!(bytes == builder.finish(), "tree and builder make other images");
        let entries: Vec<_> = self.map.clone().into_iter().collect();
        assert!(bytes[..] == image::encode(&entries, index), "the document makes another image");
        self.snapshot = Snapshot::new(bytes).expect("a sound image");
        self.snapshot.verify().expect("a sound image");
        self.frozen = self.map.clone();
        assert_eq!(self.snapshot.len(), self.frozen.len());
        assert_eq!(self.snapshot.first(), self.frozen.first_key_value().map(slices));
        assert_eq!(self.snapshot.last(), self.frozen.last_key_value().map(slices));
        let keys: Vec<_> = self.frozen.keys().collect();
        let values: Vec<_> = self.frozen.values().map(|value| Some(value.as_slice())).collect();
        assert_eq!(self.snapshot.get_many(&keys), values);
        for (rank, key) in keys.iter().enumerate() {
            assert_eq!(self.snapshot.search(key), Ok(rank), "{key:x?}");
        }
    }

    fn look_up(&self, key: &[u8]) {
        let expected = self.frozen.get(key).map(Vec::as_slice);
        let rank = self.frozen.range::<[u8], _>((Bound::Unbounded, Bound::Excluded(key))).count();
        assert_eq!(self.snapshot.get(key), expected, "{key:x?}");
        assert_eq!(self.snapshot.get_many(&[key]), [expected], "{key:x?}");
        assert_eq!(self.snapshot.contains_key(key), expected.is_some(), "{key:x?}");
        assert_eq!(self.snapshot.rank(key), rank, "{key:x?}");
        assert_eq!(self.snapshot.search(key).is_ok(), expected.is_some(), "{key:x?}");
    }

    fn range(&self, from: &[u8], to: &[u8], ends: u8) {
        let bound = |bits, key| match bits % 3 {
            0 => Bound::Included(key),
            1 => Bound::Excluded(key),
            _ => Bound::Unbounded,
        };
        let bounds: (Bound<&[u8]>, Bound<&[u8]>) = (bound(ends & 15, from), bound(ends >> 4, to));
        let within = |key: &[u8]| {
            (match bounds.0 {
                Bound::Included(from) => key >= from,
                Bound::Excluded(from) => key > from,
                Bound::Unbounded => true,
            }) && match bounds.1 {
                Bound::Included(to) => key <= to,
                Bound::Excluded(to) => key < to,
                Bound::Unbounded => true,
            }
        };
        let expected = self.frozen.iter().map(slices).filter(|(key, _)| within(key));
        assert!(self.snapshot.range(bounds).eq(expected), "{bounds:x?}");
        let expected = self.frozen.iter().map(slices).filter(|(key, _)| within(key)).rev();
        assert!(self.snapshot.range(bounds).rev().eq(expected), "{bounds:x?}");
    }

    fn iterate(&self, steps: u64) {
        let (mut iter, mut expected) = (self.snapshot.iter(), self.frozen.iter().map(slices));
        for step in 0..64 {
            assert_eq!(iter.len(), expected.len());
            match steps >> step & 1 {
                0 => assert_eq!(iter.next(), expected.next()),
                _ => assert_eq!(iter.next_back(), expected.next_back()),
            }
        }
        assert!(iter.eq(expected));
    }
}

fn slices<'a>((key, value): (&'a Vec<u8>, &'a Vec<u8>)) -> (&'a [u8], &'a [u8]) {
    (key, value)
}
