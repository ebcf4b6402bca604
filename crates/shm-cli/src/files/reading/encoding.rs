//! Reading the text of a file, whatever its encoding. A byte order mark says UTF-8, UTF-16LE or
//! UTF-16BE, and then every byte must be well formed. A file without a mark is UTF-8 or any other
//! bytes, which are not changed.

use std::fmt;
use std::io::{self, BufRead, Read};

use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE};

/// Number of bytes that are read at once.
const RAW: usize = 1 << 16;
/// Maximum length of the text that can come from [`RAW`] bytes, because two bytes of UTF-16 become
/// up to three bytes of UTF-8.
const TEXT: usize = 2 * RAW;
/// Maximum length of the beginning of a file that tells the encoding or the type of the file.
const LONGEST: usize = 6;

/// What the first bytes of a file tell about its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Beginning {
    /// They tell nothing. The file is UTF-8 or any other bytes.
    Bytes,
    /// A byte order mark of this many bytes.
    Mark(&'static Encoding, usize),
    /// The file is not text that can be read here. The string says what it is instead.
    Other(&'static str),
}

/// Returns what these first bytes of a file tell about its encoding.
pub(crate) fn beginning(bytes: &[u8]) -> Beginning {
    match bytes {
        [0xff, 0xfe, 0, 0, ..] | [0, 0, 0xfe, 0xff, ..] => Beginning::Other("UTF-32"),
        [0xef, 0xbb, 0xbf, ..] => Beginning::Mark(UTF_8, 3),
        [0xff, 0xfe, ..] => Beginning::Mark(UTF_16LE, 2),
        [0xfe, 0xff, ..] => Beginning::Mark(UTF_16BE, 2),
        [0x1f, 0x8b, 8, ..] => Beginning::Other("gzip"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Beginning::Other("zstd"),
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Beginning::Other("xz"),
        [b'P', b'K', 3, 4, ..] => Beginning::Other("zip (or a spreadsheet)"),
        _ => Beginning::Bytes,
    }
}

/// Why the text of a file ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// These bytes are not valid in the encoding that the mark says.
    Malformed(&'static str),
    /// The whole file is not text. The string says what it is instead.
    Other(&'static str),
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(encoding) => {
                write!(f, "not {encoding}, which the byte order mark of the file promises")
            }
            Self::Other(what) => write!(f, "the file is {what}; UTF-8 and UTF-16 can be read"),
        }
    }
}

impl std::error::Error for Unreadable {}

/// Returns what is wrong with the line at which this error occurred, if the encoding is at fault.
pub(super) fn unreadable(error: &io::Error) -> Option<Unreadable> {
    error.get_ref()?.downcast_ref().copied()
}

/// The text of a file, of which only a part of fixed length is in memory.
pub(super) struct Text {
    file: Box<dyn Read>,
    /// The source of the text, or `None` before the first bytes were read.
    source: Option<Source>,
    /// Bytes of the file that are not decoded yet.
    raw: Vec<u8>,
    /// The decoded text. The bytes from `at` on have not been returned yet.
    text: Vec<u8>,
    at: usize,
    /// Number of bytes of the file that were read.
    taken: u64,
}

enum Source {
    Bytes,
    Decoder(Decoder),
    /// Nothing more follows.
    End,
    Failed(Unreadable),
}

impl Text {
    pub(super) fn new(file: Box<dyn Read>) -> Self {
        Self { file, source: None, raw: Vec::new(), text: Vec::new(), at: 0, taken: 0 }
    }

    /// Number of bytes of the file that were read.
    pub(super) fn taken(&self) -> u64 {
        self.taken
    }

    /// Reads bytes of the file and appends them to `raw`. Returns false at the end of the file.
    fn read_raw(&mut self) -> io::Result<bool> {
        let before = self.raw.len();
        self.raw.resize(before + RAW, 0);
        let read = loop {
            match self.file.read(self.raw.get_mut(before..).unwrap_or_default()) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        self.raw.truncate(before + read.as_ref().map_or(0, |read| *read));
        self.taken += *read.as_ref().unwrap_or(&0) as u64;
        Ok(read? > 0)
    }

    fn begin(&mut self) -> io::Result<Source> {
        // A pipe may give less at once.
        while self.raw.len() < LONGEST && self.read_raw()? {}
        Ok(match beginning(&self.raw) {
            Beginning::Bytes => Source::Bytes,
            Beginning::Other(what) => Source::Failed(Unreadable::Other(what)),
            Beginning::Mark(encoding, len) => {
                self.raw.drain(..len);
                Source::Decoder(encoding.new_decoder_without_bom_handling())
            }
        })
    }

    /// Decodes the next part of the text, which is empty only at the end.
    fn fill(&mut self) -> io::Result<()> {
        let mut source = match self.source.take() {
            Some(source) => source,
            None => self.begin()?,
        };
        self.text.clear();
        self.at = 0;
        let filled = loop {
            match &mut source {
                Source::Failed(why) => break Err(io::Error::other(*why)),
                Source::End => break Ok(()),
                Source::Bytes => {
                    // The first part was read to see how the file begins.
                    let more = if self.raw.is_empty() { self.read_raw() } else { Ok(true) };
                    std::mem::swap(&mut self.raw, &mut self.text);
                    if matches!(more, Ok(false)) {
                        source = Source::End;
                    }
                    break more.map(drop);
                }
                Source::Decoder(decoder) => {
                    let more = match self.read_raw() {
                        Ok(more) => more,
                        Err(error) => break Err(error),
                    };
                    self.text.resize(TEXT, 0);
                    let (result, read, written) = decoder.decode_to_utf8_without_replacement(
                        &self.raw,
                        &mut self.text,
                        !more,
                    );
                    self.text.truncate(written);
                    self.raw.drain(..read);
                    match result {
                        DecoderResult::Malformed(..) => {
                            let encoding = decoder.encoding().name();
                            source = Source::Failed(Unreadable::Malformed(encoding));
                        }
                        DecoderResult::InputEmpty if !more => source = Source::End,
                        _ => {}
                    }
                    // What stands before the fault is handed out first.
                    if written > 0 {
                        break Ok(());
                    }
                }
            }
        };
        self.source = Some(source);
        filled
    }
}

impl BufRead for Text {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at >= self.text.len() {
            self.fill()?;
        }
        Ok(self.text.get(self.at..).unwrap_or_default())
    }

    fn consume(&mut self, amount: usize) {
        self.at = self.text.len().min(self.at + amount);
    }
}

impl Read for Text {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}
