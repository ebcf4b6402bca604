//! Images with one crafted fault each, under right checksums: each field that is refused, by the
//! error that names it.

use std::cell::Cell;

use avl_snapshot::{Snapshot, SnapshotError};
use shm_tests::golden::{numbered, ties};
use shm_tests::image::{
    Entry, LINE, Sections, encode, fix_checksums, fix_header, header, set_word, word,
};
use shm_tests::snapshot_calls::{entries, every_call};

mod index;
mod tree;

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

/// Bytes of the data of the entries before one.
fn data_before(map: &[Entry], rank: usize) -> usize {
    map[..rank].iter().map(|(key, value)| key.len() + value.len()).sum()
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
    // The ties have no words, or more words than there are nodes above the bottom tier.
    for ties in [1, (1 << 32) + 1, u64::MAX] {
        assert_eq!(fault_of_header(header::TIES, ties), numbers, "{ties}");
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
    let expected = 64 + data_len.next_multiple_of(64) + 64 * nodes + 8 * ((1 << 40) + 8);
    let found = image.len() as u64;
    assert_eq!(fault(&image), Some(SnapshotError::Length { found, expected }));

    for (at, number) in [
        (header::ENTRIES, 0),
        (header::ENTRIES, 15),
        (header::ENTRIES, 30),
        (header::DATA_LEN, 0),
        (header::DATA_LEN, (1 << 44) - 1),
        (header::TIES, 2),
        (header::TIES, 1 << 32),
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
fn data_of_no_entry() {
    for data_len in [1, 8, 64] {
        let mut image = encode(&[], false);
        image.resize(header::LEN + data_len, b'x');
        image.resize(header::LEN + LINE, 0);
        set_word(&mut image, header::DATA_LEN, data_len as u64);
        fix_checksums(&mut image);
        let end = header::LEN + LINE;
        assert_eq!(fault(&image), Some(corrupt("end of the entries", end)), "{data_len}");
    }
}

#[test]
fn keys_out_of_order_where_all_else_is_right() {
    let at_key = |map: &[Entry], rank: usize| header::LEN + data_before(map, rank);
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
fn padding() {
    for (map, index) in [(map(), false), (numbered(3), true), (ties(), false), (ties(), true)] {
        let image = encode(&map, index);
        let sections = Sections::of(&image);
        assert!(!sections.data_padding.is_empty());
        assert_eq!(sections.units_padding.is_empty(), map.len() > 7);
        assert_eq!(sections.ties_padding.is_empty(), sections.ties.is_empty());
        for at in sections.data_padding.chain(sections.ties_padding).chain(sections.units_padding) {
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
    let at = sections.data.start + data_before(&map(), 3) + key.len();
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
