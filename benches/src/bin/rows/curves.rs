//! The time of a lookup over the number of entries, for a plot: random present keys and values of
//! 12 bytes, each copied out. All structures of one size take turns. Keys are integers; the
//! snapshot and the ordered peers store them as four bytes in the order of the numbers.

use anyhow::{Result, ensure};
use serde_json::{Value, json};
use shm_benches::Store;
use shm_benches::baselines::{Linear, Scanned};
use shm_benches::dictionary::{
    ByNumber, Entries, HashMap, Published, Sorted, Tree, hash_map, tree,
};
use shm_benches::subject;
use shm_benches::workload::{CAPACITY, Mix, SHORT, Workload, lookups};
use shm_harness::TempNamespace;

use crate::lookups::side;
use crate::measure::{Plan, Side};

/// From 16 to 2^20 entries.
const LOGS: [usize; 9] = [4, 6, 8, 10, 12, 14, 16, 18, 20];
/// Most entries of the table: a slot takes 576 bytes.
const TABLE: usize = 1 << 16;
/// Most entries that are scanned: a scan of more takes too long to be checked.
const SCANNED: usize = 1 << 14;
/// Most entries that are compared.
const MOST: usize = 1 << 20;

/// Which structures take turns.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Structures {
    /// Those of the plot.
    Plotted,
    /// Those, and an array in private memory, searched from its start or by halves.
    All,
}

type Boxed<'a> = Box<dyn FnMut(u64) -> Result<f64> + 'a>;

/// Measures them: for each structure the points (entries, nanoseconds).
pub(crate) fn measure(plan: &Plan) -> Result<Value> {
    let mut series: Vec<(&str, Vec<(usize, f64)>)> = Vec::new();
    for log in LOGS {
        eprint!(".");
        let n = 1 << log;
        for (name, ns) in one_size(plan, n, Structures::Plotted)? {
            match series.iter_mut().find(|(this, _)| *this == name) {
                Some((_, points)) => points.push((n, ns)),
                None => series.push((name, vec![(n, ns)])),
            }
        }
    }
    let series: Vec<Value> =
        series.iter().map(|(name, points)| json!({ "name": name, "points": points })).collect();
    Ok(json!({ "series": series }))
}

/// Measures a lookup among `n` entries.
pub(crate) fn compare(plan: &Plan, n: usize) -> Result<Value> {
    ensure!((1..=MOST).contains(&n), "--compare takes 1 to {MOST} entries, not {n}");
    let measured = one_size(plan, n, Structures::All)?.into_iter();
    let structures: Vec<Value> =
        measured.map(|(name, ns)| json!({ "name": name, "ns": ns })).collect();
    Ok(json!({ "entries": n, "rounds": plan.rounds, "structures": structures }))
}

fn one_size(plan: &Plan, n: usize, which: Structures) -> Result<Vec<(&'static str, f64)>> {
    let dir = TempNamespace::new()?;
    let work = Workload::new(n);
    let entries = Entries::of_numbers(&work);
    let map: ByNumber<HashMap> = ByNumber(hash_map(&entries));
    let ordered: ByNumber<Tree> = ByNumber(tree(&entries));
    let sorted = entries.sorted();
    let publish = |name: &str, hash_index| {
        let path = dir.path().join(name);
        std::fs::write(&path, &Published::image(&sorted, hash_index)?[..])?;
        anyhow::Ok(ByNumber(Published::open(&path)?))
    };
    let (plain, indexed) = (publish("plain", false)?, publish("indexed", true)?);
    let mut linear = None;
    if n <= CAPACITY {
        let array = Linear::create(&dir.path().join("linear"))?;
        work.fill(&array, SHORT)?;
        linear = Some(array);
    }
    let all = which == Structures::All;
    let scanned = if all && n <= SCANNED { Some(Scanned::new(&work, SHORT)?) } else { None };
    let halved = all.then(|| ByNumber(Sorted::new(&sorted)));
    let mut table = None;
    if n <= TABLE {
        let (array, path) = (n.max(CAPACITY), dir.path());
        table = Some(subject::filled_of_size(path, "table", array, &work, SHORT)?);
    }

    let mut sides: Vec<(&str, Boxed<'_>)> = Vec::new();
    if let Some(linear) = &linear {
        sides.push(("linear array, plain mutex", boxed(&work, linear)?));
    }
    if let Some(scanned) = &scanned {
        sides.push(("linear array, private", boxed(&work, scanned)?));
    }
    if let Some(halved) = &halved {
        sides.push(("sorted array, private", boxed(&work, halved)?));
    }
    if let Some(table) = &table {
        sides.push(("table", boxed(&work, table)?));
    }
    sides.push(("snapshot (AVL)", boxed(&work, &plain)?));
    sides.push(("snapshot, hash index", boxed(&work, &indexed)?));
    sides.push(("BTreeMap, private", boxed(&work, &ordered)?));
    sides.push(("hashbrown, private", boxed(&work, &map)?));
    let names: Vec<&str> = sides.iter().map(|(name, _)| *name).collect();
    let mut sides: Vec<Side<'_>> = sides.iter_mut().map(|(_, side)| &mut **side as _).collect();
    Ok(names.into_iter().zip(plan.medians(&mut sides)?).collect())
}

fn boxed<'a>(work: &'a Workload, store: &'a impl Store) -> Result<Boxed<'a>> {
    work.check::<SHORT>(store)?;
    Ok(Box::new(side(work, Mix::Hits, move |keys| lookups::<SHORT>(store, keys).hits)))
}
