//! Reading entries in the formats of [`records`](crate::records), one at a time, whatever the size of the file.

use std::fmt;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

use csv::ByteRecord;
use serde_json::Value as Json;

use crate::bounded::{BUFFER, Bounded, Left, bounded, is_too_long};
use crate::escape::{unescape_to, unhex};
use crate::failure::{Exit, Failure};
use crate::records::{FileFormat, HEADING};

/// The longest record: a file without line ends, or with a quote that is never closed, must not fill the memory.
const MAX_RECORD: u64 = 1 << 30;

/// An entry, and where it stood.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Vec<u8>,
    pub(crate) value: Vec<u8>,
    /// Line of the file, from 1.
    pub(crate) line: u64,
}

/// Reads entries of a file.
pub(crate) struct Reader {
    name: String,
    lines: Lines,
    /// The longest record, in bytes.
    most: u64,
    /// Bytes of the file, where that is known.
    len: Option<u64>,
}

enum Lines {
    Text { format: FileFormat, input: Input, buffer: Vec<u8>, line: u64, at: u64 },
    Csv { reader: Box<csv::Reader<Bounded<Input>>>, record: ByteRecord, heading: bool, left: Left },
}

type Input = BufReader<Box<dyn Read>>;

/// What is wrong with a line.
struct Bad {
    line: u64,
    reason: String,
}

impl Reader {
    /// Of a file; `-` is standard input.
    pub(crate) fn open(
        path: &Path,
        format: Option<FileFormat>,
        heading: bool,
    ) -> Result<Self, Failure> {
        let format = format.unwrap_or_else(|| FileFormat::of_path(path));
        if path == Path::new("-") {
            let input: Box<dyn Read> = Box::new(io::stdin());
            return Ok(Self::new("standard input", input, None, format, heading, MAX_RECORD));
        }
        let name = path.display().to_string();
        let file = File::open(path).map_err(|error| Failure::of_input(&name, &error))?;
        let meta = file.metadata().map_err(|error| Failure::of_input(&name, &error))?;
        let len = meta.is_file().then_some(meta.len());
        Ok(Self::new(&name, Box::new(file), len, format, heading, MAX_RECORD))
    }

    fn new(
        name: &str,
        input: Box<dyn Read>,
        len: Option<u64>,
        format: FileFormat,
        heading: bool,
        most: u64,
    ) -> Self {
        let input = BufReader::with_capacity(1 << 18, input);
        let lines = match format {
            FileFormat::Csv => {
                let (input, left) = bounded(input);
                let mut builder = csv::ReaderBuilder::new();
                builder.has_headers(false).flexible(true).buffer_capacity(BUFFER);
                let reader = builder.from_reader(input);
                Lines::Csv { reader: Box::new(reader), record: ByteRecord::new(), heading, left }
            }
            _ => Lines::Text { format, input, buffer: Vec::new(), line: 0, at: 0 },
        };
        Self { name: name.to_owned(), lines, most, len }
    }

    /// Bytes of the file, where that is known.
    pub(crate) fn len(&self) -> Option<u64> {
        self.len
    }

    /// Bytes read.
    pub(crate) fn at(&self) -> u64 {
        match &self.lines {
            Lines::Text { at, .. } => *at,
            Lines::Csv { reader, .. } => reader.position().byte(),
        }
    }

    /// Reads the next entry; false at the end of the file.
    pub(crate) fn next(&mut self, record: &mut Record) -> Result<bool, Failure> {
        let outcome = match &mut self.lines {
            Lines::Text { format, input, buffer, line, at } => {
                next_line(input, buffer, line, at, self.most).and_then(|more| {
                    if more {
                        let bad = |reason| Broken::Line(Bad { line: *line, reason });
                        parse(*format, buffer, record).map_err(bad)?;
                        record.line = *line;
                    }
                    Ok(more)
                })
            }
            Lines::Csv { reader, record: fields, heading, left } => {
                left.begin(self.most);
                next_csv(reader, fields, heading, record, self.most)
            }
        };
        outcome.map_err(|broken| match broken {
            Broken::Line(bad) => self.bad(bad.line, bad.reason),
            Broken::Io(error) => Failure::of_input(&self.name, &error),
        })
    }

    /// A failure that names the file and the line.
    pub(crate) fn bad(&self, line: u64, reason: impl fmt::Display) -> Failure {
        Failure::new(Exit::Input, format!("{}:{line}: {reason}", self.name)).hint(
            "nothing was changed; repair the line, or say --from FORMAT if it is of another one",
        )
    }

    /// A failure of a line that is well formed, but comes too early.
    pub(crate) fn bad_order(&self, line: u64, reason: impl fmt::Display) -> Failure {
        Failure::new(Exit::Input, format!("{}:{line}: {reason}", self.name))
            .hint("leave --sorted out, or sort the keys byte by byte (LC_ALL=C), each once")
    }

    /// A failure at a line, with the exit code that it has anyway.
    pub(crate) fn at_line(&self, line: u64, failure: Failure) -> Failure {
        failure.about(format_args!("{}:{line}", self.name))
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

fn next_line(
    input: &mut Input,
    buffer: &mut Vec<u8>,
    line: &mut u64,
    at: &mut u64,
    most: u64,
) -> Result<bool, Broken> {
    buffer.clear();
    let read = input.take(most.saturating_add(1)).read_until(b'\n', buffer).map_err(Broken::Io)?;
    *at += read as u64;
    *line += u64::from(read > 0);
    if read as u64 > most && buffer.last() != Some(&b'\n') {
        let reason = format!("a line of more than {most} bytes");
        return Err(Bad { line: *line, reason }.into());
    }
    if buffer.last() == Some(&b'\n') {
        buffer.pop();
        // A carriage return of a value is written as \r.
        if buffer.last() == Some(&b'\r') {
            buffer.pop();
        }
    }
    Ok(read > 0)
}

fn parse(format: FileFormat, line: &[u8], record: &mut Record) -> Result<(), String> {
    if format == FileFormat::Jsonl {
        return parse_json(line, record);
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

fn parse_json(line: &[u8], record: &mut Record) -> Result<(), String> {
    let json: Json = serde_json::from_slice(line).map_err(|e| format!("not JSON: {e}"))?;
    let Json::Object(mut fields) = json else {
        return Err("not an object with key and value".to_owned());
    };
    let mut take = |name: &str| fields.remove(name).ok_or_else(|| format!("there is no {name:?}"));
    let (key, value) = (take("key")?, take("value")?);
    if let Some((name, _)) = fields.iter().next() {
        return Err(format!("{name:?} is neither \"key\" nor \"value\""));
    }
    record.key = match key {
        Json::Number(n) if n.is_i64() || n.is_u64() => n.to_string().into_bytes(),
        other => {
            json_to_bytes(other).ok_or("the key is no string, whole number or {\"hex\": …}")?
        }
    };
    record.value = json_to_bytes(value).ok_or("the value is no string or {\"hex\": …}")?;
    Ok(())
}

fn json_to_bytes(json: Json) -> Option<Vec<u8>> {
    match json {
        Json::String(text) => Some(text.into_bytes()),
        Json::Object(fields) if fields.len() == 1 => unhex(fields.get("hex")?.as_str()?),
        _ => None,
    }
}

fn next_csv(
    reader: &mut csv::Reader<Bounded<Input>>,
    fields: &mut ByteRecord,
    heading: &mut bool,
    record: &mut Record,
    most: u64,
) -> Result<bool, Broken> {
    loop {
        let line = reader.position().line();
        let more = reader.read_byte_record(fields).map_err(|error| match error.into_kind() {
            csv::ErrorKind::Io(error) if is_too_long(&error) => {
                let reason =
                    format!("a record of more than {most} bytes (a quote without its end?)");
                Bad { line, reason }.into()
            }
            csv::ErrorKind::Io(error) => Broken::Io(error),
            other => Bad { line, reason: format!("{other:?}") }.into(),
        })?;
        // The reader skips empty lines before a record.
        let line = fields.position().filter(|_| more).map_or(line, csv::Position::line);
        if std::mem::take(heading) {
            if more && *fields == HEADING[..] {
                continue;
            }
            let reason = "the heading is not key,value (a file without one: --no-heading)";
            return Err(Bad { line, reason: reason.to_owned() }.into());
        }
        if !more {
            return Ok(false);
        }
        let (Some(key), Some(value), 2) = (fields.get(0), fields.get(1), fields.len()) else {
            return Err(Bad { line, reason: format!("{} fields, not 2", fields.len()) }.into());
        };
        record.key.clear();
        record.key.extend_from_slice(key);
        record.value.clear();
        record.value.extend_from_slice(value);
        record.line = line;
        return Ok(true);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::AnyKey;
    use crate::writing::Writer;
    use proptest::prelude::*;

    fn read(bytes: &[u8], format: FileFormat) -> Result<Vec<Record>, Failure> {
        read_at_most(bytes, format, MAX_RECORD)
    }

    fn read_at_most(bytes: &[u8], format: FileFormat, most: u64) -> Result<Vec<Record>, Failure> {
        let input: Box<dyn Read> = Box::new(io::Cursor::new(bytes.to_vec()));
        let mut reader = Reader::new("words", input, None, format, true, most);
        let (mut records, mut record) = (Vec::new(), Record::default());
        while reader.next(&mut record)? {
            records.push(record.clone());
        }
        Ok(records)
    }

    #[test]
    fn a_broken_line_is_named() {
        use FileFormat::{Csv, Jsonl, Tsv};
        for (format, text, said) in [
            (Tsv, "a\t1\nb", "words:2: no tab"),
            (Tsv, "a\t1\t2\n", "words:1: 3 fields"),
            (Tsv, "a\t1\nb\t\\q\n", "words:2: value: the backslash at byte 1"),
            (Csv, "key,value\na,1\nb\n", "words:3: 1 fields"),
            (Csv, "a,1\n", "words:1: the heading"),
            (Csv, "", "words:1: the heading"),
            (Csv, "key,value\na,\"x\ny\"\nb,1,2\n", "words:4: 3 fields"),
            (
                Jsonl,
                "{\"key\":\"a\",\"value\":\"1\"}\n{\"key\":\"b\"}\n",
                "words:2: there is no \"value\"",
            ),
            (Jsonl, "[]\n", "words:1: not an object"),
            (Jsonl, "{\"key\":\"a\",\"value\":\"1\",\"x\":0}", "words:1: \"x\" is neither"),
            (Jsonl, "{\"key\":1.5,\"value\":\"1\"}", "words:1: the key is no string"),
            (Jsonl, "{\"key\":1,\"value\":{\"hex\":\"f\"}}", "words:1: the value is no string"),
            (Jsonl, "{", "words:1: not JSON"),
        ] {
            let failure = read(text.as_bytes(), format).unwrap_err();
            assert!(failure.message().starts_with(said), "{}", failure.message());
            assert_eq!(failure.exit(), Exit::Input);
        }
    }

    #[test]
    fn a_record_without_an_end_is_refused_and_not_read_to_its_end() {
        use FileFormat::{Csv, Jsonl, Tsv};
        let long = "x".repeat(200_000);
        let tsv = format!("a\t1\nb\t{long}");
        let csv = format!("key,value\na,1\nb,\"{long}\n{long}");
        let jsonl = format!("{{\"key\":\"a\",\"value\":\"1\"}}\n{{\"key\":\"{long}\"}}\n");
        for (format, text, said) in [
            (Tsv, tsv, "words:2: a line of more than 1000 bytes"),
            (Csv, csv, "words:3: a record of more than 1000 bytes"),
            (Jsonl, jsonl, "words:2: a line of more than 1000 bytes"),
        ] {
            let failure = read_at_most(text.as_bytes(), format, 1000).unwrap_err();
            assert!(failure.message().starts_with(said), "{}", failure.message());
            assert_eq!(failure.exit(), Exit::Input);
        }
    }

    #[test]
    fn many_records_are_longer_together_than_one_may_be() {
        let record = format!("k,{}\n", "v".repeat(900));
        let csv = format!("key,value\n{}", record.repeat(1000));
        assert_eq!(read_at_most(csv.as_bytes(), FileFormat::Csv, 1000).unwrap().len(), 1000);
        // Exactly as long as it may be.
        let tsv = format!("k\t{}\n", "v".repeat(998));
        assert_eq!(read_at_most(tsv.repeat(3).as_bytes(), FileFormat::Tsv, 1000).unwrap().len(), 3);
    }

    #[test]
    fn lines_may_end_as_on_other_systems() {
        let records = read(b"a\t1\r\nb\t2\\r\n", FileFormat::Tsv).unwrap();
        assert_eq!(records[0].value, b"1");
        assert_eq!(records[1].value, b"2\r");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in prop::collection::vec(any::<(Vec<u8>, Vec<u8>)>(), 0..8)) {
            for format in [FileFormat::Tsv, FileFormat::Csv, FileFormat::Jsonl] {
                let mut file = Vec::new();
                let mut writer = Writer::new(format, &mut file).unwrap();
                for (key, value) in &entries {
                    writer.write(&AnyKey::Bytes(key.clone()), value).unwrap();
                }
                writer.finish().unwrap();
                let records = read(&file, format).unwrap().into_iter();
                let back: Vec<_> = records.map(|record| (record.key, record.value)).collect();
                prop_assert_eq!(&back, &entries, "{:?}", format);
            }
        }

        #[test]
        fn any_file_is_read_or_refused(bytes in any::<Vec<u8>>()) {
            for format in [FileFormat::Tsv, FileFormat::Csv, FileFormat::Jsonl] {
                let _ = read(&bytes, format);
            }
        }
    }
}
