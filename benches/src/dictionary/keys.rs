//! The sets of keys.

use std::collections::HashSet;
use std::path::Path;

use anyhow::{Context, Result, ensure};

use crate::workload::Random;

/// The character names of Unicode, one a line, after a tab.
const NAMES: &str = include_str!("../../../tests/data/unicode-names.tsv");
/// Up to this many keys, single names suffice, with some left over as absent keys.
const ENOUGH_NAMES: usize = 30_000;

/// What the keys look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySet {
    /// `user:00000123`: 13 bytes. Dense, with one in eight missing.
    NumericIds,
    /// Addresses of 72 to 105 bytes; those of a directory, 4096, share all but 20 to 30 of them.
    Urls,
    /// Names of Unicode characters: up to 30,000 keys one each, from there on two, as
    /// `LATIN SMALL LETTER A / GREEK SMALL LETTER BETA`.
    Words,
    /// 16 random bytes.
    RandomBytes,
    /// Ranks in hexadecimal, each digit followed by four equal bytes: made so that in
    /// (nearly) every line of the tree all partial keys are equal.
    Ties,
}

/// Byte strings, end to end.
#[derive(Clone, Debug, Default)]
pub struct KeyList {
    bytes: Vec<u8>,
    ends: Vec<usize>,
}

impl KeySet {
    /// The sets that have bars.
    pub const PROMISED: [Self; 3] = [Self::NumericIds, Self::Urls, Self::Words];
    /// All sets.
    pub const ALL: [Self; 5] =
        [Self::NumericIds, Self::Urls, Self::Words, Self::RandomBytes, Self::Ties];

    /// Its name in a report.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NumericIds => "numeric ids",
            Self::Urls => "URLs",
            Self::Words => "real words",
            Self::RandomBytes => "random bytes",
            Self::Ties => "ties",
        }
    }

    /// `present + absent` different keys, the same ones in every process; the first `present` of
    /// them are meant to be present. Both kinds come from the same range, in random order.
    #[must_use]
    pub fn keys(self, present: usize, absent: usize) -> KeyList {
        let count = present + absent;
        let mut list = KeyList::default();
        match self {
            // Each kind numbers its keys; the order of the numbers is random.
            Self::NumericIds => {
                for id in shuffled(count) {
                    list.push(format!("user:{id:08}").as_bytes());
                }
            }
            Self::Urls => {
                for id in shuffled(count) {
                    list.push(url(id).as_bytes());
                }
            }
            Self::Words => words(count, &mut list),
            Self::RandomBytes => {
                let mut random = Random::new(11);
                for _ in 0..count {
                    let halves = [random.next_u64(), random.next_u64()];
                    list.push(halves.map(u64::to_ne_bytes).as_flattened());
                }
            }
            Self::Ties => {
                for rank in shuffled(present) {
                    list.push(&ties(rank, b""));
                }
                // An absent key differs from its neighbour only at the end.
                let mut random = Random::new(12);
                for _ in 0..absent {
                    list.push(&ties(random.below(present.max(1)), b"!"));
                }
            }
        }
        list
    }
}

impl KeyList {
    /// Appends a key.
    pub fn push(&mut self, key: &[u8]) {
        self.bytes.extend_from_slice(key);
        self.ends.push(self.bytes.len());
    }

    /// Number of keys.
    #[must_use]
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// True when there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Bytes of all keys.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Key `at`; empty beyond the end.
    #[must_use]
    pub fn get(&self, at: usize) -> &[u8] {
        let Some(&end) = self.ends.get(at) else { return &[] };
        let before = at.checked_sub(1).and_then(|before| self.ends.get(before));
        self.bytes.get(before.copied().unwrap_or(0)..end).unwrap_or_default()
    }

    /// Writes the keys to a file, from which [`KeyList::load`] reads them.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let mut file = Vec::with_capacity(self.bytes.len() + 4 * self.len());
        for key in self.iter() {
            file.extend_from_slice(&u32::try_from(key.len())?.to_le_bytes());
            file.extend_from_slice(key);
        }
        std::fs::write(path, file).with_context(|| format!("write {}", path.display()))
    }

    /// Reads the keys of a file that [`KeyList::save`] wrote.
    ///
    /// # Errors
    /// When the file cannot be read, or has other contents.
    pub fn load(path: &Path) -> Result<Self> {
        let file = std::fs::read(path).with_context(|| format!("read {}", path.display()))?;
        let mut list = Self::default();
        let mut rest = &file[..];
        while let Some((len, tail)) = rest.split_first_chunk::<4>() {
            let key = tail.split_at_checked(u32::from_le_bytes(*len) as usize);
            let (key, tail) = key.with_context(|| format!("{} is cut short", path.display()))?;
            list.push(key);
            rest = tail;
        }
        ensure!(rest.is_empty(), "{} is cut short", path.display());
        Ok(list)
    }

    /// All keys, in the order in which they were pushed.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        (0..self.len()).map(|at| self.get(at))
    }
}

/// The numbers below `count` in random order (Fisher and Yates).
fn shuffled(count: usize) -> Vec<usize> {
    let mut random = Random::new(10);
    let mut numbers: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        numbers.swap(last, random.below(last + 1));
    }
    numbers
}

fn url(id: usize) -> String {
    const SHOPS: [&str; 4] = ["books", "electronics", "garden-and-household", "music"];
    const SHELVES: [&str; 5] = ["bestsellers", "new-arrivals", "second-hand", "sale", "by-author"];
    const SLUGS: [&str; 7] =
        ["a-short-history", "manual", "collected-works", "part-two", "revised", "guide", "index"];
    // One in 4096 starts another directory.
    let directory = id / 4096;
    let pick = |from: &[&'static str], by: usize| from.get(by % from.len()).copied().unwrap_or("");
    format!(
        "https://www.example.com/catalogue/{}/{}/{:03}/item-{:07}-{}.html",
        pick(&SHOPS, directory),
        pick(&SHELVES, directory / SHOPS.len()),
        directory,
        id,
        pick(&SLUGS, id.wrapping_mul(0x9E37) >> 3),
    )
}

fn words(count: usize, list: &mut KeyList) {
    let names: Vec<&str> =
        NAMES.lines().filter_map(|line| line.split_once('\t')).map(|(_, name)| name).collect();
    let mut random = Random::new(13);
    let mut seen = HashSet::with_capacity(count);
    let mut pick = || names.get(random.below(names.len())).copied().unwrap_or("");
    while list.len() < count {
        let mut key = pick().to_owned();
        if count > ENOUGH_NAMES {
            key.push_str(" / ");
            key.push_str(pick());
        }
        if seen.insert(key.clone()) {
            list.push(key.as_bytes());
        }
    }
}

fn ties(rank: usize, end: &[u8]) -> Vec<u8> {
    let digits = format!("{rank:08x}");
    let mut key: Vec<u8> =
        digits.bytes().flat_map(|digit| [digit, b'=', b'=', b'=', b'=']).collect();
    key.extend_from_slice(end);
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_different_and_as_many_as_asked_for() {
        for set in KeySet::ALL {
            for present in [1, 16, 1000, 40_000] {
                let keys = set.keys(present, present / 8);
                assert_eq!(keys.len(), present + present / 8, "{set:?}");
                let present: HashSet<&[u8]> = keys.iter().take(present).collect();
                // Keys that are absent may be asked for twice, present ones may not be there twice.
                assert!(keys.iter().skip(present.len()).all(|key| !present.contains(key)));
                assert_eq!(keys.len() - keys.len() / 9, present.len(), "{set:?}");
            }
        }
    }

    #[test]
    fn a_list_gives_back_what_was_pushed() {
        let mut list = KeyList::default();
        for key in [&b"one"[..], b"", b"three"] {
            list.push(key);
        }
        assert_eq!(list.iter().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
        assert_eq!((list.len(), list.bytes(), list.get(9)), (3, 8, &b""[..]));
    }

    #[test]
    fn a_list_comes_back_from_a_file_unless_the_file_was_cut() {
        let dir = shm_harness::TempNamespace::new().unwrap();
        let path = dir.path().join("keys");
        let mut list = KeyList::default();
        for key in [&b"one"[..], b"", b"three"] {
            list.push(key);
        }
        list.save(&path).unwrap();
        let back = KeyList::load(&path).unwrap();
        assert_eq!(back.iter().collect::<Vec<_>>(), [&b"one"[..], b"", b"three"]);
        let file = std::fs::read(&path).unwrap();
        for len in [1, 3, 5, 6, file.len() - 1] {
            std::fs::write(&path, &file[..len]).unwrap();
            let error = KeyList::load(&path).unwrap_err().to_string();
            assert!(error.contains("cut short"), "{len}: {error}");
        }
    }

    #[test]
    fn partial_keys_of_ties_are_equal() {
        let corpus = crate::dictionary::Corpus::new(KeySet::Ties, 4095);
        let image = crate::dictionary::Published::image(&corpus.sorted, false).unwrap();
        // After header and data come 17 nodes, each of which is `skip` and fifteen partial keys. At
        // the end of the image are 256 more nodes, each followed by sixteen slots of eight bytes.
        let stats = avl_snapshot::Snapshot::new(&image).unwrap().stats();
        let at = (stats.header_bytes + stats.data_bytes).next_multiple_of(64);
        let units = image.len() - 256 * 192;
        let lines = image[at..].chunks(64).take(17).chain(image[units..].chunks(192));
        let tied = lines.filter(|line| line[8..64] == line[4..60]).count();
        assert!(tied > 260, "only {tied} of 273 lines have all partial keys equal");
    }
}
