//! Sets of keys that are hard to search, decoded from bytes, and queries for them. All ways to
//! search must agree. Shared by the property test and the fuzz target.

use avl_snapshot::{AlignedBytes, Builder, FreezeOptions, Snapshot};

use crate::input::{self, Input};

/// Keys in order, and queries: present ones, near misses and others.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Case {
    keys: Vec<Vec<u8>>,
    queries: Vec<Vec<u8>>,
    /// Values of this many bytes. Long ones make units wide.
    value_len: usize,
}

/// Most families of keys in a case.
const FAMILIES: usize = 16;

/// Decodes a case from any bytes. What the bytes do not tell is zero.
#[must_use]
pub fn decode(bytes: &[u8]) -> Case {
    let (&values, rest) = bytes.split_first().unwrap_or((&0, &[]));
    let value_len = if values == 255 { 5000 } else { usize::from(values % 8) };
    let mut case = Case { value_len, ..Case::default() };
    for family in input::decode(rest, Family::decode).into_iter().take(FAMILIES) {
        case.keys.extend(family.keys);
        case.queries.extend(family.queries);
    }
    case.keys.sort();
    case.keys.dedup();
    case
}

/// Keys of one kind, and queries beside them.
struct Family {
    keys: Vec<Vec<u8>>,
    queries: Vec<Vec<u8>>,
}

impl Family {
    fn decode(input: &mut Input<'_>) -> Self {
        let (kind, count) = (input.byte(), usize::from(input.byte()) + 1);
        let base = key(input);
        let key = |i: usize| -> Vec<u8> {
            match kind % 6 {
                // Each is a prefix of the next one.
                0 => [&base[..], &vec![kind; i]].concat(),
                // Only the last bytes of many differ.
                1 => [&base[..], &vec![kind; 3000], &(i as u16).to_be_bytes()].concat(),
                // Every byte is 0 or 255.
                2 => (0..base.len() + 8)
                    .map(|at| 0u8.wrapping_sub((i >> (at % 8)) as u8 & 1))
                    .collect(),
                // Numbers whose digits are far apart.
                3 => [&base[..], format!("{i:03}").replace("", "=====").as_bytes()].concat(),
                // Numbers behind a prefix.
                4 => [&base[..], &(i as u32).to_be_bytes()].concat(),
                // All of one length, with little in common.
                _ => {
                    base.iter().map(|byte| byte.wrapping_mul((2 * i + 1) as u8) ^ i as u8).collect()
                }
            }
        };
        let all: Vec<Vec<u8>> = (0..count).map(key).collect();
        let mut queries: Vec<Vec<u8>> = all.iter().step_by(1 + count / 16).cloned().collect();
        for _ in 0..input.byte() % 32 {
            let picked = all[usize::from(input.byte()) % count].clone();
            queries.push(near(picked, input));
        }
        // Some keys are asked for, but are not in the map.
        let absent = usize::from(input.byte() % 7);
        let is_there = |at: usize| absent == 0 || at % 7 != absent;
        let keys = all.into_iter().enumerate().filter(|(at, _)| is_there(*at));
        Self { keys: keys.map(|(_, key)| key).collect(), queries }
    }
}

fn key(input: &mut Input<'_>) -> Vec<u8> {
    let how = input.byte();
    let mut key = input.take(usize::from(how % 24));
    if how & 0x80 != 0 {
        key.iter_mut().for_each(|byte| *byte = [0, 1, b'a', 0xFF][usize::from(*byte % 4)]);
    }
    key
}

/// A key that differs a little.
fn near(mut key: Vec<u8>, input: &mut Input<'_>) -> Vec<u8> {
    let (how, at) = (input.byte(), usize::from(input.byte()));
    let len = key.len();
    match how % 4 {
        0 => key.push(how),
        1 => key.truncate(len.saturating_sub(1 + at % 5)),
        _ if len == 0 => {}
        2 => key[at % len] ^= 1 << (how / 4 % 8),
        _ => key[len - 1 - at % len.min(9)] ^= 1 << (how / 4 % 8),
    }
    key
}

impl Case {
    /// Searches in all ways, and compares the answers with those of a sorted list. `twice` is
    /// called with false and true, and the searches are made after each call: for code that has a
    /// scalar twin. Returns the number of queries.
    ///
    /// # Panics
    /// When an answer is wrong.
    pub fn check(&self, twice: impl Fn(bool)) -> usize {
        let value = vec![b'v'; self.value_len];
        let (tree, index) = (self.image(false, &value), self.image(true, &value));
        let all: Vec<&[u8]> = self.queries.iter().chain(&self.keys).map(|key| &key[..]).collect();
        for second in [false, true] {
            twice(second);
            let many = (tree.get_many(&all), index.get_many(&all));
            for (at, query) in all.iter().enumerate() {
                let expected = self.keys.binary_search_by(|key| key[..].cmp(query));
                let found = expected.is_ok().then_some(&value[..]);
                assert_eq!(tree.search(query), expected, "search {query:x?}");
                assert_eq!(tree.rank(query), expected.unwrap_or_else(|rank| rank), "{query:x?}");
                assert_eq!(tree.get(query), found, "tree {query:x?}");
                assert_eq!(index.get(query), found, "index {query:x?}");
                assert_eq!((many.0[at], many.1[at]), (found, found), "get_many {query:x?}");
            }
        }
        twice(false);
        all.len()
    }

    fn image(&self, hash_index: bool, value: &[u8]) -> Snapshot<AlignedBytes> {
        let options = FreezeOptions::default().hash_index(hash_index);
        let mut builder = Builder::with_options(options);
        for key in &self.keys {
            builder.push(key, value).expect("keys in order");
        }
        Snapshot::new(builder.finish()).expect("an image")
    }
}
