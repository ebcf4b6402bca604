//! The whole suite, as a newcomer and as CI run it.

use std::time::Instant;

use anyhow::{Result, bail};
use clap::ValueEnum;

use crate::command::{cargo, run as run_command, target_dir};
use crate::step_kill::{self, Operation};
use crate::stress;
use crate::worker::Sabotage;
use crate::{demo, python, report};

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Step-kill after every instruction of every operation, and kill 20,000 times.
    #[arg(long)]
    pub full: bool,
    /// Run only the steps whose name contains this.
    #[arg(long)]
    pub filter: Option<String>,
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
        let outcome = (step.run)();
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

fn steps(full: bool) -> Vec<Step> {
    let mut steps = vec![
        step("unit, integration and documentation tests", || {
            run_command(cargo().args(["test", "--workspace", "--quiet"]))?;
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
    for &op in Operation::value_variants() {
        let stride = if full { 1 } else { op.stride() };
        steps.push(step(&format!("step-kill {}, stride {stride}", op.name()), move || {
            killed_by_step(op, stride)
        }));
    }
    for (op, sabotage) in [
        (Operation::Update, Sabotage::Tear),
        (Operation::Batch, Sabotage::Piecemeal),
        (Operation::Add, Sabotage::NoRepair),
    ] {
        let name = format!("negative control: step-kill {}, {sabotage:?}", op.name());
        steps.push(step(&name, move || sabotage_is_caught(op, sabotage)));
    }
    let kills = if full { 20_000 } else { 1000 };
    steps.push(step(&format!("stress, {kills} kills"), move || killed_at_random(kills)));
    steps.push(step("negative control: stress, Tear", stress_catches_tearing));
    steps.push(step("python", || python::test(&python::Arguments::default())));
    steps.push(step("demo", || {
        let figures = demo::demo(&demo::Arguments { seconds: 4, json: true })?;
        if !figures.is_clean() || figures.recoveries == 0 {
            bail!("{figures:?}");
        }
        Ok(format!("{} entries, {} reads/s", figures.entries, figures.reads_per_s))
    }));
    steps
}

fn step(name: &str, run: impl Fn() -> Result<String> + 'static) -> Step {
    Step { name: name.to_owned(), run: Box::new(run) }
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
    let stride = op.stride();
    let arguments = step_kill::Arguments { op, stride, sabotage: Some(sabotage), json: true };
    let found = step_kill::step_kill(&arguments)?;
    if found.is_clean() {
        bail!("the broken protocol was not noticed: {found:?}");
    }
    Ok(format!("caught: torn {}, lost {}, leaked {}", found.torn, found.lost, found.leaked))
}

fn killed_at_random(kills: u64) -> Result<String> {
    let arguments = stress::Arguments { writers: 4, readers: 4, kills, sabotage: None, json: true };
    let found = stress::stress(&arguments)?;
    if !found.is_clean() {
        bail!("{found:?}");
    }
    Ok(format!(
        "{} recoveries, p50 {} µs, p99 {} µs, max {} µs",
        found.recoveries, found.recovery_p50_us, found.recovery_p99_us, found.recovery_max_us
    ))
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
