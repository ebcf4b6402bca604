//! How the entries of a file are laid out: which columns of a CSV file hold the entries, what
//! separates two columns, and how many lines come before the entries.

use clap::Args;

use crate::escape::escape;
use crate::failure::Failure;
use crate::files::FileFormat;

/// The columns of a CSV file that has only the usual columns.
pub(crate) const HEADING: [&str; 2] = ["key", "value"];

/// A column of a CSV file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// A column that is given by its name in the heading.
    Name(String),
    /// A column that is given by its position, counted from 1.
    Number(usize),
}

impl std::str::FromStr for Column {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            _ if text.is_empty() => Err("a column has a name or a number"),
            Ok(0) => Err("columns are counted from 1"),
            Ok(number) if digits => Ok(Self::Number(number)),
            _ if digits => Err("no file has so many columns"),
            _ => Ok(Self::Name(text.to_owned())),
        }
    }
}

/// How the entries of a file are laid out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// Number of lines to skip before the first line that counts. Applies to every format.
    pub(crate) skip: u64,
    /// The character between two columns of CSV.
    pub(crate) delimiter: u8,
    /// True if the first line of CSV is the heading.
    pub(crate) heading: bool,
    /// The columns of keys and values, in a CSV file that may have others. `None` means that the
    /// file has exactly the columns `key` and `value`, in this order.
    pub(crate) columns: Option<[Column; 2]>,
}

impl Default for Layout {
    fn default() -> Self {
        Self { skip: 0, delimiter: b',', heading: true, columns: None }
    }
}

// No doc comment: it would be the help of the subcommand.
#[derive(Args, Clone, Debug)]
pub(crate) struct CsvArguments {
    /// CSV column of the keys: its name in the heading, or its position from 1 [default: key]
    #[arg(long, value_name = "NAME|N")]
    key_column: Option<Column>,
    /// CSV column of the values [default: value]
    #[arg(long, value_name = "NAME|N")]
    value_column: Option<Column>,
    /// Separator of CSV columns: one ASCII character, or `tab` [default: a comma]
    #[arg(long, value_name = "CHAR", value_parser = delimiter)]
    delimiter: Option<u8>,
    /// The CSV file has no heading, so columns are named by position
    #[arg(long)]
    no_heading: bool,
}

impl CsvArguments {
    /// Returns the layout of a file of this format. Options that only CSV has are refused for other
    /// formats.
    pub(crate) fn layout(&self, format: FileFormat, skip: u64) -> Result<Layout, Failure> {
        let Self { key_column, value_column, delimiter, no_heading } = self;
        let given = [
            ("--key-column", key_column.is_some()),
            ("--value-column", value_column.is_some()),
            ("--delimiter", delimiter.is_some()),
            ("--no-heading", *no_heading),
        ];
        if let (false, Some((flag, _))) =
            (format == FileFormat::Csv, given.iter().find(|(_, given)| *given))
        {
            let text = format!("{flag} is for CSV, not for {}", format.name());
            return Err(Failure::usage(text)
                .hint("name the format: --from csv to read, --to csv to write; or leave it out"));
        }
        let usual = |name: &str, number| match no_heading {
            true => Column::Number(number),
            false => Column::Name(name.to_owned()),
        };
        let columns = match (key_column, value_column) {
            (None, None) => None,
            (key, value) => {
                let [usual_key, usual_value] = [usual("key", 1), usual("value", 2)];
                Some([key.clone().unwrap_or(usual_key), value.clone().unwrap_or(usual_value)])
            }
        };
        for column in columns.iter().flatten() {
            if let (Column::Name(name), true) = (column, no_heading) {
                let name = escape(name.as_bytes());
                let text = format!("there is no column `{name}`: the file has no heading");
                return Err(Failure::usage(text)
                    .hint("name a column by its position, such as --key-column 1"));
            }
        }
        if let Some([key, value]) = &columns
            && key == value
        {
            return Err(Failure::usage("keys and values are in one column")
                .hint("--key-column and --value-column name one each"));
        }
        let delimiter = delimiter.unwrap_or(b',');
        Ok(Layout { skip, delimiter, heading: !no_heading, columns })
    }
}

/// Parses a delimiter: one byte that has no other meaning in CSV.
fn delimiter(text: &str) -> Result<u8, &'static str> {
    match text.as_bytes() {
        b"tab" => Ok(b'\t'),
        b"\"" => Err("a quote goes around a field"),
        b"\n" | b"\r" => Err("an end of line ends a record"),
        b"\0" => Err("a NUL is in no text"),
        [byte] => Ok(*byte),
        _ => Err("one ASCII character, or `tab`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_column_is_a_name_or_a_position() {
        assert_eq!("id".parse(), Ok(Column::Name("id".to_owned())));
        assert_eq!("-1".parse(), Ok(Column::Name("-1".to_owned())));
        assert_eq!("+1".parse(), Ok(Column::Name("+1".to_owned())));
        assert_eq!("12".parse(), Ok(Column::Number(12)));
        for bad in ["", "0", "000", "99999999999999999999"] {
            assert!(bad.parse::<Column>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_delimiter_is_one_byte_that_means_nothing_else() {
        assert_eq!(
            [";", "|", " ", "tab", "\t", "x"].map(delimiter),
            [Ok(b';'), Ok(b'|'), Ok(b' '), Ok(b'\t'), Ok(b'\t'), Ok(b'x')]
        );
        for bad in ["", "\"", "\n", "\r", "\0", ";;", "§", "\\t"] {
            assert!(delimiter(bad).is_err(), "{bad:?}");
        }
    }
}
