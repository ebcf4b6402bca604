//! `cargo xtask writers` from end to end, with few writes: every map is written by several
//! processes, the result has every figure, and the picture is drawn.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A directory for one test, empty.
fn fresh(name: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&dir).unwrap();
    dir
}

fn writers(arguments: &[&str]) -> Command {
    let mut xtask = Command::new(env!("CARGO_BIN_EXE_xtask"));
    xtask.arg("writers").args(arguments);
    xtask
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The peer's program, if `cargo xtask writers` or `cargo xtask bench` has built it.
fn peer_is_built() -> bool {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    let target = target.unwrap_or_else(|| root.join("target"));
    target.join("peers/release/shm-peer-subetha").exists()
}

/// The figures of one map, one spread and one number of writers.
fn check(point: &Value) {
    let figure = |name: &str| point[name].as_u64().unwrap_or_else(|| panic!("{name}: {point}"));
    assert!(figure("writes_per_s") > 0, "{point}");
    let percentiles = ["p50_ns", "p99_ns", "p999_ns", "max_ns"].map(figure);
    assert!(percentiles[0] > 0 && percentiles.is_sorted(), "{point}");
    let least = point["least_share"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&least), "{point}");
    assert!(figure("writers") > 1 || least == 1.0, "{point}");
}

#[test]
fn every_map_is_written_by_one_process_and_by_several() {
    let dir = fresh("writers");
    let svg = dir.join("writers.svg");
    let mut maps = vec!["table", "mutex"];
    if peer_is_built() {
        maps.push("subetha-cxc");
    } else {
        eprintln!("skipped subetha-cxc: its program was not built");
    }
    let mut command = writers(&["--unoptimised", "--seconds", "0.02", "--writers", "1,3"]);
    command.args(["--json", "--maps", &maps.join(","), "--svg"]).arg(&svg);
    let Output { status, stdout, stderr } = command.output().unwrap();
    assert!(status.success(), "{}", text(&stderr));
    // It was built once, but perhaps for sources that have changed since.
    if text(&stderr).contains("skipped subetha-cxc") {
        eprintln!("{}", text(&stderr));
        maps.pop();
    }

    let result: Value = serde_json::from_slice(&stdout).unwrap();
    let points = result["points"].as_array().unwrap();
    let seen = points.iter().map(|point| {
        check(point);
        let word = |name: &str| point[name].as_str().unwrap().to_owned();
        (word("keys"), point["writers"].as_u64().unwrap(), word("map"))
    });
    let seen: Vec<_> = seen.collect();
    let mut expected = Vec::new();
    for keys in ["own", "hot", "zipf"] {
        for writers in [1, 3] {
            expected.extend(maps.iter().map(|map| (keys.to_owned(), writers, (*map).to_owned())));
        }
    }
    assert_eq!(seen, expected);
    assert!(result["cpus"].as_u64().unwrap() > 0 && result["clock_ns"].is_u64(), "{result}");
    let picture = std::fs::read_to_string(&svg).unwrap();
    assert_eq!(picture.matches("<polyline").count(), 3 * maps.len());
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn a_peer_that_cannot_be_built_is_skipped_with_the_reason() {
    use std::os::unix::fs::PermissionsExt;
    let dir = fresh("no-peer");
    let cargo = dir.join("cargo");
    std::fs::write(
        &cargo,
        "#!/bin/sh\necho a warning >&2\necho error: no registry >&2\nexit 101\n",
    )
    .unwrap();
    std::fs::set_permissions(&cargo, std::fs::Permissions::from_mode(0o755)).unwrap();
    let output = writers(&["--maps", "subetha-cxc"]).env("CARGO", &cargo).output().unwrap();
    let said = text(&output.stderr);
    assert!(!output.status.success(), "nothing was left to measure");
    let skipped = "skipped subetha-cxc: it cannot be built: error: no registry\n";
    assert!(said.starts_with(skipped), "{said}");
    assert!(said.contains("there is no map to measure"), "{said}");
    std::fs::remove_dir_all(&dir).unwrap();
}

#[test]
fn lines_that_all_writes_store_to_are_counted() {
    let mut command = writers(&["--count", "--unoptimised", "--maps", "table,mutex", "--json"]);
    let output = command.output().unwrap();
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    if said.contains("skipped the counts") {
        eprintln!("{said}");
        return;
    }
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    for count in result["counts"].as_array().unwrap() {
        let figure = |name: &str| count[name].as_u64().unwrap();
        assert!(figure("instructions") > 10, "{count}");
        assert!(figure("lines") >= figure("stored") && figure("stored") > 0, "{count}");
    }
    // Every write stores to the mutex, and to the line of its key.
    let mutex = &result["counts"][1];
    assert_eq!(mutex["map"], "mutex");
    let figure = |name: &str| mutex[name].as_u64().unwrap();
    assert!(figure("stored_by_all") >= 1 && figure("stored") > figure("stored_by_all"), "{mutex}");
}

#[test]
fn numbers_that_cannot_be_measured_are_refused() {
    for (flag, value) in [
        ("--writers", "0"),
        ("--writers", "1,many"),
        ("--seconds", "0"),
        ("--seconds", "-1"),
        ("--seconds", "NaN"),
        ("--keys", "cold"),
        ("--maps", "lmdb"),
    ] {
        let output = writers(&[&format!("{flag}={value}")]).output().unwrap();
        assert!(!output.status.success(), "{flag} {value}");
        assert!(text(&output.stderr).contains(flag), "{flag} {value}: {}", text(&output.stderr));
    }
}
