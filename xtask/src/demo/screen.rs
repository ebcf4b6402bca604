//! What the demo shows to people.

use std::io::{IsTerminal, Write};

use anyhow::Result;
use serde_json::Value;

use super::names::Look;
use super::{Board, Waited};
use crate::report;

/// The longest answer in characters. A line that a terminal breaks would spoil the screen.
const ANSWER: usize = 57;

/// The destination of the board. On a terminal it is refreshed in place; elsewhere it is printed
/// once, at the end.
pub(super) struct Screen {
    quiet: bool,
    in_place: bool,
    lines: usize,
    notes: Vec<String>,
}

impl Screen {
    pub(super) fn new(quiet: bool) -> Self {
        let in_place = std::io::stdout().is_terminal();
        Self { quiet, in_place, lines: 0, notes: Vec::new() }
    }

    pub(super) fn note(&mut self, note: String) {
        self.notes.push(note);
    }

    pub(super) fn show(
        &mut self,
        board: &Board,
        waited: &Waited,
        names: &Look,
        last: bool,
    ) -> Result<()> {
        if self.quiet || (!self.in_place && !last) {
            return Ok(());
        }
        let heading = ["pid", "command", "state", "RSS KiB", "CPU ticks", "written by", "age"];
        let mut table = report::table(&heading);
        for row in &board.rows {
            let cell = |value: &Value| value.as_str().map_or(value.to_string(), printable);
            table.add_row(row.iter().map(cell));
        }
        let mut text = format!(
            "{table}\n{} processes on the board, {} writes, {} recoveries\n",
            board.entries, board.writes, board.recoveries
        );
        text.push_str(&format!(
            "{} agents replaced their rows side by side; the table grew {} times, from {} rows to {}\n",
            board.writers, board.growths, board.first_capacity, board.capacity
        ));
        let agents = if board.agents.is_empty() { "none" } else { &board.agents.join(", ") };
        text.push_str(&format!("ephemeral rows: {agents}\n"));
        text.push_str(&format!(
            "a waiter was woken for {} changes of its row, the last {} us after it was written: {}\n",
            waited.changes,
            waited.after_us,
            printable(&waited.last)
        ));
        text.push_str(&format!(
            "{} names, edition {}; {} lookups/s, {} editions seen, {} mixtures\n",
            names.names, names.edition, names.lookups_per_s, names.editions, names.mixtures
        ));
        for [how, query, answer] in &names.answers {
            let answer: String = printable(answer).chars().take(ANSWER).collect();
            text.push_str(&format!("  {how:<9}  {query:<8}  {answer}\n"));
        }
        for note in &self.notes {
            text.push_str(note);
            text.push('\n');
        }
        let mut out = std::io::stdout().lock();
        if self.in_place && self.lines > 0 {
            // Up to the first line of the last frame, and clear from there.
            write!(out, "\x1b[{}F\x1b[J", self.lines)?;
        }
        write!(out, "{text}")?;
        out.flush()?;
        self.lines = text.lines().count();
        Ok(())
    }
}

/// Removes control characters, because names of processes may hold anything and would break the
/// screen.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect()
}
