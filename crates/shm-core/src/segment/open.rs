//! Opening segments, to read or to write, and creating those that do not exist.

use rustix::fs::OFlags;

use super::options::CreateOptions;
use super::patience::{Patience, Waiting};
use super::raw_file::RawFile;
use super::segment::{Segment, WritableSegment};
use super::takeover;
use super::trust::{FOREIGN_WRITE, Trust};
use crate::error::{CreateError, OpenError};
use crate::name::Name;
use crate::namespace::{Kind, Namespace};
use crate::sync::Words;

impl Namespace {
    /// Opens a segment for reading. Needs only read permission; maps `PROT_READ`.
    ///
    /// Works on segments of an earlier boot.
    ///
    /// # Errors
    /// [`OpenError`]. Never waits, whatever is found at the name.
    pub fn open_read_only(
        &self,
        name: &Name,
        kind: Kind,
        kind_version: u64,
        trust: &Trust,
    ) -> Result<Segment, OpenError> {
        RawFile::open(self.path_of(name, kind), OFlags::RDONLY, trust)?
            .validate(kind, kind_version)?
            .map(false)
    }

    /// Opens a segment for reading and writing.
    ///
    /// Each writer holds a shared lock on the file for as long as it has it open. If no other
    /// process holds that lock, the segment has no living writer. If it is then of an earlier boot
    /// or a copied file, it is taken over first. The writers of a segment may live in any pid
    /// namespaces, and have glibc or musl.
    ///
    /// Waits for at most five seconds for another process that is taking the segment over, or until
    /// `patience` ends.
    ///
    /// # Errors
    /// Any [`OpenError`]. If this process can only read the segment, it is [`OpenError::Header`]
    /// with [`HeaderError::Abi`](crate::HeaderError::Abi) or
    /// [`HeaderError::CLibrary`](crate::HeaderError::CLibrary).
    pub fn open(
        &self,
        name: &Name,
        kind: Kind,
        kind_version: u64,
        trust: &Trust,
        patience: &Patience,
    ) -> Result<WritableSegment, OpenError> {
        self.open_waiting(name, kind, kind_version, trust, Waiting::new(patience))
    }

    fn open_waiting(
        &self,
        name: &Name,
        kind: Kind,
        kind_version: u64,
        trust: &Trust,
        waiting: Waiting<'_>,
    ) -> Result<WritableSegment, OpenError> {
        let file = RawFile::open(self.path_of(name, kind), OFlags::RDWR, trust)?
            .validate(kind, kind_version)?;
        takeover::become_writer(file, waiting)
    }

    /// Opens a segment, or creates it if the name is free. If several processes call this at once,
    /// one of them creates the segment and the others open it.
    ///
    /// Of an existing segment, only kind and version are compared. Its length and geometry may
    /// differ from those in `options`: compare [`Segment::geometry`](crate::Segment::geometry) and
    /// the length of [`Segment::words`](crate::Segment::words), as a table does.
    ///
    /// # Errors
    /// Those of [`Namespace::open`] and [`Namespace::create`]; [`OpenError::ForeignWriters`] also
    /// if `options` ask for a mode that `trust` does not accept.
    pub fn open_or_create(
        &self,
        name: &Name,
        options: &CreateOptions,
        trust: &Trust,
        patience: &Patience,
        init: impl FnMut(Words<'_>),
    ) -> Result<WritableSegment, OpenError> {
        let waiting = Waiting::new(patience);
        self.open_or_make(name, options, trust, waiting, init).map(|(segment, _)| segment)
    }

    /// Checks the mode in `options`: whether a segment can have it, and whether `trust` lets the
    /// same user open a segment of that mode. [`Namespace::create`] checks only the first.
    ///
    /// # Errors
    /// [`CreateError::BadMode`] in [`OpenError::Create`], or [`OpenError::ForeignWriters`].
    pub fn check_mode(
        &self,
        name: &Name,
        options: &CreateOptions,
        trust: &Trust,
    ) -> Result<(), OpenError> {
        options.possible_mode()?;
        if options.mode & FOREIGN_WRITE != 0 && !trust.accepts_shared_writers() {
            let path = self.path_of(name, options.kind);
            return Err(OpenError::ForeignWriters { path, mode: options.mode });
        }
        Ok(())
    }

    /// Like [`Namespace::open_or_create`]. Also returns whether the segment was created.
    pub(crate) fn open_or_make(
        &self,
        name: &Name,
        options: &CreateOptions,
        trust: &Trust,
        waiting: Waiting<'_>,
        mut init: impl FnMut(Words<'_>),
    ) -> Result<(WritableSegment, bool), OpenError> {
        // The same call must be able to open what it creates.
        self.check_mode(name, options, trust)?;
        loop {
            match self.open_waiting(name, options.kind, options.kind_version, trust, waiting) {
                Err(OpenError::NotFound { .. }) => {}
                other => return other.map(|segment| (segment, false)),
            }
            match self.create(name, options, &mut init) {
                // It appeared in between; open it. Each further round needs one other process that
                // unlinks and one that creates.
                Err(CreateError::AlreadyExists { .. }) => {}
                other => return Ok((other?, true)),
            }
        }
    }
}
