//! Writing an image: first the data in key order, then the data that are derived from the keys.

use std::num::NonZeroUsize;
use std::ops::{Deref, Range};
use std::sync::{Arc, Mutex};
use std::thread::{Builder, Scope};

use super::derive::{Keys, common, node_of};
use super::hash_index;
use super::layout::{
    CACHE_LINE, DATA_AT, HEADER_LEN, Layout, MAX_DATA_LEN, MAX_ENTRIES, MAX_KEY_LEN, Numbers,
    buckets_for, pack, unpack,
};
use super::node::{Node, Words};
use super::raw::Entry;
use super::ties::Ties;
use super::unit::Unit;
use crate::aligned::AlignedBytes;
use crate::error::BuildError;
use crate::grow::{grow, with_room};

/// What an image contains besides the map. By default, it contains a hash index.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct FreezeOptions {
    /// Adds a hash index. With the index, [`get`](crate::Snapshot::get) reads one bucket instead of
    /// descending the tree, which makes it two to five times as fast. The index takes twelve bytes
    /// per entry. There is no index if a map has more than 2^32 entries or 64 GiB, or if its keys
    /// were chosen to collide.
    pub hash_index: bool,
    /// The most threads that make the nodes and the index of an image in memory. One by default,
    /// which is the calling thread. The bytes of the image are the same for any number. Small
    /// images are made by one thread.
    pub threads: NonZeroUsize,
}

impl Default for FreezeOptions {
    fn default() -> Self {
        Self { hash_index: true, threads: NonZeroUsize::MIN }
    }
}

impl FreezeOptions {
    /// Sets whether the image gets a hash index.
    #[must_use]
    pub fn hash_index(mut self, hash_index: bool) -> Self {
        self.hash_index = hash_index;
        self
    }

    /// Sets how many threads may make an image in memory.
    #[must_use]
    pub fn threads(mut self, threads: NonZeroUsize) -> Self {
        self.threads = threads;
        self
    }
}

/// An image that is being written, from front to back.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    /// Space for the header, followed by the data that have been written so far.
    bytes: AlignedBytes,
    entries: Vec<u64>,
}

impl Writer {
    /// Creates an image without entries.
    pub(crate) fn new() -> Self {
        let mut bytes = AlignedBytes::small();
        bytes.append(&[0; HEADER_LEN]);
        Self { bytes, entries: Vec::new() }
    }

    /// Creates an image without entries, with capacity for this many entries and for this many
    /// bytes of keys and values.
    pub(crate) fn with_capacity(entries: usize, data_len: usize) -> Result<Self, BuildError> {
        let data_end = DATA_AT + data_len;
        let numbers =
            Numbers { entries: entries as u64, data_len: data_len as u64, ..Numbers::default() };
        let derived = Layout::new(numbers);
        let mut bytes = AlignedBytes::with_capacity(derived.map_or(data_end, |l| l.total_len))?;
        bytes.reserve(HEADER_LEN)?;
        bytes.append(&[0; HEADER_LEN]);
        // One more for the end of the last entry, see `finish`.
        Ok(Self { bytes, entries: with_room(entries + 1)? })
    }

    #[inline(always)]
    pub(crate) fn reserve(&mut self, entries: usize, data_len: usize) -> Result<(), BuildError> {
        grow(&mut self.entries, entries)?;
        self.bytes.reserve(data_len)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    fn data_len(&self) -> u64 {
        (self.bytes.len() - DATA_AT) as u64
    }

    /// Checks whether one more entry is within the limits of the format.
    #[inline]
    pub(crate) fn check(&self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        check(self.len(), self.data_len(), key, value)
    }

    /// Appends an entry to the image. The entry has passed `check`, and its key is greater than all
    /// keys before it.
    #[inline]
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        self.reserve(1, key.len() + value.len())?;
        self.entries.push(pack(self.data_len(), key.len()));
        self.bytes.append(key);
        self.bytes.append(value);
        Ok(())
    }

    /// Like `push`, for a key and a value that are contiguous in memory.
    #[inline]
    pub(crate) fn push_entry(&mut self, entry: &[u8], key_len: usize) -> Result<(), BuildError> {
        self.reserve(1, entry.len())?;
        self.entries.push(pack(self.data_len(), key_len));
        self.bytes.append(entry);
        Ok(())
    }

    #[inline]
    pub(crate) fn last_key(&self) -> Option<&[u8]> {
        let (start, len) = unpack(*self.entries.last()?);
        self.bytes.get(DATA_AT + start..)?.get(..len)
    }

    /// Derives nodes, index, checksums and header, and finishes the image.
    pub(crate) fn finish(self, options: &FreezeOptions) -> Result<AlignedBytes, BuildError> {
        let (count, data_len) = (self.len() as u64, self.data_len());
        let buckets = if options.hash_index { buckets_for(count, data_len) } else { 0 };
        // Never `None`: `check` enforces the limits, and what is in memory has addresses.
        let numbers = Numbers { entries: count, data_len, ..Numbers::default() };
        let Some(layout) = Layout::new(numbers) else { return Ok(self.bytes) };
        let Self { mut bytes, mut entries } = self;
        grow(&mut entries, 1)?;
        entries.push(pack(data_len, 0));
        bytes.reserve(layout.total_len - bytes.len() + (buckets as usize + 1) * CACHE_LINE)?;
        bytes.pad_to(CACHE_LINE);
        let data = Window { bytes: bytes.get(DATA_AT..).unwrap_or_default(), from: 0 };
        let mut draft = Draft { entries: &entries, data, layout };
        let (layout, nodes, ties) = upper(&mut draft)?;
        let more = layout.units_end - bytes.len() + (buckets as usize + 1) * CACHE_LINE;
        bytes.reserve(more)?;
        bytes.append(bytemuck::cast_slice(&nodes));
        bytes.append(bytemuck::cast_slice(&ties));
        bytes.pad_to(CACHE_LINE);
        let units_at = bytes.len();
        bytes.append_zeros(layout.units_end - layout.units_at);
        let without_index = bytes.len();
        if buckets > 0 {
            bytes.pad_to(CACHE_LINE);
        }
        let index_at = bytes.len() - units_at;
        bytes.append_zeros(CACHE_LINE * buckets as usize);
        // The keys are read from the data while units and index are written after them.
        let (data, rest) = bytes.as_mut().split_at_mut(units_at);
        let (units, index) = rest.split_at_mut(index_at);
        let data = Window { bytes: data.get(DATA_AT..).unwrap_or_default(), from: 0 };
        let draft = Draft { entries: &entries, data, layout };
        let index = bytemuck::cast_slice_mut(index);
        let built = fill(&draft, 0..layout.shape.units(), units, index, options.threads.get());
        let mut layout = layout;
        if built {
            layout.buckets = buckets as usize;
        } else {
            bytes.truncate(without_index);
        }
        let body = bytes.get(HEADER_LEN..).unwrap_or_default();
        let header = layout.header(crc32fast::hash(body));
        if let Some(place) = bytes.as_mut().first_chunk_mut::<HEADER_LEN>() {
            place.copy_from_slice(bytemuck::bytes_of(&header));
        }
        Ok(bytes.align())
    }
}

/// Checks whether one more entry is within the limits of the format.
#[inline(always)]
pub(super) fn check(
    entries: usize,
    data_len: u64,
    key: &[u8],
    value: &[u8],
) -> Result<(), BuildError> {
    if key.len() > MAX_KEY_LEN {
        return Err(BuildError::KeyTooLong { len: key.len(), max: MAX_KEY_LEN });
    }
    let len = data_len + key.len() as u64 + value.len() as u64;
    if len > MAX_DATA_LEN {
        return Err(BuildError::TooLarge { len, max: MAX_DATA_LEN });
    }
    if entries as u64 >= MAX_ENTRIES {
        return Err(BuildError::TooManyEntries { max: MAX_ENTRIES });
    }
    Ok(())
}

/// Least number of units that a thread makes. Starting a thread takes as long as making about 300.
const FEWEST_UNITS: usize = if cfg!(test) { 1 } else { 4096 };

/// Writes a range of units, and adds their entries to the hash index if `index` has buckets.
/// Returns false if there is no index or if too many keys collide. The bytes do not depend on
/// `threads`.
pub(super) fn fill<S: Source + Sync>(
    draft: &Draft<'_, S>,
    range: Range<u64>,
    units: &mut [u8],
    index: &mut [Words],
    threads: usize,
) -> bool {
    let layout = &draft.layout;
    let count = (range.end - range.start) as usize;
    let threads = threads.min(count / FEWEST_UNITS + 1);
    let with_index = !index.is_empty();
    let build = |index| with_index && hash_index::build(draft.entries(&range), index).is_some();
    // Without a scope, which would allocate what std knows of this thread.
    if threads == 1 {
        write_units(draft, range.clone(), units);
        return build(index);
    }
    // The index takes about as long as the units.
    let workers = if with_index { threads.div_ceil(2) } else { threads };
    std::thread::scope(|scope| {
        let mut rest = units;
        let mut first = range.start;
        for worker in 1..=workers {
            let end = range.start + (count * worker / workers) as u64;
            let of_worker = first..end;
            first = end;
            let len = layout.units_len(&of_worker);
            let (part, others) = rest.split_at_mut(len.min(rest.len()));
            rest = others;
            if worker == workers && !with_index {
                write_units(draft, of_worker, part);
            } else {
                on_thread(scope, (draft, of_worker, part), |(draft, range, part)| {
                    write_units(draft, range, part);
                });
            }
        }
        build(index)
    })
}

/// Runs `act` with `what` on a new thread of the scope or, if no thread can be started, on this
/// thread.
fn on_thread<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    what: T,
    act: impl FnOnce(T) + Copy + Send + 'scope,
) {
    let what = Arc::new(Mutex::new(Some(what)));
    let take = |what: &Mutex<Option<T>>| what.lock().ok().and_then(|mut what| what.take());
    let there = Arc::clone(&what);
    let started = Builder::new().spawn_scoped(scope, move || take(&there).map(act));
    if started.is_err() {
        take(&what).map(act);
    }
}

/// Writes a range of units.
pub(super) fn write_units<S: Source>(draft: &Draft<'_, S>, range: Range<u64>, mut to: &mut [u8]) {
    for unit in range {
        let unit = Unit::of(draft, unit);
        let (place, rest) = to.split_at_mut(unit.bytes().len().min(to.len()));
        if place.len() == unit.bytes().len() {
            place.copy_from_slice(unit.bytes());
        }
        to = rest;
    }
}

/// The layout of an image without an index, its nodes above the bottom tier, and the words of its
/// ties section.
pub(super) type Upper = (Layout, Vec<Node>, Vec<u32>);

/// Derives everything that comes between the data and the units. Completes the layout.
pub(super) fn upper<S: Source>(draft: &mut Draft<'_, S>) -> Result<Upper, BuildError> {
    draft.layout.common = common(draft);
    let (nodes, ties) = nodes_and_ties(draft)?;
    let layout = draft.layout;
    let numbers = Numbers {
        entries: layout.entries as u64,
        data_len: layout.data_len as u64,
        common: layout.common as u64,
        ties: ties.len() as u64,
        buckets: 0,
    };
    let too_large = BuildError::TooLarge { len: layout.data_len as u64, max: MAX_DATA_LEN };
    draft.layout = Layout::new(numbers).ok_or(too_large)?;
    Ok((draft.layout, nodes, ties))
}

/// Makes the nodes above the bottom tier, and the words of the ties section.
fn nodes_and_ties(draft: &impl Keys) -> Result<(Vec<Node>, Vec<u32>), BuildError> {
    let shape = draft.layout().shape;
    let mut nodes = with_room(shape.upper_nodes() as usize)?;
    let mut words = with_room(shape.upper_nodes() as usize)?;
    let mut tables = Vec::new();
    let mut ties = Ties::of(draft)?;
    for tier in shape.tiers().filter(|tier| tier.below > 0) {
        for at in 0..tier.nodes() {
            let node = node_of(draft, &tier, at);
            let of_node = ties.node(&tier, at, node.skip());
            nodes.push(node);
            words.push(of_node.word.to_le());
            grow(&mut tables, of_node.words.len())?;
            tables.extend(of_node.words.iter().map(|word| word.to_le()));
        }
    }
    if words.iter().all(|&word| word == 0) {
        return Ok((nodes, Vec::new()));
    }
    grow(&mut words, tables.len())?;
    words.append(&mut tables);
    Ok((nodes, words))
}

/// The data of an image that is being written.
pub(super) trait Source {
    /// Bytes of the data.
    type Bytes<'s>: Deref<Target = [u8]>
    where
        Self: 's;

    /// Returns bytes at an offset from the start of the data.
    fn bytes(&self, start: usize, len: usize) -> Self::Bytes<'_>;
}

/// A part of the data that is in memory.
#[derive(Clone, Copy)]
pub(super) struct Window<'a> {
    pub(super) bytes: &'a [u8],
    /// Where the part starts, from the start of the data.
    pub(super) from: usize,
}

impl Source for Window<'_> {
    type Bytes<'s>
        = &'s [u8]
    where
        Self: 's;

    #[inline(always)]
    fn bytes(&self, start: usize, len: usize) -> &[u8] {
        let start = start.wrapping_sub(self.from);
        self.bytes.get(start..start.wrapping_add(len)).unwrap_or_default()
    }
}

/// An unfinished image: the data, and where each entry is.
pub(super) struct Draft<'a, S> {
    /// The packed entries, and after them the entry that marks the end.
    pub(super) entries: &'a [u64],
    pub(super) data: S,
    pub(super) layout: Layout,
}

impl<S> Draft<'_, S> {
    /// Returns the rank of a unit's first key, or the number of entries if there is no such unit.
    fn first_rank(&self, unit: u64) -> usize {
        let shape = self.layout.shape;
        match unit < shape.units() {
            true => shape.rank(&shape.bottom(), unit, 0) as usize,
            false => self.layout.entries,
        }
    }

    /// Returns where the keys of some units are in the data, and the keys beside these.
    pub(super) fn data_of(&self, units: &Range<u64>) -> Range<usize> {
        let packed = |rank: usize| unpack(self.entries.get(rank).copied().unwrap_or_default());
        let first = self.first_rank(units.start).saturating_sub(1);
        let last = self.first_rank(units.end).min(self.layout.entries.saturating_sub(1));
        let (end, len) = packed(last);
        packed(first).0..end + len
    }
}

impl<S: Source> Draft<'_, S> {
    /// Iterates over the entries of some units and those between them, each with its key.
    pub(super) fn entries(
        &self,
        units: &Range<u64>,
    ) -> impl Iterator<Item = (S::Bytes<'_>, Entry)> {
        let ranks = self.first_rank(units.start)..self.first_rank(units.end);
        ranks.map(|rank| (self.key(rank), self.entry(rank)))
    }
}

impl<S: Source> Keys for Draft<'_, S> {
    type Key<'k>
        = S::Bytes<'k>
    where
        Self: 'k;

    fn layout(&self) -> &Layout {
        &self.layout
    }

    #[inline(always)]
    fn key(&self, rank: usize) -> S::Bytes<'_> {
        let (start, len) = unpack(self.entries.get(rank).copied().unwrap_or_default());
        self.data.bytes(start, len)
    }

    #[inline(always)]
    fn entry(&self, rank: usize) -> Entry {
        let (start, key_len) = unpack(self.entries.get(rank).copied().unwrap_or_default());
        let next = self.entries.get(rank + 1).map(|&next| unpack(next).0);
        Entry { start, key_len, end: next.unwrap_or(start) }
    }
}

/// Returns the length of an image of this many entries with data of this length, if no keys tie
/// above the bottom tier.
pub(crate) fn least_image_len(entries: u64, data_len: u64, options: &FreezeOptions) -> u64 {
    let buckets = if options.hash_index { buckets_for(entries, data_len) } else { 0 };
    let layout = Layout::new(Numbers { entries, data_len, buckets, ..Numbers::default() });
    layout.map_or(data_len, |layout| layout.total_len as u64)
}

/// Returns the number of entries to reserve memory for before reading entries from an iterator.
/// This is the lower bound that the iterator promises, up to a limit, because an endless iterator
/// promises `usize::MAX`.
pub(crate) fn room_for(entries: &impl Iterator) -> usize {
    entries.size_hint().0.min(1 << 20)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn image(keys: &BTreeSet<Vec<u8>>, hash_index: bool, threads: usize) -> AlignedBytes {
        let mut writer = Writer::new();
        keys.iter().for_each(|key| writer.push(key, b"v").unwrap());
        let threads = NonZeroUsize::new(threads).unwrap();
        let options = FreezeOptions::default().hash_index(hash_index).threads(threads);
        writer.finish(&options).unwrap()
    }

    proptest! {
        #[test]
        fn any_number_of_threads_gives_the_same_bytes(
            keys in proptest::collection::btree_set(
                proptest::collection::vec(0u8..3, 0..9),
                0..600,
            ),
            hash_index: bool,
        ) {
            let one = image(&keys, hash_index, 1);
            for threads in [2, 3, 8] {
                prop_assert!(image(&keys, hash_index, threads) == one, "{} threads", threads);
            }
        }
    }
}
