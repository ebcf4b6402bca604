//! Laying a block out: entries and data in key order first, then what is derived from them.

use crate::aligned::AlignedBytes;
use crate::error::BuildError;
use crate::grow::{grow, with_room};
use crate::hash_index;
use crate::layout::{
    DATA_AT, HEADER_LEN, LINE_LEN, Layout, MAX_DATA_LEN, MAX_ENTRIES, MAX_KEY_LEN, pack, unpack,
};
use crate::line::{Line, partial};
use crate::raw::{Entry, Raw};
use crate::shape::Tier;

/// What to put into a block besides the map.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FreezeOptions {
    /// Add a hash index: exact lookups then take one look at it instead of a walk down the tree, for twelve bytes
    /// an entry more. Maps of more than 2^32 entries or 64 GiB, and keys made to collide, get none. Off unless asked for.
    pub hash_index: bool,
}

impl FreezeOptions {
    /// With or without a hash index.
    #[must_use]
    pub fn hash_index(mut self, hash_index: bool) -> Self {
        self.hash_index = hash_index;
        self
    }
}

/// A block that is being written, from front to back.
#[derive(Clone, Debug)]
pub(crate) struct Writer {
    /// Room for the header, and the data so far.
    bytes: AlignedBytes,
    entries: Vec<u64>,
}

impl Writer {
    /// A block without entries.
    pub(crate) fn new() -> Self {
        let mut bytes = AlignedBytes::small();
        bytes.append(&[0; HEADER_LEN]);
        Self { bytes, entries: Vec::new() }
    }

    /// A block without entries; with room for so many, with that many bytes of keys and values.
    pub(crate) fn with_capacity(entries: usize, data_len: usize) -> Result<Self, BuildError> {
        let data_end = DATA_AT + data_len;
        let derived = Layout::new(entries as u64, data_len as u64, 0, 0);
        let mut bytes = AlignedBytes::with_capacity(derived.map_or(data_end, |l| l.total_len))?;
        bytes.reserve(HEADER_LEN)?;
        bytes.append(&[0; HEADER_LEN]);
        // And the end of the last one, see `finish`.
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

    /// Checks the limits of the format for one more entry.
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

    /// Appends an entry that was checked, and whose key is greater than all before.
    #[inline]
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), BuildError> {
        self.reserve(1, key.len() + value.len())?;
        self.entries.push(pack(self.data_len(), key.len()));
        self.bytes.append(key);
        self.bytes.append(value);
        Ok(())
    }

    /// As `push`; key and value are end to end already.
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

    /// Derives lines, index, checksums and header.
    pub(crate) fn finish(self, options: &FreezeOptions) -> Result<AlignedBytes, BuildError> {
        let (count, data_len) = (self.len() as u64, self.data_len());
        let buckets = if options.hash_index { hash_index::buckets_for(count, data_len) } else { 0 };
        // `check` keeps the limits, and what is in memory can be addressed.
        let Some(layout) = Layout::new(count, data_len, 0, 0) else { return Ok(self.bytes) };
        let Self { mut bytes, mut entries } = self;
        grow(&mut entries, 1)?;
        entries.push(pack(data_len, 0));
        bytes.reserve(layout.total_len - bytes.len() + (buckets as usize + 1) * LINE_LEN)?;
        bytes.pad_to(LINE_LEN);
        let mut raw = Draft { entries: &entries, bytes: &bytes, layout };
        raw.layout.common = common(&raw);
        let layout = raw.layout;
        let mut lines = with_room(layout.shape.blocks() as usize)?;
        for tier in layout.shape.tiers() {
            lines.extend((0..tier.blocks()).map(|block| line_of(&raw, &tier, block)));
        }
        bytes.append(bytemuck::cast_slice(&lines));
        // Both no work where numbers are little-endian anyway.
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

/// Appends a hash index in so many buckets. False, and nothing done, when there are none or when keys collide too much.
fn append_index(bytes: &mut AlignedBytes, entries: &[u64], layout: Layout, buckets: usize) -> bool {
    if buckets == 0 {
        return false;
    }
    let before = bytes.len();
    bytes.pad_to(LINE_LEN);
    let at = bytes.len();
    bytes.append_zeros(LINE_LEN * buckets);
    let (block, index) = bytes.as_mut().split_at_mut(at);
    let draft = Draft { entries, bytes: block, layout };
    let built = hash_index::build(draft.entries(), bytemuck::cast_slice_mut(index)).is_some();
    if !built {
        bytes.truncate(before);
    }
    built
}

/// Where keys are read from while lines are derived.
pub(crate) trait Keys {
    fn layout(&self) -> &Layout;
    fn key(&self, rank: usize) -> &[u8];
}

/// A block whose entries are not in it yet.
struct Draft<'a> {
    entries: &'a [u64],
    bytes: &'a [u8],
    layout: Layout,
}

impl Draft<'_> {
    /// Each entry with its key.
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

impl Keys for Raw<'_> {
    fn layout(&self) -> &Layout {
        self.layout
    }

    #[inline(always)]
    fn key(&self, rank: usize) -> &[u8] {
        Raw::key(*self, rank)
    }
}

/// Length of the prefix that all keys share: that of the first and the last.
pub(crate) fn common(raw: &impl Keys) -> usize {
    match raw.layout().entries {
        0 => 0,
        entries => shared(raw.key(0), raw.key(entries - 1)),
    }
}

/// The line of a block, from the keys.
pub(crate) fn line_of(raw: &impl Keys, tier: &Tier, block: u64) -> Line {
    let shape = raw.layout().shape;
    let skip = match shape.bounds(tier, block) {
        (Some(left), Some(right)) => shared(raw.key(left as usize), raw.key(right as usize)),
        _ => raw.layout().common,
    };
    let keys = 0..shape.keys(tier, block);
    Line::new(skip, keys.map(|key| partial(raw.key(shape.rank(tier, block, key) as usize), skip)))
}

/// For how many entries of an iterator to make room before they come: what it promises, within reason, because an
/// endless one promises all there can be.
pub(crate) fn room_for(entries: &impl Iterator) -> usize {
    entries.size_hint().0.min(1 << 20)
}

/// Length of the longest common prefix.
pub(crate) fn shared(a: &[u8], b: &[u8]) -> usize {
    let words = a.chunks_exact(8).zip(b.chunks_exact(8)).take_while(|(a, b)| a == b).count();
    let rest = a.iter().zip(b).skip(8 * words).take_while(|(a, b)| a == b).count();
    8 * words + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shared_prefixes_are_counted_to_the_byte() {
        let a: Vec<u8> = (0..40).collect();
        for at in 0..40 {
            let mut b = a.clone();
            b[at] = 99;
            assert_eq!(shared(&a, &b), at);
            assert_eq!(shared(&a, &a[..at]), at);
        }
        assert_eq!(shared(&a, &a), 40);
        assert_eq!(shared(b"", b"x"), 0);
    }
}
