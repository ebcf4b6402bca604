//! Files that nobody may write to, used in place.
//!
//! # Invariants
//! 1. A [`MappedFile`] is made only of a file that had no write permission for anybody when it was
//!    opened, and that belongs to the caller, to root or to a user whom the caller trusts
//!    ([`RawFile::open`], [`RawFile::unwritable`]). A [`Published`] is such a file, and its header
//!    says that it has no lock. So a segment that is stored to is never taken for a published file,
//!    even if its write bits are removed.
//! 2. This crate stores to no file after it has removed its write permission and given it a name.
//!    Segments, which are stored to, all have their owner's write bit (`segment/create.rs`).
//!
//! So only the owner or root can still change the bytes, either by giving themselves permission or
//! through a descriptor that they kept. They could just as well change this process, as
//! `SECURITY.md` explains.

#![allow(unsafe_code, reason = "a mapping as bytes")]

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use rustix::fs::OFlags;

use super::in_place::InPlace;
use crate::error::{HeaderError, IoError, OpenError};
use crate::name::Name;
use crate::namespace::{Kind, Namespace};
use crate::os::file_id::FileId;
use crate::os::file_map::FileMap;
use crate::segment::layout::{BODY_OFFSET, GEOMETRY_WORDS, Header};
use crate::segment::raw_file::{RawFile, ValidatedFile};
use crate::segment::trust::Trust;

/// A whole file to which nobody may write, mapped read-only. `AsRef<[u8]>` gives access to its
/// bytes.
pub struct MappedFile {
    map: FileMap,
    path: PathBuf,
    id: FileId,
}

/// A published segment, to which nobody may write, mapped read-only. `AsRef<[u8]>` gives access to
/// its body: all bytes after the first page, aligned to a page.
///
/// The bytes are the bytes of the file itself, not a copy. They neither change nor move while this
/// value exists, whatever happens to the name.
pub struct Published {
    file: MappedFile,
    header: Header,
}

impl MappedFile {
    /// Opens a file with any contents. O(1).
    ///
    /// # Errors
    /// [`OpenError::Writable`] if anybody, including its owner, may write to the file;
    /// [`OpenError::OpenForWriting`] if any process has the file open for writing. Otherwise the
    /// errors of [`Namespace::open_read_only`], except for errors about the contents.
    pub fn open(path: &Path, trust: &Trust, _: InPlace) -> Result<Self, OpenError> {
        Self::new(RawFile::open(path.to_owned(), OFlags::RDONLY, trust)?.unwritable()?)
    }

    fn new(raw: RawFile) -> Result<Self, OpenError> {
        let (file, path, len) = raw.into_parts();
        let id = FileId::of(&file.metadata().map_err(|e| IoError::new("stat", &path, e))?);
        let too_long = |_| IoError::new("map", &path, io::ErrorKind::OutOfMemory.into());
        let len = usize::try_from(len).map_err(too_long)?;
        let map = FileMap::new(&file, len, false).map_err(|e| IoError::new("map", &path, e))?;
        Ok(Self { map, path, id })
    }

    /// Returns the path by which the file was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl AsRef<[u8]> for MappedFile {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        // SAFETY: the mapping is of that length and lives as long as `self`. The bytes do not
        // change (invariants 1 and 2): whoever could change them is trusted with this process.
        unsafe { std::slice::from_raw_parts(self.map.as_mut_ptr(), self.map.len()) }
    }
}

impl fmt::Debug for MappedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MappedFile")
            .field("path", &self.path)
            .field("len", &self.map.len())
            .finish_non_exhaustive()
    }
}

impl Namespace {
    /// Opens a published segment to use its body in place. O(1). The mapping is read-only
    /// (`PROT_READ`).
    ///
    /// # Errors
    /// - [`OpenError::Writable`] if anybody, including the owner, may write to the file.
    /// - [`OpenError::OpenForWriting`] if any process has the file open for writing.
    /// - [`OpenError::Header`] with [`HeaderError::Locked`] if the segment has a lock, because
    ///   processes may then store to it.
    /// - Otherwise the errors of [`Namespace::open_read_only`].
    pub fn open_published(
        &self,
        name: &Name,
        kind: Kind,
        kind_version: u64,
        trust: &Trust,
        _: InPlace,
    ) -> Result<Published, OpenError> {
        Published::new(Published::find(self, name, kind, kind_version, trust)?)
    }
}

impl Published {
    /// Opens the file at the name, if it may be used in place. Does not map it yet.
    pub(crate) fn find(
        namespace: &Namespace,
        name: &Name,
        kind: Kind,
        kind_version: u64,
        trust: &Trust,
    ) -> Result<ValidatedFile, OpenError> {
        RawFile::open(namespace.path_of(name, kind), OFlags::RDONLY, trust)?
            .unwritable()?
            .validate(kind, kind_version)?
            .lockless()
    }

    pub(crate) fn new(file: ValidatedFile) -> Result<Self, OpenError> {
        let (raw, header) = file.into_parts();
        let file = MappedFile::new(raw)?;
        // `validate` compared the lengths; this keeps `as_ref` from having to.
        if file.map.len() < BODY_OFFSET {
            let (found, expected) = (file.map.len() as u64, header.total_len);
            let source = HeaderError::Length { found, expected };
            return Err(OpenError::Header { path: file.path, source });
        }
        Ok(Self { file, header })
    }

    /// Returns the words that the publisher recorded. The first of them is the edition.
    #[must_use]
    pub fn geometry(&self) -> &[u64; GEOMETRY_WORDS] {
        &self.header.geometry
    }

    /// Returns the edition. The first publication under a name has edition 1, and each further
    /// publication has one more.
    #[must_use]
    pub fn edition(&self) -> u64 {
        self.header.edition()
    }

    /// Returns a random id that was drawn at publication. No two publications have the same id.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.header.random_id
    }

    /// Returns when the file was published, according to the publisher's wall clock.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.header.created()
    }

    /// Returns the length of the file in bytes.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.header.total_len
    }

    /// Returns the path by which the file was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Returns the identity of the file. No other file can get its inode while this value exists.
    pub(crate) fn file_id(&self) -> FileId {
        self.file.id
    }
}

impl AsRef<[u8]> for Published {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self.file.as_ref().get(BODY_OFFSET..).unwrap_or_default()
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Published")
            .field("path", &self.path())
            .field("len", &self.header.total_len)
            .field("edition", &self.edition())
            .finish_non_exhaustive()
    }
}
