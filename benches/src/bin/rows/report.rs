//! The rows, as a table for people and as JSON.

use anyhow::Result;
use serde::Serialize;
use serde_json::{Value, json};

use crate::machine;
use crate::measure::{Outcome, Plan};
use crate::snapshot::readers::Memory;

/// One line of the table of speeds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Row {
    /// What is done.
    pub(crate) work: String,
    /// Median nanoseconds an operation; for a killed owner the 99th percentile.
    pub(crate) ours_ns: f64,
    /// What it is compared with.
    pub(crate) peer: String,
    /// The peer's median nanoseconds an operation.
    pub(crate) peer_ns: Option<f64>,
    /// The ratio of the peer's time to ours: the median over the rounds.
    pub(crate) ratio: Option<f64>,
    /// The unit of the two figures, if it is not nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) unit: Option<&'static str>,
    /// The least ratio that the row must keep; where there is no peer, the most that `ours_ns` may
    /// be. None: for information.
    pub(crate) bar: Option<f64>,
    /// Whether the bar is met; true if there is none.
    pub(crate) holds: bool,
    /// Where the middle half of the ratios lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quartiles: Option<(f64, f64)>,
    /// What else there is to say.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) note: Option<String>,
}

/// Collects rows.
#[derive(Debug)]
pub(crate) struct Bench {
    /// How much is measured.
    pub(crate) plan: Plan,
    filter: String,
    rows: Vec<Row>,
    memory: Vec<Memory>,
}

impl Bench {
    /// Measures the rows whose work or peer contains `filter`.
    pub(crate) fn new(plan: Plan, filter: &str) -> Self {
        Self { plan, filter: filter.to_lowercase(), rows: Vec::new(), memory: Vec::new() }
    }

    /// Whether a row was asked for.
    pub(crate) fn wants(&self, work: &str, peer: &str) -> bool {
        format!("{work} {peer}").to_lowercase().contains(&self.filter)
    }

    /// Measures a row, if it was asked for.
    pub(crate) fn row(
        &mut self,
        work: &str,
        peer: &str,
        bar: Option<f64>,
        measure: impl FnOnce(&Plan) -> Result<Outcome>,
    ) -> Result<()> {
        if !self.wants(work, peer) {
            return Ok(());
        }
        let outcome = measure(&self.plan)?;
        self.push(Row {
            work: work.into(),
            ours_ns: outcome.ours_ns,
            peer: peer.into(),
            peer_ns: Some(outcome.peer_ns),
            ratio: Some(outcome.ratio),
            unit: None,
            bar,
            holds: bar.is_none_or(|bar| outcome.ratio >= bar),
            quartiles: Some(outcome.quartiles),
            note: None,
        });
        Ok(())
    }

    /// Adds a row with one figure, which must stay below its bar.
    pub(crate) fn figure(
        &mut self,
        work: &str,
        figure: f64,
        unit: Option<&'static str>,
        bar: Option<f64>,
        note: Option<String>,
    ) {
        self.push(Row {
            work: work.into(),
            ours_ns: figure,
            peer: "–".into(),
            peer_ns: None,
            ratio: None,
            unit,
            bar,
            holds: bar.is_none_or(|bar| figure <= bar),
            quartiles: None,
            note,
        });
    }

    /// Adds a row.
    pub(crate) fn push(&mut self, row: Row) {
        eprint!(".");
        self.rows.push(row);
    }

    /// Adds to what is known of processes' memory.
    pub(crate) fn memory(&mut self, memory: Memory) {
        self.memory.push(memory);
    }

    /// Edits the row just added, if it was asked for.
    pub(crate) fn amend(&mut self, work: &str, peer: &str, edit: impl FnOnce(&mut Row)) {
        let this = |row: &&mut Row| row.work == work && row.peer == peer;
        if let Some(row) = self.rows.last_mut().filter(this) {
            edit(row);
        }
    }

    /// Prints the table to stderr.
    pub(crate) fn print(&self) {
        let number = |n: Option<f64>| match n {
            None => "–".to_owned(),
            Some(n) if n.abs() < 10.0 => format!("{n:.2}"),
            Some(n) => format!("{n:.1}"),
        };
        let head = ["work", "peer", "ours ns", "peer ns", "ratio", "middle half", "bar", ""];
        let mut lines = vec![head.map(str::to_owned)];
        for row in &self.rows {
            let spread =
                row.quartiles.map(|(a, b)| format!("{}..{}", number(Some(a)), number(Some(b))));
            let verdict = match (row.bar, row.holds) {
                (None, _) => "",
                (_, true) => "holds",
                (_, false) => "MISSED",
            };
            lines.push([
                row.work.clone(),
                row.peer.clone(),
                number(Some(row.ours_ns)) + row.unit.map_or("", |_| "*"),
                number(row.peer_ns),
                number(row.ratio),
                spread.unwrap_or_default(),
                number(row.bar),
                verdict.to_owned(),
            ]);
        }
        let width = |column: usize| {
            lines.iter().filter_map(|l| l.get(column)).map(|c| c.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..head.len()).map(width).collect();
        eprintln!();
        for line in &lines {
            let cells = line.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
                if column < 2 { format!("{cell:width$}") } else { format!("{cell:>width$}") }
            });
            eprintln!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        }
        for memory in &self.memory {
            eprintln!("{memory:?}");
        }
        for row in &self.rows {
            if let Some(unit) = row.unit {
                eprintln!("* {}: {unit}", row.work);
            }
            if let Some(note) = &row.note {
                eprintln!("{} / {}: {note}", row.work, row.peer);
            }
        }
    }

    /// Everything, as JSON.
    pub(crate) fn json(&self) -> Value {
        json!({ "rows": self.rows, "memory": self.memory, "machine": machine::facts(), "rounds": self.plan.rounds,
                "round_ms": self.plan.round.as_secs_f64() * 1e3 })
    }
}
