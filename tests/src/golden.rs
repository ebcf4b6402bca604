//! The maps whose images are kept as golden files.

use crate::image::Entry;

/// A map with a name; the name of its file is that, and `.avl`.
#[derive(Clone, Debug)]
pub struct Golden {
    /// What it shows.
    pub name: String,
    /// In key order.
    pub entries: Vec<Entry>,
    /// With a hash index?
    pub index: bool,
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Golden> {
    let mut shapes = vec![
        ("empty".to_owned(), vec![]),
        ("one-key".to_owned(), vec![entry(b"key", b"value")]),
        ("empty-key".to_owned(), vec![entry(b"", b"value")]),
        ("empty-value".to_owned(), vec![entry(b"key", b"")]),
        ("empty-key-and-value".to_owned(), vec![entry(b"", b"")]),
        ("prefixes-and-nuls".to_owned(), prefixes_and_nuls()),
        ("high-bytes".to_owned(), high_bytes()),
        ("long".to_owned(), long()),
        ("ties".to_owned(), ties()),
        ("wide".to_owned(), wide()),
    ];
    for n in [15, 16, 17, 255, 256, 1000] {
        shapes.push((format!("{n}-keys"), numbered(n)));
    }
    let with_and_without = |(name, entries): (String, Vec<Entry>)| {
        let name_indexed = format!("{name}-indexed");
        let plain = Golden { name, entries: entries.clone(), index: false };
        [plain, Golden { name: name_indexed, entries, index: true }]
    };
    shapes.into_iter().flat_map(with_and_without).collect()
}

fn entry(key: &[u8], value: &[u8]) -> Entry {
    (key.to_vec(), value.to_vec())
}

/// Keys that are prefixes of others, that end in NULs, and more ties than a line has keys.
#[must_use]
pub fn prefixes_and_nuls() -> Vec<Entry> {
    let mut entries = vec![entry(b"", b"the empty key"), entry(b"a", b""), entry(b"ab", b"\0")];
    for len in 1..=9 {
        entries.push((vec![0; len], vec![len as u8; len]));
        entries.push(([b"ab".to_vec(), vec![0; len]].concat(), vec![]));
        entries.push((b"abcdefghi"[..len].to_vec(), b"letters".to_vec()));
    }
    for last in 0..40 {
        entries
            .push(([&b"a prefix that many share/"[..], &[0, 0, 0, 0, last]].concat(), vec![last]));
    }
    sorted(entries)
}

/// Keys whose partial keys look like those of absent keys.
#[must_use]
pub fn high_bytes() -> Vec<Entry> {
    let mut entries: Vec<_> = (0..12).map(|len| (vec![0xFF; len], vec![len as u8])).collect();
    entries.extend((0..12).map(|last| ([vec![0xFF; 4], vec![last]].concat(), vec![])));
    entries.extend([entry(b"\x7F\xFF\xFF\xFF", b"largest"), entry(b"\x80\0\0\0", b"smallest")]);
    sorted(entries)
}

/// Keys and values about as long as a cell of the hash index can say, and longer.
#[must_use]
pub fn long() -> Vec<Entry> {
    let keys = [0, 1, 252, 253, 254, 255, 256, 300];
    let values = [0, 4093, 4094, 4095, 4096];
    let key = |len: usize, last: u8| [vec![b'k'; len], vec![last]].concat();
    let of_key = |len| values.map(|value| (key(len, value as u8), vec![len as u8; value]));
    sorted(keys.into_iter().flat_map(of_key).collect())
}

/// Keys that tie at each node and need several groups in a row, and prefixes of one key, which need
/// more groups in a row than the format allows.
#[must_use]
pub fn ties() -> Vec<Entry> {
    let digits = |i: u32| format!("{i:04x}").into_bytes();
    let spread = |i| digits(i).into_iter().flat_map(|digit| [digit, b'=', b'=', b'=', b'=']);
    let mut entries: Vec<_> = (0..300).map(|i| (spread(i).collect(), vec![i as u8])).collect();
    entries.extend((0..200).map(|len| (vec![b'k'; len], vec![len as u8])));
    sorted(entries)
}

/// Entries of two units, one of which is wide.
#[must_use]
pub fn wide() -> Vec<Entry> {
    let mut entries = numbered(20);
    entries[2].1 = vec![2; 33_000];
    entries[5].1 = vec![5; 33_000];
    entries
}

/// `n` keys of different lengths with some structure, and values of different lengths.
#[must_use]
pub fn numbered(n: usize) -> Vec<Entry> {
    let key = |i: usize| format!("id:{:04}{}", 7919 * i % 10_000, "/more".repeat(i % 3));
    let value = |i: usize| (0..i % 11).map(|at| (i * 31 + at) as u8).collect();
    sorted((0..n).map(|i| (key(i).into_bytes(), value(i))).collect())
}

/// In key order, the first of equal keys.
fn sorted(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.sort_by(|a, b| a.0.cmp(&b.0));
    entries.dedup_by(|a, b| a.0 == b.0);
    entries
}
