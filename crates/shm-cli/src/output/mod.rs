//! How results are shown: a table for people, lines for programs, JSON.

pub(crate) mod progress;
pub(crate) mod prometheus;

use std::io::{self, BufWriter, StdoutLock, Write};

use comfy_table::{ColumnConstraint, ContentArrangement, Table, presets::UTF8_BORDERS_ONLY};
use serde_json::{Map, Value as Json};

use crate::arguments::Format;
use crate::escape::escape;
use crate::startup;

/// A cell, with its text for people and its text for programs.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// The text for people. It contains no control characters.
    pub(crate) text: String,
    /// The text for programs. `None` means the same as `text`.
    pub(crate) plain: Option<String>,
    pub(crate) json: Json,
}

impl Cell {
    pub(crate) fn new(text: impl Into<String>, json: impl Into<Json>) -> Self {
        Self { text: text.into(), plain: None, json: json.into() }
    }

    /// Sets the text for programs. For cells whose text for people is rounded.
    pub(crate) fn plain(mut self, plain: impl ToString) -> Self {
        self.plain = Some(plain.to_string());
        self
    }

    /// A text that is the same for people and programs.
    pub(crate) fn text(text: impl Into<String>) -> Self {
        let text = text.into();
        Self { json: text.clone().into(), plain: None, text }
    }

    /// A name or a path, which may have any characters: escaped, but not in JSON.
    pub(crate) fn name(name: impl Into<String>) -> Self {
        let name = name.into();
        Self::new(escape(name.as_bytes()), name)
    }

    /// A number of things.
    pub(crate) fn count(n: u64) -> Self {
        Self::new(grouped(n), n).plain(n)
    }

    /// A length in bytes.
    pub(crate) fn bytes(n: u64) -> Self {
        Self::new(size(n), n).plain(n)
    }

    /// A length in bytes, with its unit.
    pub(crate) fn exact(n: u64) -> Self {
        Self::new(size(n), n).plain(format!("{n} B"))
    }

    /// An empty cell.
    pub(crate) fn none() -> Self {
        Self::new("", Json::Null)
    }

    fn into_line(self) -> String {
        self.plain.unwrap_or(self.text)
    }
}

/// Standard output. If standard output was closed, writing to it is an error, as in any other
/// program.
pub(crate) struct Stdout(StdoutLock<'static>);

impl Write for Stdout {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        startup::output()?;
        self.0.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// Standard output, buffered.
pub(crate) fn stdout() -> BufWriter<Stdout> {
    BufWriter::new(Stdout(io::stdout().lock()))
}

/// Prints rows under a heading. In JSON each row is an object, one per line.
pub(crate) fn rows(format: Format, heading: &[&str], rows: Vec<Vec<Cell>>) -> io::Result<()> {
    let mut out = stdout();
    match format {
        Format::Table => {
            let mut table = frame();
            table.set_header(heading.iter().map(|name| name.to_uppercase()));
            for row in rows {
                table.add_row(row.into_iter().map(|cell| cell.text));
            }
            // All that is in between must fit 80 columns; the first and the last may wrap.
            let last = heading.len().saturating_sub(1);
            for (i, column) in table.column_iter_mut().enumerate() {
                column.set_padding((0, 1));
                if i > 0 && i < last {
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
            }
            writeln!(out, "{table}")?;
        }
        Format::Tsv => {
            for row in rows {
                let line: Vec<_> = row.into_iter().map(Cell::into_line).collect();
                writeln!(out, "{}", line.join("\t"))?;
            }
        }
        Format::Json => {
            for row in rows {
                writeln!(out, "{}", object(heading, row))?;
            }
        }
    }
    out.flush()
}

/// Prints fields, one per line. In JSON they are one object.
pub(crate) fn fields(format: Format, fields: Vec<(&'static str, Cell)>) -> io::Result<()> {
    let mut out = stdout();
    match format {
        Format::Table => {
            let mut table = frame();
            for (name, cell) in fields {
                table.add_row([name.replace('_', " "), cell.text]);
            }
            writeln!(out, "{table}")?;
        }
        Format::Tsv => {
            for (name, cell) in fields {
                writeln!(out, "{name}\t{}", cell.into_line())?;
            }
        }
        Format::Json => {
            let (names, cells): (Vec<_>, Vec<_>) = fields.into_iter().unzip();
            writeln!(out, "{}", object(&names, cells))?;
        }
    }
    out.flush()
}

fn object(names: &[&str], cells: Vec<Cell>) -> Json {
    let names = names.iter().map(|name| (*name).to_owned());
    Json::Object(names.zip(cells.into_iter().map(|cell| cell.json)).collect::<Map<_, _>>())
}

/// An empty table, as wide as the terminal.
pub(crate) fn frame() -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_BORDERS_ONLY);
    // Some pseudo-terminals claim to be no columns wide.
    if table.width().is_some_and(|columns| columns >= 40) {
        table.set_content_arrangement(ContentArrangement::Dynamic);
    }
    table
}

/// A number with its thousands separated.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number of things, as people read it: `1 entry`, `1,000 entries`.
pub(crate) fn counted(n: u64, one: &str, more: &str) -> String {
    format!("{} {}", grouped(n), if n == 1 { one } else { more })
}

/// A length for people.
pub(crate) fn size(bytes: u64) -> String {
    let units = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
    let mut scaled = bytes as f64;
    let mut unit = "B";
    for larger in units {
        if scaled < 1024.0 {
            break;
        }
        scaled /= 1024.0;
        unit = larger;
    }
    if unit == "B" { format!("{bytes} B") } else { format!("{scaled:.1} {unit}") }
}

/// A time span for people.
pub(crate) fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        assert_eq!(
            [0, 999, 1000, 1_234_567].map(grouped),
            ["0", "999", "1,000", "1,234,567"].map(str::to_owned)
        );
        assert_eq!([0, 1023, 1024, 1 << 30].map(size), ["0 B", "1023 B", "1.0 KiB", "1.0 GiB"]);
        assert_eq!(span(59), "59 s");
        assert_eq!(span(3 * 86_400 + 7200), "3 days");
    }
}
