//! Benchmarks: the criterion groups, then the rows against each peer, with their ratios.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{ContentArrangement, Table};
use serde_json::{Value, json};

use crate::command::{cargo, run as run_command, target_dir};
use crate::count::{self, Keys};
use crate::{peer, plot, report};

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Fewer rounds: enough for a first impression, not for figures to publish.
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
    /// Print tables as Markdown, for docs/benchmarks.md.
    #[arg(long, conflicts_with = "json")]
    pub markdown: bool,
    /// Only measure a lookup and the bytes per entry over the number of entries, and draw both.
    #[arg(long, conflicts_with_all = ["filter", "rows"])]
    pub plot: bool,
    /// Where the drawing of lookups goes, if not to lookup.svg in cargo's target directory. That of
    /// bytes goes beside it, to a name that ends in -bytes.svg.
    #[arg(long, value_name = "FILE", requires = "plot")]
    pub svg: Option<PathBuf>,
    /// Only measure a lookup and the bytes per entry for each key set, at 1,000,000 and 10,000,000
    /// entries.
    #[arg(long, conflicts_with_all = ["filter", "rows", "plot"])]
    pub sets: bool,
    /// The largest number of entries of the plot or of the sets, if not 10,000,000.
    #[arg(long, value_name = "N")]
    pub most: Option<u64>,
    /// Only count what a lookup in a snapshot and in its peers does: instructions, and cache lines
    /// that are not in a simulated cache. Needs valgrind.
    #[arg(long, conflicts_with_all = ["filter", "rows", "plot", "quick"])]
    pub count: bool,
    /// The key sets of the count, if not all of them.
    #[arg(long, value_delimiter = ',', requires = "count")]
    pub keys: Vec<Keys>,
    /// The number of entries of the count.
    #[arg(long, value_name = "N", requires = "count", default_value = "1000000")]
    pub entries: NonZeroUsize,
    /// For the tests of the count: what is built in this workspace is not optimised.
    #[arg(long, hide = true, requires = "count")]
    pub unoptimised: bool,
}

/// True when everything ran. A missed bar is a result, not a failure.
pub fn run(arguments: &Arguments) -> Result<bool> {
    if arguments.count {
        return print_counts(arguments);
    }
    let only_curves = arguments.plot || arguments.sets;
    if arguments.most.is_some() && !only_curves {
        bail!("--most N is for --plot and --sets");
    }
    if arguments.filter.is_none() && !arguments.rows && !only_curves {
        let mut criterion = cargo();
        criterion.args(["bench", "--quiet", "--package", "shm-benches", "--benches", "--"]);
        if arguments.quick {
            criterion.arg("--quick");
        }
        // Stdout is for the result.
        run_command(criterion.stdout(std::io::stderr()))?;
    }
    let mut rows = rows()?;
    if arguments.quick {
        rows.arg("--quick");
    }
    if let Some(filter) = &arguments.filter {
        rows.args(["--filter", filter]);
    }
    if only_curves {
        rows.arg(if arguments.plot { "--curves" } else { "--sets" });
        if let Some(most) = arguments.most {
            rows.args(["--most", &most.to_string()]);
        }
    } else {
        match peer::build_subetha() {
            Ok(program) => drop(rows.arg("--peer").arg(program)),
            Err(reason) => eprintln!("skipped the rows against {}: {reason}", peer::SUBETHA),
        }
    }
    let last = last_line(&mut rows)?;
    if arguments.plot {
        let path = arguments.svg.clone().unwrap_or_else(|| target_dir().join("lookup.svg"));
        let result = serde_json::from_str(&last)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let bytes = path.with_file_name(format!("{stem}-bytes.svg"));
        for (path, picture) in
            [(path, plot::lookup(&result)?), (bytes, plot::bytes_per_entry(&result)?)]
        {
            std::fs::write(&path, picture).with_context(|| format!("write {}", path.display()))?;
            eprintln!("drawn: {}", path.display());
        }
    }
    if arguments.json {
        println!("{last}");
        return Ok(true);
    }
    let result: Value = serde_json::from_str(&last)?;
    let style = |table| styled(table, arguments.markdown);
    if arguments.plot {
        println!("nanoseconds a lookup\n\n{}\n", style(curves(&result, "points")));
        println!("bytes per entry\n\n{}", style(curves(&result, "bytes")));
        return Ok(true);
    }
    if arguments.sets {
        println!("nanoseconds a lookup\n\n{}\n", style(sets(&result, "ns")));
        println!("bytes per entry\n\n{}", style(sets(&result, "bytes")));
        return Ok(true);
    }
    println!("{}", style(rows_of(&result)));
    if let Some(memory) = memory(&result) {
        println!("{}", style(memory));
    }
    if let Some(machine) = result["machine"].as_object() {
        println!("{}", Value::Object(machine.clone()));
    }
    Ok(true)
}

fn styled(mut table: Table, markdown: bool) -> Table {
    if markdown {
        table.load_preset(ASCII_MARKDOWN).set_content_arrangement(ContentArrangement::Disabled);
    }
    table
}

/// True also if there is nothing to count with. Then the reason is printed.
fn print_counts(arguments: &Arguments) -> Result<bool> {
    let program = rows_program(arguments.unoptimised)?;
    let all = Keys::value_variants();
    let sets = if arguments.keys.is_empty() { all } else { &arguments.keys };
    match count::count(&program, sets, arguments.entries)? {
        Err(reason) => eprintln!("skipped the counts: {reason}"),
        Ok(counts) if arguments.json => println!("{}", json!({ "counts": counts })),
        Ok(counts) => println!("{}", styled(count::table(&counts), arguments.markdown)),
    }
    Ok(true)
}

/// Builds the program that measures rows.
pub fn rows() -> Result<Command> {
    Ok(Command::new(rows_program(false)?))
}

/// Builds the program that measures rows, and whose processes are workers; returns its path.
pub fn rows_program(unoptimised: bool) -> Result<PathBuf> {
    let (profile, dir) = if unoptimised { ("dev", "debug") } else { ("release", "release") };
    let mut build = cargo();
    build.args(["build", "--quiet", "--profile", profile, "--package", "shm-benches"]);
    run_command(build.args(["--bin", "shm-bench-rows"]))?;
    Ok(target_dir().join(dir).join("shm-bench-rows"))
}

/// Runs the program. The last line that it prints is one JSON object.
pub fn last_line(rows: &mut Command) -> Result<String> {
    let output = rows.stderr(Stdio::null()).output().context("start the benchmark")?;
    if !output.status.success() {
        bail!("the benchmark failed: {}", output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    Ok(text.lines().last().context("the benchmark printed nothing")?.to_owned())
}

fn rows_of(result: &Value) -> Table {
    let mut table = report::table(&["work", "peer", "ours ns", "peer ns", "ratio", "bar", "holds"]);
    for row in result["rows"].as_array().into_iter().flatten() {
        let number = |field: &str| row[field].as_f64();
        let decimals = |value: Option<f64>, digits: usize| {
            value.map_or("–".to_owned(), |value| format!("{value:.digits$}"))
        };
        let unit = row["unit"].as_str().map_or(String::new(), |unit| format!(" {unit}"));
        let holds = match (number("bar"), row["holds"].as_bool()) {
            (None, _) | (_, None) => "–",
            (_, Some(true)) => "yes",
            (_, Some(false)) => "no",
        };
        table.add_row([
            row["work"].as_str().unwrap_or_default(),
            row["peer"].as_str().unwrap_or_default(),
            &(decimals(number("ours_ns"), 1) + &unit),
            &decimals(number("peer_ns"), 1),
            &decimals(number("ratio"), 2),
            &decimals(number("bar"), 1),
            holds,
        ]);
    }
    table
}

/// The memory that reader processes need, if it was measured.
fn memory(result: &Value) -> Option<Table> {
    let measured = result["memory"].as_array().filter(|measured| !measured.is_empty())?;
    let head =
        ["memory, KiB", "processes", "image", "sum of PSS", "own, each", "page tables, each"];
    let mut table = report::table(&head);
    let fields = ["readers", "image_kib", "pss_sum_kib", "private_kib", "page_tables_kib"];
    for memory in measured {
        let what = memory["what"].as_str().unwrap_or_default().to_owned();
        table.add_row(std::iter::once(what).chain(fields.map(|field| memory[field].to_string())));
    }
    Some(table)
}

/// A figure of each structure, with a line for each key set and number of entries.
fn sets(result: &Value, what: &str) -> Table {
    let sets = result["sets"].as_array().map(Vec::as_slice).unwrap_or_default();
    let structures = |set: &Value| set["structures"].as_array().cloned().unwrap_or_default();
    let names = sets.first().map(structures).unwrap_or_default();
    let mut head = vec!["keys", "entries"];
    head.extend(names.iter().filter_map(|structure| structure["name"].as_str()));
    let mut table = report::table(&head);
    for set in sets {
        let about =
            [set["set"].as_str().unwrap_or_default().to_owned(), set["entries"].to_string()];
        let figures = structures(set).into_iter();
        let figures = figures.map(|one| format!("{:.1}", one[what].as_f64().unwrap_or(f64::NAN)));
        table.add_row(about.into_iter().chain(figures));
    }
    table
}

/// The points of the plot, with a line for each number of entries.
fn curves(result: &Value, what: &str) -> Table {
    let series = result["series"].as_array().map(Vec::as_slice).unwrap_or_default();
    let mut head = vec!["entries"];
    head.extend(series.iter().filter_map(|series| series["name"].as_str()));
    let mut sizes: Vec<u64> = Vec::new();
    for point in series.iter().filter_map(|series| series[what].as_array()).flatten() {
        sizes.extend(point[0].as_u64().filter(|size| !sizes.contains(size)));
    }
    sizes.sort_unstable();
    let mut table = report::table(&head);
    for size in sizes {
        let ns = series.iter().map(|series| {
            let points = series[what].as_array().map(Vec::as_slice).unwrap_or_default();
            let point = points.iter().find(|point| point[0].as_u64() == Some(size));
            point.and_then(|p| p[1].as_f64()).map_or("–".to_owned(), |ns| format!("{ns:.1}"))
        });
        table.add_row(std::iter::once(size.to_string()).chain(ns));
    }
    table
}
