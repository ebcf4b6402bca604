//! Images that are cut, longer, or have one byte changed; with checksums that say so, and with
//! right ones.
//!
//! Every call is made on each that opens: none may panic, leave the bytes, or yield more than there
//! is. And [`Snapshot::verify`] must tell: an image passes if, and only if, it is what its own
//! entries are built to.

use std::collections::BTreeMap;

use avl_snapshot::{Builder, FreezeOptions, Snapshot, SnapshotError};
use shm_tests::golden;
use shm_tests::image::{Entry, Sections, encode, fix_checksums, header, set_word, word};
use shm_tests::snapshot_calls::{entries, every_call};

/// Small maps of several shapes, each with and without an index.
fn shapes() -> Vec<(Vec<Entry>, bool)> {
    let entry = |key: &[u8], value: &[u8]| (key.to_vec(), value.to_vec());
    let long = |last| ([vec![b'p'; 9], vec![last; 5]].concat(), vec![last]);
    // Ten keys that tie with the only key of the top node, and differ later.
    let tied = |i: u8| [&b"k"[..], &[i / 10; 9], &[i % 10]].concat();
    let maps = [
        vec![],
        vec![entry(b"", b"")],
        vec![entry(b"key", b"value")],
        vec![entry(b"", b"x"), entry(b"\0", b""), entry(b"\0\0", b"zz")],
        // One tier and a second one; a common prefix; keys that tie and go on beyond their partial
        // keys.
        (0..20).map(long).collect(),
        golden::high_bytes(),
        (0..20).map(|i| (tied(i), vec![i])).collect(),
    ];
    maps.into_iter().flat_map(|map| [(map.clone(), false), (map, true)]).collect()
}

/// The keys of a map, keys next to them, and some far from all.
fn queries(map: &[Entry]) -> Vec<Vec<u8>> {
    let mut queries = vec![vec![], vec![0], vec![0xFF; 3], vec![0xFF; 20], vec![b'p'; 9]];
    for (key, _) in map.iter().step_by(3) {
        queries.push(key.clone());
        queries.push([&key[..], &[0]].concat());
        queries.push(key.iter().map(|byte| byte ^ 1).collect());
    }
    queries
}

/// What an image of these entries is built to, if they are in order.
fn built_from(entries: &[Entry], index: bool) -> Option<Vec<u8>> {
    let mut builder = Builder::with_options(FreezeOptions::default().hash_index(index));
    for (key, value) in entries {
        builder.push(key, value).ok()?;
    }
    Some(builder.finish().to_vec())
}

/// Every byte with each bit flipped, zeroed, and all ones.
fn changes(image: &[u8]) -> impl Iterator<Item = (usize, Vec<u8>)> + '_ {
    (0..image.len()).flat_map(move |at| {
        let byte = image[at];
        let flipped = (0..8).map(move |bit| byte ^ 1 << bit);
        flipped.chain([0, 0xFF]).filter(move |&new| new != byte).map(move |new| {
            let mut changed = image.to_vec();
            changed[at] = new;
            (at, changed)
        })
    })
}

#[test]
fn every_cut_and_every_extension_is_refused_by_its_length() {
    for (map, index) in shapes() {
        let image = encode(&map, index);
        let expected = image.len() as u64;
        for cut in 0..image.len() {
            let error = every_call(&image[..cut], &[vec![]]).unwrap_err();
            let found = cut as u64;
            match cut {
                0..64 => assert_eq!(error, SnapshotError::Length { found, expected: 64 }),
                _ => assert_eq!(error, SnapshotError::Length { found, expected }),
            }
        }
        let mut longer = image.clone();
        for more in 1..=200 {
            longer.push(more);
            let found = longer.len() as u64;
            let refused = SnapshotError::Length { found, expected };
            assert_eq!(every_call(&longer, &[vec![]]), Err(refused.clone()));
            fix_checksums(&mut longer);
            assert_eq!(every_call(&longer, &[vec![]]), Err(refused));
        }
    }
}

#[test]
fn every_changed_byte_is_noticed_by_a_checksum() {
    for (map, index) in shapes() {
        let image = encode(&map, index);
        let queries = queries(&map);
        assert_eq!(every_call(&image, &queries), Ok(Ok(())));
        for (at, changed) in changes(&image) {
            let what = match every_call(&changed, &queries) {
                Ok(verified) => verified.unwrap_err(),
                Err(refused) => refused,
            };
            let expected = match at {
                0..8 => matches!(what, SnapshotError::Magic { .. }),
                8..12 => matches!(what, SnapshotError::Version { supported: 1, .. }),
                12..64 => is_corrupt(&what, "checksum of the header", 60),
                _ => is_corrupt(&what, "checksum of the body", 56),
            };
            assert!(expected, "byte {at}: {what}");
        }
    }
}

fn is_corrupt(error: &SnapshotError, what: &str, at: u64) -> bool {
    matches!(error, SnapshotError::Corrupt { what: w, at: a } if *w == what && *a == at)
}

/// Checks that `verify` is right about an image with right checksums. True when the image passed.
fn judged_rightly(image: &[u8], queries: &[Vec<u8>], case: &dyn std::fmt::Debug) -> bool {
    let verified = match every_call(image, queries) {
        Ok(verified) => verified,
        Err(SnapshotError::Corrupt { .. } | SnapshotError::Length { .. }) => return false,
        Err(SnapshotError::Magic { .. } | SnapshotError::Version { .. }) => return false,
        Err(other) => panic!("{case:?}: {other}"),
    };
    let snapshot = Snapshot::new(image).unwrap();
    let sound = built_from(&entries(&snapshot), snapshot.has_hash_index());
    let is_sound = sound.is_some_and(|sound| sound == image);
    assert_eq!(verified.is_ok(), is_sound, "{case:?}: {verified:?}");
    is_sound
}

#[test]
fn every_changed_byte_under_right_checksums_is_judged_rightly() {
    for (map, index) in shapes() {
        let image = encode(&map, index);
        let sections = Sections::of(&image);
        let queries = queries(&map);
        // Which bytes of the data are values?
        let mut is_value = Vec::new();
        for (key, value) in &map {
            is_value.extend(key.iter().map(|_| false).chain(value.iter().map(|_| true)));
        }
        let mut passed = BTreeMap::<&str, usize>::new();
        for (at, mut changed) in changes(&image) {
            fix_checksums(&mut changed);
            if changed == image {
                assert!((header::BODY_CRC..header::LEN).contains(&at));
                continue;
            }
            let sound = judged_rightly(&changed, &queries, &at);
            let section = match at {
                _ if at < header::LEN => "header",
                _ if sections.nodes.contains(&at) => "node",
                _ if sections.all_units().contains(&at) => "unit",
                _ if !sections.data.contains(&at) => "tie, padding or bucket",
                _ if is_value[at - sections.data.start] => "value",
                _ => "key",
            };
            *passed.entry(section).or_default() += usize::from(sound);
            assert!(sound || section != "value", "byte {at}: a value may be anything");
        }
        for derived in ["header", "node", "tie, padding or bucket"] {
            assert_eq!(passed.get(derived).copied().unwrap_or(0), 0, "{derived}: {passed:?}");
        }
        if index {
            // A cell has bits of the hash of each key, and enough of them for these.
            assert_eq!(passed.get("key").copied().unwrap_or(0), 0, "{passed:?}");
        }
    }
}

/// Numbers that do harm.
const NUMBERS: [u64; 18] = [
    0,
    1,
    7,
    8,
    63,
    64,
    255,
    1 << 20,
    (1 << 20) - 1,
    1 << 31,
    u32::MAX as u64,
    1 << 40,
    (1 << 40) + 1,
    (1 << 44) - 1,
    1 << 44,
    i64::MAX as u64,
    u64::MAX - 63,
    u64::MAX,
];

#[test]
fn every_word_made_extreme_under_right_checksums_is_judged_rightly() {
    for (map, index) in shapes() {
        let image = encode(&map, index);
        let queries = queries(&map);
        for at in (8..image.len() - 7).step_by(4) {
            for number in NUMBERS {
                let mut changed = image.clone();
                // As a whole word, as an entry, and as half a word.
                for new in
                    [number, number << 20 | 3, word(&image, at) & !0xFFFF_FFFF | number >> 32]
                {
                    set_word(&mut changed, at, new);
                    fix_checksums(&mut changed);
                    judged_rightly(&changed, &queries, &(at, new));
                }
            }
        }
    }
}

#[test]
fn two_words_exchanged_under_right_checksums_are_judged_rightly() {
    for (map, index) in shapes() {
        let image = encode(&map, index);
        let queries = queries(&map);
        let words = image.len() / 8;
        for a in 1..words {
            for b in a + 1..words {
                let mut changed = image.clone();
                set_word(&mut changed, 8 * a, word(&image, 8 * b));
                set_word(&mut changed, 8 * b, word(&image, 8 * a));
                fix_checksums(&mut changed);
                judged_rightly(&changed, &queries[..5], &(a, b));
            }
        }
    }
}
