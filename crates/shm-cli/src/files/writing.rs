//! Writing entries in the formats of [`FileFormat`].

use std::io::{self, Write};

use serde_json::json;

use crate::escape::escape;
use crate::failure::Failure;
use crate::files::FileFormat;
use crate::files::layout::{Column, HEADING, Layout};
use crate::files::reading::{Beginning, beginning};
use crate::maps::key::{AnyKey, Forms, json_bytes};

/// Writes entries.
pub(crate) enum Writer<W: Write> {
    Tsv(W),
    Csv(W, Order),
    Jsonl(W),
}

/// The delimiter, and which of the two columns comes first.
#[derive(Clone, Copy)]
pub(crate) struct Order {
    delimiter: u8,
    value_first: bool,
}

impl<W: Write> Writer<W> {
    /// Writes so that other programs can read the file without options.
    pub(crate) fn new(format: FileFormat, out: W) -> io::Result<Self> {
        let heading = HEADING.map(str::as_bytes);
        Self::with_heading(
            format,
            Order { delimiter: b',', value_first: false },
            Some(heading),
            out,
        )
    }

    /// Writes with a file's layout. A column that is given by its position is the first or the
    /// second.
    pub(crate) fn with_layout(
        format: FileFormat,
        layout: &Layout,
        out: W,
    ) -> Result<Self, Failure> {
        let number = |column: &Column, name: &'static str| match column {
            Column::Name(name) => Ok((name.clone(), None)),
            Column::Number(number @ 1..=2) => Ok((name.to_owned(), Some(*number))),
            Column::Number(number) => {
                Err(Failure::usage(format!("there is no column {number}: a dump has two"))
                    .hint("a name that the column gets, or 1 or 2"))
            }
        };
        let [key, value] = HEADING;
        let ((key, key_at), (value, value_at)) = match &layout.columns {
            None => ((key.to_owned(), None), (value.to_owned(), None)),
            Some([key_column, value_column]) => {
                (number(key_column, key)?, number(value_column, value)?)
            }
        };
        if key == value {
            return Err(Failure::usage(format!("two columns of the name {key}"))
                .hint("--key-column and --value-column name one each"));
        }
        let order = Order {
            delimiter: layout.delimiter,
            value_first: key_at == Some(2) || value_at == Some(1),
        };
        let names = [key.as_bytes(), value.as_bytes()];
        Ok(Self::with_heading(format, order, layout.heading.then_some(names), out)?)
    }

    fn with_heading(
        format: FileFormat,
        order: Order,
        heading: Option<[&[u8]; 2]>,
        mut out: W,
    ) -> io::Result<Self> {
        Ok(match format {
            FileFormat::Tsv => Self::Tsv(out),
            FileFormat::Jsonl => Self::Jsonl(out),
            FileFormat::Csv => {
                if let Some([key, value]) = heading {
                    line(&mut out, order, key, value)?;
                }
                Self::Csv(out, order)
            }
        })
    }

    pub(crate) fn write(&mut self, key: &AnyKey, value: &[u8]) -> io::Result<()> {
        match self {
            Self::Tsv(out) => writeln!(out, "{}\t{}", key.text(), escape(value)),
            Self::Csv(out, order) => line(out, *order, &key.raw(), value),
            Self::Jsonl(out) => {
                writeln!(out, "{}", json!({ "key": key.json(), "value": json_bytes(value) }))
            }
        }
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Tsv(mut out) | Self::Csv(mut out, _) | Self::Jsonl(mut out) => out.flush(),
        }
    }
}

/// A line of CSV.
fn line(out: &mut impl Write, order: Order, key: &[u8], value: &[u8]) -> io::Result<()> {
    let [first, second] = if order.value_first { [value, key] } else { [key, value] };
    field(out, first, order.delimiter)?;
    out.write_all(&[order.delimiter])?;
    field(out, second, order.delimiter)?;
    out.write_all(b"\n")
}

/// A field of CSV. It is quoted if its bytes would have another meaning without quotes, or could
/// have one at the start of a file whose heading was removed.
fn field(out: &mut impl Write, bytes: &[u8], delimiter: u8) -> io::Result<()> {
    let meant = |byte: &u8| *byte == delimiter || matches!(byte, b'"' | b'\r' | b'\n' | 0);
    if beginning(bytes) == Beginning::Bytes && !bytes.iter().any(meant) {
        return out.write_all(bytes);
    }
    let quote = b"\"";
    out.write_all(quote)?;
    for (i, part) in bytes.split(|byte| *byte == b'"').enumerate() {
        if i > 0 {
            out.write_all(b"\"\"")?;
        }
        out.write_all(part)?;
    }
    out.write_all(quote)
}
