//! Many random queries over keys that are made to be hard: the tree, the hash index, `get_many`,
//! vector code and scalar code give the same answers. In the full mode of the suite (`SHMAP_FULL`),
//! ten million queries.

use std::collections::BTreeSet;

use crate::image::SCALAR_IS_USED;
use crate::{AlignedBytes, Builder, FreezeOptions, Snapshot};

/// A small generator (splitmix64).
struct Random(u64);

impl Random {
    fn any(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        (self.any() % end as u64) as usize
    }

    fn bytes(&mut self, len: usize, of: &[u8]) -> Vec<u8> {
        (0..len).map(|_| of[self.below(of.len())]).collect()
    }
}

/// The names of the sets.
const SETS: [&str; 6] = [
    "prefixes of one key",
    "different only in the last of 64 KiB",
    "bytes 0 and 255",
    "few parts in any order",
    "numbers with a long gap after each digit",
    "random",
];

/// Makes a key of a set. `seed` is what all keys of a map have in common.
fn key(set: usize, seed: u64, random: &mut Random) -> Vec<u8> {
    let letter = [0, b'a', 0xFF, seed as u8][seed as usize % 4];
    match set {
        0 => vec![letter; random.below(3000)],
        1 => [vec![letter; 65_535], vec![random.any() as u8]].concat(),
        2 => {
            let len = random.below(40);
            random.bytes(len, &[0, 0xFF])
        }
        3 => {
            let parts: [&[u8]; 6] = [b"LATIN ", b"SMALL ", b"A", b"\0", b"\xFF\xFF\xFF\xFF", b"AA"];
            (0..random.below(12)).flat_map(|_| parts[random.below(parts.len())]).copied().collect()
        }
        4 => {
            let gap = vec![letter; 1 + seed as usize / 7 % 9];
            let digits = format!("{:04x}", random.below(60_000));
            digits.bytes().flat_map(|digit| [&[digit], &gap[..]].concat()).collect()
        }
        _ => random.any().to_be_bytes()[..1 + random.below(8)].to_vec(),
    }
}

/// A query: a key, one that differs a little, or another of the same kind.
fn query(keys: &[&[u8]], set: usize, seed: u64, random: &mut Random) -> Vec<u8> {
    if keys.is_empty() || random.below(4) == 0 {
        return key(set, seed, random);
    }
    let mut near = keys[random.below(keys.len())].to_vec();
    let len = near.len();
    match random.below(6) {
        0 => near.push([0, 0xFF, random.any() as u8][random.below(3)]),
        1 => near.truncate(len.saturating_sub(1 + random.below(6))),
        2 if len > 0 => near[random.below(len)] ^= 1 << random.below(8),
        3 if len > 0 => near[len - 1 - random.below(len.min(5))] ^= 1 << random.below(8),
        _ => {}
    }
    near
}

fn image(keys: &[&[u8]], hash_index: bool, value: &[u8]) -> Snapshot<AlignedBytes> {
    let mut builder = Builder::with_options(FreezeOptions::default().hash_index(hash_index));
    keys.iter().for_each(|key| builder.push(key, value).unwrap());
    Snapshot::new(builder.finish()).unwrap()
}

/// Makes a map and asks it `count` queries, in all ways.
fn ask(set: usize, seed: u64, count: usize) {
    let mut random = Random(seed);
    let most = [1, 10, 300, 3000, 40_000][random.below(5)];
    let n = random.below(if set == 1 { 120 } else { most.min(if set == 0 { 2500 } else { most }) });
    let keys: BTreeSet<Vec<u8>> = (0..=n).map(|_| key(set, seed, &mut random)).collect();
    let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
    let value = vec![b'v'; if random.below(12) == 0 { 6000 } else { random.below(4) }];
    let (tree, index) = (image(&keys, false, &value), image(&keys, true, &value));
    let queries: Vec<_> = (0..count).map(|_| query(&keys, set, seed, &mut random)).collect();
    let many = (tree.get_many(&queries), index.get_many(&queries));
    for (at, query) in queries.iter().enumerate() {
        let expected = keys.binary_search(&&query[..]);
        let found = expected.is_ok().then_some(&value[..]);
        for is_scalar in [false, true] {
            SCALAR_IS_USED.set(is_scalar);
            let answers = (tree.search(query), tree.get(query), index.get(query));
            assert_eq!(answers, (expected, found, found), "{}, seed {seed}: {query:x?}", SETS[set]);
        }
        SCALAR_IS_USED.set(false);
        assert_eq!((many.0[at], many.1[at]), (found, found), "seed {seed}: {query:x?}");
    }
}

#[test]
fn all_ways_agree_on_many_queries_over_hard_keys() {
    let full = std::env::var_os("SHMAP_FULL").is_some();
    let queries = if full { 10_000_000 } else { 100_000 };
    let mut asked = [0; SETS.len()];
    for seed in 0.. {
        let set = seed as usize % SETS.len();
        // Their keys are long, and queries slow.
        let count = [2000, 100, 4000, 4000, 4000, 4000][set];
        ask(set, seed, count);
        asked[set] += count;
        if asked.iter().sum::<usize>() >= queries {
            break;
        }
    }
    println!(
        "{} queries: {:?}",
        asked.iter().sum::<usize>(),
        SETS.iter().zip(asked).collect::<Vec<_>>()
    );
}
