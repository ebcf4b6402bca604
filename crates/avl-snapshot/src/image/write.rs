//! Writing an image: first the data in key order, then the data that are derived from the keys.

use super::derive::{Keys, common, node_of};
use super::hash_index;
use super::layout::{
    CACHE_LINE, DATA_AT, HEADER_LEN, Layout, MAX_DATA_LEN, MAX_ENTRIES, MAX_KEY_LEN, buckets_for,
    pack, unpack,
};
use super::raw::Entry;
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
        let derived = Layout::new(entries as u64, data_len as u64, 0, 0);
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
        let Some(layout) = Layout::new(count, data_len, 0, 0) else { return Ok(self.bytes) };
        let Self { mut bytes, mut entries } = self;
        grow(&mut entries, 1)?;
        entries.push(pack(data_len, 0));
        bytes.reserve(layout.total_len - bytes.len() + (buckets as usize + 1) * CACHE_LINE)?;
        bytes.pad_to(CACHE_LINE);
        let mut draft = Draft { entries: &entries, bytes: &bytes, layout };
        draft.layout.common = common(&draft);
        let layout = draft.layout;
        let mut nodes = with_room(layout.shape.nodes() as usize)?;
        for tier in layout.shape.tiers() {
            nodes.extend((0..tier.nodes()).map(|node| node_of(&draft, &tier, node)));
        }
        bytes.append(bytemuck::cast_slice(&nodes));
        // Both do nothing on little-endian machines.
        entries.iter_mut().for_each(|entry| *entry = entry.to_le());
        bytes.append(bytemuck::cast_slice(&entries));
        entries.iter_mut().for_each(|entry| *entry = u64::from_le(*entry));
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
        let ends = self.entries.iter().skip(1);
        self.entries.iter().zip(ends).enumerate().map(|(rank, (&this, &next))| {
            let ((start, key_len), (end, _)) = (unpack(this), unpack(next));
            (self.key(rank), Entry { start, key_len, end })
        })
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
}

/// Returns the number of entries to reserve memory for before reading entries from an iterator.
/// This is the lower bound that the iterator promises, up to a limit, because an endless iterator
/// promises `usize::MAX`.
pub(crate) fn room_for(entries: &impl Iterator) -> usize {
    entries.size_hint().0.min(1 << 20)
}
