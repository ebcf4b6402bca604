//! Laying a block out: entries and data in key order first, then what is derived from them.

use crate::aligned::AlignedBytes;
use crate::error::BuildError;
use crate::hash_index;
use crate::layout::{ENTRY_LEN, HEADER_LEN, LINE_LEN, Layout, MAX_DATA_LEN, MAX_ENTRIES, pack};
use crate::line::{Line, partial};
use crate::raw::Raw;
use crate::shape::Tier;

/// What to put into a block besides the map.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FreezeOptions {
    /// Add a hash index: exact lookups then take one look at it instead of a walk down the tree, for six bytes
    /// an entry more. Maps of more than 2^28 entries, and keys made to collide, get none. Off unless asked for.
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

/// A block that is being written.
pub(crate) struct Writer {
    bytes: AlignedBytes,
    layout: Layout,
    /// Entries and bytes of data written.
    entries: usize,
    data: usize,
}

impl Writer {
    /// Room for that many entries with that many bytes of keys and values.
    pub(crate) fn new(
        entries: usize,
        data_len: u64,
        options: &FreezeOptions,
    ) -> Result<Self, BuildError> {
        if entries as u64 > MAX_ENTRIES {
            return Err(BuildError::TooManyEntries { max: MAX_ENTRIES as usize });
        }
        let cells = if options.hash_index { hash_index::cells_for(entries as u64) } else { 0 };
        let layout = Layout::new(entries as u64, data_len, cells, 0)
            .ok_or(BuildError::TooLarge { len: data_len, max: MAX_DATA_LEN })?;
        let bytes = AlignedBytes::zeroed(layout.total_len);
        Ok(Self { bytes, layout, entries: 0, data: 0 })
    }

    /// Appends an entry, whose key is greater than all before. Beyond the announced room nothing is written.
    #[inline]
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) {
        self.entry(pack(self.data as u64, key.len()));
        self.append(key);
        self.append(value);
    }

    /// Appends the packed entries and the data of a whole map.
    pub(crate) fn fill(&mut self, entries: &[u64], data: &[u8]) {
        for &entry in entries {
            self.entry(entry);
        }
        self.append(data);
    }

    #[inline]
    fn entry(&mut self, entry: u64) {
        let at = self.layout.entries_at + ENTRY_LEN * self.entries;
        put(&mut self.bytes, at, &entry.to_le_bytes());
        self.entries += 1;
    }

    #[inline]
    fn append(&mut self, bytes: &[u8]) {
        put(&mut self.bytes, self.layout.data_at + self.data, bytes);
        self.data += bytes.len();
    }

    /// Derives lines, index, checksums and header.
    pub(crate) fn finish(mut self) -> AlignedBytes {
        self.entry(pack(self.data as u64, 0));
        self.layout.common = common(self.raw());
        let shape = self.layout.shape;
        for tier in shape.tiers() {
            for block in 0..tier.blocks() {
                let line = line_of(self.raw(), &tier, block);
                let at = HEADER_LEN + LINE_LEN * (tier.first + block) as usize;
                put(&mut self.bytes, at, bytemuck::bytes_of(&line));
            }
        }
        if self.layout.cells > 0 {
            self.index();
        }
        let body = self.bytes.get(HEADER_LEN..).unwrap_or_default();
        let header = self.layout.header(crc32fast::hash(body));
        put(&mut self.bytes, 0, bytemuck::bytes_of(&header));
        self.bytes
    }

    fn index(&mut self) {
        let Layout { entries, cells, cells_at, .. } = self.layout;
        let raw = self.raw();
        let index = hash_index::build((0..entries).map(|rank| raw.key(rank)), entries, cells);
        match index {
            Some(index) => {
                for (cell, at) in index.iter().zip((cells_at..).step_by(4)) {
                    put(&mut self.bytes, at, &cell.to_le_bytes());
                }
            }
            None => {
                self.layout.cells = 0;
                self.layout.total_len = cells_at;
                self.bytes.truncate(cells_at);
            }
        }
    }

    fn raw(&self) -> Raw<'_> {
        Raw { bytes: &self.bytes, layout: &self.layout }
    }
}

#[inline]
fn put(bytes: &mut AlignedBytes, at: usize, what: &[u8]) {
    if let Some(to) = bytes.as_mut().get_mut(at..).and_then(|to| to.get_mut(..what.len())) {
        to.copy_from_slice(what);
    }
}

/// Length of the prefix that all keys share: that of the first and the last.
pub(crate) fn common(raw: Raw<'_>) -> usize {
    match raw.layout.entries {
        0 => 0,
        entries => shared(raw.key(0), raw.key(entries - 1)),
    }
}

/// The line of a block, from the keys.
pub(crate) fn line_of(raw: Raw<'_>, tier: &Tier, block: u64) -> Line {
    let shape = raw.layout.shape;
    let skip = match shape.bounds(tier, block) {
        (Some(left), Some(right)) => shared(raw.key(left as usize), raw.key(right as usize)),
        _ => raw.layout.common,
    };
    let keys = 0..shape.keys(tier, block);
    Line::new(skip, keys.map(|key| partial(raw.key(shape.rank(tier, block, key) as usize), skip)))
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
