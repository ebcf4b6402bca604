//! The body of a file that has no name yet, as a stream.

use std::fs::File;
use std::io::{Error, ErrorKind, Read, Result, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::error::{CreateError, PublishError};
use crate::refused::{self, check_file_size};

/// The body of a file that is about to be published, as a stream. Nobody else reads the file yet.
///
/// Positions are counted from the start of the body. If writing fails, [`DraftBody::refused`] says
/// what is in the way.
#[derive(Debug)]
pub struct DraftBody<'a> {
    file: &'a File,
    dir: &'a Path,
    /// Where the body starts in the file.
    start: u64,
    at: u64,
    /// Position of the byte after the last one that was written.
    end: u64,
    /// The length of the file, as far as it is known.
    needed: u64,
}

impl<'a> DraftBody<'a> {
    /// `expected` is the length of the whole file, as far as it is known.
    pub(super) fn new(file: &'a File, dir: &'a Path, start: u64, expected: u64) -> Self {
        Self { file, dir, start, at: 0, end: 0, needed: expected }
    }

    /// Returns the length of the body so far.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.end
    }

    /// True if nothing was written yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.end == 0
    }

    /// Turns an error of reading or writing this body into one that says how much space is missing,
    /// or which limit was reached.
    #[must_use]
    pub fn refused(&self, error: Error) -> PublishError {
        self.why(error).into()
    }

    pub(super) fn why(&self, error: Error) -> CreateError {
        refused::creating("write a file in", error, self.needed, self.dir)
    }
}

impl Write for DraftBody<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.needed = self.needed.max((self.start + self.at).saturating_add(bytes.len() as u64));
        // Writing beyond the limit would end the process by a signal.
        if check_file_size(self.needed, self.dir).is_err() {
            return Err(Error::from_raw_os_error(libc::EFBIG));
        }
        let written = self.file.write_at(bytes, self.start + self.at)?;
        self.at += written as u64;
        self.end = self.end.max(self.at);
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        Ok(())
    }
}

impl Read for DraftBody<'_> {
    fn read(&mut self, bytes: &mut [u8]) -> Result<usize> {
        let read = self.file.read_at(bytes, self.start + self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

impl Seek for DraftBody<'_> {
    fn seek(&mut self, to: SeekFrom) -> Result<u64> {
        let to = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
            SeekFrom::End(by) => self.end.checked_add_signed(by),
        };
        // The position in the file must fit into an offset as well.
        let fits = |at: &u64| at.checked_add(self.start).is_some_and(|at| at <= i64::MAX as u64);
        self.at = to.filter(fits).ok_or_else(|| Error::from(ErrorKind::InvalidInput))?;
        Ok(self.at)
    }
}
