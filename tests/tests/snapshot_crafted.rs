//! Images with one crafted fault each, under right checksums: each field that is refused, by the
//! error that names it.

use std::cell::Cell;

use avl_snapshot::{Snapshot, SnapshotError};
use shm_tests::golden::numbered;
use shm_tests::image::{
    Entry, LINE, Sections, colliding_key, encode, encode_empty_index, entry_word, fix_checksums,
    fix_header, header, set_word, word,
};
use shm_tests::snapshot_calls::{entries, every_call};

/// Two tiers, an index, several lengths of keys and values.
fn map() -> Vec<Entry> {
    numbered(20)
}

fn queries() -> Vec<Vec<u8>> {
    let far = [vec![], vec![0xFF; 9], b"id:".to_vec(), b"id:5".to_vec()];
    map().into_iter().map(|(key, _)| key).chain(far).collect()
}

fn corrupt(what: &'static str, at: usize) -> SnapshotError {
    SnapshotError::Corrupt { what, at: at as u64 }
}

/// The error of an image, of opening or else of `verify`, after every call was made.
fn fault(image: &[u8]) -> Option<SnapshotError> {
    match every_call(image, &queries()) {
        Err(refused) => Some(refused),
        Ok(verified) => verified.err(),
    }
}

/// The fault of an image of [`map`], with and without an index, after a change and with right
/// checksums.
fn fault_after(change: impl Fn(&mut Vec<u8>, &Sections)) -> Option<SnapshotError> {
    let faults = [false, true].map(|index| {
        let mut image = encode(&map(), index);
        let sections = Sections::of(&image);
        assert_eq!(fault(&image), None);
        change(&mut image, &sections);
        fix_checksums(&mut image);
        fault(&image)
    });
    let [plain, indexed] = faults;
    assert_eq!(plain, indexed, "the index makes no difference");
    plain
}

/// The same after a word of the header was changed.
fn fault_of_header(at: usize, number: u64) -> SnapshotError {
    fault_after(|image, _| set_word(image, at, number)).unwrap()
}

#[test]
fn magic_version_and_reserved_bytes() {
    for at in header::MAGIC..header::VERSION {
        let error = fault_after(|image, _| image[at] ^= 0x20).unwrap();
        assert!(matches!(error, SnapshotError::Magic { found } if found[at] != b"AVLSNAP\n"[at]));
    }
    for version in [0, 2, 0x100, u32::MAX] {
        let error = fault_after(|image, _| {
            image[header::VERSION..][..4].copy_from_slice(&version.to_le_bytes());
        });
        assert_eq!(error, Some(SnapshotError::Version { found: version, supported: 1 }));
    }
    for at in header::RESERVED..header::ENTRIES {
        let error = fault_after(|image, _| image[at] = 1);
        assert_eq!(error, Some(corrupt("reserved bytes", header::RESERVED)));
    }
    for at in header::RESERVED2..header::BODY_CRC {
        let error = fault_after(|image, _| image[at] = 1);
        assert_eq!(error, Some(corrupt("reserved bytes", header::RESERVED2)));
    }
}

#[test]
fn the_two_checksums() {
    let image = encode(&map(), false);
    let mut changed = image.clone();
    changed[header::HEADER_CRC] ^= 1;
    assert_eq!(fault(&changed), Some(corrupt("checksum of the header", header::HEADER_CRC)));
    let mut changed = image;
    changed[header::BODY_CRC] ^= 1;
    fix_header(&mut changed);
    assert_eq!(fault(&changed), Some(corrupt("checksum of the body", header::BODY_CRC)));
}

#[test]
fn numbers_beyond_the_format() {
    let numbers = corrupt("numbers in the header", header::ENTRIES);
    for entries in [(1 << 40) + 1, 1 << 61, 1 << 62, 1 << 63, u64::MAX - 1, u64::MAX] {
        assert_eq!(fault_of_header(header::ENTRIES, entries), numbers, "{entries}");
    }
    for data_len in [1 << 44, u64::MAX - 63, u64::MAX] {
        assert_eq!(fault_of_header(header::DATA_LEN, data_len), numbers, "{data_len}");
    }
    for common in [1 << 20, u64::from(u32::MAX), u64::MAX] {
        assert_eq!(fault_of_header(header::COMMON, common), numbers, "{common}");
    }
    for buckets in [1, 2, 4, 1 << 24, 1 << 57, u64::MAX] {
        assert_eq!(fault_of_header(header::BUCKETS, buckets), numbers, "{buckets}");
    }
    // The data are too long for an index, which has the right number of buckets.
    let mut image = encode(&map(), true);
    set_word(&mut image, header::DATA_LEN, (1 << 36) + 1);
    fix_header(&mut image);
    assert_eq!(fault(&image), Some(numbers));
}

#[test]
fn numbers_within_the_format_that_need_another_length() {
    // 2^40 entries: 11 tiers, of which the last has 2^37 nodes.
    let mut image = encode(&map(), false);
    set_word(&mut image, header::ENTRIES, 1 << 40);
    fix_header(&mut image);
    let nodes: u64 =
        [0, 1, 5, 9, 13, 17, 21, 25, 29, 33, 37].iter().map(|&level| 1u64 << level).sum();
    let data_len = word(&image, header::DATA_LEN);
    let expected = 64 + data_len.next_multiple_of(64) + 64 * nodes + 8 * ((1 << 40) + 1);
    let found = image.len() as u64;
    assert_eq!(fault(&image), Some(SnapshotError::Length { found, expected }));

    for (at, number) in [
        (header::ENTRIES, 0),
        (header::ENTRIES, 19),
        (header::ENTRIES, 21),
        (header::DATA_LEN, 0),
        (header::DATA_LEN, (1 << 44) - 1),
    ] {
        let mut image = encode(&map(), false);
        set_word(&mut image, at, number);
        fix_header(&mut image);
        let error = fault(&image);
        assert!(
            matches!(error, Some(SnapshotError::Length { found: f, .. }) if f == found),
            "{error:?}"
        );
    }
    // An index that is not there.
    let mut image = encode(&map(), false);
    set_word(&mut image, header::BUCKETS, 5);
    fix_header(&mut image);
    assert!(matches!(fault(&image), Some(SnapshotError::Length { .. })));
}

#[test]
fn the_common_prefix() {
    let common = word(&encode(&map(), false), header::COMMON);
    for wrong in [0, common - 1, common + 1, 1000, (1 << 20) - 1] {
        assert_eq!(
            fault_of_header(header::COMMON, wrong),
            corrupt("common prefix", header::COMMON),
            "{wrong}"
        );
    }
    let mut empty = encode(&[], false);
    set_word(&mut empty, header::COMMON, 1);
    fix_header(&mut empty);
    assert_eq!(fault(&empty), Some(corrupt("common prefix", header::COMMON)));
}

#[test]
fn offsets_of_entries() {
    let image = encode(&map(), false);
    let sections = Sections::of(&image);
    let data_len = sections.data.len() as u64;
    let offset = |rank| word(&image, sections.entry(rank)) >> 20;
    let with_offset = |rank: usize, offset: u64| {
        fault_after(|image, sections| {
            let at = sections.entry(rank);
            let key_len = word(image, at) & 0xF_FFFF;
            set_word(image, at, entry_word(offset, key_len));
        })
    };
    // The data of the first entry start the data.
    for wrong in [1, 5, data_len, (1 << 44) - 1] {
        assert_eq!(with_offset(0, wrong), Some(corrupt("offset of an entry", sections.entry(0))));
    }
    // Before the entry in front of it; behind the data; over all.
    for wrong in [0, offset(6) - 1, data_len + 1, 1 << 32, 1 << 43, (1 << 44) - 1] {
        let error = with_offset(7, wrong);
        assert_eq!(error, Some(corrupt("offset of an entry", sections.entry(7))), "{wrong}");
    }
    // In order, but inside the key of the entry in front of it.
    let error = with_offset(7, offset(6) + 1);
    assert_eq!(error, Some(corrupt("length of a key", sections.entry(6))));
}

#[test]
fn lengths_of_keys() {
    let sections = Sections::of(&encode(&map(), false));
    for rank in [0, 7, 19] {
        for longer in [1, 1000, 0xF_FFFF] {
            let error = fault_after(|image, sections| {
                let at = sections.entry(rank);
                let word = word(image, at);
                let room = (self::word(image, at + 8) >> 20) - (word >> 20);
                set_word(image, at, entry_word(word >> 20, (room + longer).min(0xF_FFFF)));
            });
            assert_eq!(
                error,
                Some(corrupt("length of a key", sections.entry(rank))),
                "{rank} {longer}"
            );
        }
    }
}

#[test]
fn the_end_of_the_entries() {
    let sections = Sections::of(&encode(&map(), false));
    let end = sections.entry(20);
    let data_len = sections.data.len() as u64;
    let with_word = |word| fault_after(|image, sections| set_word(image, sections.entry(20), word));
    assert_eq!(with_word(entry_word(data_len, 1)), Some(corrupt("end of the entries", end)));
    assert_eq!(with_word(entry_word(data_len - 1, 0)), Some(corrupt("end of the entries", end)));
    assert_eq!(with_word(entry_word(data_len + 1, 0)), Some(corrupt("offset of an entry", end)));
    assert_eq!(with_word(u64::MAX), Some(corrupt("offset of an entry", end)));
    // One byte of data more than the entries say, where there is room for it, and one less.
    assert_eq!(fault_of_header(header::DATA_LEN, data_len + 1), corrupt("end of the entries", end));
    assert_eq!(fault_of_header(header::DATA_LEN, data_len - 1), corrupt("offset of an entry", end));
}

#[test]
fn data_of_no_entry() {
    for (data_len, word) in [(8, entry_word(8, 0)), (8, 0), (0, entry_word(8, 0)), (0, 1)] {
        let mut image = encode(&[], false);
        let end = header::LEN + if data_len > 0 { LINE } else { 0 };
        image.resize(header::LEN + data_len, b'x');
        image.resize(end + 8, 0);
        set_word(&mut image, header::DATA_LEN, data_len as u64);
        set_word(&mut image, end, word);
        fix_checksums(&mut image);
        assert_eq!(fault(&image), Some(corrupt("end of the entries", end)), "{data_len}");
    }
}

#[test]
fn keys_out_of_order_where_all_else_is_right() {
    let at_key = |map: &[Entry], rank: usize| {
        let image = encode(map, false);
        let sections = Sections::of(&image);
        sections.data.start + (word(&image, sections.entry(rank)) >> 20) as usize
    };
    for index in [false, true] {
        for rank in [0, 9, 18] {
            let mut swapped = map();
            swapped.swap(rank, rank + 1);
            let error = fault(&encode(&swapped, index));
            assert_eq!(error, Some(corrupt("order of the keys", at_key(&swapped, rank + 1))));
            let mut twice = map();
            twice[rank + 1].0 = twice[rank].0.clone();
            let error = fault(&encode(&twice, index));
            assert_eq!(error, Some(corrupt("order of the keys", at_key(&twice, rank + 1))));
        }
        let reversed: Vec<_> = map().into_iter().rev().collect();
        let error = fault(&encode(&reversed, index));
        assert_eq!(error, Some(corrupt("order of the keys", at_key(&reversed, 1))));
    }
}

#[test]
fn words_of_lines() {
    let sections = Sections::of(&encode(&map(), false));
    let nodes = sections.nodes.len() / LINE;
    assert_eq!(nodes, 3, "a top node and two below it");
    for node in 0..nodes {
        let at = sections.nodes.start + LINE * node;
        for word in 0..16 {
            for value in [0, 1, 0x7FFF_FFFF, 0x8000_0000, u32::MAX, 0x1234_5678] {
                let same = Cell::new(false);
                let error = fault_after(|image, _| {
                    let place = &mut image[at + 4 * word..][..4];
                    same.set(*place == value.to_le_bytes());
                    place.copy_from_slice(&value.to_le_bytes());
                });
                let expected = Some(corrupt("node of the tree", at)).filter(|_| !same.get());
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
            assert_eq!(error, Some(corrupt("node of the tree", at)));
        }
    }
}

#[test]
fn cells_of_the_index() {
    let image = encode(&map(), true);
    let sections = Sections::of(&image);
    let cells = sections.buckets.len() / 8;
    let find_all = |image: &[u8]| {
        let snapshot = Snapshot::new(image).unwrap();
        for (key, _) in map() {
            let _ = (snapshot.get(&key), snapshot.contains_key(&key));
        }
        snapshot.get_many(&map().iter().map(|(key, _)| key).collect::<Vec<_>>()).len()
    };
    for cell in 0..cells {
        let at = sections.buckets.start + 8 * cell;
        let is = word(&image, at);
        for change in [
            0,
            u64::MAX,
            // The place alone: the start, the end, far beyond it.
            is & !0xF_FFFF_FFFF,
            is & !0xF_FFFF_FFFF | sections.data.len() as u64,
            is | 0xF_FFFF_FFFF,
            // The length of the value alone: none, the longest, one that is too long for a cell.
            is & !(0xFFF << 36),
            is & !(0xFFF << 36) | 4094 << 36,
            is | 0xFFF << 36,
            // The length of the key alone: an empty cell with a rest, a longer key, one too long
            // for a cell.
            is & !(0xFF << 48),
            is.wrapping_add(1 << 48),
            is | 0xFF << 48,
            // Another tag.
            is ^ 1 << 56,
            is ^ 1 << 63,
        ] {
            if change == is {
                continue;
            }
            let mut changed = image.clone();
            changed[at..][..8].copy_from_slice(&change.to_le_bytes());
            fix_checksums(&mut changed);
            let bucket = sections.buckets.start + LINE * (cell / 8);
            let expected = Some(corrupt("bucket of the hash index", bucket));
            assert_eq!(fault(&changed), expected, "{change:#x} for {is:#x}");
            assert_eq!(find_all(&changed), map().len());
        }
    }
    // All cells the same: full of one, so that no bucket ends a search.
    for cell in [u64::MAX, 1, 1 << 48, word(&image, sections.buckets.start), 0] {
        let mut changed = image.clone();
        changed[sections.buckets.clone()]
            .chunks_mut(8)
            .for_each(|c| c.copy_from_slice(&cell.to_le_bytes()));
        fix_checksums(&mut changed);
        assert_eq!(
            fault(&changed),
            Some(corrupt("bucket of the hash index", sections.buckets.start))
        );
        assert_eq!(find_all(&changed), map().len());
    }
}

#[test]
fn an_index_of_colliding_keys() {
    let colliding = |n| (0..n).map(|i| (colliding_key(i), vec![i as u8])).collect::<Vec<Entry>>();
    // Sixty-four buckets of eight are what a lookup may read.
    let fits = colliding(512);
    assert_eq!(Sections::of(&encode(&fits, true)).buckets.len(), LINE * 97);
    assert_eq!(fault(&encode(&fits, true)), None);
    // All tags are the same: after sixteen other keys, the tree says.
    let snapshot = Snapshot::new(encode(&fits, true)).unwrap();
    assert!(snapshot.has_hash_index());
    let keys: Vec<_> = (0..1024).map(colliding_key).collect();
    let expected = |at: usize| fits.get(at).map(|(_, value)| &value[..]);
    for (at, key) in keys.iter().enumerate() {
        assert_eq!(snapshot.get(key), expected(at));
    }
    assert!(snapshot.get_many(&keys).into_iter().eq((0..1024).map(expected)));
    let too_many = colliding(513);
    assert!(Sections::of(&encode(&too_many, true)).buckets.is_empty(), "no index is written");
    assert_eq!(fault(&encode(&too_many, true)), None);
    let forged = encode_empty_index(&too_many, 98);
    let at = Sections::of(&forged).buckets.start;
    assert_eq!(fault(&forged), Some(corrupt("hash index of colliding keys", at)));
    let mut full = forged;
    full[at..].fill(0xFF);
    fix_checksums(&mut full);
    assert_eq!(fault(&full), Some(corrupt("hash index of colliding keys", at)));
}

#[test]
fn padding() {
    for index in [false, true] {
        let image = encode(&map(), index);
        let sections = Sections::of(&image);
        assert!(!sections.data_padding.is_empty() && index != sections.entries_padding.is_empty());
        for at in sections.data_padding.chain(sections.entries_padding) {
            let mut changed = image.clone();
            changed[at] = 1;
            fix_checksums(&mut changed);
            assert_eq!(fault(&changed), Some(corrupt("padding", at)));
        }
    }
}

#[test]
fn a_map_that_is_another_is_sound() {
    // Values are free, and so are the bytes of keys that neither order nor a node nor a cell
    // depends on.
    let mut image = encode(&map(), true);
    let sections = Sections::of(&image);
    let (key, value) = &map()[3];
    assert!(!value.is_empty(), "choose another entry");
    let at = sections.data.start + (word(&image, sections.entry(3)) >> 20) as usize + key.len();
    image[at] ^= 0xFF;
    fix_checksums(&mut image);
    assert_eq!(fault(&image), None);
    let mut expected = map();
    expected[3].1[0] ^= 0xFF;
    assert_eq!(entries(&Snapshot::new(&image).unwrap()), expected);
}

/// Bytes that are others at every look.
struct Restless<'a>(&'a [u8], Cell<usize>);

impl AsRef<[u8]> for Restless<'_> {
    fn as_ref(&self) -> &[u8] {
        let len = self.1.get();
        self.1.set((5 * len + 37) % (self.0.len() + 1));
        &self.0[..len]
    }
}

#[test]
fn bytes_that_change_their_length_after_opening_lead_nowhere() {
    for index in [false, true] {
        let image = encode(&map(), index);
        let snapshot = Snapshot::new(Restless(&image, Cell::new(image.len()))).unwrap();
        for _ in 0..200 {
            for key in queries() {
                let _ = (snapshot.get(&key), snapshot.rank(&key), snapshot.get_many(&[&key]));
            }
            assert_eq!(snapshot.iter().count(), 20);
            assert!(snapshot.prefix("id").count() <= 20);
            let whole = snapshot.get_ref().1.get() == image.len();
            assert_eq!(snapshot.verify().is_ok(), whole);
        }
    }
}
