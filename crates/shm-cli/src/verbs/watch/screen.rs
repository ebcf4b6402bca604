//! The terminal while a map is watched. It is taken over, drawn in place, and restored.

use std::io::{self, Write};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Row, Table, presets::NOTHING};
use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{
    Clear, ClearType, EnterAlternateScreen, LeaveAlternateScreen, size as terminal_size,
};
use crossterm::{execute, queue};

use super::changes::{Change, Mark};
use crate::escape::escape;
use crate::maps::key::Forms;

/// Number of lines besides the rows: the heading, the names of the columns, and the number of
/// entries that are left out.
const OTHER_LINES: usize = 3;
/// The assumed size of a terminal that does not report its size.
const USUAL_SIZE: (u16, u16) = (80, 24);

/// What the screen shows.
#[derive(Debug, Default)]
pub(super) struct Frame {
    pub(super) heading: String,
    pub(super) rows: Vec<Change>,
    /// Number of entries that did not fit.
    pub(super) more: usize,
}

/// The terminal. It is restored when this is dropped, even after an error.
#[derive(Debug)]
pub(super) struct Screen {
    colours: bool,
}

impl Screen {
    pub(super) fn enter() -> io::Result<Self> {
        execute!(io::stdout(), EnterAlternateScreen, Hide)?;
        let set = |name| std::env::var_os(name).unwrap_or_default();
        Ok(Self { colours: set("NO_COLOR").is_empty() && set("TERM") != "dumb" })
    }

    /// Returns the number of rows that fit.
    pub(super) fn rows(&self) -> usize {
        usize::from(size().1).saturating_sub(OTHER_LINES).max(1)
    }

    /// Draws over the current contents, line by line, so that nothing flickers.
    pub(super) fn draw(&mut self, frame: &Frame) -> io::Result<()> {
        let columns = size().0;
        let mut out = io::BufWriter::new(io::stdout().lock());
        queue!(out, MoveTo(0, 0))?;
        let text = format!("{}\n{}", frame.heading, self.table(frame, columns));
        let more = match frame.more {
            0 => String::new(),
            more => format!("… and {more} more"),
        };
        let (_, height) = size();
        let lines = text.lines().chain([more.as_str()]).take(usize::from(height));
        for (i, line) in lines.enumerate() {
            if i > 0 {
                out.write_all(b"\r\n")?;
            }
            // The heading is the only line that may be too long.
            let line = if i == 0 { clip(line, columns) } else { line };
            out.write_all(line.as_bytes())?;
            queue!(out, Clear(ClearType::UntilNewLine))?;
        }
        queue!(out, Clear(ClearType::FromCursorDown))?;
        out.flush()
    }

    fn table(&self, frame: &Frame, columns: u16) -> Table {
        let mut table = Table::new();
        table.load_preset(NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(columns.max(20)).set_header(["", "KEY", "VALUE"]);
        if self.colours {
            table.enforce_styling();
        } else {
            table.force_no_tty().set_width(columns.max(20));
        }
        for Change { mark, key, value } in &frame.rows {
            let cells = [mark.sign().to_owned(), key.text(), escape(value)];
            let mut row = Row::from(cells.map(|text| self.styled(*mark, text)));
            row.max_height(1);
            table.add_row(row);
        }
        table
    }

    fn styled(&self, mark: Mark, text: String) -> Cell {
        let cell = Cell::new(text);
        match mark {
            _ if !self.colours => cell,
            Mark::Same => cell,
            Mark::Added => cell.fg(Color::Green).add_attribute(Attribute::Bold),
            Mark::Changed => cell.fg(Color::Yellow).add_attribute(Attribute::Bold),
            Mark::Removed => cell.fg(Color::Red).add_attribute(Attribute::Dim),
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
    }
}

/// The number of columns and lines.
fn size() -> (u16, u16) {
    match terminal_size() {
        Ok((columns, lines)) if columns > 0 && lines > 0 => (columns, lines),
        _ => USUAL_SIZE,
    }
}

/// Returns the first `columns` characters of a line.
fn clip(line: &str, columns: u16) -> &str {
    let end = line.char_indices().nth(usize::from(columns)).map_or(line.len(), |(at, _)| at);
    line.get(..end).unwrap_or(line)
}
