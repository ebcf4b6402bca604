//! Writing entries in the formats of [`records`](crate::records).

use std::io::{self, Write};

use serde_json::json;

use crate::escape::escape;
use crate::key::{AnyKey, Forms, json_bytes};
use crate::reading::{Beginning, beginning};
use crate::records::{FileFormat, HEADING};

/// Writes entries.
pub(crate) enum Writer<W: Write> {
    Tsv(W),
    Csv(W),
    Jsonl(W),
}

impl<W: Write> Writer<W> {
    pub(crate) fn new(format: FileFormat, out: W) -> io::Result<Self> {
        Ok(match format {
            FileFormat::Tsv => Self::Tsv(out),
            FileFormat::Jsonl => Self::Jsonl(out),
            FileFormat::Csv => {
                let mut out = out;
                writeln!(out, "{}", HEADING.join(","))?;
                Self::Csv(out)
            }
        })
    }

    pub(crate) fn write(&mut self, key: &AnyKey, value: &[u8]) -> io::Result<()> {
        match self {
            Self::Tsv(out) => writeln!(out, "{}\t{}", key.text(), escape(value)),
            Self::Csv(out) => {
                field(out, &key.raw(), b",")?;
                field(out, value, b"\n")
            }
            Self::Jsonl(out) => {
                writeln!(out, "{}", json!({ "key": key.json(), "value": json_bytes(value) }))
            }
        }
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Self::Tsv(mut out) | Self::Csv(mut out) | Self::Jsonl(mut out) => out.flush(),
        }
    }
}

/// A field of CSV and what ends it. In quotes is what would mean something else without them, also
/// at the start of a file whose heading was taken away.
fn field(out: &mut impl Write, bytes: &[u8], end: &[u8]) -> io::Result<()> {
    let meant = |byte: &u8| matches!(byte, b',' | b'"' | b'\r' | b'\n' | 0);
    if beginning(bytes) == Beginning::Bytes && !bytes.iter().any(meant) {
        out.write_all(bytes)?;
    } else {
        let quote = b"\"";
        out.write_all(quote)?;
        for (i, part) in bytes.split(|byte| *byte == b'"').enumerate() {
            if i > 0 {
                out.write_all(b"\"\"")?;
            }
            out.write_all(part)?;
        }
        out.write_all(quote)?;
    }
    out.write_all(end)
}
