//! Ways to look a key up, compared for one number of entries.

use anyhow::Result;
use comfy_table::Table;
use serde_json::Value;

use crate::{bench, report};

#[derive(clap::Args, Clone, Debug)]
pub struct Arguments {
    /// Number of entries, from 1 to 1048576. A linear array under a mutex has at most 1024, one
    /// without at most 16384, the table at most 65536: for more entries they are left out.
    #[arg(long, value_name = "N", default_value_t = 1024)]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=1 << 20))]
    pub size: u32,
    /// Print one JSON object.
    #[arg(long)]
    pub json: bool,
}

/// Measures, and prints one line for each way. Writes only to cargo's target directory.
pub fn run(arguments: &Arguments) -> Result<bool> {
    let mut rows = bench::rows()?;
    let last = bench::last_line(rows.args(["--compare", &arguments.size.to_string()]))?;
    if arguments.json {
        println!("{last}");
        return Ok(true);
    }
    let result: Value = serde_json::from_str(&last)?;
    println!("{}", table(&result));
    println!(
        "Present keys in random order, values of 12 bytes, copied out. Medians of {} rounds, in\n\
         which all take turns. On a busy machine compare the last column only.",
        result["rounds"]
    );
    Ok(true)
}

/// A table with a line for each structure: nanoseconds, and their ratio to those of the AVL tree.
fn table(result: &Value) -> Table {
    let structures = result["structures"].as_array().map(Vec::as_slice).unwrap_or_default();
    let avl = structures.iter().find(|structure| structure["name"] == "snapshot (AVL)");
    let avl = avl.and_then(|structure| structure["ns"].as_f64());
    let entries = format!("entries: {}", result["entries"]);
    let mut table = report::table(&[&entries, "ns a lookup", "times AVL"]);
    for structure in structures {
        let ns = structure["ns"].as_f64();
        let shown = |number: Option<f64>, digits: usize| {
            number.map_or("–".to_owned(), |number| format!("{number:.digits$}"))
        };
        table.add_row([
            structure["name"].as_str().unwrap_or_default(),
            &shown(ns, 1),
            &shown(ns.zip(avl).map(|(ns, avl)| ns / avl), 2),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use serde_json::json;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    fn size(words: &[&str]) -> Option<u32> {
        let words = std::iter::once("compare").chain(words.iter().copied());
        Some(Line::try_parse_from(words).ok()?.arguments.size)
    }

    #[test]
    fn a_size_is_a_number_of_entries_that_can_be_measured() {
        assert_eq!(size(&[]), Some(1024));
        assert_eq!((size(&["--size", "1"]), size(&["--size=1048576"])), (Some(1), Some(1 << 20)));
        for refused in ["0", "1048577", "-1", "many", ""] {
            assert_eq!(size(&["--size", refused]), None, "{refused:?}");
        }
        assert_eq!(size(&["1024"]), None);
    }

    #[test]
    fn each_structure_has_a_line_with_its_time_and_its_ratio() {
        let structures = json!([
            { "name": "linear array, private", "ns": 150.0 },
            { "name": "snapshot (AVL)", "ns": 40.0 },
            { "name": "unmeasured", "ns": null },
        ]);
        let shown = table(&json!({ "entries": 512, "structures": structures })).to_string();
        let line = |word: &str| {
            let line = shown.lines().find(|line| line.contains(word));
            line.unwrap_or_else(|| panic!("no {word} in {shown}")).to_owned()
        };
        assert!(line("entries: 512").contains("ns a lookup"));
        assert!(line("linear array, private").contains("150.0"), "{shown}");
        assert!(line("linear array, private").contains("3.75"), "{shown}");
        assert!(line("snapshot (AVL)").contains("1.00") && line("unmeasured").contains('–'));
    }
}
