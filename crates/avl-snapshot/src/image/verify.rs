//! Verifying a whole image. All data that can be derived are derived again and compared with the
//! image.

use super::derive::{common, node_of};
use super::hash_index;
use super::layout::{CACHE_LINE, DATA_AT, ENTRY_LEN, HEADER_LEN, Header, unpack};
use super::node::Words;
use super::raw::{Entry, Raw};
use crate::error::SnapshotError;

/// Checks everything after the header. O(bytes), whatever the bytes are.
pub(crate) fn verify(raw: Raw<'_>, header: &Header) -> Result<(), SnapshotError> {
    checksum(raw, header)?;
    entries(raw)?;
    order(raw)?;
    if common(&raw) != raw.layout.common {
        return corrupt("common prefix", std::mem::offset_of!(Header, common));
    }
    nodes(raw)?;
    index(raw)?;
    let layout = raw.layout;
    zeros(raw, DATA_AT + layout.data_len, layout.nodes_at)?;
    zeros(raw, layout.entries_at + ENTRY_LEN * (layout.entries + 1), layout.buckets_at)
}

fn corrupt(what: &'static str, at: usize) -> Result<(), SnapshotError> {
    Err(SnapshotError::Corrupt { what, at: at as u64 })
}

fn checksum(raw: Raw<'_>, header: &Header) -> Result<(), SnapshotError> {
    let body = raw.bytes.get(HEADER_LEN..).unwrap_or_default();
    if crc32fast::hash(body) == u32::from_le_bytes(header.body_crc) {
        return Ok(());
    }
    corrupt("checksum of the body", std::mem::offset_of!(Header, body_crc))
}

/// Checks that offsets ascend from 0 to the length of the data, and that each key lies inside its
/// entry's data.
fn entries(raw: Raw<'_>) -> Result<(), SnapshotError> {
    let layout = raw.layout;
    let mut expected = 0;
    for rank in 0..layout.entries {
        let Entry { start, key_len, end } = raw.entry(rank);
        let at = layout.entries_at + ENTRY_LEN * rank;
        if start != expected {
            return corrupt("offset of an entry", at);
        }
        if end < start || end > layout.data_len {
            return corrupt("offset of an entry", at + ENTRY_LEN);
        }
        if key_len > end - start {
            return corrupt("length of a key", at);
        }
        expected = end;
    }
    let at = layout.entries_at + ENTRY_LEN * layout.entries;
    let last = raw.bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
    let last = last.map(|last| unpack(u64::from_le_bytes(*last)));
    if last == Some((layout.data_len, 0)) && expected == layout.data_len {
        return Ok(());
    }
    corrupt("end of the entries", at)
}

fn order(raw: Raw<'_>) -> Result<(), SnapshotError> {
    for rank in 1..raw.layout.entries {
        if raw.key(rank - 1) >= raw.key(rank) {
            return corrupt("order of the keys", DATA_AT + raw.entry(rank).start);
        }
    }
    Ok(())
}

fn nodes(raw: Raw<'_>) -> Result<(), SnapshotError> {
    for tier in raw.layout.shape.tiers() {
        for node in 0..tier.nodes() {
            let at = tier.first + node;
            if raw.node(at) != node_of(&raw, &tier, node) {
                return corrupt("node of the tree", raw.layout.nodes_at + CACHE_LINE * at as usize);
            }
        }
    }
    Ok(())
}

fn index(raw: Raw<'_>) -> Result<(), SnapshotError> {
    let layout = raw.layout;
    if layout.buckets == 0 {
        return Ok(());
    }
    let entries = (0..layout.entries).map(|rank| raw.entry(rank));
    let entries = entries.map(|entry| (raw.key_of(entry), entry));
    let mut index = vec![Words::ZERO; layout.buckets];
    if hash_index::build(entries, &mut index).is_none() {
        return corrupt("hash index of colliding keys", layout.buckets_at);
    }
    for (at, bucket) in index.into_iter().enumerate() {
        if raw.bucket(at) != bucket {
            return corrupt("bucket of the hash index", layout.buckets_at + CACHE_LINE * at);
        }
    }
    Ok(())
}

fn zeros(raw: Raw<'_>, from: usize, to: usize) -> Result<(), SnapshotError> {
    let padding = raw.bytes.get(from..to).unwrap_or_default();
    match padding.iter().position(|&byte| byte != 0) {
        None => Ok(()),
        Some(at) => corrupt("padding", from + at),
    }
}

#[cfg(test)]
mod tests {
    use super::super::layout::{KEY_LEN_BITS, Layout};
    use super::*;
    use crate::{Snapshot, from_sorted};

    #[test]
    fn offsets_that_are_equal_in_their_low_half_only_are_noticed() {
        let image = from_sorted([("a", "1"), ("b", "2"), ("c", "3")]).unwrap();
        let layout = Layout::read(&image).unwrap().0;
        for entry in 0..=3 {
            // These are not addresses on a 32-bit machine.
            for bit in [32, 43] {
                let mut bytes = image.to_vec();
                let at = layout.entries_at + ENTRY_LEN * entry;
                let word = &mut bytes[at..at + 8];
                let found = u64::from_le_bytes(word.try_into().unwrap());
                word.copy_from_slice(&(found | 1 << (bit + KEY_LEN_BITS)).to_le_bytes());
                let header = layout.header(crc32fast::hash(&bytes[HEADER_LEN..]));
                bytes[..HEADER_LEN].copy_from_slice(bytemuck::bytes_of(&header));
                let snapshot = Snapshot::new(bytes).unwrap();
                let error = snapshot.verify().unwrap_err();
                assert!(matches!(error, SnapshotError::Corrupt { .. }), "{error:?}");
                assert!(snapshot.iter().count() <= 3);
            }
        }
    }
}
