//! Writing entries in the formats of [`records`](crate::records).

use std::io::{self, Write};

use serde_json::json;

use crate::escape::escape;
use crate::key::{AnyKey, json_bytes};
use crate::records::{FileFormat, HEADING};

/// Writes entries.
pub(crate) enum Writer<W: Write> {
    Tsv(W),
    Csv(Box<csv::Writer<W>>),
    Jsonl(W),
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(format: FileFormat, out: W) -> io::Result<Self> {
        Ok(match format {
            FileFormat::Tsv => Self::Tsv(out),
            FileFormat::Jsonl => Self::Jsonl(out),
            FileFormat::Csv => {
                let mut writer = csv::Writer::from_writer(out);
                writer.write_record(HEADING).map_err(io_error)?;
                Self::Csv(Box::new(writer))
            }
        })
    }

    pub(crate) fn write(&mut self, key: &AnyKey, value: &[u8]) -> io::Result<()> {
        match self {
            Self::Tsv(out) => writeln!(out, "{}\t{}", key.text(), escape(value)),
            Self::Csv(out) => out.write_record([&*key.raw(), value]).map_err(io_error),
            Self::Jsonl(out) => {
                writeln!(out, "{}", json!({ "key": key.json(), "value": json_bytes(value) }))
            }
        }
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Tsv(mut out) | Self::Jsonl(mut out) => out.flush(),
            Self::Csv(mut out) => out.flush(),
        }
    }
}

fn io_error(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::other(format!("{other:?}")),
    }
}
