//! CSV by RFC 4180, strictly: what it does not allow is a broken line, not a guess. Any byte may
//! stand within quotes.

use std::io::{self, BufRead};

use super::{Bad, Broken, Record, Step};
use crate::escape::escape;
use crate::records::HEADING;

/// Where a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the start of a field.
    Start,
    /// In a field without quotes.
    Plain,
    /// Within quotes.
    Quoted,
    /// After a quote within quotes: the second one of a pair, or the end of the field.
    Closed,
    /// After a carriage return, which only a line feed may follow.
    Return,
}

/// Reads records.
pub(super) struct Csv {
    /// The first record must be the heading.
    heading: bool,
    /// The line that comes next or is being read, from 1.
    line: u64,
    /// A third field, of which a heading that has one speaks.
    third: Vec<u8>,
}

impl Csv {
    pub(super) fn new(heading: bool) -> Self {
        Self { heading, line: 1, third: Vec::new() }
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Reads the next record, of at most so many bytes.
    pub(super) fn next(
        &mut self,
        input: &mut impl BufRead,
        record: &mut Record,
        most: u64,
    ) -> Result<Step, Broken> {
        record.line = self.line;
        let fields = self.fields(input, record, most)?;
        let line = record.line;
        match fields {
            Some(0) => Ok(Step::Blank),
            Some(fields) if self.heading => match self.wrong_heading(record, fields) {
                None => {
                    self.heading = false;
                    Ok(Step::Heading)
                }
                Some(why) => bad(line, &format!("the heading is not key,value: {why}{NO_HEADING}")),
            },
            None if self.heading => {
                bad(1, &format!("the heading key,value is missing{NO_HEADING}"))
            }
            None => Ok(Step::End),
            Some(2) => Ok(Step::Entry),
            Some(fields) => bad(line, &format!("{fields} fields, not 2")),
        }
    }

    fn wrong_heading(&self, record: &Record, fields: usize) -> Option<String> {
        let all = [&record.key, &record.value, &self.third];
        let names = all.get(..fields.min(all.len())).unwrap_or_default();
        if fields == 2 && names.iter().zip(HEADING).all(|(name, right)| *name == right.as_bytes()) {
            return None;
        }
        let is_there = |right: &str| names.iter().any(|name| *name == right.as_bytes());
        let twice =
            names.iter().enumerate().find(|(i, name)| names.iter().skip(i + 1).any(|n| n == *name));
        let other =
            names.iter().find(|name| !HEADING.iter().any(|right| **name == right.as_bytes()));
        let shown = |name: &[u8]| {
            format!("`{}`", escape(name.get(..name.len().min(40)).unwrap_or_default()))
        };
        Some(match (twice, HEADING.iter().find(|right| !is_there(right)), other) {
            (Some((_, name)), ..) => format!("{} is there twice", shown(name)),
            (_, Some(missing), Some(other)) => format!("no `{missing}`, but {}", shown(other)),
            (_, Some(missing), None) => format!("no `{missing}`"),
            (_, None, Some(other)) => format!("{} is neither", shown(other)),
            _ => "the columns are in another order".to_owned(),
        })
    }

    /// Reads to the end of a record. Returns how many fields it has, 0 for a blank line, `None` at
    /// the end of the file.
    fn fields(
        &mut self,
        input: &mut impl BufRead,
        record: &mut Record,
        most: u64,
    ) -> Result<Option<usize>, Broken> {
        let Record { key, value, line: first } = record;
        let mut columns = [key, value, &mut self.third];
        columns.iter_mut().for_each(|column| column.clear());
        let (mut state, mut fields, mut taken) = (State::Start, 1, 0_u64);
        // Nothing but the end of a line was seen; and the line of the last opening quote.
        let (mut blank, mut opened) = (true, *first);
        loop {
            let buffer = match input.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other.map_err(Broken::Io)?,
            };
            if buffer.is_empty() {
                return match state {
                    State::Quoted => bad(opened, "a quote that is opened here and never closed"),
                    State::Start if taken == 0 => Ok(None),
                    _ if blank => Ok(Some(0)),
                    _ => Ok(Some(fields)),
                };
            }
            // What stands for itself, all at once; then the byte behind it.
            let plain = buffer.iter().take_while(|byte| is_plain(state, **byte)).count();
            let (text, rest) = buffer.split_at(plain);
            if !text.is_empty() {
                if let Some(column) = columns.get_mut(fields - 1) {
                    column.extend_from_slice(text);
                }
                blank = false;
                match state {
                    State::Start => state = State::Plain,
                    State::Quoted => {
                        self.line += text.iter().filter(|b| **b == b'\n').count() as u64
                    }
                    _ => {}
                }
            }
            let byte = rest.first().copied();
            let used = plain + usize::from(byte.is_some());
            input.consume(used);
            taken += used as u64;
            if taken > most {
                let line = if state == State::Quoted { opened } else { *first };
                let reason =
                    format!("a record of more than {most} bytes (a quote without its end?)");
                return Err(Bad { line, reason }.into());
            }
            let Some(byte) = byte else { continue };
            state = match (state, byte) {
                (State::Quoted, _) => State::Closed,
                (State::Closed, b'"') => {
                    if let Some(column) = columns.get_mut(fields - 1) {
                        column.push(b'"');
                    }
                    State::Quoted
                }
                (State::Start, b'"') => {
                    (blank, opened) = (false, self.line);
                    State::Quoted
                }
                (State::Plain, b'"') => {
                    return bad(self.line, QUOTE);
                }
                (_, b'\n') => {
                    self.line += 1;
                    return Ok(Some(if blank { 0 } else { fields }));
                }
                (State::Return, _) => {
                    return bad(self.line, RETURN);
                }
                (_, b'\r') => State::Return,
                (_, b',') => {
                    (blank, fields) = (false, fields + 1);
                    State::Start
                }
                (State::Closed, _) => {
                    let reason = "a quote is opened here, and text follows where it is closed";
                    return bad(opened, reason);
                }
                // All others are plain.
                (State::Start | State::Plain, _) => return bad(self.line, NUL),
            };
        }
    }
}

const NO_HEADING: &str = " (a file without one: --no-heading)";
const QUOTE: &str = "a quote in a field that does not begin with one (within quotes it is doubled)";
const RETURN: &str = "a carriage return without a line feed (a field with one stands in quotes)";
const NUL: &str = "a NUL byte outside quotes (UTF-16 without its byte order mark?)";

fn bad<T>(line: u64, reason: &str) -> Result<T, Broken> {
    Err(Bad { line, reason: reason.to_owned() }.into())
}

fn is_plain(state: State, byte: u8) -> bool {
    match state {
        State::Quoted => byte != b'"',
        State::Start | State::Plain => !matches!(byte, b',' | b'"' | b'\r' | b'\n' | 0),
        State::Closed | State::Return => false,
    }
}
