//! Benchmarks: the criterion groups, then the rows that are promised, as ratios.

use std::process::Stdio;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::command::{cargo, run as run_command, target_dir};
use crate::report;

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Fewer rounds: good for a look, not for a figure.
    #[arg(long)]
    pub quick: bool,
    /// Only the rows whose work or peer contains this; skips criterion.
    #[arg(long)]
    pub filter: Option<String>,
    /// Only the rows: skip criterion.
    #[arg(long)]
    pub rows: bool,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// True when everything ran. A missed bar is a result, not a failure.
pub fn run(arguments: &Arguments) -> Result<bool> {
    if arguments.filter.is_none() && !arguments.rows {
        let mut criterion = cargo();
        criterion.args(["bench", "--quiet", "--package", "shm-benches", "--benches", "--"]);
        if arguments.quick {
            criterion.arg("--quick");
        }
        // Stdout is for the result.
        run_command(criterion.stdout(std::io::stderr()))?;
    }
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "--package", "shm-benches"]);
    run_command(build.args(["--bin", "shm-bench-rows"]))?;
    let mut rows = std::process::Command::new(target_dir().join("release").join("shm-bench-rows"));
    if arguments.quick {
        rows.arg("--quick");
    }
    if let Some(filter) = &arguments.filter {
        rows.args(["--filter", filter]);
    }
    let output = rows.stderr(Stdio::null()).output().context("start the benchmark")?;
    if !output.status.success() {
        bail!("the benchmark failed: {}", output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    let last = text.lines().last().context("the benchmark printed nothing")?;
    if arguments.json {
        println!("{last}");
        return Ok(true);
    }
    show(&serde_json::from_str(last)?);
    Ok(true)
}

fn show(result: &Value) {
    let mut table = report::table(&["work", "peer", "ours ns", "peer ns", "ratio", "bar", "holds"]);
    for row in result["rows"].as_array().into_iter().flatten() {
        let number = |field: &str| row[field].as_f64();
        let decimals = |value: Option<f64>, digits: usize| {
            value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
        };
        let holds = match (number("bar"), row["holds"].as_bool()) {
            (None, _) | (_, None) => "–",
            (_, Some(true)) => "yes",
            (_, Some(false)) => "no",
        };
        table.add_row([
            row["work"].as_str().unwrap_or_default(),
            row["peer"].as_str().unwrap_or_default(),
            &decimals(number("ours_ns"), 1),
            &decimals(number("peer_ns"), 1),
            &decimals(number("ratio"), 2),
            &decimals(number("bar"), 1),
            holds,
        ]);
    }
    println!("{table}");
    if let Some(machine) = result["machine"].as_object() {
        println!("{}", Value::Object(machine.clone()));
    }
}
