//! Counts the instructions of single calls, and fails if a call takes more than its limit.
//!
//! Run it as `cargo bench -p slotmap-shm --bench instructions`. The count is the difference between
//! two runs under valgrind's callgrind, without the loop around the calls, so it is hardly affected
//! by the load of the machine. It needs valgrind, and says so if there is none.

use std::error::Error;
use std::hint::black_box;
use std::process::{Command, ExitCode};

use slotmap_shm::{Name, Namespace, Table, TableOptions};

/// Number of keys. So few of them that nearly all are at their home in the index.
const KEYS: u32 = 64;
const VALUE: &[u8] = b"twelve bytes";
/// The numbers of calls in the two runs.
const CALLS: [u64; 2] = [1 << 10, 1 << 12];
/// Number of tables in which each call is counted.
const TABLES: usize = 5;
/// What is counted for a value of twelve bytes, and the maximum number of instructions of a call.
/// The last call is `upsert` with a value whose length the compiler does not know.
const LIMITS: [(&str, u64); 5] =
    [("get", 80), ("get_into", 95), ("absent", 80), ("upsert", 170), ("upsert_any", 200)];

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [what, calls] => run(what, calls.parse()?).map(|()| ExitCode::SUCCESS),
        // Unoptimised code, as built by `cargo test`, is not counted.
        [flag] if flag == "--bench" => compare(),
        _ => Ok(ExitCode::SUCCESS),
    }
}

fn compare() -> Result<ExitCode, Box<dyn Error>> {
    if Command::new("valgrind").arg("--version").output().is_err() {
        println!("skipped: there is no valgrind");
        return Ok(ExitCode::SUCCESS);
    }
    let loop_alone = fewest("nothing")?;
    let mut code = ExitCode::SUCCESS;
    for (what, limit) in LIMITS {
        let counted = fewest(what)?.saturating_sub(loop_alone);
        println!("{what}: {counted} instructions, at most {limit}");
        if counted > limit {
            code = ExitCode::FAILURE;
        }
    }
    Ok(code)
}

/// Returns the fewest instructions of a call in some tables. Each has its own hash secrets, and in
/// some of them a key or two are not at their home, which takes longer.
fn fewest(what: &str) -> Result<u64, Box<dyn Error>> {
    let mut fewest = u64::MAX;
    for _ in 0..TABLES {
        fewest = fewest.min(count(what)?);
    }
    Ok(fewest)
}

/// Returns the instructions of one call, with the loop.
fn count(what: &str) -> Result<u64, Box<dyn Error>> {
    let mut counts = [0u64; 2];
    for (count, calls) in counts.iter_mut().zip(CALLS) {
        let run = Command::new("valgrind")
            .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
            .arg(std::env::current_exe()?)
            .args([what, &calls.to_string()])
            .output()?;
        let said = String::from_utf8_lossy(&run.stderr);
        let collected = said.lines().find_map(|line| line.split("Collected : ").nth(1));
        let collected = collected.filter(|_| run.status.success());
        *count = collected.ok_or_else(|| said.to_string())?.trim().parse()?;
    }
    let ([few, many], [few_calls, many_calls]) = (counts, CALLS);
    Ok(many.saturating_sub(few) / (many_calls - few_calls))
}

/// Makes so many calls.
fn run(what: &str, calls: u64) -> Result<(), Box<dyn Error>> {
    let folder = std::env::temp_dir().join(format!("shmap-instructions-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let done = run_in(&Namespace::at(&folder), what, calls);
    std::fs::remove_dir_all(&folder)?;
    done
}

fn run_in(namespace: &Namespace, what: &str, calls: u64) -> Result<(), Box<dyn Error>> {
    let table = Table::<i32>::create(namespace, &Name::new("t")?, &TableOptions::default())?;
    for key in 0..KEYS as i32 {
        table.add(&key, VALUE)?;
    }
    let mut buffer = [0; 64];
    match what {
        "get" => repeat(calls, |key| table.get(key).is_ok_and(|value| value.is_some())),
        "get_into" => repeat(calls, |key| table.get_into(key, &mut buffer).is_ok()),
        "absent" => repeat(calls, |key| table.get(&(key | 1 << 20)).is_ok()),
        "upsert" => repeat(calls, |key| table.upsert(key, VALUE).is_ok()),
        "upsert_any" => repeat(calls, |key| table.upsert(key, black_box(VALUE)).is_ok()),
        _ => repeat(calls, |key| *black_box(key) >= 0),
    }
    black_box(buffer);
    Ok(())
}

#[inline(never)]
fn repeat(calls: u64, mut call: impl FnMut(&i32) -> bool) {
    let keys = (0..calls).map(|nth| (nth as u32 % KEYS) as i32);
    black_box(keys.filter(|key| call(key)).count());
}
