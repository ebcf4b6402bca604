//! Bounding what a reader takes of a file for one record: that of CSV has no bound of its own.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::rc::Rc;

/// Bytes that the reader of records takes at once.
pub(crate) const BUFFER: usize = 1 << 13;

/// A file of which a record takes so many bytes and no more.
pub(crate) struct Bounded<R> {
    input: R,
    left: Rc<Cell<u64>>,
}

/// What the record at hand may still take.
pub(crate) struct Left(Rc<Cell<u64>>);

/// Bounds a file. Before [`Left::begin`] nothing can be read of it.
pub(crate) fn bounded<R: Read>(input: R) -> (Bounded<R>, Left) {
    let left = Rc::new(Cell::new(0));
    (Bounded { input, left: Rc::clone(&left) }, Left(left))
}

impl Left {
    /// The next record begins, which may have `most` bytes. A buffer more may be read, of what follows it.
    pub(crate) fn begin(&self, most: u64) {
        self.0.set(most.saturating_add(BUFFER as u64));
    }
}

/// The record is longer.
#[derive(Debug)]
struct TooLong;

impl fmt::Display for TooLong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the record is too long")
    }
}

impl std::error::Error for TooLong {}

/// True for the error that says that a record is longer than it may be.
pub(crate) fn is_too_long(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|error| error.is::<TooLong>())
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.input.read(buffer)?;
        let left = self.left.get().checked_sub(read as u64);
        self.left.set(left.ok_or_else(|| io::Error::other(TooLong))?);
        Ok(read)
    }
}
