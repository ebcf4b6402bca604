//! On what, and against which versions.

use serde_json::{Value, json};

/// The lock file, which has the versions of the peers.
const LOCK: &str = include_str!("../../../../Cargo.lock");

/// The lock file of the peer that is built outside of this workspace.
const OUTSIDE: &str = include_str!("../../../peers-subetha/Cargo.lock");

/// Processor, processors in use, load, and the peers' versions.
pub(crate) fn facts() -> Value {
    let read = |path| std::fs::read_to_string(path).unwrap_or_default();
    let info = read("/proc/cpuinfo");
    let model = info.lines().find_map(|l| l.strip_prefix("model name")?.split_once(": "));
    let load = read("/proc/loadavg");
    json!({
        "cpu": model.map_or("unknown", |(_, model)| model),
        "cpus": std::thread::available_parallelism().map_or(0, usize::from),
        "load_1min": load.split(' ').next().and_then(|load| load.parse::<f64>().ok()),
        "kernel": read("/proc/sys/kernel/osrelease").trim(),
        "peers": {
            "fst": locked_version("fst"),
            "hashbrown": locked_version("hashbrown"),
            "heed": locked_version("heed"),
            "lmdb": heed::lmdb_version().string,
            "parking_lot": locked_version("parking_lot"),
            "subetha-cxc": locked_in(OUTSIDE, "subetha-cxc"),
            "std": "HashMap and BTreeMap of the Rust standard library",
        },
    })
}

fn locked_version(package: &str) -> &'static str {
    locked_in(LOCK, package)
}

fn locked_in(lock: &'static str, package: &str) -> &'static str {
    let name = format!("name = \"{package}\"\n");
    let after = lock.split_once(&name).map_or("", |(_, after)| after);
    let version = after.lines().next().and_then(|line| line.strip_prefix("version = "));
    version.map_or("unknown", |version| version.trim_matches('"'))
}
