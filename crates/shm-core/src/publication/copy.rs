//! Files that are read into private memory, because somebody may write to them or cut them short.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use crate::error::{IoError, OpenError};
use crate::name::Name;
use crate::namespace::{Kind, Namespace};
use crate::os::descriptor::OwnFile;
use crate::segment::layout::BODY_OFFSET;
use crate::segment::raw_file::RawFile;
use crate::segment::trust::Trust;

/// A file of a trusted owner, open to be copied. For a published segment, its body.
///
/// Its length is whatever somebody made it. So check the first bytes, then allocate in a way that
/// may fail, and return [`CopySource::no_memory`] if it does. If somebody writes meanwhile, what is
/// read is a mixture: verify it.
#[derive(Debug)]
pub struct CopySource {
    file: OwnFile,
    path: PathBuf,
    /// Where the bytes to copy start in the file.
    start: u64,
    len: u64,
}

impl CopySource {
    /// Opens a file of any contents, even one that may be written to. O(1).
    ///
    /// # Errors
    /// As [`Namespace::open_read_only`], without its errors about the contents.
    pub fn open(path: &Path, trust: &Trust) -> Result<Self, OpenError> {
        Ok(Self::new(RawFile::open(path.to_owned(), OFlags::RDONLY, trust)?, 0))
    }

    fn new(raw: RawFile, start: u64) -> Self {
        let (file, path, len) = raw.into_parts();
        let file = OwnFile::new(file);
        Self { file, path, start, len: len.saturating_sub(start) }
    }

    /// How many bytes there are, or were when it was opened.
    #[must_use]
    pub fn source_len(&self) -> u64 {
        self.len
    }

    /// Reads bytes from `offset` on until `buffer` is full. O(its length).
    ///
    /// # Errors
    /// [`OpenError::Io`], also if there are not enough bytes.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> Result<(), OpenError> {
        self.file
            .get()
            .and_then(|file| file.read_exact_at(buffer, self.start.saturating_add(offset)))
            .map_err(|e| IoError::new("read", &self.path, e).into())
    }

    /// The error to return when `needed` bytes cannot be allocated.
    #[must_use]
    pub fn no_memory(&self, needed: u64) -> OpenError {
        OpenError::NoMemory { path: self.path.clone(), needed }
    }
}

impl Namespace {
    /// Opens a published segment to copy its body, even one that may be written to and so cannot be
    /// used in place. O(1).
    ///
    /// # Errors
    /// As [`Namespace::open_read_only`].
    pub fn open_to_copy(
        &self,
        name: &Name,
        kind: Kind,
        kind_version: u64,
        trust: &Trust,
    ) -> Result<CopySource, OpenError> {
        let path = self.path_of(name, kind);
        let file = RawFile::open(path, OFlags::RDONLY, trust)?.validate(kind, kind_version)?;
        Ok(CopySource::new(file.into_parts().0, BODY_OFFSET as u64))
    }
}
