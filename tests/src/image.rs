//! Images of snapshots, encoded slowly and plainly by the text of `docs/format.md`, and
//! deliberately not by the library.
//!
//! The tree is walked, not calculated, and nothing is checked. So [`encode`] also makes images that
//! the library would not make, for example with keys out of order, in which all derived parts are
//! right.

use std::ops::Range;

/// The hash of the index, and the choice of cells.
mod index;
/// Groups and forks, which decide ties.
mod ties;

pub use index::{colliding_key, hash};

/// Key and value.
pub type Entry = (Vec<u8>, Vec<u8>);

/// Offsets of the header's fields, and what is fixed.
pub mod header {
    #![allow(missing_docs, reason = "named as the fields are")]
    pub const MAGIC: usize = 0;
    pub const VERSION: usize = 8;
    pub const RESERVED: usize = 12;
    pub const ENTRIES: usize = 16;
    pub const DATA_LEN: usize = 24;
    pub const BUCKETS: usize = 32;
    pub const COMMON: usize = 40;
    pub const TIES: usize = 48;
    pub const BODY_CRC: usize = 56;
    pub const HEADER_CRC: usize = 60;
    pub const LEN: usize = 64;
}

/// Bytes of a node of the tree, and of a bucket of the index.
pub const LINE: usize = 64;
/// Bits of an entry's word that hold the length of the key.
pub const KEY_LEN_BITS: u32 = 20;
/// The partial key where there is no key.
const ABSENT: u32 = 0x7FFF_FFFF;

/// Where the sections of an image are, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "named as the sections are")]
pub struct Sections {
    pub data: Range<usize>,
    pub data_padding: Range<usize>,
    pub nodes: Range<usize>,
    pub ties: Range<usize>,
    pub ties_padding: Range<usize>,
    pub units: Vec<Range<usize>>,
    pub units_padding: Range<usize>,
    pub buckets: Range<usize>,
}

impl Sections {
    /// Computes the sections from the numbers of a header, which must be sensible.
    #[must_use]
    pub fn new(entries: usize, data_len: usize, buckets: usize, ties: usize) -> Self {
        let data = header::LEN..header::LEN + data_len;
        let data_padding = data.end..data.end.next_multiple_of(LINE);
        let (upper, bottom) = tiers(entries);
        let nodes = data_padding.end..data_padding.end + LINE * upper.len();
        let ties = nodes.end..nodes.end + 4 * ties;
        let ties_padding = ties.end..ties.end.next_multiple_of(LINE);
        let mut end = ties_padding.end;
        let mut units = Vec::new();
        for node in bottom {
            let start = end;
            end += LINE + 8 * slots(&node, entries);
            units.push(start..end);
        }
        let unit = if buckets == 0 { 8 } else { LINE };
        let units_padding = end..end.next_multiple_of(unit);
        let buckets = units_padding.end..units_padding.end + LINE * buckets;
        Self { data, data_padding, nodes, ties, ties_padding, units, units_padding, buckets }
    }

    /// Computes the sections of a sound image.
    #[must_use]
    pub fn of(image: &[u8]) -> Self {
        let number = |at| word(image, at) as usize;
        let [entries, data_len, buckets, ties] =
            [header::ENTRIES, header::DATA_LEN, header::BUCKETS, header::TIES].map(number);
        Self::new(entries, data_len, buckets, ties)
    }

    /// The range of all units.
    #[must_use]
    pub fn all_units(&self) -> Range<usize> {
        let start = self.ties_padding.end;
        start..self.units.last().map_or(start, |unit| unit.end)
    }

    /// Returns the offset of an entry's part in a narrow unit, and the offset of the unit's base.
    /// An empty entry follows the last one.
    #[must_use]
    pub fn part(&self, entries: usize, rank: usize) -> (usize, usize) {
        let (base, slot) = self.slot(entries, rank);
        (base + 8 + 4 * slot, base)
    }

    /// Returns the offset of an entry's word in a wide unit.
    #[must_use]
    pub fn wide_entry(&self, entries: usize, rank: usize) -> usize {
        let (base, slot) = self.slot(entries, rank);
        base + 8 * slot
    }

    /// Returns the offset of the slots of an entry's unit, and the number of the entry's slot.
    fn slot(&self, entries: usize, rank: usize) -> (usize, usize) {
        let bottom = tiers(entries).1;
        let mut units = bottom.iter().zip(&self.units);
        let of_it = |(node, _): &(&Subtree, _)| (node.all.start..=node.all.end).contains(&rank);
        let (node, unit) = units.find(of_it).expect("there is such an entry");
        (unit.start + LINE, rank - node.all.start)
    }
}

/// Returns the nodes above the bottom tier, and the nodes of the bottom tier.
fn tiers(entries: usize) -> (Vec<Subtree>, Vec<Subtree>) {
    // A node of the bottom tier has all keys of its subtree.
    nodes(entries).into_iter().partition(|node| node.ranks.len() < node.all.len())
}

/// Returns the number of slots of a node of the bottom tier: one for each of its keys and for the
/// next key, rounded up to a multiple of 8.
fn slots(node: &Subtree, entries: usize) -> usize {
    let slots = node.ranks.len() + 1;
    if entries < 8 { slots } else { slots.next_multiple_of(8) }
}

/// A little-endian word.
///
/// # Panics
/// When it is not inside the image.
#[must_use]
pub fn word(image: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(image[at..][..8].try_into().expect("eight bytes"))
}

/// Stores a little-endian word.
///
/// # Panics
/// When it is not inside the image.
pub fn set_word(image: &mut [u8], at: usize, word: u64) {
    image[at..][..8].copy_from_slice(&word.to_le_bytes());
}

/// The word of an entry.
#[must_use]
pub fn entry_word(offset: u64, key_len: u64) -> u64 {
    offset << KEY_LEN_BITS | key_len
}

/// Corrects both checksums, if the image has a whole header.
pub fn fix_checksums(image: &mut [u8]) {
    if image.len() < header::LEN {
        return;
    }
    let body = crc32fast::hash(&image[header::LEN..]);
    image[header::BODY_CRC..][..4].copy_from_slice(&body.to_le_bytes());
    fix_header(image);
}

/// Makes the checksum of the header right.
///
/// # Panics
/// When there is no whole header.
pub fn fix_header(image: &mut [u8]) {
    let sum = crc32fast::hash(&image[..header::HEADER_CRC]);
    image[header::HEADER_CRC..][..4].copy_from_slice(&sum.to_le_bytes());
}

/// A node: up to 15 keys, by their ranks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtree {
    /// Ranks of its keys, ascending.
    pub ranks: Vec<usize>,
    /// The ranks of all keys in it and below it.
    pub all: Range<usize>,
}

/// The nodes of the complete tree of `n` keys, in their order. Keys are numbered breadth first from
/// 1, so the children of `k` are `2k` and `2k + 1`.
#[must_use]
pub fn nodes(n: usize) -> Vec<Subtree> {
    let mut ranks = vec![0; n + 1];
    let mut next = 0;
    walk(1, n, u32::MAX, &mut |key| {
        ranks[key] = next;
        next += 1;
    });
    let levels = usize::BITS - n.leading_zeros();
    let mut found = Vec::new();
    let mut above = 0;
    while above < levels {
        // Tiers of four levels from the bottom; the top one takes the remainder.
        let height = if above == 0 { (levels - 1) % 4 + 1 } else { 4 };
        for root in 1 << above..1 << (above + 1) {
            let ranks_of = |height| {
                let mut list = Vec::new();
                walk(root, n, height, &mut |key| list.push(ranks[key]));
                list
            };
            let all = ranks_of(u32::MAX);
            found.push(Subtree { ranks: ranks_of(height), all: all[0]..all[all.len() - 1] + 1 });
        }
        above += height;
    }
    found
}

/// Visits up to `height` levels of the subtree at key `key`, in order.
fn walk(key: usize, n: usize, height: u32, visit: &mut impl FnMut(usize)) {
    if key <= n && height > 0 {
        walk(2 * key, n, height - 1, visit);
        visit(key);
        walk(2 * key + 1, n, height - 1, visit);
    }
}

/// The length of the common prefix of two keys.
fn shared(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

fn partial(key: &[u8], skip: usize) -> u32 {
    let at = |i: usize| u32::from(key.get(skip + i).copied().unwrap_or(0));
    (at(0) << 24 | at(1) << 16 | at(2) << 8 | at(3)) ^ 0x8000_0000
}

/// The image of these entries, in the order given. With an index only where one is possible.
#[must_use]
pub fn encode(entries: &[Entry], index: bool) -> Vec<u8> {
    let index = if index { index::buckets(entries) } else { None };
    encode_with(entries, index.unwrap_or_default())
}

/// The image of these entries with this many buckets, all empty.
#[must_use]
pub fn encode_empty_index(entries: &[Entry], buckets: usize) -> Vec<u8> {
    encode_with(entries, vec![[0; 8]; buckets])
}

fn encode_with(entries: &[Entry], buckets: Vec<index::Bucket>) -> Vec<u8> {
    let key = |rank: usize| entries[rank].0.as_slice();
    let n = entries.len();
    let common = if n == 0 { 0 } else { shared(key(0), key(n - 1)) };
    let data_len: usize = entries.iter().map(|(key, value)| key.len() + value.len()).sum();

    let skip_of = |all: &Range<usize>| {
        let at_edge = all.start == 0 || all.end == n;
        if at_edge { common } else { shared(key(all.start - 1), key(all.end)) }
    };
    let node_of = |node: &Subtree, flag: u32| {
        let skip = skip_of(&node.all);
        let mut words = [ABSENT; 16];
        words[0] = skip as u32 | flag;
        for (word, &rank) in words[1..].iter_mut().zip(&node.ranks) {
            *word = partial(key(rank), skip);
        }
        words.into_iter().flat_map(u32::to_le_bytes)
    };
    let (upper, bottom) = tiers(n);
    let keys: Vec<&[u8]> = entries.iter().map(|(key, _)| &key[..]).collect();
    let ties = ties::words(&keys, &upper, skip_of);

    let mut image = Vec::new();
    image.extend_from_slice(b"AVLSNAP\n");
    image.extend_from_slice(&1u32.to_le_bytes());
    image.extend_from_slice(&[0; 4]);
    for number in [n, data_len, buckets.len(), common, ties.len(), 0] {
        image.extend_from_slice(&(number as u64).to_le_bytes());
    }
    let mut starts = vec![0];
    for (key, value) in entries {
        image.extend_from_slice(key);
        image.extend_from_slice(value);
        starts.push(image.len() - header::LEN);
    }
    image.resize(image.len().next_multiple_of(LINE), 0);
    for node in &upper {
        image.extend(node_of(node, 0));
    }
    image.extend(ties.into_iter().flat_map(u32::to_le_bytes));
    image.resize(image.len().next_multiple_of(LINE), 0);
    for node in &bottom {
        // The keys of the node and the next key. After the last key comes an entry without data.
        let ranks = node.all.start..node.all.end + 1;
        let end = |rank: usize| starts[(rank + 1).min(n)];
        let key_len = |rank: usize| entries.get(rank).map_or(0, |(key, _)| key.len());
        let base = starts[ranks.start];
        let is_wide = end(ranks.end - 1) - base > 0xFFFF;
        image.extend(node_of(node, if is_wide { 1 << 31 } else { 0 }));
        let slots = slots(node, n);
        let unit_end = image.len() + 8 * slots;
        if is_wide {
            for rank in ranks {
                let word = entry_word(starts[rank] as u64, key_len(rank) as u64);
                image.extend_from_slice(&word.to_le_bytes());
            }
        } else {
            image.extend_from_slice(&(base as u64).to_le_bytes());
            let forks_at = image.len() + 4 * slots;
            for rank in ranks {
                let part = (end(rank) - base) << 16 | key_len(rank);
                image.extend_from_slice(&(part as u32).to_le_bytes());
            }
            image.resize(forks_at, 0);
            let skip = skip_of(&node.all);
            for pair in node.ranks.windows(2) {
                let (a, b) = (key(pair[0]), key(pair[1]));
                let ties = partial(a, skip) == partial(b, skip);
                let fork = if ties { ties::fork(a, b) } else { 0 };
                image.extend_from_slice(&fork.to_le_bytes());
            }
        }
        image.resize(unit_end, 0);
    }
    if !buckets.is_empty() {
        image.resize(image.len().next_multiple_of(LINE), 0);
        image.extend(buckets.iter().flatten().flat_map(|cell| cell.to_le_bytes()));
    }
    fix_checksums(&mut image);
    image
}
