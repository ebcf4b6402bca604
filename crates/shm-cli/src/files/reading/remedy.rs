//! What to do about a broken line, for each cause. Most of these texts are about the first line of
//! a file whose layout differs from the requested one.

use crate::failure::{STDIN, in_shell};
use crate::files::FileFormat;

/// For a line that is itself broken.
pub(super) const REPAIR: &str = "repair the line, or say --from FORMAT if it is of another one";
/// For a heading other than `key,value`.
pub(super) const HEADING: &str =
    "name its columns: --key-column NAME --value-column NAME; or --no-heading if it has no heading";
/// For columns that the file does not have.
pub(super) const COLUMNS: &str =
    "--key-column and --value-column take a name of the heading, or a position from 1";
/// For a first line with more than two columns, and no heading.
pub(super) const POSITIONS: &str = "choose two columns: --key-column N --value-column N";
/// For a line of TSV with more than two columns.
pub(super) const TSV_POSITIONS: &str = "choose two columns: --from csv --delimiter tab \
                                        --key-column NAME --value-column NAME";

/// The lines that are read after a first line that has one field, to see whether the columns begin
/// later.
pub(super) const PEEKED: usize = 10;

/// Returns the option for a delimiter that this field contains and that differs from the requested
/// one.
pub(super) fn delimiter(field: &[u8], asked: u8) -> Option<&'static str> {
    let options = [
        (b';', "--delimiter ';'"),
        (b'\t', "--delimiter tab"),
        (b'|', "--delimiter '|'"),
        (b',', "--delimiter ','"),
    ];
    let mut options = options.into_iter().filter(|(byte, _)| *byte != asked);
    options.find(|(byte, _)| field.contains(byte)).map(|(_, option)| option)
}

/// Returns the format that a line without a tab seems to have.
pub(super) fn format(line: &[u8]) -> Option<String> {
    if line.starts_with(b"{") {
        return Some("--from jsonl".to_owned());
    }
    match delimiter(line, b'\t')? {
        "--delimiter ','" => Some("--from csv".to_owned()),
        option => Some(format!("--from csv {option}")),
    }
}

/// Returns advice on how to read a file that is not text. `command` is the subcommand with the name
/// of the map.
pub(super) fn not_text(what: &str, file: &str, command: &str, format: FileFormat) -> String {
    let tool = match what {
        "gzip" => "gunzip -c",
        "zstd" => "zstd -dc",
        "xz" => "xz -dc",
        "UTF-32" => "iconv -f UTF-32 -t UTF-8",
        _ => return "unpack it first; a spreadsheet is saved as CSV (UTF-8)".to_owned(),
    };
    let file = if file == STDIN { "FILE".into() } else { in_shell(file) };
    format!("`{tool} {file} | {command} - --from {}`", format.option())
}
