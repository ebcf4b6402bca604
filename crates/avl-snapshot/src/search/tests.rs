//! All ways to search agree with a sorted list, and compare few whole keys.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::counts;
use crate::image::{Layout, SCALAR_IS_USED};
use crate::{AlignedBytes, Builder, FreezeOptions, Snapshot};

type Keys = BTreeSet<Vec<u8>>;

fn snapshot(keys: &[&[u8]], index: bool, value: &[u8]) -> Snapshot<AlignedBytes> {
    let mut builder = Builder::with_options(FreezeOptions::default().hash_index(index));
    for key in keys {
        builder.push(key, value).unwrap();
    }
    let snapshot = Snapshot::new(builder.finish()).unwrap();
    snapshot.verify().unwrap();
    snapshot
}

/// Returns the same map in an image in which whole keys decide ties above the bottom tier, as if
/// the section had no room for groups.
fn by_whole_keys(tree: &Snapshot<AlignedBytes>) -> Snapshot<Vec<u8>> {
    let mut bytes = tree.as_bytes().to_vec();
    let layout = Layout::read(&bytes).unwrap().0;
    if layout.ties > 0 {
        bytes[layout.ties_at..layout.tables_at].fill(0xFF);
    }
    Snapshot::new(bytes).unwrap()
}

/// Compares all ways to search, for all keys and for queries that differ a little from them.
fn agrees(keys: &Keys, more: &[Vec<u8>], value: &[u8]) {
    let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
    let mut queries: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
    queries.extend(more.iter().cloned());
    for (at, key) in keys.iter().enumerate() {
        let mut near = key.to_vec();
        match at % 4 {
            0 => near.push([0, 0xFF][at / 4 % 2]),
            1 => drop(near.pop()),
            _ if near.is_empty() => near.push(1),
            2 => *near.last_mut().unwrap() ^= 1 << (at / 4 % 8),
            _ => {
                let middle = (at * 7919) % near.len();
                near[middle] ^= 1 << (at / 4 % 8);
            }
        }
        queries.push(near);
    }
    let (tree, index) = (snapshot(&keys, false, value), snapshot(&keys, true, value));
    let whole = by_whole_keys(&tree);
    let many = (tree.get_many(&queries), index.get_many(&queries));
    for (at, query) in queries.iter().enumerate() {
        let expected = keys.binary_search(&&query[..]);
        for is_scalar in [false, true] {
            SCALAR_IS_USED.set(is_scalar);
            assert_eq!(tree.search(query), expected, "{} keys, {query:x?}", keys.len());
            let value = expected.is_ok().then_some(value);
            assert_eq!(tree.get(query), value, "{query:x?}");
            assert_eq!(index.get(query), value, "{query:x?}");
            assert_eq!(whole.search(query), expected, "{query:x?}");
            assert_eq!(whole.get(query), value, "{query:x?}");
            assert_eq!((many.0[at], many.1[at]), (value, value), "{query:x?}");
        }
        SCALAR_IS_USED.set(false);
    }
}

/// Keys that consist of few different parts, so that many keys share long prefixes, or are prefixes
/// of others.
fn of_parts(parts: Vec<Vec<u8>>, most: usize) -> impl Strategy<Value = Vec<u8>> + Clone {
    vec(proptest::sample::select(parts), 0..most).prop_map(|parts| parts.concat())
}

fn words() -> Vec<Vec<u8>> {
    let text = ["LATIN ", "SMALL ", "LETTER ", "A", "AA", "WITH ", "DOT", "CAPITAL ", "/ "];
    text.iter().map(|word| word.as_bytes().to_vec()).collect()
}

fn bytes() -> Vec<Vec<u8>> {
    vec![vec![0], vec![0xFF], vec![0; 3], vec![0xFF; 4], vec![0, 0, 0, 0, 0xFF]]
}

fn letters() -> Vec<Vec<u8>> {
    vec![b"a".to_vec(), b"b".to_vec(), b"aaaa".to_vec(), b"a\0".to_vec()]
}

fn of_kind() -> impl Strategy<Value = (Keys, Vec<Vec<u8>>)> {
    prop_oneof![Just(words()), Just(bytes()), Just(letters())].prop_flat_map(|parts| {
        let keys = of_parts(parts.clone(), 14);
        let few = proptest::collection::btree_set(keys.clone(), 0..40);
        let many = proptest::collection::btree_set(keys.clone(), 200..700);
        (prop_oneof![few, many], vec(keys, 0..60))
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn all_ways_agree((keys, queries) in of_kind(), is_wide in proptest::bool::weighted(0.1)) {
        agrees(&keys, &queries, &vec![b'v'; if is_wide { 5000 } else { 3 }]);
    }

    #[test]
    fn all_ways_agree_on_prefixes_of_one_key(
        key in vec(prop_oneof![Just(0u8), Just(0xFF), Just(b'a')], 1..400),
        lengths in vec(0usize..400, 1..300),
        queries in vec((0usize..400, any::<u8>()), 0..40),
    ) {
        let cut = |len: usize| key[..len.min(key.len())].to_vec();
        let keys = lengths.into_iter().map(cut).collect();
        let beside = |(len, byte)| [cut(len), vec![byte]].concat();
        agrees(&keys, &queries.into_iter().map(beside).collect::<Vec<_>>(), b"v");
    }
}

#[test]
fn all_ways_agree_where_only_the_end_of_64_kib_differs() {
    let long = |end: u8| [vec![b'k'; 65_535], vec![end]].concat();
    agrees(&(0..40).map(|end| 5 * end).map(long).collect(), &[long(1), long(254)], b"v");
    let mut keys: Keys = (0..40).map(|end| long(end)[30_000..].to_vec()).collect();
    keys.extend((0..300u16).map(|i| [&b"kk"[..], &i.to_be_bytes()].concat()));
    agrees(&keys, &[], b"v");
}

#[test]
fn all_ways_agree_on_every_prefix_of_a_long_key() {
    for byte in [0, b'a', 0xFF] {
        agrees(&(0..3000).map(|len| vec![byte; len]).collect(), &[vec![byte ^ 1; 7]], b"v");
    }
}

/// The character names of Unicode. Each line has one, after a tab.
const NAMES: &str = include_str!("../../../../tests/data/unicode-names.tsv");

/// Key sets like those of the benchmarks.
fn sets() -> [(&'static str, Vec<Vec<u8>>); 5] {
    const N: usize = 100_000;
    let mut state = 1u64;
    let mut random = move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    };
    let url = |id: usize| {
        let shop = ["books", "electronics", "garden-and-household", "music"][id / 4096 % 4];
        let shelf = ["bestsellers", "new-arrivals", "second-hand", "sale"][id / 16384 % 4];
        let slug = ["a-short-history", "manual", "collected-works", "part-two"][id * 7 % 4];
        let directory = id / 4096;
        format!(
            "https://www.example.com/catalogue/{shop}/{shelf}/{directory:03}/item-{id:07}-{slug}.html"
        )
    };
    let names: Vec<&str> =
        NAMES.lines().filter_map(|line| Some(line.split_once('\t')?.1)).collect();
    let mut name = || names[random() as usize % names.len()];
    let words = (0..N).map(|_| format!("{} / {}", name(), name()).into_bytes()).collect();
    let ties = |i: usize| {
        let digits = format!("{i:08x}");
        digits.bytes().flat_map(|digit| [digit, b'=', b'=', b'=', b'=']).collect::<Vec<u8>>()
    };
    [
        ("numeric ids", (0..N).map(|i| format!("user:{i:08}").into_bytes()).collect()),
        ("URLs", (0..N).map(|i| url(i).into_bytes()).collect()),
        ("real words", words),
        (
            "random bytes",
            (0..N).map(|_| [random(), random()].map(u64::to_ne_bytes).concat()).collect(),
        ),
        ("ties", (0..N).map(ties).collect()),
    ]
}

#[test]
fn a_get_compares_one_key_and_a_rank_at_most_two() {
    for (name, keys) in sets() {
        let absent: Vec<Vec<u8>> = keys.iter().step_by(8).cloned().collect();
        let keys: Keys =
            keys.into_iter().enumerate().filter(|(at, _)| at % 8 > 0).map(|k| k.1).collect();
        let absent: Vec<_> = absent.into_iter().filter(|key| !keys.contains(key)).collect();
        let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
        let snapshot = snapshot(&keys, false, b"value of 12.");
        let rate = |count: usize| counts::take() as f64 / count as f64;
        counts::take();
        keys.iter().for_each(|key| assert!(snapshot.get(key).is_some()));
        let get = rate(keys.len());
        absent.iter().for_each(|key| assert!(snapshot.get(key).is_none()));
        let get_absent = rate(absent.len());
        keys.iter().enumerate().for_each(|(rank, key)| assert_eq!(snapshot.rank(key), rank));
        let rank = rate(keys.len());
        for key in &absent {
            assert_eq!(snapshot.search(key), keys.binary_search(&&key[..]));
        }
        let rank_absent = rate(absent.len());
        let stats = snapshot.stats();
        let rest = (stats.total_bytes - stats.data_bytes) as f64 / keys.len() as f64;
        println!(
            "{name}: {} keys, {rest:.2} bytes per entry besides its data; whole keys compared: \
             {get:.3} a get (absent: {get_absent:.3}), {rank:.3} a rank (absent: {rank_absent:.3})",
            keys.len()
        );
        assert!(get <= 1.1 && get_absent <= 1.1, "{name}");
        assert!(rank <= 2.1 && rank_absent <= 2.1, "{name}");
    }
}

#[test]
fn keys_that_do_not_tie_take_few_bytes() {
    for exponent in [10, 14, 16, 17] {
        // The best and the worst number of keys, and the most bytes per entry that they may take.
        for (n, most) in [((1u64 << exponent) - 1, 13.0), (1 << exponent, 18.0)] {
            let key = |i: u64| i.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes();
            let keys: BTreeSet<_> = (0..n).map(key).collect();
            let keys: Vec<&[u8]> = keys.iter().map(|key| &key[..]).collect();
            let stats = snapshot(&keys, false, b"").stats();
            let rest = (stats.total_bytes - stats.data_bytes) as f64 / n as f64;
            println!("{n} keys: {rest:.2} bytes per entry besides its data");
            assert!(rest <= most, "{rest} for {n}");
        }
    }
}
