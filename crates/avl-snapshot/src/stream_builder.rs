//! Building an image in a stream.

use std::io::{Read, Seek, Write};

use crate::error::{BuildError, StreamError};
use crate::image::{FreezeOptions, StreamWriter};

/// Builds an image from entries that are pushed in ascending key order, and writes it to a stream
/// while they are pushed. The stream may be a file, or anything else that can be read, written and
/// positioned.
///
/// The image starts at the position that the stream has when the builder is created. The builder
/// needs 8 bytes of memory per entry, and a few megabytes; with a hash index, it needs 12 bytes
/// more per entry while it finishes. Because nodes are derived from keys, it reads keys back. So a
/// file must be open for reading and writing.
///
/// The header is written last. If the builder fails or is dropped, the stream starts with zeros,
/// which are not an image.
///
/// ```
/// use std::io::Cursor;
/// use avl_snapshot::{Snapshot, StreamBuilder, StreamError};
///
/// let mut builder = StreamBuilder::new(Cursor::new(Vec::new()))?;
/// builder.push("anna", "1")?;
/// builder.push("berta", "2")?;
/// let image = builder.finish()?.into_inner();
/// assert_eq!(Snapshot::new(image).unwrap().get("berta"), Some(&b"2"[..]));
/// # Ok::<(), StreamError>(())
/// ```
#[derive(Debug)]
pub struct StreamBuilder<W> {
    writer: StreamWriter<W>,
    options: FreezeOptions,
}

impl<W: Read + Write + Seek> StreamBuilder<W> {
    /// Creates a builder of an empty map.
    ///
    /// # Errors
    /// [`StreamError::Write`], or [`StreamError::Build`] if memory runs out.
    pub fn new(stream: W) -> Result<Self, StreamError> {
        Self::with_options(stream, FreezeOptions::default())
    }

    /// Creates a builder of an empty map. `options` say what its image will contain. One thread
    /// makes the image, whatever [`FreezeOptions::threads`] says.
    ///
    /// # Errors
    /// The errors of [`StreamBuilder::new`].
    pub fn with_options(stream: W, options: FreezeOptions) -> Result<Self, StreamError> {
        Ok(Self { writer: StreamWriter::new(stream)?, options })
    }

    /// Reserves memory for `entries` more entries. Does nothing if there is not enough memory.
    pub fn reserve(&mut self, entries: usize) {
        // Without it, the pushes that need the memory fail.
        let _ = self.writer.reserve(entries);
    }

    /// Appends an entry. O(length), amortised.
    ///
    /// # Errors
    /// [`StreamError::Write`], or the errors of [`Builder::push`](crate::Builder::push) as
    /// [`StreamError::Build`]. The builder is unchanged and can still be used.
    pub fn push(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), StreamError> {
        self.writer.push(key.as_ref(), value.as_ref())
    }

    /// Returns the stream. Its position means nothing before the image is finished.
    #[must_use]
    pub fn get_ref(&self) -> &W {
        self.writer.stream()
    }

    /// Number of entries pushed so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writer.len()
    }

    /// True if no entry has been pushed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finishes the image. Returns the stream, positioned at the end of the image. O(n).
    ///
    /// The image has the bytes that [`Builder`](crate::Builder) makes of the same entries. The
    /// stream is flushed, but a file is not synchronised with its disk.
    ///
    /// # Errors
    /// Any [`StreamError`].
    pub fn finish(self) -> Result<W, StreamError> {
        self.writer.finish(&self.options)
    }
}

impl<W: Read + Write + Seek> StreamBuilder<W> {
    /// Appends an entry. Key and value are contiguous in memory.
    pub(crate) fn push_entry(&mut self, entry: &[u8], key_len: usize) -> Result<(), StreamError> {
        let Some((key, value)) = entry.split_at_checked(key_len) else {
            return Err(BuildError::KeyTooLong { len: key_len, max: entry.len() }.into());
        };
        self.push(key, value)
    }
}
