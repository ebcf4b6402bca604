//! Files that are copied into private memory, because another process may write to them or truncate
//! them.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::{IoError, OpenError};
use crate::name::Name;
use crate::namespace::{Kind, Namespace};
use crate::os::descriptor::OwnFile;
use crate::segment::raw_file::RawFile;
use crate::segment::trust::Trust;

/// A file of a trusted owner, opened to be copied. Of a published segment, only the body is copied.
///
/// The length of the file cannot be trusted. So check the first bytes, then allocate memory with a
/// call that may fail, and return [`CopySource::no_memory`] if it fails. If another process writes
/// to the file meanwhile, the copy is a mixture of old and new bytes, so verify the copy.
#[derive(Debug)]
pub struct CopySource {
    file: OwnFile,
    path: PathBuf,
    /// Where the bytes to copy start in the file.
    start: u64,
    len: u64,
}

impl CopySource {
    /// Opens a file with any contents, even a file that may be written to. O(1).
    ///
    /// # Errors
    /// The errors of [`Namespace::open_read_only`], except for errors about the contents.
    pub fn open(path: &Path, trust: &Trust) -> Result<Self, OpenError> {
        Ok(Self::new(RawFile::open(path.to_owned(), OFlags::RDONLY, trust)?, 0))
    }

    fn new(raw: RawFile, start: u64) -> Self {
        let (file, path, len) = raw.into_parts();
        let file = OwnFile::new(file);
        Self { file, path, start, len: len.saturating_sub(start) }
    }

    /// Returns the number of bytes that there were to copy when the file was opened.
    #[must_use]
    pub fn source_len(&self) -> u64 {
        self.len
    }

    /// Reads bytes from `offset` on until `buffer` is full. O(length of `buffer`).
    ///
    /// # Errors
    /// [`OpenError::Io`] if the file cannot be read, or has too few bytes.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), OpenError> {
        self.file
            .get()
            .and_then(|file| file.read_exact_at(buffer, self.start.saturating_add(offset)))
            .map_err(|e| IoError::new("read", &self.path, e).into())
    }

    /// Returns the error for the case that `needed` bytes cannot be allocated.
    #[must_use]
    pub fn no_memory(&self, needed: u64) -> OpenError {
        OpenError::NoMemory { path: self.path.clone(), needed }
    }
}

impl Namespace {
    /// Opens a published segment to copy its body. O(1). Also accepts a file that may be written
    /// to, although such a file cannot be used in place.
    ///
    /// # Errors
    /// The errors of [`Namespace::open_read_only`].
    pub fn open_to_copy(
        &self,
        name: &Name,
        kind: Kind,
        kind_version: u64,
        trust: &Trust,
    ) -> Result<CopySource, OpenError> {
        let path = self.path_of(name, kind);
        let file = RawFile::open(path, OFlags::RDONLY, trust)?.validate(kind, kind_version)?;
        let (raw, header) = file.into_parts();
        Ok(CopySource::new(raw, header.body_offset() as u64))
    }
}
