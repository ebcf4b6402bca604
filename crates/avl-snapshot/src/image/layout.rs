//! The layout of an image's sections. `docs/format.md` says the same in prose.
//!
//! | section | at | bytes |
//! |---|---|---|
//! | header | 0 | 64 |
//! | data | 64 | data length |
//! | nodes above the bottom tier | after the data, at a multiple of 64 | 64 × [`Shape::upper_nodes`] |
//! | ties, or nothing | after these nodes | 4 × length of the ties in words |
//! | units, which are the nodes of the bottom tier, each with its entries | after the ties, at a multiple of 64 | 64 × [`Shape::units`] + 8 × [`Shape::all_slots`] |
//! | buckets of the hash index, or nothing | after the units, at a multiple of 64 | 64 × buckets |
//!
//! Padding is zeros. The data come first, so that an image can be written from front to back while
//! entries arrive. The offset of a section is not stored and need not be checked, because it
//! follows from numbers in the header: the number of entries, the number of buckets, the length of
//! the ties and the length of the data. Numbers are little-endian. No alignment is required, but a
//! node is in one cache line only if nodes are 64-byte aligned in memory.

use std::mem::{offset_of, size_of};

use bytemuck::{Pod, Zeroable};

use super::shape::Shape;
use crate::error::SnapshotError;

pub(crate) const MAGIC: [u8; 8] = *b"AVLSNAP\n";
/// Version of the format that this crate writes and reads.
pub const FORMAT_VERSION: u32 = 1;
/// Length of the header at the start of every image, in bytes.
pub const HEADER_LEN: usize = 64;
/// Offset of the data, which start right after the header.
pub(crate) const DATA_AT: usize = HEADER_LEN;
/// Length in bytes of a node, and of a bucket of the hash index.
pub(crate) const CACHE_LINE: usize = 64;
/// Bytes of a unit for each of its slots.
pub(crate) const SLOT_LEN: usize = 8;
/// Length in bytes of a word of the ties section.
pub(crate) const TIE_LEN: usize = 4;
/// Maximum number of words of tables and groups in the ties section.
pub(crate) const MAX_TIES: u64 = u32::MAX as u64;
/// Number of bits of a packed entry that hold the length of its key. The other bits hold the offset
/// of its data.
pub(crate) const KEY_LEN_BITS: u32 = 20;
/// Maximum length of a key in bytes: 1 MiB - 1.
pub const MAX_KEY_LEN: usize = (1 << KEY_LEN_BITS) - 1;
/// Maximum total length of keys and values in bytes: 16 TiB - 1.
pub const MAX_DATA_LEN: u64 = (1 << (64 - KEY_LEN_BITS)) - 1;
/// Maximum number of entries in an image.
pub const MAX_ENTRIES: u64 = 1 << 40;

/// Number of bits of a hash index cell that hold the offset of the key.
pub(crate) const START_BITS: u32 = 36;
/// Maximum number of entries for which an index is made. It follows from the 32 bits of the hash
/// that choose a bucket.
const MAX_INDEXED: u64 = 1 << 32;

/// Number of buckets of the hash index for this many entries with data of this length, or 0 if an
/// index cannot hold that much.
pub(crate) const fn buckets_for(entries: u64, data_len: u64) -> u64 {
    if entries == 0 || entries > MAX_INDEXED || data_len > 1 << START_BITS {
        0
    } else {
        // One and a half cells for each entry.
        (3 * entries).div_ceil(16) + 1
    }
}

/// The header as it is stored in an image.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) magic: [u8; 8],
    pub(crate) version: [u8; 4],
    pub(crate) reserved: [u8; 4],
    pub(crate) entries: [u8; 8],
    pub(crate) data_len: [u8; 8],
    pub(crate) buckets: [u8; 8],
    pub(crate) common: [u8; 8],
    pub(crate) ties: [u8; 8],
    /// CRC-32 (IEEE) of everything after the header.
    pub(crate) body_crc: [u8; 4],
    /// CRC-32 of the header before this field.
    pub(crate) header_crc: [u8; 4],
}

const _: () = {
    assert!(size_of::<Header>() == HEADER_LEN);
    assert!(crate::error::HEADER == HEADER_LEN as u64);
    assert!(offset_of!(Header, version) == 8);
    assert!(offset_of!(Header, entries) == 16);
    assert!(offset_of!(Header, data_len) == 24);
    assert!(offset_of!(Header, buckets) == 32);
    assert!(offset_of!(Header, common) == 40);
    assert!(offset_of!(Header, ties) == 48);
    assert!(offset_of!(Header, body_crc) == 56);
    assert!(offset_of!(Header, header_crc) == 60);
};

/// Where each section is in an image. The numbers have been checked and are consistent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) shape: Shape,
    pub(crate) entries: usize,
    /// Offset of the nodes above the bottom tier.
    pub(crate) nodes_at: usize,
    /// Length of the ties section in words.
    pub(crate) ties: usize,
    pub(crate) ties_at: usize,
    /// Offset of the tables and groups, which come after the words for nodes in the ties section.
    pub(crate) tables_at: usize,
    pub(crate) units_at: usize,
    pub(crate) units_end: usize,
    pub(crate) buckets: usize,
    pub(crate) buckets_at: usize,
    pub(crate) data_len: usize,
    pub(crate) total_len: usize,
    /// Length of the prefix that all keys share.
    pub(crate) common: usize,
}

/// The numbers in a header. The whole layout follows from them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Numbers {
    pub(crate) entries: u64,
    pub(crate) data_len: u64,
    pub(crate) buckets: u64,
    pub(crate) common: u64,
    pub(crate) ties: u64,
}

impl Layout {
    /// Computes a layout. Returns `None` if such an image would exceed the limits of the format or
    /// the address space of this machine.
    pub(crate) fn new(numbers: Numbers) -> Option<Self> {
        let Numbers { entries, data_len, buckets, common, ties } = numbers;
        if entries > MAX_ENTRIES || data_len > MAX_DATA_LEN || common > MAX_KEY_LEN as u64 {
            return None;
        }
        if buckets != 0 && buckets != buckets_for(entries, data_len) {
            return None;
        }
        let shape = Shape::of(entries);
        let upper = shape.upper_nodes();
        if ties != 0 && (ties <= upper || ties > upper + MAX_TIES) {
            return None;
        }
        // Below 2^44 + 2^40 × (64 + 8 + 8) + 2^34: no overflow in 64 bits.
        let line = CACHE_LINE as u64;
        let nodes_at = (DATA_AT as u64 + data_len).next_multiple_of(line);
        let ties_at = nodes_at + line * upper;
        let tables_at = ties_at + TIE_LEN as u64 * upper;
        let units_at = (ties_at + TIE_LEN as u64 * ties).next_multiple_of(line);
        let units_end = units_at + line * shape.units() + SLOT_LEN as u64 * shape.all_slots();
        let buckets_at = if buckets > 0 { units_end.next_multiple_of(line) } else { units_end };
        let total_len = buckets_at + line * buckets;
        isize::try_from(total_len).ok()?;
        Some(Self {
            shape,
            entries: usize::try_from(entries).ok()?,
            nodes_at: usize::try_from(nodes_at).ok()?,
            ties: usize::try_from(ties).ok()?,
            ties_at: usize::try_from(ties_at).ok()?,
            tables_at: usize::try_from(tables_at).ok()?,
            units_at: usize::try_from(units_at).ok()?,
            units_end: usize::try_from(units_end).ok()?,
            buckets: usize::try_from(buckets).ok()?,
            buckets_at: usize::try_from(buckets_at).ok()?,
            data_len: usize::try_from(data_len).ok()?,
            total_len: usize::try_from(total_len).ok()?,
            common: usize::try_from(common).ok()?,
        })
    }

    /// True if tables and groups take more space than the words for nodes. A search then fetches
    /// the table of a node together with the node, before it is known whether anything ties there.
    #[inline(always)]
    pub(crate) const fn has_many_ties(&self) -> bool {
        TIE_LEN * self.ties > 2 * (self.tables_at - self.ties_at)
    }

    /// Returns the offset of a unit. A unit starts with its node.
    #[inline(always)]
    pub(crate) const fn unit_at(&self, unit: u64) -> usize {
        let slots = self.shape.slots_before(unit) as usize;
        self.units_at.wrapping_add(CACHE_LINE * unit as usize + SLOT_LEN * slots)
    }

    /// Returns the length in bytes of a range of units.
    pub(crate) fn units_len(&self, units: &std::ops::Range<u64>) -> usize {
        let end =
            if units.end < self.shape.units() { self.unit_at(units.end) } else { self.units_end };
        end.saturating_sub(self.unit_at(units.start))
    }

    /// Reads and checks the header of an image. Also checks that the image has the length that the
    /// header states. O(1).
    pub(crate) fn read(bytes: &[u8]) -> Result<(Self, Header), SnapshotError> {
        let (layout, header) = Self::claimed(bytes)?;
        let (found, expected) = (bytes.len() as u64, layout.total_len as u64);
        if found != expected {
            return Err(SnapshotError::Length { found, expected });
        }
        Ok((layout, header))
    }

    /// Reads and checks the header of an image. The rest of the image may be missing. O(1).
    fn claimed(bytes: &[u8]) -> Result<(Self, Header), SnapshotError> {
        let short =
            || SnapshotError::Length { found: bytes.len() as u64, expected: HEADER_LEN as u64 };
        let magic = *bytes.first_chunk().ok_or_else(short)?;
        if magic != MAGIC {
            return Err(SnapshotError::Magic { found: magic });
        }
        let header = bytes.get(..HEADER_LEN).ok_or_else(short)?;
        let header: Header = bytemuck::pod_read_unaligned(header);
        let version = u32::from_le_bytes(header.version);
        if version != FORMAT_VERSION {
            return Err(SnapshotError::Version { found: version, supported: FORMAT_VERSION });
        }
        if u32::from_le_bytes(header.header_crc) != header.crc() {
            return Err(SnapshotError::Corrupt {
                what: "checksum of the header",
                at: offset_of!(Header, header_crc) as u64,
            });
        }
        let number = u64::from_le_bytes;
        if header.reserved != [0; 4] {
            return Err(SnapshotError::Corrupt {
                what: "reserved bytes",
                at: offset_of!(Header, reserved) as u64,
            });
        }
        let layout = Self::new(Numbers {
            entries: number(header.entries),
            data_len: number(header.data_len),
            buckets: number(header.buckets),
            common: number(header.common),
            ties: number(header.ties),
        });
        let Some(layout) = layout else {
            return Err(SnapshotError::Corrupt {
                what: "numbers in the header",
                at: offset_of!(Header, entries) as u64,
            });
        };
        Ok((layout, header))
    }

    /// Makes the header of an image that has this layout and this checksum of its body.
    pub(crate) fn header(&self, body_crc: u32) -> Header {
        let mut header = Header {
            magic: MAGIC,
            version: FORMAT_VERSION.to_le_bytes(),
            reserved: [0; 4],
            entries: (self.entries as u64).to_le_bytes(),
            data_len: (self.data_len as u64).to_le_bytes(),
            buckets: (self.buckets as u64).to_le_bytes(),
            common: (self.common as u64).to_le_bytes(),
            ties: (self.ties as u64).to_le_bytes(),
            body_crc: body_crc.to_le_bytes(),
            header_crc: [0; 4],
        };
        header.header_crc = header.crc().to_le_bytes();
        header
    }
}

impl Header {
    fn crc(&self) -> u32 {
        let bytes = bytemuck::bytes_of(self);
        crc32fast::hash(bytes.get(..offset_of!(Self, header_crc)).unwrap_or(bytes))
    }
}

/// The length of an image in bytes, read from its first [`HEADER_LEN`] bytes. O(1).
///
/// Call this to learn how much memory an image needs before reading the rest of it.
///
/// # Errors
/// The errors of [`Snapshot::new`](crate::Snapshot::new), if these bytes cannot be the start of an
/// image.
///
/// ```
/// use avl_snapshot::{HEADER_LEN, RbTree, image_len};
/// let image = RbTree::new().freeze();
/// assert_eq!(image_len(&image[..HEADER_LEN])?, image.len() as u64);
/// assert!(image_len(b"something else").is_err());
/// # Ok::<(), avl_snapshot::SnapshotError>(())
/// ```
pub fn image_len(head: &[u8]) -> Result<u64, SnapshotError> {
    Layout::claimed(head).map(|(layout, _)| layout.total_len as u64)
}

/// The number of entries of an image, read from its first [`HEADER_LEN`] bytes. O(1).
///
/// # Errors
/// The errors of [`image_len`].
///
/// ```
/// use avl_snapshot::{HEADER_LEN, image_entries, from_sorted};
/// let image = from_sorted([("a", "1"), ("b", "2")])?;
/// assert_eq!(image_entries(&image[..HEADER_LEN])?, 2);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn image_entries(head: &[u8]) -> Result<u64, SnapshotError> {
    Layout::claimed(head).map(|(layout, _)| layout.entries as u64)
}

/// Packs an entry into one number: the offset of its data, and the length of its key.
#[inline(always)]
pub(crate) const fn pack(offset: u64, key_len: usize) -> u64 {
    offset << KEY_LEN_BITS | key_len as u64
}

/// Unpacks the offset and the key length of an entry. An offset that does not fit into an address
/// becomes the last address, which is outside every image.
#[inline(always)]
pub(crate) const fn unpack(entry: u64) -> (usize, usize) {
    let offset = entry >> KEY_LEN_BITS;
    // Never true if addresses have 64 bits.
    let offset = if offset > usize::MAX as u64 { usize::MAX } else { offset as usize };
    (offset, entry as usize & MAX_KEY_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn not_every_map_can_have_an_index() {
        assert_eq!(buckets_for(0, 0), 0);
        assert_eq!(buckets_for(1, 0), 2);
        assert_eq!(buckets_for(5, 1 << 36), 2);
        assert_eq!(buckets_for(6, 1 << 36), 3);
        assert_eq!(buckets_for(6, (1 << 36) + 1), 0);
        assert_ne!(buckets_for(1 << 32, 0), 0);
        assert_eq!(buckets_for((1 << 32) + 1, 0), 0);
    }
}
