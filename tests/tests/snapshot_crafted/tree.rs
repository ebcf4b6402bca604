//! Faults in the nodes, in the ties, and in the entries.

use std::cell::Cell;

use avl_snapshot::{Snapshot, SnapshotError};
use shm_tests::golden::{numbered, prefixes_and_nuls};
use shm_tests::image::{
    Entry, LINE, Sections, encode, entry_word, fix_checksums, header, set_word, word,
};
use shm_tests::snapshot_calls::{entries, every_call};

use super::{corrupt, data_before, fault, fault_after, fault_of_header, map};

/// Changes one half of an entry's part. Half 0 is the length of the key, and half 1 the end of the
/// value.
fn set_part(image: &mut [u8], sections: &Sections, rank: usize, half: usize, number: u16) {
    let (at, _) = sections.part(map().len(), rank);
    image[at + 2 * half..][..2].copy_from_slice(&number.to_le_bytes());
}

fn part(image: &[u8], sections: &Sections, rank: usize) -> (u16, u16) {
    let (at, _) = sections.part(map().len(), rank);
    let half = |at: usize| u16::from_le_bytes(image[at..][..2].try_into().unwrap());
    (half(at), half(at + 2))
}

#[test]
fn offsets_of_entries() {
    let image = encode(&map(), false);
    let sections = Sections::of(&image);
    let data_len = sections.data.len() as u64;
    let unit = |rank| corrupt("offset of an entry", sections.part(20, rank).1);
    assert_eq!((sections.units.len(), sections.part(20, 13).1), (2, sections.units[1].start + 64));
    // The bases of both units. The first base is 0, and the second one is where the data of the
    // first unit end.
    for (first, number) in
        [(0, 1), (0, data_len), (0, 1 << 47), (0, 1 << 63), (13, 0), (13, u64::MAX)]
    {
        let error = fault_after(|image, sections| {
            let base = sections.part(20, first).1;
            let number = if number == 0 { word(image, base) - 1 } else { number };
            set_word(image, base, number);
        });
        assert_eq!(error, Some(unit(first)), "{first} {number}");
    }
    // Ends before the start of the entry, and after the end of the data.
    for (rank, end) in
        [(6, 0), (6, part(&image, &sections, 5).1 - 1), (6, u16::MAX), (18, u16::MAX)]
    {
        let error = fault_after(|image, sections| set_part(image, sections, rank, 1, end));
        assert_eq!(error, Some(unit(rank)), "{rank} {end}");
    }
    // An end that is in order, but inside the key of its entry.
    let end = part(&image, &sections, 5).1 + 1;
    let error = fault_after(|image, sections| set_part(image, sections, 6, 1, end));
    assert_eq!(error, Some(corrupt("length of a key", sections.part(20, 6).1)));
}

#[test]
fn lengths_of_keys() {
    let image = encode(&map(), false);
    let sections = Sections::of(&image);
    for rank in [0, 7, 12, 13, 19] {
        let room = (map()[rank].0.len() + map()[rank].1.len()) as u16;
        for length in [room + 1, room + 1000, u16::MAX] {
            let error = fault_after(|image, sections| set_part(image, sections, rank, 0, length));
            let expected = corrupt("length of a key", sections.part(20, rank).1);
            assert_eq!(error, Some(expected), "{rank} {length}");
        }
    }
}

#[test]
fn the_end_of_the_entries() {
    let image = encode(&map(), false);
    let sections = Sections::of(&image);
    let data_len = sections.data.len() as u64;
    let end = corrupt("end of the entries", sections.all_units().end);
    let (key_len, last) = part(&image, &sections, 19);
    assert!(usize::from(key_len) < map()[19].0.len() + map()[19].1.len(), "choose another map");
    let error = fault_after(|image, sections| set_part(image, sections, 19, 1, last - 1));
    assert_eq!(error, Some(end.clone()));
    // One byte of data more than the entries say, in place of padding, and one less.
    assert_eq!(fault_of_header(header::DATA_LEN, data_len + 1), end);
    let base = sections.part(20, 19).1;
    let behind = corrupt("offset of an entry", base);
    assert_eq!(fault_of_header(header::DATA_LEN, data_len - 1), behind);
    // The slot after the last entry.
    for (half, number) in [(0, 1), (1, last + 1), (1, 0)] {
        let error = fault_after(|image, sections| set_part(image, sections, 20, half, number));
        assert_eq!(error, Some(corrupt("entries of a node", base)), "{half} {number}");
    }
}

#[test]
fn forks_and_slots_without_an_entry() {
    let sections = Sections::of(&encode(&map(), false));
    for unit in &sections.units {
        let slots = (unit.len() - LINE) / 8;
        let base = unit.start + LINE;
        for at in base + 8 + 4 * slots..unit.end {
            let error = fault_after(|image, _| image[at] ^= 1);
            assert_eq!(error, Some(corrupt("entries of a node", base)), "{at}");
        }
    }
    // The first unit has 12 keys in 16 slots.
    let (behind, base) = sections.part(20, 12);
    for at in behind + 4..behind + 16 {
        let error = fault_after(|image, _| image[at] = 1);
        assert_eq!(error, Some(corrupt("entries of a node", base)));
    }
}

#[test]
fn wide_units() {
    let long = |key: u8, len: usize| (vec![b'k', b'k', b'k', b'k', key], vec![key; len]);
    let map: Vec<Entry> = (0..20).map(|key| long(key, if key < 13 { 6000 } else { 9 })).collect();
    let image = encode(&map, false);
    let sections = Sections::of(&image);
    assert_eq!(fault(&image), None);
    assert_eq!(entries(&Snapshot::new(&image).unwrap()), map);
    let [wide, narrow] = [0, 1].map(|unit| sections.units[unit].start);
    let flag = |image: &[u8], node: usize| image[node + 3] >> 7;
    assert_eq!((flag(&image, wide), flag(&image, narrow)), (1, 0));
    let fault_with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut changed = image.clone();
        change(&mut changed);
        fix_checksums(&mut changed);
        fault(&changed)
    };
    let offset = |unit: usize| Some(corrupt("offset of an entry", unit + LINE));
    assert_eq!(fault_with(&|image| image[wide + 3] ^= 0x80), offset(wide));
    assert_eq!(fault_with(&|image| image[narrow + 3] ^= 0x80), offset(wide));
    for slot in 0..13 {
        let at = wide + LINE + 8 * slot;
        for wrong in [0, 1 << 32, (1 << 44) - 1] {
            let offset_is = |image: &mut Vec<u8>| {
                let wrong = if slot == 0 { wrong.max(1) } else { wrong };
                set_word(image, at, entry_word(wrong, 5));
            };
            let found = fault_with(&offset_is);
            assert!(found.is_some() && found != Some(corrupt("node of the tree", wide)), "{slot}");
        }
        let longer = |image: &mut Vec<u8>| {
            let is = word(image, at);
            set_word(image, at, is | 0xF_FFFF);
        };
        assert_eq!(fault_with(&longer), Some(corrupt("length of a key", wide + LINE)));
    }
    // A unit that could be narrow.
    let mut changed = image.clone();
    changed[narrow + 3] |= 0x80;
    for slot in 0..8 {
        let rank = 13 + slot;
        let start = data_before(&map, rank);
        let len = if rank < 20 { 5 } else { 0 };
        set_word(&mut changed, narrow + LINE + 8 * slot, entry_word(start as u64, len));
    }
    fix_checksums(&mut changed);
    assert_eq!(entries(&Snapshot::new(&changed).unwrap()), map);
    assert_eq!(fault(&changed), Some(corrupt("node of the tree", narrow)));
}

#[test]
fn words_of_nodes() {
    let sections = Sections::of(&encode(&map(), false));
    let nodes: Vec<usize> = [sections.nodes.start]
        .into_iter()
        .chain(sections.units.iter().map(|unit| unit.start))
        .collect();
    assert_eq!((nodes.len(), sections.nodes.len()), (3, LINE), "a top node and two below it");
    for (node, at) in nodes.into_iter().enumerate() {
        for word in 0..16 {
            for value in [0, 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX, 0x1234_5678] {
                let same = Cell::new(false);
                let error = fault_after(|image, _| {
                    let place = &mut image[at + 4 * word..][..4];
                    same.set(*place == value.to_le_bytes());
                    place.copy_from_slice(&value.to_le_bytes());
                });
                // The highest bit of the first word says how the entries after it are stored.
                let is_wide = node > 0 && word == 0 && value >> 31 == 1;
                let unit = sections.units[node.saturating_sub(1)].start + LINE;
                let expected = match (same.get(), is_wide) {
                    (true, _) => None,
                    (_, true) => Some(corrupt("offset of an entry", unit)),
                    _ => Some(corrupt("node of the tree", at)),
                };
                assert_eq!(error, expected, "word {word} of node {node}: {value:#x}");
            }
        }
        // All keys absent; all keys the same; the largest skip.
        for fill in [0x7FFF_FFFFu32, 0x8000_0000, 0, u32::MAX] {
            let error = fault_after(|image, _| {
                image[at..][..LINE]
                    .chunks_mut(4)
                    .for_each(|w| w.copy_from_slice(&fill.to_le_bytes()));
            });
            let is_wide = node > 0 && fill >> 31 == 1;
            let expected = match is_wide {
                true => corrupt("offset of an entry", at + LINE),
                false => corrupt("node of the tree", at),
            };
            assert_eq!(error, Some(expected));
        }
    }
}

#[test]
fn words_of_ties() {
    // Two tiers, and several groups in a row.
    let map = prefixes_and_nuls();
    let image = encode(&map, false);
    let sections = Sections::of(&image);
    assert!(sections.ties.len() > 4 * (1 + 8 + 2 * 5), "{:?}", sections.ties);
    assert_eq!(fault(&image), None);
    let queries: Vec<_> = map.iter().map(|(key, _)| key.clone()).collect();
    let fault = |image: &[u8]| every_call(image, &queries).unwrap().err();
    for at in sections.ties.clone() {
        for value in [0, 1, 7, 0x7F, 0x80, 0xFF] {
            let mut changed = image.clone();
            changed[at] = value;
            fix_checksums(&mut changed);
            let is_other = changed != image;
            let found = fault(&changed);
            let is_ties = matches!(found, Some(SnapshotError::Corrupt { what: "ties of the tree", at })
                if sections.ties.contains(&(at as usize)));
            assert!(if is_other { is_ties } else { found.is_none() }, "{at} {value}: {found:?}");
        }
    }
    // All words the same, so that some groups name themselves; no words; one word more or less.
    for fill in [0u8, 1, 9, 0xFF] {
        let mut changed = image.clone();
        changed[sections.ties.clone()].fill(fill);
        fix_checksums(&mut changed);
        assert_eq!(fault(&changed), Some(corrupt("ties of the tree", sections.ties.start)));
    }
    let words = word(&image, header::TIES);
    for wrong in [0, words - 1, words + 1] {
        let mut changed = image[..sections.nodes.end].to_vec();
        changed.extend(image[sections.ties.clone()].iter().take(4 * wrong as usize));
        changed.resize(sections.nodes.end + 4 * wrong as usize, 0);
        changed.resize(changed.len().next_multiple_of(LINE), 0);
        changed.extend(&image[sections.all_units()]);
        set_word(&mut changed, header::TIES, wrong);
        fix_checksums(&mut changed);
        let found = fault(&changed);
        assert!(
            matches!(found, Some(SnapshotError::Corrupt { what: "ties of the tree", .. })),
            "{wrong} {found:?}"
        );
    }
    // Words of ties although no keys tie.
    let none = numbered(40);
    let image = encode(&none, false);
    let sections = Sections::of(&image);
    assert!(sections.ties.is_empty());
    let mut changed = image[..sections.nodes.end].to_vec();
    changed.resize(sections.nodes.end + LINE, 0);
    changed.extend(&image[sections.all_units()]);
    set_word(&mut changed, header::TIES, 16);
    fix_checksums(&mut changed);
    let end = sections.nodes.end + LINE;
    assert_eq!(fault(&changed), Some(corrupt("ties of the tree", end)));
}
