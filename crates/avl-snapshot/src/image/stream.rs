//! Writing an image to a stream while entries arrive.
//!
//! The data are appended through a buffer, and are not kept in memory. The nodes are derived from
//! keys, which are read back from the stream: for the nodes above the bottom tier in small blocks,
//! for the units in large windows, each once and in order. The header is written last, over zeros,
//! so an unfinished image is not an image.

use std::cell::RefCell;
use std::io::{Error, Read, Seek, SeekFrom, Write};
use std::ops::{Deref, Range};
use std::rc::Rc;

use super::hash_index;
use super::layout::{
    CACHE_LINE, DATA_AT, HEADER_LEN, Layout, MAX_KEY_LEN, Numbers, buckets_for, pack,
};
use super::node::Words;
use super::write::{Draft, FreezeOptions, Source, Window, check, fill, upper, write_units};
use crate::error::{BuildError, StreamError};
use crate::grow::{grow, with_room};

/// Length of the buffer in bytes.
const BUFFER: usize = 256 * 1024;
/// Maximum length of the data from which units are made together, and of these units, in bytes.
const WINDOW: usize = 2 * 1024 * 1024;
const MADE: usize = 1024 * 1024;
/// Length of a block that is read back for single keys, in bytes.
const BLOCK: usize = 64 * 1024;
/// Number of blocks that are kept.
const KEPT: usize = 64;

/// An image that is being written to a stream, from front to back.
#[derive(Debug)]
pub(crate) struct StreamWriter<W> {
    out: Out<W>,
    entries: Vec<u64>,
    data_len: u64,
    last_key: Vec<u8>,
}

/// The stream, a buffer in front of it, and the checksum of what was written.
#[derive(Debug)]
struct Out<W> {
    stream: W,
    /// Position of the image in the stream.
    start: u64,
    /// Number of bytes of the image that have been written. If writing fails, this does not change,
    /// so the same bytes can be written again.
    written: u64,
    buffer: Vec<u8>,
    crc: crc32fast::Hasher,
}

impl<W: Write + Seek> Out<W> {
    fn new(mut stream: W) -> Result<Self, StreamError> {
        let start = stream.stream_position().map_err(StreamError::Write)?;
        let buffer = with_room(BUFFER)?;
        let mut out = Self { stream, start, written: 0, buffer, crc: crc32fast::Hasher::new() };
        out.write(&[0; HEADER_LEN])?;
        // The checksum covers what follows the header.
        out.crc = crc32fast::Hasher::new();
        Ok(out)
    }

    /// Position in the image of the byte that is appended next.
    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), StreamError> {
        write_at(&mut self.stream, self.start + self.written, bytes).map_err(StreamError::Write)?;
        self.written += bytes.len() as u64;
        self.crc.update(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        let buffer = std::mem::take(&mut self.buffer);
        let outcome = self.write(&buffer);
        self.buffer = buffer;
        if outcome.is_ok() {
            self.buffer.clear();
        }
        outcome
    }

    /// Appends bytes that belong together: all of them, or none if writing fails.
    #[inline]
    fn append(&mut self, bytes: [&[u8]; 2]) -> Result<(), StreamError> {
        let len: usize = bytes.iter().map(|bytes| bytes.len()).sum();
        if self.buffer.len() + len > BUFFER {
            self.flush()?;
            if len > BUFFER {
                return self.write_long(bytes);
            }
        }
        for bytes in bytes {
            self.buffer.extend_from_slice(bytes);
        }
        Ok(())
    }

    #[cold]
    fn write_long(&mut self, [first, second]: [&[u8]; 2]) -> Result<(), StreamError> {
        let (written, crc) = (self.written, self.crc.clone());
        let outcome = self.write(first).and_then(|()| self.write(second));
        if outcome.is_err() {
            (self.written, self.crc) = (written, crc);
        }
        outcome
    }

    /// Appends zeros until the position is a multiple of a cache line.
    fn pad(&mut self) -> Result<(), StreamError> {
        let more = self.position().next_multiple_of(CACHE_LINE as u64) - self.position();
        let zeros = [0; CACHE_LINE];
        self.append([zeros.get(..more as usize).unwrap_or_default(), &[]])
    }
}

fn write_at(stream: &mut (impl Write + Seek), at: u64, bytes: &[u8]) -> Result<(), Error> {
    stream.seek(SeekFrom::Start(at))?;
    stream.write_all(bytes)
}

impl<W: Read + Write + Seek> StreamWriter<W> {
    pub(crate) fn new(stream: W) -> Result<Self, StreamError> {
        let out = Out::new(stream)?;
        Ok(Self { out, entries: Vec::new(), data_len: 0, last_key: Vec::new() })
    }

    pub(crate) fn reserve(&mut self, entries: usize) -> Result<(), BuildError> {
        // One more for the end of the last entry.
        grow(&mut self.entries, entries + 1)
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn stream(&self) -> &W {
        &self.out.stream
    }

    /// Appends an entry whose key must be greater than all keys before it.
    pub(crate) fn push(&mut self, key: &[u8], value: &[u8]) -> Result<(), StreamError> {
        check(self.len(), self.data_len, key, value)?;
        if self.len() > 0 && key <= &self.last_key[..] {
            return Err(BuildError::not_sorted(self.len(), key, &self.last_key).into());
        }
        grow(&mut self.entries, 1)?;
        let more = key.len().saturating_sub(self.last_key.len());
        grow(&mut self.last_key, more)?;
        self.out.append([key, value])?;
        self.entries.push(pack(self.data_len, key.len()));
        self.data_len += key.len() as u64 + value.len() as u64;
        self.last_key.clear();
        self.last_key.extend_from_slice(key);
        Ok(())
    }

    /// Derives what follows the data, and finishes the image. Returns the stream, positioned at the
    /// end of the image.
    pub(crate) fn finish(self, options: &FreezeOptions) -> Result<W, StreamError> {
        let Self { mut out, mut entries, data_len, .. } = self;
        let count = entries.len() as u64;
        let buckets = if options.hash_index { buckets_for(count, data_len) } else { 0 };
        grow(&mut entries, 1)?;
        entries.push(pack(data_len, 0));
        out.flush()?;
        let mut blocks = Blocks::new(data_len)?;
        let numbers = Numbers { entries: count, data_len, ..Numbers::default() };
        let too_large = || BuildError::TooLarge { len: data_len, max: u64::MAX };
        let layout = Layout::new(numbers).ok_or_else(too_large)?;
        #[expect(clippy::redundant_closure, reason = "the function is for one lifetime only")]
        let upper = blocks.with(&mut out, &entries, layout, |draft| upper(draft))?;
        let (layout, nodes, ties) = upper;
        out.pad()?;
        out.append([bytemuck::cast_slice(&nodes), bytemuck::cast_slice(&ties)])?;
        out.pad()?;
        drop((nodes, ties));
        let mut index = with_room(buckets as usize)?;
        index.resize(buckets as usize, Words::ZERO);
        let mut windows = Windows::new(&layout)?;
        let mut is_built = buckets > 0;
        let mut next = 0..layout.shape.units();
        while !next.is_empty() {
            let index = if is_built { &mut index[..] } else { &mut [] };
            let draft = Draft { entries: &entries, data: (), layout };
            let units = windows.next(&draft, &mut next);
            is_built = match units.is_long {
                false => windows.fill(&mut out, &draft, &units, index, options.threads.get())?,
                true => blocks.with(&mut out, &entries, layout, |draft| {
                    write_units(draft, units.range.clone(), &mut windows.made);
                    Ok(hash_index::build(draft.entries(&units.range), index).is_some())
                })?,
            };
            out.append([windows.made.get(..units.len).unwrap_or_default(), &[]])?;
        }
        let mut layout = layout;
        if is_built {
            out.pad()?;
            out.append([bytemuck::cast_slice(&index), &[]])?;
            layout.buckets = buckets as usize;
        }
        out.flush()?;
        let Out { mut stream, start, written, crc, .. } = out;
        let header = layout.header(crc.finalize());
        write_at(&mut stream, start, bytemuck::bytes_of(&header)).map_err(StreamError::Write)?;
        stream.seek(SeekFrom::Start(start + written)).map_err(StreamError::Write)?;
        stream.flush().map_err(StreamError::Write)?;
        Ok(stream)
    }
}

/// Consecutive units that are made together.
struct Units {
    range: Range<u64>,
    /// Length of the units in bytes.
    len: usize,
    /// The data from which they are made: their keys, the keys beside them, and the values between
    /// these keys.
    data: Range<usize>,
    /// True for a single unit that has more data than a window.
    is_long: bool,
}

/// Makes units from data that are read back a window at a time.
struct Windows {
    data: Vec<u8>,
    made: Vec<u8>,
}

impl Windows {
    fn new(layout: &Layout) -> Result<Self, BuildError> {
        // A small map needs no large windows.
        let data_len = WINDOW.min(layout.data_len);
        let made_len = MADE.min(layout.units_len(&(0..layout.shape.units())));
        let (mut data, mut made) = (with_room(data_len)?, with_room(made_len)?);
        data.resize(data_len, 0);
        made.resize(made_len, 0);
        Ok(Self { data, made })
    }

    /// Takes units whose data fit into a window, at least one unit.
    fn next<S>(&self, draft: &Draft<'_, S>, rest: &mut Range<u64>) -> Units {
        let layout = &draft.layout;
        let first = rest.start;
        let (mut low, mut high) = (first + 1, rest.end);
        let len = |end| layout.units_len(&(first..end));
        while low < high {
            let middle = low + (high - low).div_ceil(2);
            let data = draft.data_of(&(first..middle));
            match len(middle) <= MADE && data.end - data.start <= WINDOW {
                true => low = middle,
                false => high = middle - 1,
            }
        }
        rest.start = low;
        let range = first..low;
        let data = draft.data_of(&range);
        let is_long = data.end - data.start > WINDOW;
        Units { len: len(low), range, data, is_long }
    }

    fn fill<W: Read + Seek>(
        &mut self,
        out: &mut Out<W>,
        draft: &Draft<'_, ()>,
        units: &Units,
        index: &mut [Words],
        threads: usize,
    ) -> Result<bool, StreamError> {
        let len = units.data.end - units.data.start;
        let bytes = self.data.get_mut(..len).unwrap_or_default();
        let at = out.start + (DATA_AT + units.data.start) as u64;
        read_at(&mut out.stream, at, bytes).map_err(StreamError::Read)?;
        let data = Window { bytes, from: units.data.start };
        let draft = Draft { entries: draft.entries, data, layout: draft.layout };
        let made = self.made.get_mut(..units.len).unwrap_or_default();
        Ok(fill(&draft, units.range.clone(), made, index, threads))
    }
}

fn read_at(stream: &mut (impl Read + Seek), at: u64, bytes: &mut [u8]) -> Result<(), Error> {
    stream.seek(SeekFrom::Start(at))?;
    stream.read_exact(bytes)
}

/// The blocks of the data that were read last, each in the place that its number selects.
struct Blocks {
    kept: Vec<Option<(u64, Rc<Vec<u8>>)>>,
    data_len: u64,
}

impl Blocks {
    fn new(data_len: u64) -> Result<Self, BuildError> {
        let mut kept = with_room(KEPT)?;
        kept.resize(KEPT, None);
        Ok(Self { kept, data_len })
    }

    /// Calls `derive` with a draft whose keys are read back from the stream. If reading fails, the
    /// result of `derive` is dropped.
    fn with<W: Read + Seek, R>(
        &mut self,
        out: &mut Out<W>,
        entries: &[u64],
        layout: Layout,
        derive: impl FnOnce(&mut Draft<'_, ReadBack<'_, W>>) -> Result<R, BuildError>,
    ) -> Result<R, StreamError> {
        let reader = Reader {
            stream: &mut out.stream,
            start: out.start + DATA_AT as u64,
            blocks: self,
            failed: None,
        };
        let data = ReadBack(RefCell::new(reader));
        let mut draft = Draft { entries, data, layout };
        let derived = derive(&mut draft);
        match draft.data.0.into_inner().failed {
            Some(error) => Err(error),
            None => Ok(derived?),
        }
    }
}

/// Data that are read back from the stream.
struct ReadBack<'a, W>(RefCell<Reader<'a, W>>);

struct Reader<'a, W> {
    stream: &'a mut W,
    /// Position of the data in the stream.
    start: u64,
    blocks: &'a mut Blocks,
    /// The first error. What is derived afterwards is wrong.
    failed: Option<StreamError>,
}

/// Some bytes of a block, or of a copy of several blocks.
struct Piece {
    block: Rc<Vec<u8>>,
    range: Range<usize>,
}

impl Deref for Piece {
    type Target = [u8];

    #[inline(always)]
    fn deref(&self) -> &[u8] {
        self.block.get(self.range.clone()).unwrap_or_default()
    }
}

impl<W: Read + Seek> Source for ReadBack<'_, W> {
    type Bytes<'s>
        = Piece
    where
        Self: 's;

    fn bytes(&self, start: usize, len: usize) -> Piece {
        let mut reader = self.0.borrow_mut();
        let (number, at) = ((start / BLOCK) as u64, start % BLOCK);
        if at + len <= BLOCK {
            return Piece { block: reader.block(number), range: at..at + len };
        }
        let mut bytes = Vec::new();
        if let Err(error) = grow(&mut bytes, len.min(MAX_KEY_LEN)) {
            reader.failed.get_or_insert(error.into());
            return Piece { block: Rc::default(), range: 0..0 };
        }
        let mut at = at;
        for number in number.. {
            let block = reader.block(number);
            let rest = block.get(at..).unwrap_or_default();
            let part = rest.get(..len - bytes.len()).unwrap_or(rest);
            bytes.extend_from_slice(part);
            if bytes.len() == len || part.is_empty() {
                break;
            }
            at = 0;
        }
        Piece { range: 0..bytes.len(), block: Rc::new(bytes) }
    }
}

impl<W: Read + Seek> Reader<'_, W> {
    #[inline]
    fn block(&mut self, number: u64) -> Rc<Vec<u8>> {
        match self.blocks.kept.get(number as usize % KEPT) {
            Some(Some((kept, block))) if *kept == number => Rc::clone(block),
            _ => self.read(number),
        }
    }

    #[cold]
    fn read(&mut self, number: u64) -> Rc<Vec<u8>> {
        let at = number * BLOCK as u64;
        let len = self.blocks.data_len.saturating_sub(at).min(BLOCK as u64) as usize;
        let mut bytes = Vec::new();
        let read = grow(&mut bytes, len).map_err(StreamError::from).and_then(|()| {
            bytes.resize(len, 0);
            read_at(self.stream, self.start + at, &mut bytes).map_err(StreamError::Read)
        });
        match read {
            Ok(()) => {
                let block = Rc::new(bytes);
                if let Some(place) = self.blocks.kept.get_mut(number as usize % KEPT) {
                    *place = Some((number, Rc::clone(&block)));
                }
                block
            }
            Err(error) => {
                self.failed.get_or_insert(error);
                Rc::default()
            }
        }
    }
}
