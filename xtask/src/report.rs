//! How results are shown: a short table for people, one JSON object for machines.

use anyhow::Result;
use comfy_table::{ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use serde::Serialize;

/// An aligned table. Its first row is the heading.
pub fn table(heading: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY);
    // Some pseudo-terminals claim to be no columns wide.
    if table.width().is_some_and(|columns| columns >= 40) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table.set_header(heading.to_vec());
    table
}

/// Prints the fields of `result` as a table or, with `json`, as the last line of stdout.
pub fn print(result: &impl Serialize, json: bool) -> Result<()> {
    let value = serde_json::to_value(result)?;
    if json {
        println!("{value}");
        return Ok(());
    }
    let mut rows = table(&["figure", "value"]);
    for (field, value) in value.as_object().into_iter().flatten() {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        rows.add_row([field.as_str(), &text]);
    }
    println!("{rows}");
    Ok(())
}

/// The value below which `percent` of the sorted samples lie.
pub fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let at = (sorted.len() * percent / 100).min(sorted.len().saturating_sub(1));
    sorted.get(at).copied().unwrap_or(0)
}
