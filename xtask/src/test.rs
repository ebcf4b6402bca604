//! The whole suite, as a newcomer and CI run it.

use std::path::Path;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::command::{cargo, nightly_cargo, run as run_command, target_dir};
use crate::step_kill::{self, Operation};
use crate::storm::{self, Storm};
use crate::stress;
use crate::worker::Sabotage;
use crate::{demo, install, linearize, packages, platform, python, report};

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Step-kill after every instruction of every operation, kill 20,000 times, and check 100
    /// histories.
    #[arg(long)]
    pub full: bool,
    /// Run only the steps whose name contains this.
    #[arg(long)]
    pub filter: Option<String>,
}

/// How long one step may take. A step that hangs must not take the time of the others: the suite
/// ends and names that step.
const STEP_LIMIT: Duration = Duration::from_secs(25 * 60);
const FULL_STEP_LIMIT: Duration = Duration::from_secs(6 * 60 * 60);

/// Runs a step; ends the whole process if it takes longer than `limit`.
fn within<T>(limit: Duration, name: &str, step: &dyn Fn() -> T) -> T {
    std::thread::scope(|scope| {
        let (done, wait) = channel::<()>();
        scope.spawn(move || {
            if wait.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                eprintln!("FAILED: {name} hangs: it took more than {} s", limit.as_secs());
                std::process::exit(1);
            }
        });
        let outcome = step();
        drop(done);
        outcome
    })
}

struct Step {
    name: String,
    run: Box<dyn Fn() -> Result<String>>,
}

pub fn run(arguments: &Arguments) -> Result<bool> {
    let mut summary = report::table(&["step", "outcome", "seconds"]);
    let mut passed = true;
    for step in steps(arguments.full) {
        if arguments.filter.as_ref().is_some_and(|filter| !step.name.contains(filter)) {
            continue;
        }
        eprintln!("── {}", step.name);
        let start = Instant::now();
        let limit = if arguments.full { FULL_STEP_LIMIT } else { STEP_LIMIT };
        let outcome = within(limit, &step.name, &step.run);
        let seconds = format!("{:.1}", start.elapsed().as_secs_f64());
        let outcome = outcome.unwrap_or_else(|error| {
            passed = false;
            format!("FAILED: {error:#}")
        });
        eprintln!("   {outcome} ({seconds} s)");
        summary.add_row([step.name, outcome, seconds]);
    }
    println!("{summary}");
    Ok(passed)
}

/// The names of the steps of the suite.
#[cfg(test)]
pub fn step_names(full: bool) -> Vec<String> {
    steps(full).into_iter().map(|step| step.name).collect()
}

fn steps(full: bool) -> Vec<Step> {
    let mut steps = vec![
        step("unit, integration and documentation tests", move || {
            let mut test = cargo();
            test.args(["test", "--workspace", "--quiet"]);
            if full {
                // Tests that choose their size by this say so.
                test.env("SHMAP_FULL", "1");
            }
            run_command(&mut test)?;
            Ok("passed".to_owned())
        }),
        step("loom models", || {
            let mut test = cargo();
            test.args(["test", "--quiet", "--release", "--lib"]);
            test.args(["--package", "slotmap-shm", "--package", "shm-core"]);
            test.arg("--target-dir").arg(target_dir().join("loom")).arg("models");
            run_command(test.env("RUSTFLAGS", "--cfg loom"))?;
            Ok("passed".to_owned())
        }),
    ];
    steps.push(step("hostile snapshots under AddressSanitizer", hostile_snapshots));
    steps.push(step("fuzz targets", || {
        let mut check = cargo();
        check.args(["check", "--quiet", "--manifest-path", "fuzz/Cargo.toml"]);
        check.arg("--target-dir").arg(target_dir().join("fuzz"));
        // As `cargo fuzz` builds them.
        run_command(check.env("RUSTFLAGS", "--cfg fuzzing"))?;
        Ok("compile".to_owned())
    }));
    for &op in Operation::value_variants() {
        let stride = if full { 1 } else { op.stride() };
        steps.push(step(&format!("step-kill {}, stride {stride}", op.name()), move || {
            killed_by_step(op, stride)
        }));
    }
    for (op, sabotage) in [
        (Operation::Update, Sabotage::Tear),
        (Operation::ClaimUpdate, Sabotage::Tear),
        (Operation::ClaimUpdate, Sabotage::DeadClaim),
        (Operation::Wake, Sabotage::LoseWakes),
        (Operation::Batch, Sabotage::Piecemeal),
        (Operation::Add, Sabotage::NoRepair),
        (Operation::Grow, Sabotage::EarlyLevel),
        (Operation::Expire, Sabotage::NoRepair),
        (Operation::Evict, Sabotage::NoRepair),
        (Operation::ForceShare, Sabotage::EarlyName),
        (Operation::Settle, Sabotage::NoSettle),
        (Operation::Prune, Sabotage::GreedyPrune),
        (Operation::Remove, Sabotage::WaitForDead),
        (Operation::Takeover, Sabotage::WaitForDead),
    ] {
        let name = format!("negative control: step-kill {}, {sabotage:?}", op.name());
        steps.push(step(&name, move || sabotage_is_caught(op, sabotage)));
    }
    if full {
        steps.push(step("waits beside a million changes", waits_beside_many_changes));
    }
    let kills = if full { 20_000 } else { 1000 };
    steps.push(step(&format!("stress, {kills} kills"), move || killed_at_random(kills)));
    steps.push(step("negative control: stress, Tear", stress_catches_tearing));
    let name = if full { "linearizability, 100 histories" } else { "linearizability, 3 histories" };
    steps.push(step(name, move || calls_are_linearizable(full)));
    for sabotage in [Sabotage::StaleRead, Sabotage::Tear, Sabotage::Piecemeal] {
        let name = format!("negative control: linearizability, {sabotage:?}");
        steps.push(step(&name, move || linearize_catches(sabotage)));
    }
    let kills = if full { 20_000 } else { 500 };
    for &storm in Storm::value_variants() {
        let name = format!("storm of {}, {kills} kills", storm.name());
        steps.push(step(&name, move || storm_is_weathered(storm, kills, Path::new("/dev/shm"))));
    }
    let kills = if full { 2000 } else { 50 };
    for &storm in Storm::value_variants() {
        let name = format!("storm of {} on a disk, {kills} kills", storm.name());
        steps.push(step(&name, move || storm_is_weathered(storm, kills, &target_dir())));
    }
    for (storm, sabotage) in [
        (Storm::Names, Sabotage::Tear),
        (Storm::Editions, Sabotage::EarlyName),
        (Storm::Transfers, Sabotage::Piecemeal),
    ] {
        let name = format!("negative control: storm of {}, {sabotage:?}", storm.name());
        steps.push(step(&name, move || storm_catches(storm, sabotage)));
    }
    steps.push(step("installation as the READMEs say", install::as_the_readmes_say));
    steps.push(step("packages of the library crates", packages::run_their_examples));
    steps.push(step("negative control: packages", packages::a_missing_file_is_noticed));
    steps.push(step("dependencies", packages::dependencies_are_allowed));
    steps.push(step("python", || python::test(&python::Arguments::default())));
    for target in platform::TARGETS {
        steps.push(step(&format!("platform {}", target.triple), || platform::check(target)));
    }
    steps.push(step("writers with musl beside writers with glibc", move || {
        writers_of_two_libraries(full)
    }));
    steps.push(step("demo", || {
        let figures = demo::demo(&demo::Arguments { seconds: 4, json: true })?;
        if let Some(what) = figures.not_shown() {
            bail!("{what}: {figures:?}");
        }
        if !figures.is_clean() {
            bail!("{figures:?}");
        }
        let demo::Figures { entries, reads_per_s, changes, lookups_per_s, editions, .. } = figures;
        let demo::Figures { first_capacity, capacity, ephemeral_gone, .. } = figures;
        Ok(format!(
            "{entries} entries, {reads_per_s} reads/s, grown from {first_capacity} to {capacity}, \
             {changes} changes waited for, {ephemeral_gone} ephemeral rows gone; \
             {editions} editions, {lookups_per_s} lookups/s"
        ))
    }));
    steps
}

fn step(name: &str, run: impl Fn() -> Result<String> + 'static) -> Step {
    Step { name: name.to_owned(), run: Box::new(run) }
}

/// Runs the tests of hostile snapshots under AddressSanitizer. Without it, reads outside of the
/// bytes would be noticed only if they crash.
fn hostile_snapshots() -> Result<String> {
    let arch = std::env::consts::ARCH;
    if !cfg!(target_env = "gnu") || !["x86_64", "aarch64"].contains(&arch) {
        return Ok(format!("skipped: no AddressSanitizer for {arch}"));
    }
    let mut test = match nightly_cargo() {
        Ok(cargo) => cargo,
        Err(reason) => return Ok(format!("skipped: {reason}")),
    };
    // With an explicit target, so that build scripts and macros are not instrumented.
    test.args(["test", "--quiet", "--target", &format!("{arch}-unknown-linux-gnu")]);
    test.arg("--target-dir").arg(target_dir().join("asan"));
    test.args(["--package", "avl-snapshot", "--package", "shm-tests", "--test", "agrees"]);
    for name in ["crafted", "golden", "hostile", "model"] {
        test.args(["--test", &format!("snapshot_{name}")]);
    }
    run_command(test.env("RUSTFLAGS", "-Zsanitizer=address"))?;
    Ok("passed".to_owned())
}

/// The everyday suite makes fewer changes.
fn waits_beside_many_changes() -> Result<String> {
    let mut test = cargo();
    test.args(["test", "--quiet", "--package", "shm-tests", "--test", "waits", "no_last_change"]);
    run_command(test.env("SHM_TESTS_CHANGES", "1000000"))?;
    Ok("passed".to_owned())
}

/// The worker for musl is one of those that the tests of the platform have built.
fn writers_of_two_libraries(full: bool) -> Result<String> {
    let worker = platform::worker("x86_64-unknown-linux-musl");
    if !worker.is_file() {
        return Ok(format!("skipped: there is no {}", worker.display()));
    }
    let mut test = cargo();
    test.args(["test", "--quiet", "--package", "shm-tests", "--test", "mixed_writers", "musl"]);
    if full {
        test.env("SHMAP_FULL", "1");
    }
    run_command(test.env("SHM_MUSL_WORKER", worker))?;
    Ok("nothing lost, nobody stuck".to_owned())
}

fn killed_by_step(op: Operation, stride: u64) -> Result<String> {
    let arguments = step_kill::Arguments { op, stride, sabotage: None, json: true };
    let found = step_kill::step_kill(&arguments)?;
    if !found.is_clean() {
        bail!("{found:?}");
    }
    Ok(format!(
        "{} kills in {} instructions, nothing torn or lost",
        found.kills, found.instructions
    ))
}

/// A harness that cannot fail proves nothing.
fn sabotage_is_caught(op: Operation, sabotage: Sabotage) -> Result<String> {
    // Where nobody notices a death, each kill costs the time limit of the lock.
    let stride = match (op, sabotage) {
        (Operation::Takeover, Sabotage::WaitForDead) => 3001,
        (_, Sabotage::WaitForDead) => 97,
        _ => op.stride(),
    };
    let arguments = step_kill::Arguments { op, stride, sabotage: Some(sabotage), json: true };
    let found = step_kill::step_kill(&arguments)?;
    if found.is_clean() {
        bail!("the broken protocol was not noticed: {found:?}");
    }
    let step_kill::Findings { torn, lost, leaked, hung, .. } = found;
    if sabotage == Sabotage::DeadClaim && hung == 0 {
        bail!("nobody was kept waiting: {found:?}");
    }
    Ok(format!("caught: torn {torn}, lost {lost}, leaked {leaked}, hung {hung}"))
}

fn killed_at_random(kills: u64) -> Result<String> {
    let arguments = stress::Arguments { writers: 8, readers: 4, kills, sabotage: None, json: true };
    let found = stress::stress(&arguments)?;
    if !found.is_clean() {
        bail!("{found:?}");
    }
    // A writer is hit while it waits for a processor. Where there are many, few wait.
    let crowded = std::thread::available_parallelism()?.get() <= 4;
    let wanted = if crowded { kills / 10 } else { 1 };
    if found.recoveries + found.claims < wanted {
        bail!("fewer than {wanted} kills hit the lock or a claim: {found:?}");
    }
    if found.growths == 0 {
        bail!("no table grew: {found:?}");
    }
    let stress::Findings {
        growths, recoveries, recovery_p50_us: p50, recovery_p99_us: p99, ..
    } = found;
    let stress::Findings { claims, claim_p50_us, claim_p99_us, .. } = found;
    Ok(format!(
        "{growths} growths; {recoveries} kills hit the lock: p50 {p50} µs, p99 {p99} µs; \
         {claims} hit a claim: p50 {claim_p50_us} µs, p99 {claim_p99_us} µs"
    ))
}

fn storm_is_weathered(storm: Storm, kills: u64, dir: &Path) -> Result<String> {
    let found = storm::rage(storm, kills, dir, None)?;
    if !found.is_clean() {
        bail!("{found:?}");
    }
    let storm::Findings { kills, operations, checks, .. } = found;
    Ok(format!(
        "{kills} kills, {operations} operations, {checks} checks: nothing torn, lost, hung or leaked"
    ))
}

fn storm_catches(storm: Storm, sabotage: Sabotage) -> Result<String> {
    let found = storm::rage(storm, 300, Path::new("/dev/shm"), Some(sabotage))?;
    if found.is_clean() {
        bail!("the broken protocol was not noticed: {found:?}");
    }
    Ok(format!("caught: torn {}, lost {}, leaked {}", found.torn, found.lost, found.leaked))
}

fn calls_are_linearizable(full: bool) -> Result<String> {
    let found = linearize::linearize(&linearize::Arguments { full, ..Default::default() })?;
    let shows_nothing = found.concurrent == 0 || found.interrupted == 0 || found.doctored == 0;
    if !found.is_clean() || shows_nothing {
        bail!("{found:?}");
    }
    let linearize::Findings { calls, concurrent, kills, interrupted, doctored, .. } = found;
    Ok(format!(
        "{calls} calls, {concurrent} of them concurrent, {kills} kills, {interrupted} within a \
         write: linearizable; {doctored} stale reads that were put in: refused"
    ))
}

fn linearize_catches(sabotage: Sabotage) -> Result<String> {
    let sabotage = Some(sabotage);
    let arguments = linearize::Arguments { seeds: 1, sabotage, ..Default::default() };
    let found = linearize::linearize(&arguments)?;
    if found.not_linearizable == 0 {
        bail!("the broken protocol was not noticed: {found:?}");
    }
    Ok(format!("caught: {} histories are not linearizable", found.not_linearizable))
}

fn stress_catches_tearing() -> Result<String> {
    let sabotage = Some(Sabotage::Tear);
    let arguments = stress::Arguments { writers: 4, readers: 4, kills: 100, sabotage, json: true };
    let found = stress::stress(&arguments)?;
    if found.is_clean() {
        bail!("the broken protocol was not noticed: {found:?}");
    }
    Ok(format!("caught: torn {}, lost {}", found.torn, found.lost))
}
