//! Verifying a whole image. All data that can be derived are derived again and compared with the
//! image.

use super::derive::{common, node_of};
use super::hash_index;
use super::layout::{CACHE_LINE, DATA_AT, HEADER_LEN, Header, TIE_LEN};
use super::node::Words;
use super::raw::{Entry, Raw};
use super::ties::Ties;
use super::unit::Unit;
use crate::error::SnapshotError;
use crate::grow::or_abort;

/// Checks everything after the header. O(bytes), whatever the bytes are.
pub(crate) fn verify(raw: Raw<'_>, header: &Header) -> Result<(), SnapshotError> {
    checksum(raw, header)?;
    entries(raw)?;
    order(raw)?;
    if common(&raw) != raw.layout.common {
        return corrupt("common prefix", std::mem::offset_of!(Header, common));
    }
    nodes(raw)?;
    units(raw)?;
    index(raw)?;
    let layout = raw.layout;
    zeros(raw, DATA_AT + layout.data_len, layout.nodes_at)?;
    zeros(raw, layout.ties_at + TIE_LEN * layout.ties, layout.units_at)?;
    zeros(raw, layout.units_end, layout.buckets_at)
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
        let at = || layout.unit_at(layout.shape.spot(rank as u64).unit) + CACHE_LINE;
        if start != expected || end < start || end > layout.data_len {
            return corrupt("offset of an entry", at());
        }
        if key_len > end - start {
            return corrupt("length of a key", at());
        }
        expected = end;
    }
    if expected == layout.data_len {
        return Ok(());
    }
    corrupt("end of the entries", layout.units_end)
}

fn order(raw: Raw<'_>) -> Result<(), SnapshotError> {
    for rank in 1..raw.layout.entries {
        if raw.key(rank - 1) >= raw.key(rank) {
            return corrupt("order of the keys", DATA_AT + raw.entry(rank).start);
        }
    }
    Ok(())
}

/// Checks the nodes above the bottom tier, and the ties section.
fn nodes(raw: Raw<'_>) -> Result<(), SnapshotError> {
    let layout = raw.layout;
    let mut ties = or_abort(Ties::of(&raw));
    let mut tables_at = layout.tables_at;
    let mut has_ties = false;
    for tier in layout.shape.tiers().filter(|tier| tier.below > 0) {
        for node in 0..tier.nodes() {
            let at = tier.first + node;
            let expected = node_of(&raw, &tier, node);
            if raw.node(at) != expected {
                return corrupt("node of the tree", layout.nodes_at + CACHE_LINE * at as usize);
            }
            let of_node = ties.node(&tier, node, expected.skip());
            let word_at = layout.ties_at + TIE_LEN * at as usize;
            has_ties |= of_node.word != 0;
            // The section is empty if no node has groups.
            if layout.ties > 0 || has_ties {
                words(raw, word_at, &[of_node.word])?;
                words(raw, tables_at, of_node.words)?;
            }
            tables_at += TIE_LEN * of_node.words.len();
        }
    }
    let end = layout.ties_at + TIE_LEN * layout.ties;
    if if has_ties { tables_at != end } else { layout.ties != 0 } {
        return corrupt("ties of the tree", end);
    }
    Ok(())
}

/// Compares words of the ties section.
fn words(raw: Raw<'_>, at: usize, expected: &[u32]) -> Result<(), SnapshotError> {
    let end = raw.layout.ties_at + TIE_LEN * raw.layout.ties;
    let found = raw.bytes.get(at..end.max(at)).unwrap_or_default();
    let found = found.chunks_exact(TIE_LEN).take(expected.len());
    if found.eq(expected.iter().map(|word| word.to_le_bytes())) {
        return Ok(());
    }
    corrupt("ties of the tree", at)
}

fn units(raw: Raw<'_>) -> Result<(), SnapshotError> {
    for unit in 0..raw.layout.shape.units() {
        let at = raw.layout.unit_at(unit);
        let expected = Unit::of(&raw, unit);
        let found = raw.bytes.get(at..).unwrap_or_default();
        let differs = expected.bytes().iter().zip(found).position(|(a, b)| a != b);
        match differs {
            None if found.len() >= expected.bytes().len() => {}
            Some(..CACHE_LINE) => return corrupt("node of the tree", at),
            _ => return corrupt("entries of a node", at + CACHE_LINE),
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
    use super::super::layout::{Header, KEY_LEN_BITS, Layout};
    use super::*;
    use crate::{Snapshot, from_sorted};

    fn is_noticed(mut bytes: Vec<u8>, at: usize, bit: u32) {
        let layout = Layout::read(&bytes).unwrap().0;
        let word = &mut bytes[at..at + 8];
        let found = u64::from_le_bytes(word.try_into().unwrap());
        word.copy_from_slice(&(found | 1 << bit).to_le_bytes());
        let header: Header = layout.header(crc32fast::hash(&bytes[HEADER_LEN..]));
        bytes[..HEADER_LEN].copy_from_slice(bytemuck::bytes_of(&header));
        let snapshot = Snapshot::new(bytes).unwrap();
        let error = snapshot.verify().unwrap_err();
        assert!(matches!(error, SnapshotError::Corrupt { .. }), "{error:?}");
        assert!(snapshot.iter().count() <= 3);
    }

    #[test]
    fn offsets_that_are_equal_in_their_low_half_only_are_noticed() {
        // These are not addresses on a 32-bit machine.
        for bit in [32, 43] {
            let narrow = from_sorted([("a", "1"), ("b", "2"), ("c", "3")]).unwrap();
            let at = Layout::read(&narrow).unwrap().0.units_at + CACHE_LINE;
            is_noticed(narrow.to_vec(), at, bit);
            let long = "v".repeat(30_000);
            let wide = from_sorted([("a", &long), ("b", &long), ("c", &long)]).unwrap();
            let at = Layout::read(&wide).unwrap().0.units_at + CACHE_LINE;
            for slot in 0..=3 {
                is_noticed(wide.to_vec(), at + 8 * slot, bit + KEY_LEN_BITS);
            }
        }
    }
}
