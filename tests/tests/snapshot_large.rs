//! Snapshots beyond 4 GiB, and headers that claim more than any machine has, in memory that is
//! reserved but not allocated. It reads as zeros where nothing was stored.

use std::ops::Range;

use avl_snapshot::{Builder, MAX_DATA_LEN, Snapshot};
use memmap2::{MmapMut, MmapOptions};
use shm_tests::image::{Entry, Sections, encode, entry_word, fix_header, header, set_word};

const GIB: usize = 1 << 30;

/// `len` zeros; `None` if that much address space cannot be reserved.
fn reserved(len: usize) -> Option<MmapMut> {
    MmapOptions::new().len(len).no_reserve_swap().map_anon().ok()
}

/// The keys of the stretched images.
fn map() -> Vec<Entry> {
    (0..40u8).map(|i| (vec![b'k', i, 7], vec![])).collect()
}

/// The image of [`map`] in which each value is `value_len` zeros; its body checksum is wrong.
fn stretched(value_len: usize) -> (MmapMut, Vec<Range<usize>>) {
    // With values that are long enough for wide units.
    let map: Vec<Entry> = map().into_iter().map(|(key, _)| (key, vec![0; 10_000])).collect();
    let small = encode(&map, false);
    let (n, data_len) = (map.len(), map.len() * (3 + value_len));
    let sections = Sections::of(&small);
    let tree = &small[sections.nodes.start..];
    let nodes_at = (header::LEN + data_len).next_multiple_of(64);
    let mut image = reserved(nodes_at + tree.len()).expect("less than 100 GiB of addresses");
    image[..header::LEN].copy_from_slice(&small[..header::LEN]);
    set_word(&mut image, header::DATA_LEN, data_len as u64);
    fix_header(&mut image);
    image[nodes_at..].copy_from_slice(tree);
    let mut values = Vec::new();
    let word_at = |rank| sections.wide_entry(n, rank) - sections.nodes.start + nodes_at;
    for (rank, (key, _)) in map.iter().enumerate() {
        let offset = rank * (3 + value_len);
        set_word(&mut image, word_at(rank), entry_word(offset as u64, 3));
        let at = header::LEN + offset;
        image[at..at + 3].copy_from_slice(key);
        values.push(at + 3..at + 3 + value_len);
    }
    set_word(&mut image, word_at(n), entry_word(data_len as u64, 0));
    (image, values)
}

#[test]
fn data_beyond_4_gib_are_found() {
    // 40 values of half a GiB and a bit: 20 GiB of data, of which a few pages are there.
    let (mut image, values) = stretched(GIB / 2 + 12_345);
    for (rank, value) in values.iter().enumerate() {
        image[value.start] = rank as u8 + 1;
        image[value.end - 1] = 0xE0 + rank as u8 % 16;
    }
    assert!(values[39].end > 20 * GIB);
    let snapshot = Snapshot::new(&image[..]).unwrap();
    assert_eq!(snapshot.stats().data_bytes, 40 * (3 + GIB / 2 + 12_345));
    let check = |rank: usize, value: &[u8]| {
        assert_eq!(value.len(), values[rank].len());
        let ends = (value[0], value[value.len() - 1]);
        assert_eq!(ends, (rank as u8 + 1, 0xE0 + rank as u8 % 16));
    };
    let keys: Vec<_> = map().into_iter().map(|(key, _)| key).collect();
    for (rank, key) in keys.iter().enumerate() {
        assert_eq!(snapshot.search(key), Ok(rank));
        check(rank, snapshot.get(key).unwrap());
        let (found, value) = snapshot.nth(rank).unwrap();
        assert_eq!(found, key);
        check(rank, value);
    }
    for (rank, value) in snapshot.get_many(&keys).into_iter().enumerate() {
        check(rank, value.unwrap());
    }
    for (rank, (key, value)) in snapshot.iter().rev().enumerate() {
        assert_eq!(key, keys[39 - rank]);
        check(39 - rank, value);
    }
    assert_eq!(snapshot.get([b'k', 20, 8]), None);
    assert_eq!(snapshot.rank([b'k', 20, 8]), 21);
    assert_eq!(snapshot.last().unwrap().0, [b'k', 39, 7]);
}

#[test]
fn a_header_of_2_to_the_40_entries_is_harmless() {
    // The nodes and units of the largest map: 16 TiB of addresses, all zeros. Where a system does
    // not give so many, fewer.
    let open = |bits: u32| {
        let nodes: u64 = nodes_of_a_power_of_two(bits);
        let n = 1u64 << bits;
        let total = header::LEN + 64 * nodes as usize + 8 * (n as usize + 8);
        let mut image = reserved(total)?;
        image[..header::LEN].copy_from_slice(&encode(&[], false)[..header::LEN]);
        set_word(&mut image, header::ENTRIES, n);
        fix_header(&mut image);
        Some((n as usize, image))
    };
    let (n, image) = [40, 38, 36, 32].into_iter().find_map(open).expect("some addresses");
    let snapshot = Snapshot::new(&image[..]).unwrap();
    assert_eq!(snapshot.len(), n);
    assert_eq!(snapshot.iter().len(), n);
    for key in [&b""[..], b"a", &[0; 100], &[0xFF; 100]] {
        // All nodes and entries are zeros: each search reads one node a tier and ends.
        assert!(snapshot.rank(key) <= n);
        assert!(snapshot.get(key).is_none_or(<[u8]>::is_empty));
        assert!(snapshot.prefix(key).len() <= n);
        assert_eq!(snapshot.get_many(&[key, key]).len(), 2);
    }
    assert_eq!(snapshot.nth(n - 1), Some((&b""[..], &b""[..])));
    assert_eq!(snapshot.nth(n), None);
    let mut iter = snapshot.iter();
    assert!(iter.nth(n - 2).is_some() && iter.next().is_some() && iter.next().is_none());
    assert!(snapshot.iter().nth(usize::MAX).is_none());
    let (mut both, half) = (snapshot.range(..&b"x"[..]), snapshot.range(&b"x"[..]..));
    assert!(both.next_back().is_some() || half.len() == n);
}

/// Lines of the tree of 2^bits nodes, by tiers of four levels from the bottom.
fn nodes_of_a_power_of_two(bits: u32) -> u64 {
    let levels = bits + 1;
    let top = (levels - 1) % 4 + 1;
    std::iter::once(0).chain((top..levels).step_by(4)).map(|above| 1 << above).sum()
}

#[test]
fn the_largest_offsets_keep_all_their_bits() {
    // The end of the data is the last place that an entry can name.
    let map: Vec<Entry> = vec![(b"k".to_vec(), vec![])];
    for offset in [1u64 << 32, (1 << 32) + 1, 1 << 40, MAX_DATA_LEN - 1, MAX_DATA_LEN] {
        let Some((image, total)) = one_value(&map, offset) else { continue };
        let snapshot = Snapshot::new(&image[..]).unwrap();
        assert_eq!(snapshot.stats().total_bytes, total);
        let value = snapshot.get("k").unwrap();
        assert_eq!(value.len() as u64, offset - 1, "all but the key");
    }
}

/// An image with one entry, `k`, whose value ends at `end`.
fn one_value(map: &[Entry], end: u64) -> Option<(MmapMut, usize)> {
    let long: Vec<Entry> = map.iter().map(|(key, _)| (key.clone(), vec![0; 70_000])).collect();
    let small = encode(&long, false);
    let nodes_at = (header::LEN + end as usize).next_multiple_of(64);
    let total = nodes_at + 64 + 16;
    let mut image = reserved(total)?;
    image[..header::LEN + 1].copy_from_slice(&small[..header::LEN + 1]);
    set_word(&mut image, header::DATA_LEN, end);
    fix_header(&mut image);
    image[nodes_at..].copy_from_slice(&small[Sections::of(&small).nodes.start..]);
    set_word(&mut image, total - 8, entry_word(end, 0));
    Some((image, total))
}

#[test]
fn a_gib_of_values_is_built_opened_and_verified() {
    let value = vec![0x5A; 64 << 20];
    let mut builder = Builder::new();
    builder.reserve(16, GIB + 16);
    for key in 0..16u8 {
        builder.push([key], &value).unwrap();
    }
    let snapshot = Snapshot::new(builder.finish()).unwrap();
    snapshot.verify().unwrap();
    assert_eq!(snapshot.stats().data_bytes, GIB + 16);
    for key in 0..16u8 {
        assert!(snapshot.get([key]) == Some(&value));
    }
}
