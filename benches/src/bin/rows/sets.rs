//! The time of a lookup and the bytes per entry for each key set, at one million entries and at ten
//! million: the snapshot and its peers, which take turns.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use shm_benches::dictionary::{
    Asked, Corpus, Dictionary, Fst, KeySet, LmdbDictionary, Published, Queries, Value as Value12,
    gets, hash_map, tree,
};
use shm_harness::TempNamespace;

use crate::curves::{Boxed, Measured, in_turn, on_disk, weighed};
use crate::measure::Plan;
use crate::snapshot::gets::side;

const SIZES: [usize; 2] = [1_000_000, 10_000_000];

/// Measures them: for each key set and number of entries up to `most` the structures, each with
/// its nanoseconds and bytes per entry.
pub(crate) fn measure(plan: &Plan, most: usize) -> Result<Value> {
    let mut sets = Vec::new();
    for set in KeySet::ALL {
        for n in SIZES.into_iter().filter(|&n| n <= most) {
            eprint!(".");
            let structures = one_set(plan, set, n)?;
            sets.push(json!({ "set": set.name(), "entries": n, "structures": structures }));
        }
    }
    Ok(json!({ "sets": sets, "rounds": plan.rounds }))
}

fn one_set(plan: &Plan, set: KeySet, n: usize) -> Result<Vec<Value>> {
    let dir = TempNamespace::new()?;
    let corpus = Corpus::new(set, n);
    let queries = Queries::new(&corpus, Asked::Hits);
    let (map, map_len) = weighed(|| hash_map(&corpus.shuffled));
    let (ordered, ordered_len) = weighed(|| tree(&corpus.shuffled));
    let transducer = Fst::new(&corpus.sorted)?;
    let lmdb_dir = dir.path().join("lmdb");
    std::fs::create_dir(&lmdb_dir)?;
    let lmdb = LmdbDictionary::create(&lmdb_dir, &corpus.sorted)?;
    let publish = |name: &str, hash_index| {
        let path = dir.path().join(name);
        let published = Published::create(&path, &corpus, hash_index)?;
        let len = published.snapshot().as_bytes().len();
        anyhow::Ok((published, len))
    };
    let (plain, indexed) = (publish("plain", false)?, publish("indexed", true)?);
    let transducer_len = transducer.bytes() + n * size_of::<Value12>();
    let structures: Vec<(&'static str, usize, Boxed<'_>)> = vec![
        ("snapshot (AVL)", plain.1, boxed(&corpus, &queries, &plain.0)?),
        ("snapshot, hash index", indexed.1, boxed(&corpus, &queries, &indexed.0)?),
        ("BTreeMap, private", ordered_len, boxed(&corpus, &queries, &ordered)?),
        ("hashbrown, private", map_len, boxed(&corpus, &queries, &map)?),
        ("fst, private", transducer_len, boxed(&corpus, &queries, &transducer)?),
        ("LMDB, one txn for all", on_disk(&lmdb_dir)?, boxed(&corpus, &queries, &lmdb)?),
    ];
    Ok(in_turn(plan, n, structures)?.iter().map(Measured::to_json).collect())
}

/// Looks up all keys once, which also maps all pages, and then the queries.
fn boxed<'a>(corpus: &Corpus, queries: &'a Queries, map: &'a impl Dictionary) -> Result<Boxed<'a>> {
    for (key, value) in corpus.sorted.iter() {
        ensure!(map.value(key) == Some(&value[..]), "a map has another value");
    }
    Ok(Box::new(side(queries, move |keys| gets(map, keys))))
}
