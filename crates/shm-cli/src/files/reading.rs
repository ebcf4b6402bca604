//! Reading entries in the formats of [`FileFormat`], one at a time, whatever the size of the file.

mod csv;
mod encoding;
mod json;
mod remedy;
#[cfg(test)]
mod tests;

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::Path;

use self::csv::Csv;
pub(crate) use self::encoding::{Beginning, beginning};
use self::encoding::{Text, Unreadable, unreadable};
use crate::escape::unescape_to;
use crate::failure::{Exit, Failure, STDIN};
use crate::files::FileFormat;
use crate::files::layout::Layout;
use crate::startup;

/// Maximum length of a record in bytes. Without it, a file without line ends could fill the memory.
const MAX_RECORD: u64 = 1 << 30;

const BLANK: &str = "a blank line, and not at the end";

/// An entry, and the line of the file that it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// The line of the file, counted from 1.
    pub(crate) line: u64,
}

/// Reads entries of a file.
pub(crate) struct Reader {
    name: String,
    /// The subcommand that reads, with the name of the map, for hints.
    command: String,
    input: Text,
    lines: Lines,
    /// Maximum length of a record in bytes.
    most: u64,
    /// Length of the file in bytes, if known.
    len: Option<u64>,
    /// Number of lines that remain to be skipped.
    skip: u64,
    /// The first line that is not skipped.
    first: u64,
    /// The first blank line, if only blank lines have followed it.
    blank: Option<u64>,
}

enum Lines {
    /// TSV or JSON Lines: a record is a line.
    Text {
        format: FileFormat,
        buffer: Vec<u8>,
        line: u64,
    },
    Csv(Csv),
}

/// What a step of reading has found.
enum Step {
    Entry,
    /// The first line of a CSV file.
    Heading,
    /// A line without any bytes.
    Blank,
    /// The end of the file.
    End,
}

/// What is wrong with a line, and what to do about it.
struct Bad {
    line: u64,
    reason: String,
    /// What to do about it, if that depends on the reason.
    remedy: Option<String>,
}

impl Bad {
    fn new(line: u64, reason: String) -> Self {
        Self { line, reason, remedy: None }
    }
}

enum Broken {
    Line(Bad),
    Io(io::Error),
}

impl From<Bad> for Broken {
    fn from(bad: Bad) -> Self {
        Self::Line(bad)
    }
}

impl Reader {
    /// Opens a file; `-` is standard input. `command` is the subcommand that reads, with the name
    /// of the map.
    pub(crate) fn open(
        path: &Path,
        format: FileFormat,
        layout: &Layout,
        command: String,
    ) -> Result<Self, Failure> {
        Ok(Self { command, ..Self::of_path(path, format, layout)? })
    }

    fn of_path(path: &Path, format: FileFormat, layout: &Layout) -> Result<Self, Failure> {
        if path == Path::new("-") {
            startup::input().map_err(|error| Failure::of_stdin(&error))?;
            let input: Box<dyn Read> = Box::new(io::stdin());
            return Ok(Self::new(STDIN, input, None, format, layout, MAX_RECORD));
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Failure::of_input(&name, &error))?;
        let meta = file.metadata().map_err(|error| Failure::of_input(&name, &error))?;
        let len = meta.is_file().then_some(meta.len());
        Ok(Self::new(&name, Box::new(file), len, format, layout, MAX_RECORD))
    }

    fn new(
        name: &str,
        input: Box<dyn Read>,
        len: Option<u64>,
        format: FileFormat,
        layout: &Layout,
        most: u64,
    ) -> Self {
        let lines = match format {
            FileFormat::Csv => Lines::Csv(Csv::new(layout)),
            _ => Lines::Text { format, buffer: Vec::new(), line: 0 },
        };
        let (name, input) = (name.to_owned(), Text::new(input));
        let (command, skip, first) = (String::new(), layout.skip, layout.skip + 1);
        Self { name, command, input, lines, most, len, skip, first, blank: None }
    }

    /// Length of the file in bytes, if known.
    pub(crate) fn len(&self) -> Option<u64> {
        self.len
    }

    /// Returns the number of bytes that were read.
    pub(crate) fn at(&self) -> u64 {
        self.input.taken()
    }

    /// Reads the next entry. Returns false at the end of the file. Blank lines are allowed only at
    /// the end.
    pub(crate) fn next(&mut self, record: &mut Record) -> Result<bool, Failure> {
        loop {
            let step = match (self.step(record), self.blank) {
                (Ok(step), _) => step,
                (Err(Broken::Line(bad)), Some(line)) if line < bad.line => {
                    return Err(self.bad(line, BLANK, remedy::REPAIR));
                }
                (Err(broken), _) => return Err(self.failure(broken)),
            };
            match (step, self.blank) {
                (Step::End, _) => return Ok(false),
                (Step::Blank, None) => self.blank = Some(record.line),
                (Step::Blank, _) => {}
                (_, Some(line)) => return Err(self.bad(line, BLANK, remedy::REPAIR)),
                (Step::Heading, _) => {}
                (Step::Entry, _) => return Ok(true),
            }
        }
    }

    /// Skips the lines before the first line that counts, whatever their contents are. A file that
    /// has fewer lines counts as empty.
    fn skip(&mut self) -> Result<(), Broken> {
        let mut skipped = Vec::new();
        while self.skip > 0 {
            let mut line = self.line();
            let more = next_line(&mut self.input, &mut skipped, &mut line, self.most)?;
            self.skip = if more { self.skip - 1 } else { 0 };
            match &mut self.lines {
                Lines::Text { line: last, .. } => *last = line,
                Lines::Csv(csv) => csv.starts_after(line),
            }
        }
        Ok(())
    }

    /// Returns the number of the line that was read last, counted from 1, or 0 if no line was read
    /// yet.
    fn line(&self) -> u64 {
        match &self.lines {
            Lines::Text { line, .. } => *line,
            Lines::Csv(csv) => csv.line() - 1,
        }
    }

    fn step(&mut self, record: &mut Record) -> Result<Step, Broken> {
        self.skip()?;
        match &mut self.lines {
            Lines::Csv(csv) => csv.next(&mut self.input, record, self.most),
            Lines::Text { format, buffer, line } => {
                if !next_line(&mut self.input, buffer, line, self.most)? {
                    return Ok(Step::End);
                }
                record.line = *line;
                if buffer.is_empty() {
                    return Ok(Step::Blank);
                }
                match parse(*format, buffer, record) {
                    Ok(()) => Ok(Step::Entry),
                    Err(reason) => {
                        let (line, is_tsv) = (*line, *format == FileFormat::Tsv);
                        let remedy = if is_tsv { self.remedy_of_tsv(line) } else { None };
                        Err(Bad { line, reason, remedy }.into())
                    }
                }
            }
        }
    }

    /// Returns what to do about this line of TSV, which has no tab or more than one.
    fn remedy_of_tsv(&mut self, line: u64) -> Option<String> {
        let Lines::Text { buffer, .. } = &mut self.lines else { return None };
        if buffer.contains(&0) {
            return None;
        }
        let is_first = line == self.first;
        if buffer.contains(&b'\t') {
            let many = buffer.iter().filter(|byte| **byte == b'\t').count() > 1;
            return (is_first && many).then(|| remedy::TSV_POSITIONS.to_owned());
        }
        let format = remedy::format(buffer);
        let mut at = line;
        for _ in 0..remedy::PEEKED {
            let before = at;
            if !is_first
                || !matches!(next_line(&mut self.input, buffer, &mut at, self.most), Ok(true))
            {
                break;
            }
            if buffer.contains(&b'\t') {
                return Some(format!("--skip {before}"));
            }
        }
        format
    }

    fn failure(&self, broken: Broken) -> Failure {
        let error = match broken {
            Broken::Line(bad) => {
                let remedy = bad.remedy.as_deref().unwrap_or(remedy::REPAIR);
                return self.bad(bad.line, bad.reason, remedy);
            }
            Broken::Io(error) => error,
        };
        let Some(reason) = unreadable(&error) else {
            return match self.name == STDIN {
                true => Failure::of_stdin(&error),
                false => Failure::of_input(&self.name, &error),
            };
        };
        let remedy = match reason {
            Unreadable::Other(what) => {
                remedy::not_text(what, &self.name, &self.command, self.format())
            }
            Unreadable::Malformed(_) => remedy::REPAIR.to_owned(),
        };
        self.bad(self.line() + 1, reason, &remedy)
    }

    fn format(&self) -> FileFormat {
        match &self.lines {
            Lines::Text { format, .. } => *format,
            Lines::Csv(_) => FileFormat::Csv,
        }
    }

    /// Makes a failure that names the file and the line, and says what to do.
    fn bad(&self, line: u64, reason: impl fmt::Display, remedy: &str) -> Failure {
        Failure::new(Exit::Input, format!("{}:{line}: {reason}", self.name))
            .hint(format!("nothing was changed; {remedy}"))
    }

    /// Makes a failure for a line whose key does not have the type of the map's keys.
    pub(crate) fn bad_key(&self, line: u64, reason: impl fmt::Display, remedy: &str) -> Failure {
        if line == self.first {
            let skip = format!("--skip {line} if this is a heading; {remedy}");
            return self.bad(line, reason, &skip);
        }
        self.bad(line, reason, remedy)
    }

    /// Makes a failure for a line that is well formed but comes too early.
    pub(crate) fn bad_order(&self, line: u64, reason: impl fmt::Display) -> Failure {
        Failure::new(Exit::Input, format!("{}:{line}: {reason}", self.name))
            .hint("leave --sorted out, or sort the keys byte by byte (LC_ALL=C), each once")
    }

    /// Adds the file and the line to a failure, which keeps its exit code.
    pub(crate) fn at_line(&self, line: u64, failure: Failure) -> Failure {
        failure.about(format_args!("{}:{line}", self.name))
    }
}

/// Reads a line without its end, which is LF or CR LF. Returns false at the end of the file.
fn next_line(
    input: &mut Text,
    buffer: &mut Vec<u8>,
    line: &mut u64,
    most: u64,
) -> Result<bool, Broken> {
    buffer.clear();
    let read = input.take(most.saturating_add(1)).read_until(b'\n', buffer).map_err(Broken::Io)?;
    *line += u64::from(read > 0);
    let ended = buffer.pop_if(|byte| *byte == b'\n').is_some();
    if read as u64 > most && !ended {
        let reason = format!("a line of more than {most} bytes");
        return Err(Bad::new(*line, reason).into());
    }
    // A carriage return of a value is written as \r.
    buffer.pop_if(|byte| *byte == b'\r');
    Ok(read > 0)
}

fn parse(format: FileFormat, line: &[u8], record: &mut Record) -> Result<(), String> {
    if line.contains(&0) {
        let written = if format == FileFormat::Jsonl { "\\u0000" } else { "\\x00" };
        return Err(format!(
            "a NUL byte, which is written as {written} (UTF-16 without its byte order mark?)"
        ));
    }
    if format == FileFormat::Jsonl {
        return json::parse(line, record);
    }
    let mut fields = line.split(|&byte| byte == b'\t');
    match (fields.next(), fields.next(), fields.count()) {
        (Some(key), Some(value), 0) => {
            unescape_to(key, &mut record.key).map_err(|e| format!("key: {e}"))?;
            unescape_to(value, &mut record.value).map_err(|e| format!("value: {e}"))
        }
        (_, None, _) => Err("no tab between key and value".to_owned()),
        (_, _, more) => Err(format!("{} fields, not 2 (a tab within is \\t)", more + 2)),
    }
}
