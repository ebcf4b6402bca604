//! The formats of files of entries.
//!
//! All three can hold any bytes. TSV is escaped, with one entry per line. CSV is RFC 4180 with the
//! bytes unchanged, under the heading `key,value` or in the columns that a
//! [`Layout`](layout::Layout) names. JSON Lines has one `{"key": …, "value": …}` per line; bytes
//! that are not UTF-8 become `{"hex": "…"}`.

pub(crate) mod layout;
pub(crate) mod reading;
pub(crate) mod writing;

use clap::ValueEnum;

/// A format of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// Key, tab, value; \t \n \r \\ \xNN stand for bytes that cannot be written as they are
    Tsv,
    /// Under the heading key,value; for other columns: --key-column, --value-column
    Csv,
    /// {"key": …, "value": …} on each line; {"hex": "…"} for bytes that are not UTF-8
    Jsonl,
}

impl FileFormat {
    /// Returns the format that the end of a file's name stands for, or TSV for any other name. An
    /// end that says how the file is compressed does not count, because the error for a compressed
    /// file names its format.
    pub(crate) fn of_path(path: &std::path::Path) -> Self {
        match path.extension().and_then(std::ffi::OsStr::to_str) {
            Some("gz" | "zst" | "xz") => Self::of_path(&path.with_extension("")),
            Some("csv") => Self::Csv,
            Some("jsonl" | "ndjson" | "json") => Self::Jsonl,
            _ => Self::Tsv,
        }
    }

    /// Returns the value of `--from` and `--to` for this format.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Tsv => "tsv",
            Self::Csv => "csv",
            Self::Jsonl => "jsonl",
        }
    }

    /// The name of the format, for people.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tsv => "TSV",
            Self::Csv => "CSV",
            Self::Jsonl => "JSON Lines",
        }
    }
}
