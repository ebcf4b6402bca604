//! Writing an image: first the data in key order, then the data that are derived from the keys.

use super::derive::{Keys, common, node_of};
use super::hash_index;
use super::layout::{
    CACHE_LINE, DATA_AT, HEADER_LEN, Layout, MAX_DATA_LEN, MAX_ENTRIES, MAX_KEY_LEN, Numbers,
    buckets_for, pack, unpack,
};
use super::node::Node;
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
    /// descending the tree, which makes it two to seven times as fast. The index takes twelve bytes
    /// per entry. There is no index if a map has more than 2^32 entries or 64 GiB, or if its keys
    /// were chosen to collide.
    pub hash_index: bool,
}

impl Default for FreezeOptions {
    fn default() -> Self {
        Self { hash_index: true }
    }
}

impl FreezeOptions {
    /// Sets whether the image gets a hash index.
    #[must_use]
    pub fn hash_index(mut self, hash_index: bool) -> Self {
        self.hash_index = hash_index;
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
        if key.len() > MAX_KEY_LEN {
            return Err(BuildError::KeyTooLong { len: key.len(), max: MAX_KEY_LEN });
        }
        let len = self.data_len() + key.len() as u64 + value.len() as u64;
        if len > MAX_DATA_LEN {
            return Err(BuildError::TooLarge { len, max: MAX_DATA_LEN });
        }
        if self.len() as u64 >= MAX_ENTRIES {
            return Err(BuildError::TooManyEntries { max: MAX_ENTRIES });
        }
        Ok(())
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
        let mut draft = Draft { entries: &entries, bytes: &bytes, layout };
        let common = common(&draft) as u64;
        draft.layout.common = common as usize;
        let (nodes, ties) = upper(&draft)?;
        let numbers = Numbers { common, ties: ties.len() as u64, ..numbers };
        let Some(layout) = Layout::new(numbers) else { return Ok(bytes) };
        // The keys are read from the data while the units are written after them.
        let units_len = layout.units_end - layout.units_at;
        let more = layout.units_end - bytes.len() + (buckets as usize + 1) * CACHE_LINE;
        bytes.reserve(more)?;
        bytes.append(bytemuck::cast_slice(&nodes));
        bytes.append(bytemuck::cast_slice(&ties));
        bytes.pad_to(CACHE_LINE);
        let units_at = bytes.len();
        bytes.append_zeros(units_len);
        let (data, mut units) = bytes.as_mut().split_at_mut(units_at);
        let draft = Draft { entries: &entries, bytes: data, layout };
        for unit in 0..layout.shape.units() {
            let unit = Unit::of(&draft, unit);
            let (place, rest) = units.split_at_mut(unit.bytes().len().min(units.len()));
            if place.len() == unit.bytes().len() {
                place.copy_from_slice(unit.bytes());
            }
            units = rest;
        }
        let mut layout = layout;
        if append_index(&mut bytes, &entries, layout, buckets as usize) {
            layout.buckets = buckets as usize;
        }
        let body = bytes.get(HEADER_LEN..).unwrap_or_default();
        let header = layout.header(crc32fast::hash(body));
        if let Some(place) = bytes.as_mut().first_chunk_mut::<HEADER_LEN>() {
            place.copy_from_slice(bytemuck::bytes_of(&header));
        }
        Ok(bytes.align())
    }
}

/// Makes the nodes above the bottom tier, and the words of the ties section.
fn upper(draft: &Draft<'_>) -> Result<(Vec<Node>, Vec<u32>), BuildError> {
    let shape = draft.layout.shape;
    let mut nodes = with_room(shape.upper_nodes() as usize)?;
    let mut words = with_room(shape.upper_nodes() as usize)?;
    let mut tables = Vec::new();
    let mut ties = Ties::of(draft);
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

/// Appends a hash index of this many buckets. If `buckets` is 0 or if too many keys collide,
/// changes nothing and returns false.
fn append_index(bytes: &mut AlignedBytes, entries: &[u64], layout: Layout, buckets: usize) -> bool {
    if buckets == 0 {
        return false;
    }
    let before = bytes.len();
    bytes.pad_to(CACHE_LINE);
    let at = bytes.len();
    bytes.append_zeros(CACHE_LINE * buckets);
    let (image, index) = bytes.as_mut().split_at_mut(at);
    let draft = Draft { entries, bytes: image, layout };
    let built = hash_index::build(draft.entries(), bytemuck::cast_slice_mut(index)).is_some();
    if !built {
        bytes.truncate(before);
    }
    built
}

/// An unfinished image that still lacks its section of entries.
struct Draft<'a> {
    entries: &'a [u64],
    bytes: &'a [u8],
    layout: Layout,
}

impl Draft<'_> {
    /// Iterates over all entries, each with its key.
    fn entries(&self) -> impl Iterator<Item = (&[u8], Entry)> {
        (0..self.layout.entries).map(|rank| (self.key(rank), self.entry(rank)))
    }
}

impl Keys for Draft<'_> {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    #[inline(always)]
    fn key(&self, rank: usize) -> &[u8] {
        let (start, len) = unpack(self.entries.get(rank).copied().unwrap_or_default());
        self.bytes.get(DATA_AT + start..DATA_AT + start + len).unwrap_or_default()
    }

    #[inline(always)]
    fn entry(&self, rank: usize) -> Entry {
        let (start, key_len) = unpack(self.entries.get(rank).copied().unwrap_or_default());
        let next = self.entries.get(rank + 1).map(|&next| unpack(next).0);
        Entry { start, key_len, end: next.unwrap_or(start) }
    }
}

/// Returns the number of entries to reserve memory for before reading entries from an iterator.
/// This is the lower bound that the iterator promises, up to a limit, because an endless iterator
/// promises `usize::MAX`.
pub(crate) fn room_for(entries: &impl Iterator) -> usize {
    entries.size_hint().0.min(1 << 20)
}
