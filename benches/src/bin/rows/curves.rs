//! The time of a lookup and the bytes per entry over the number of entries, for two plots: random
//! present keys and values of 12 bytes, each copied out. All structures of one size take turns.
//! Keys are integers; the snapshot and the ordered peers store them as four bytes in the order of
//! the numbers.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use shm_benches::baselines::{Linear, Scanned};
use shm_benches::dictionary::{
    ByNumber, Entries, Fst, HashMap, LmdbDictionary, Published, Sorted, Tree, Value as Value12,
    hash_map, tree,
};
use shm_benches::workload::{CAPACITY, Mix, SHORT, Workload, lookups};
use shm_benches::{Store, heap, subject};
use shm_harness::TempNamespace;

use crate::lookups::side;
use crate::measure::{Plan, Side};

/// Numbers of entries on the plot: powers of four, and ten million.
const SIZES: [usize; 11] = [
    1 << 4,
    1 << 6,
    1 << 8,
    1 << 10,
    1 << 12,
    1 << 14,
    1 << 16,
    1 << 18,
    1 << 20,
    1 << 22,
    TEN_MILLION,
];
const TEN_MILLION: usize = 10_000_000;
/// Most entries of the table: a slot takes 576 bytes.
const TABLE: usize = 1 << 16;
/// Most entries that are scanned: a scan of more takes too long to be checked.
const SCANNED: usize = 1 << 14;

/// Which structures take turns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Structures {
    /// Those of the plot.
    Plotted,
    /// Those, and an array in private memory, searched from its start or by halves.
    All,
}

pub(crate) type Boxed<'a> = Box<dyn FnMut(u64) -> Result<f64> + 'a>;

/// What was measured of a structure with a number of entries.
pub(crate) struct Measured {
    name: &'static str,
    ns: f64,
    /// Bytes per entry, keys and values included.
    bytes: f64,
}

impl Measured {
    pub(crate) fn to_json(&self) -> Value {
        json!({ "name": self.name, "ns": self.ns, "bytes": self.bytes })
    }
}

/// Measures them: for each structure the points (entries, nanoseconds) and (entries, bytes per
/// entry). `most` is the largest number of entries.
pub(crate) fn measure(plan: &Plan, most: usize) -> Result<Value> {
    let mut series: Vec<(&str, Vec<Value>, Vec<Value>)> = Vec::new();
    for n in SIZES.into_iter().filter(|&n| n <= most) {
        eprint!(".");
        for Measured { name, ns, bytes } in one_size(plan, n, Structures::Plotted)? {
            let at = match series.iter().position(|(this, ..)| *this == name) {
                Some(at) => at,
                None => {
                    series.push((name, Vec::new(), Vec::new()));
                    series.len() - 1
                }
            };
            if let Some((_, points, sizes)) = series.get_mut(at) {
                points.push(json!([n, ns]));
                sizes.push(json!([n, bytes]));
            }
        }
    }
    let series = series
        .iter()
        .map(|(name, points, sizes)| json!({ "name": name, "points": points, "bytes": sizes }));
    Ok(json!({ "series": series.collect::<Vec<Value>>() }))
}

/// Measures a lookup among `n` entries.
pub(crate) fn compare(plan: &Plan, n: usize) -> Result<Value> {
    ensure!((1..=TEN_MILLION).contains(&n), "--compare takes 1 to {TEN_MILLION} entries, not {n}");
    let measured = one_size(plan, n, Structures::All)?.into_iter();
    let structures: Vec<Value> = measured.map(|one| one.to_json()).collect();
    Ok(json!({ "entries": n, "rounds": plan.rounds, "structures": structures }))
}

/// Makes a map in private memory. Returns also how many bytes it allocated.
pub(crate) fn weighed<M>(make: impl FnOnce() -> M) -> (M, usize) {
    let before = heap::in_use();
    let map = make();
    (map, heap::in_use().saturating_sub(before))
}

/// Bytes on the file system of a file, or of the files of a directory.
pub(crate) fn on_disk(path: &Path) -> Result<usize> {
    let meta = path.metadata()?;
    if meta.is_dir() {
        return std::fs::read_dir(path)?.map(|entry| on_disk(&entry?.path())).sum();
    }
    Ok(meta.blocks() as usize * 512)
}

fn one_size(plan: &Plan, n: usize, which: Structures) -> Result<Vec<Measured>> {
    let dir = TempNamespace::new()?;
    let work = Workload::new(n);
    let entries = Entries::of_numbers(&work);
    let sorted = entries.sorted();
    let (map, map_len) = weighed(|| ByNumber::<HashMap>(hash_map(&entries)));
    let (ordered, ordered_len) = weighed(|| ByNumber::<Tree>(tree(&entries)));
    drop(entries);
    let transducer = ByNumber(Fst::new(&sorted)?);
    let lmdb_dir = dir.path().join("lmdb");
    std::fs::create_dir(&lmdb_dir)?;
    let lmdb = ByNumber(LmdbDictionary::create(&lmdb_dir, &sorted)?);
    let publish = |name: &str, hash_index| {
        let path = dir.path().join(name);
        let image = Published::image(&sorted, hash_index)?;
        std::fs::write(&path, &image[..])?;
        anyhow::Ok((ByNumber(Published::open(&path)?), image.len()))
    };
    let (plain, indexed) = (publish("plain", false)?, publish("indexed", true)?);
    let mut linear = None;
    let linear_path = dir.path().join("linear");
    if n <= CAPACITY {
        let array = Linear::create(&linear_path)?;
        work.fill(&array, SHORT)?;
        linear = Some(array);
    }
    let all = which == Structures::All;
    let mut scanned = None;
    if all && n <= SCANNED {
        let (array, len) = weighed(|| Scanned::new(&work, SHORT));
        scanned = Some((array?, len));
    }
    let halved = all.then(|| weighed(|| ByNumber(Sorted::new(&sorted))));
    let mut table = None;
    let table_dir = dir.path().join("table");
    if n <= TABLE {
        std::fs::create_dir(&table_dir)?;
        let array = n.max(CAPACITY);
        table = Some(subject::filled_of_size(&table_dir, "table", array, &work, SHORT)?);
    }

    let mut sides: Vec<(&'static str, usize, Boxed<'_>)> = Vec::new();
    if let Some(linear) = &linear {
        sides.push(("linear array, plain mutex", on_disk(&linear_path)?, boxed(&work, linear)?));
    }
    if let Some((scanned, len)) = &scanned {
        sides.push(("linear array, private", *len, boxed(&work, scanned)?));
    }
    if let Some((halved, len)) = &halved {
        sides.push(("sorted array, private", *len, boxed(&work, halved)?));
    }
    if let Some(table) = &table {
        sides.push(("table", on_disk(&table_dir)?, boxed(&work, table)?));
    }
    sides.push(("snapshot (AVL)", plain.1, boxed(&work, &plain.0)?));
    sides.push(("snapshot, hash index", indexed.1, boxed(&work, &indexed.0)?));
    sides.push(("BTreeMap, private", ordered_len, boxed(&work, &ordered)?));
    sides.push(("hashbrown, private", map_len, boxed(&work, &map)?));
    let values = n * size_of::<Value12>();
    sides.push(("fst, private", transducer.0.bytes() + values, boxed(&work, &transducer)?));
    sides.push(("LMDB, one txn for all", on_disk(&lmdb_dir)?, boxed(&work, &lmdb)?));
    in_turn(plan, n, sides)
}

/// Lets structures of `n` entries, each with its name and its bytes, take turns.
pub(crate) fn in_turn(
    plan: &Plan,
    n: usize,
    mut structures: Vec<(&'static str, usize, Boxed<'_>)>,
) -> Result<Vec<Measured>> {
    let about: Vec<_> = structures.iter().map(|(name, len, _)| (*name, *len)).collect();
    let mut sides: Vec<Side<'_>> =
        structures.iter_mut().map(|(.., side)| &mut **side as _).collect();
    let measured = about.into_iter().zip(plan.of_entries(n).medians(&mut sides)?);
    Ok(measured
        .map(|((name, len), ns)| Measured { name, ns, bytes: len as f64 / n as f64 })
        .collect())
}

fn boxed<'a>(work: &'a Workload, store: &'a impl Store) -> Result<Boxed<'a>> {
    work.check::<SHORT>(store)?;
    Ok(Box::new(side(work, Mix::Hits, move |keys| lookups::<SHORT>(store, keys).hits)))
}
