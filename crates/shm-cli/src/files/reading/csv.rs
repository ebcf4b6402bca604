//! CSV by RFC 4180, strictly. A line that the RFC does not allow is an error, and nothing is
//! guessed. Any byte may stand within quotes.

use std::io::{self, BufRead};

use super::{Bad, Broken, Record, Step, remedy};
use crate::escape::escape;
use crate::files::layout::{Column, HEADING, Layout};

/// The position within a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// At the start of a field.
    Start,
    /// In a field without quotes.
    Plain,
    /// Within quotes.
    Quoted,
    /// After a quote within quotes. The next byte decides whether it was the first quote of a pair
    /// or the end of the field.
    Closed,
    /// After a carriage return, which only a line feed may follow.
    Return,
}

/// Maximum number of columns of a heading. Every other program that has a limit has a lower one.
const MAX_COLUMNS: usize = 1 << 14;

/// Reads records.
pub(super) struct Csv {
    delimiter: u8,
    heading: Heading,
    /// The line that comes next or is being read, counted from 1.
    line: u64,
    /// The line in which the heading is expected.
    first: u64,
    /// The positions of the key and the value, counted from 0, and the number of columns.
    places: Places,
}

/// What is known about the first record.
enum Heading {
    /// The first record is the heading, `key` and `value`.
    Usual,
    /// The first record is the heading, and has these columns.
    Has([Column; 2]),
    /// There is no heading. The first record determines the number of columns, which includes these
    /// positions.
    None([Column; 2]),
    /// The columns are known.
    Known,
}

#[derive(Clone, Copy)]
struct Places {
    key: usize,
    value: usize,
    columns: usize,
}

impl Csv {
    pub(super) fn new(layout: &Layout) -> Self {
        let heading = match (&layout.columns, layout.heading) {
            (None, true) => Heading::Usual,
            (None, false) => Heading::Known,
            (Some(columns), true) => Heading::Has(columns.clone()),
            (Some(columns), false) => Heading::None(columns.clone()),
        };
        let places = Places { key: 0, value: 1, columns: 2 };
        Self { delimiter: layout.delimiter, heading, line: 1, first: 1, places }
    }

    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// Makes the file begin after this line. This line and the lines before it are skipped.
    pub(super) fn starts_after(&mut self, line: u64) {
        (self.line, self.first) = (line + 1, line + 1);
    }

    /// Reads the next record, of at most this many bytes.
    pub(super) fn next(
        &mut self,
        input: &mut impl BufRead,
        record: &mut Record,
        most: u64,
    ) -> Result<Step, Broken> {
        record.line = self.line;
        match &self.heading {
            Heading::Usual | Heading::Has(_) => self.heading(input, record.line, most),
            Heading::Known => self.entry(input, record, most),
            Heading::None(columns) => {
                // Where the columns are is known; how many there are, the first record says.
                let [key, value] = columns.each_ref().map(position);
                self.places = Places { key, value, columns: 0 };
                let step = self.entry(input, record, most)?;
                if matches!(step, Step::Entry) {
                    self.heading = Heading::Known;
                }
                Ok(step)
            }
        }
    }

    fn entry(
        &mut self,
        input: &mut impl BufRead,
        record: &mut Record,
        most: u64,
    ) -> Result<Step, Broken> {
        let Record { key, value, line } = record;
        let line = *line;
        key.clear();
        value.clear();
        let Places { key: key_at, value: value_at, columns } = self.places;
        let fields = self.fields(input, most, |field, bytes| {
            if field == key_at {
                key.extend_from_slice(bytes);
            } else if field == value_at {
                value.extend_from_slice(bytes);
            }
            Ok(())
        })?;
        let (fields, reason) = match fields {
            Some(0) => return Ok(Step::Blank),
            None => return Ok(Step::End),
            Some(fields) if fields == columns => return Ok(Step::Entry),
            Some(fields) if columns == 0 => match [key_at, value_at].into_iter().max() {
                Some(last) if last >= fields => {
                    let column = last + 1;
                    (fields, format!("there is no column {column}: the line has {fields}"))
                }
                _ => {
                    self.places.columns = fields;
                    return Ok(Step::Entry);
                }
            },
            Some(fields) => (fields, format!("{fields} fields, not {columns}")),
        };
        let remedy = match fields {
            _ if line != self.first => None,
            1 => {
                let field = if key_at == 0 { &record.key } else { &record.value };
                self.remedy_of_one_field(input, most, field)
            }
            _ => Some(remedy::POSITIONS.to_owned()),
        };
        Err(Bad { line, reason, remedy }.into())
    }

    /// Returns what to do about a first line that has only this field. The columns may have another
    /// delimiter, or begin in a later line.
    fn remedy_of_one_field(
        &mut self,
        input: &mut impl BufRead,
        most: u64,
        field: &[u8],
    ) -> Option<String> {
        if let Some(option) = remedy::delimiter(field, self.delimiter) {
            return Some(option.to_owned());
        }
        let mut only = Vec::new();
        for _ in 0..remedy::PEEKED {
            let before = self.line - 1;
            only.clear();
            let fields = self.fields(input, most, |_, bytes| {
                only.extend_from_slice(bytes);
                Ok(())
            });
            match fields {
                Ok(Some(0 | 1)) => {}
                Ok(Some(_)) => return Some(format!("--skip {before}")),
                _ => return None,
            }
            if let Some(option) = remedy::delimiter(&only, self.delimiter) {
                return Some(format!("--skip {before} {option}"));
            }
        }
        None
    }

    fn heading(&mut self, input: &mut impl BufRead, line: u64, most: u64) -> Result<Step, Broken> {
        let usual = HEADING.join(&char::from(self.delimiter).to_string());
        let mut names: Vec<Vec<u8>> = vec![Vec::new()];
        let fields = self.fields(input, most, |field, bytes| {
            if field >= MAX_COLUMNS {
                return Err(format!("a heading of more than {MAX_COLUMNS} columns"));
            }
            names.resize(names.len().max(field + 1), Vec::new());
            if let Some(name) = names.get_mut(field) {
                name.extend_from_slice(bytes);
            }
            Ok(())
        })?;
        let Some(fields) = fields else {
            let what = match self.heading {
                Heading::Usual => format!("the heading {usual} is missing"),
                _ => "the heading is missing".to_owned(),
            };
            let remedy = Some(remedy::HEADING.to_owned());
            return Err(Bad { line: self.first, reason: what, remedy }.into());
        };
        if fields == 0 {
            return Ok(Step::Blank);
        }
        // An empty name has no bytes, and came through unseen.
        if fields > MAX_COLUMNS {
            return bad(line, &format!("a heading of more than {MAX_COLUMNS} columns"));
        }
        names.resize(fields, Vec::new());
        let places = match self.places(&names, &usual) {
            Ok(places) => places,
            Err((reason, remedy)) => {
                let of_one = match names.as_slice() {
                    [name] => self.remedy_of_one_field(input, most, name),
                    _ => None,
                };
                let remedy = Some(of_one.unwrap_or_else(|| remedy.to_owned()));
                return Err(Bad { line, reason, remedy }.into());
            }
        };
        (self.places, self.heading) = (places, Heading::Known);
        Ok(Step::Heading)
    }

    /// Returns where the columns are in this heading, or what is wrong with the heading and what to
    /// do about it.
    fn places(&self, names: &[Vec<u8>], usual: &str) -> Result<Places, (String, &'static str)> {
        match &self.heading {
            Heading::Has([key, value]) => {
                let missing = |why| (why, remedy::COLUMNS);
                let key = find(names, key).map_err(missing)?;
                let value = find(names, value).map_err(missing)?;
                if key == value {
                    let name = names.get(key).map(|name| shown(name)).unwrap_or_default();
                    let reason = format!("keys and values are in one column, {name}");
                    return Err((reason, remedy::COLUMNS));
                }
                Ok(Places { key, value, columns: names.len() })
            }
            _ => match wrong_heading(names) {
                None => Ok(self.places),
                Some(why) => Err((format!("the heading is not {usual}: {why}"), remedy::HEADING)),
            },
        }
    }

    /// Reads to the end of a record, and passes on the bytes of its fields. Returns the number of
    /// fields: 0 for a blank line, `None` at the end of the file.
    fn fields(
        &mut self,
        input: &mut impl BufRead,
        most: u64,
        mut push: impl FnMut(usize, &[u8]) -> Result<(), String>,
    ) -> Result<Option<usize>, Broken> {
        let (delimiter, first) = (self.delimiter, self.line);
        let mut push = |fields: usize, bytes: &[u8]| {
            push(fields - 1, bytes).map_err(|reason| Bad::new(first, reason))
        };
        let (mut state, mut fields, mut taken) = (State::Start, 1, 0_u64);
        // Nothing but the end of a line was seen; and the line of the last opening quote.
        let (mut blank, mut opened) = (true, first);
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
            let plain = buffer.iter().take_while(|byte| is_plain(state, delimiter, **byte)).count();
            let (text, rest) = buffer.split_at(plain);
            if !text.is_empty() {
                push(fields, text)?;
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
                let line = if state == State::Quoted { opened } else { first };
                let reason =
                    format!("a record of more than {most} bytes (a quote without its end?)");
                return Err(Bad::new(line, reason).into());
            }
            let Some(byte) = byte else { continue };
            state = match (state, byte) {
                (State::Quoted, _) => State::Closed,
                (State::Closed, b'"') => {
                    push(fields, b"\"")?;
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
                (_, byte) if byte == delimiter => {
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

/// Returns the position of a column, counted from 0. Without a heading, a name would have no
/// position, but [`Layout`] has no names in that case.
fn position(column: &Column) -> usize {
    match column {
        Column::Number(number) => number.saturating_sub(1),
        Column::Name(_) => usize::MAX,
    }
}

/// Returns the position of the column, counted from 0, or why there is no such column.
fn find(names: &[Vec<u8>], column: &Column) -> Result<usize, String> {
    let missing = |what: String| Err(format!("there is no column {what}: {}", columns(names)));
    let name = match column {
        Column::Number(number) if *number <= names.len() => return Ok(position(column)),
        Column::Number(number) => return missing(number.to_string()),
        Column::Name(name) => name.as_bytes(),
    };
    let mut found = names.iter().enumerate().filter(|(_, found)| *found == name);
    match (found.next(), found.next()) {
        (Some((at, _)), None) => Ok(at),
        (None, _) => missing(shown(name)),
        _ => Err(format!("column {} is there twice; say which by its position", shown(name))),
    }
}

/// Lists the columns of the file.
fn columns(names: &[Vec<u8>]) -> String {
    const SHOWN: usize = 20;
    let all: Vec<_> = names.iter().take(SHOWN).map(|name| shown(name)).collect();
    let more = match names.len().saturating_sub(SHOWN) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let are = if names.len() == 1 { "the only one is" } else { "the columns are" };
    format!("{are} {}{more}", all.join(", "))
}

fn shown(name: &[u8]) -> String {
    format!("`{}`", escape(name.get(..name.len().min(40)).unwrap_or_default()))
}

/// Returns why these are not the names of the usual two columns, if they are not.
fn wrong_heading(names: &[Vec<u8>]) -> Option<String> {
    if names.len() == 2 && names.iter().zip(HEADING).all(|(name, right)| name == right.as_bytes()) {
        return None;
    }
    let is_there = |right: &str| names.iter().any(|name| name == right.as_bytes());
    // Of a heading with many columns the first three say enough.
    let first = names.get(..names.len().min(3)).unwrap_or_default();
    let mut rest = first.iter().enumerate();
    let twice = rest.find(|(i, name)| first.iter().skip(i + 1).any(|other| other == *name));
    let other = names.iter().find(|name| !HEADING.iter().any(|right| *name == right.as_bytes()));
    Some(match (twice, HEADING.iter().find(|right| !is_there(right)), other) {
        (Some((_, name)), ..) => format!("{} is there twice", shown(name)),
        (_, Some(missing), Some(other)) => format!("no `{missing}`, but {}", shown(other)),
        (_, Some(missing), None) => format!("no `{missing}`"),
        (_, None, Some(other)) => format!("{} is neither", shown(other)),
        _ => "the columns are in another order".to_owned(),
    })
}

const QUOTE: &str = "a quote in a field that does not begin with one (within quotes it is doubled)";
const RETURN: &str = "a carriage return without a line feed (a field with one stands in quotes)";
const NUL: &str = "a NUL byte outside quotes (UTF-16 without its byte order mark?)";

fn bad<T>(line: u64, reason: &str) -> Result<T, Broken> {
    Err(Bad::new(line, reason.to_owned()).into())
}

fn is_plain(state: State, delimiter: u8, byte: u8) -> bool {
    match state {
        State::Quoted => byte != b'"',
        State::Start | State::Plain => {
            byte != delimiter && !matches!(byte, b'"' | b'\r' | b'\n' | 0)
        }
        State::Closed | State::Return => false,
    }
}
