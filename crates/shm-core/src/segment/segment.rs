//! A usable segment: opened, validated and mapped.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::acquire::{self, Wait};
use super::guard::{Acquired, Guard};
use super::layout::{GEOMETRY_WORDS, Header, LOCK_OFFSET};
use super::map::Mapping;
use super::patience::{Patience, Waiting};
use super::seats;
use super::space::{allocate_more, check_free_space, has_memory};
use crate::error::{CreateError, IoError, LockError, OpenError};
use crate::os::descriptor::SegmentFile;
use crate::os::file_id::FileId;
use crate::os::futex;
use crate::refused;
use crate::sync::{ReadWords, Words};

/// A segment that can be read. If it was opened read-only, it is mapped with `PROT_READ`.
///
/// `Send` and `Sync`: any number of threads may read through one handle.
pub struct Segment {
    pub(super) map: Mapping,
    pub(super) header: Header,
    file: Arc<SegmentFile>,
}

/// A segment mapped for reading and writing. Dereferences to [`Segment`].
///
/// Storing to its words is possible only under the lock; see [`WritableSegment::lock`].
#[derive(Debug)]
pub struct WritableSegment {
    pub(super) segment: Segment,
}

impl Segment {
    /// Joins the parts of a segment. `header` is a validated private copy, and `map` covers
    /// `header.total_len` bytes of `file`.
    pub(crate) fn new(mut map: Mapping, header: Header, file: File, path: PathBuf) -> Self {
        let file = Arc::new(SegmentFile::new(file, path, map.is_writable()));
        map.set_file(Arc::clone(&file));
        Self { map, header, file }
    }

    /// Returns the body, which is every byte from [`Segment::body_offset`] on, as 64-bit words.
    #[inline(always)]
    #[must_use]
    pub fn words(&self) -> ReadWords<'_> {
        ReadWords::new(self.map.body())
    }

    /// Returns a private copy of the words in which the kind recorded its geometry at creation.
    /// These words never change and are covered by the header's checksum.
    #[must_use]
    pub fn geometry(&self) -> &[u64; GEOMETRY_WORDS] {
        &self.header.geometry
    }

    /// Returns the version of the kind's layout.
    #[must_use]
    pub fn kind_version(&self) -> u64 {
        self.header.kind_version
    }

    /// Returns a random id that was drawn at creation. Two segments of the same name have different
    /// ids.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.header.random_id
    }

    /// Returns when the segment was created, according to the creator's wall clock.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.header.created()
    }

    /// Returns the length of the file in bytes.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.header.total_len
    }

    /// Where the body begins, in bytes from the start of the file; see
    /// [`body_offset`](crate::body_offset).
    #[must_use]
    pub fn body_offset(&self) -> usize {
        self.header.body_offset()
    }

    /// Checks that memory is allocated for at least this many bytes of the body, and returns an
    /// error otherwise: loads and stores in the holes may raise SIGBUS. For a kind that allocates
    /// parts of the body later, see [`CreateOptions::allocated`](crate::CreateOptions::allocated).
    ///
    /// # Errors
    /// [`HeaderError::Holes`](crate::HeaderError::Holes) in [`OpenError::Header`], or
    /// [`OpenError::Io`].
    pub fn check_allocated(&self, body_bytes: u64) -> Result<(), OpenError> {
        let Ok(file) = self.file() else {
            // The descriptor was closed by the program, so nothing is known.
            return Ok(());
        };
        has_memory(file, self.path(), self.body_offset() as u64 + body_bytes)
    }

    /// Returns the path by which the segment was opened.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.file.path()
    }

    /// Returns the file's current owner (uid) and permission bits.
    ///
    /// # Errors
    /// If `fstat` fails. The error contains [`LostDescriptor`](crate::LostDescriptor) if the
    /// program closed the descriptor and the name no longer leads to this segment.
    pub fn owner_and_mode(&self) -> io::Result<(u32, u32)> {
        let meta = match self.file() {
            Ok(file) => file.metadata()?,
            Err(lost) => match std::fs::symlink_metadata(self.path()) {
                Ok(named) if FileId::of(&named) == self.file.id()? => named,
                _ => return Err(lost),
            },
        };
        Ok((meta.uid(), meta.mode() & 0o7777))
    }

    /// True if the name no longer leads to this segment, because the segment was unlinked or
    /// because another segment has the name now. Later writes to this segment are seen only by
    /// processes that already have it open. Needs no descriptor.
    ///
    /// # Errors
    /// If `stat` fails for another reason than a missing name.
    pub fn is_orphaned(&self) -> io::Result<bool> {
        let named = FileId::at(self.path())?;
        if self.is_writable() {
            // If a writer's descriptors were closed, others now see it as a writer again.
            let _ = self.file();
        }
        Ok(named != Some(self.file.id()?))
    }

    /// Sleeps while the low half of the body's word at `at` equals the low half of `seen`. The
    /// sleep ends when somebody changes the word and calls [`Segment::wake`], or after `limit`
    /// (monotonic clock). It may end early, so check the word again. Works on a read-only mapping.
    ///
    /// # Errors
    /// If the kernel refuses the call.
    ///
    /// # Panics
    /// If the body has no such word, as in [`ReadWords::load`].
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn wait(&self, at: usize, seen: u64, limit: Duration) -> io::Result<()> {
        futex::wait(&self.map.body()[at], seen, limit)
    }

    /// Wakes all processes that sleep on the body's word at `at`.
    ///
    /// # Panics
    /// If the body has no such word, as in [`ReadWords::load`].
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn wake(&self, at: usize) {
        futex::wake_all(&self.map.body()[at]);
    }

    /// Returns the file, if the descriptor still belongs to it; see [`SegmentFile::get`].
    pub(crate) fn file(&self) -> io::Result<&File> {
        self.file.get()
    }

    /// True if this handle may write.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.map.is_writable()
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.map.is_held() {
            // The mapping stays because of a leaked guard, whose thread holds the lock. So this
            // process must still count as a living writer.
            std::mem::forget(Arc::clone(&self.file));
        }
        seats::close(&self.map);
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("path", &self.path())
            .field("len", &self.header.total_len)
            .field("writable", &self.is_writable())
            .finish_non_exhaustive()
    }
}

impl WritableSegment {
    /// Allocates memory for parts of the body that are holes, in bytes; see
    /// [`CreateOptions::allocated`](crate::CreateOptions::allocated). `used` is the number of bytes
    /// of the body that are allocated afterwards. What is allocated already stays as it is, so any
    /// number of processes may do this, at the same time too. O(parts).
    ///
    /// # Errors
    /// [`CreateError::NoSpace`], [`CreateError::NoMemory`], [`CreateError::Quota`] and the like if
    /// the parts do not fit. [`CreateError::Io`] for everything else. Nothing that is in use was
    /// changed, but pieces of the parts may be allocated.
    pub fn allocate(&self, parts: &[Range<u64>], used: u64) -> Result<(), CreateError> {
        let dir = self.path().parent().unwrap_or(self.path());
        let io = |action| move |source| IoError::new(action, self.path(), source);
        let file = self.file().map_err(io("allocate memory for"))?;
        let allocated = file.metadata().map_err(io("stat"))?.blocks() * 512;
        let body = self.body_offset() as u64;
        let needed = body.saturating_add(used).saturating_sub(allocated);
        check_free_space(file, needed, dir)?;
        for part in parts {
            let [start, end] =
                [part.start, part.end].map(|at| at.saturating_add(body).min(self.file_len()));
            allocate_more(file, start..end).map_err(|e| {
                refused::creating("allocate a part of a segment in", e.into(), needed, dir)
            })?;
        }
        Ok(())
    }

    /// Wraps a segment whose mapping is writable and whose lock was checked.
    pub(crate) fn new(segment: Segment) -> Self {
        debug_assert!(segment.is_writable());
        Self { segment }
    }

    /// Takes the lock, waiting as long as necessary.
    ///
    /// # Errors
    /// [`LockError::WouldDeadlock`] if this thread already holds the lock, or
    /// [`LockError::Os`] if the thread cannot be registered. A dead owner is not an error: it is
    /// reported as [`Acquired::OwnerDied`].
    #[inline]
    pub fn lock(&self) -> Result<Acquired<'_>, LockError> {
        self.lock_with(&Patience::forever())
    }

    /// Takes the lock, and repairs the data if the last owner died. This combines taking the lock
    /// and matching on [`Acquired`]. `repair` gets the body and must be idempotent: if a process
    /// dies in it, the next owner repairs again.
    ///
    /// # Errors
    /// The errors of [`WritableSegment::lock`], and [`LockError::TimedOut`] and
    /// [`LockError::Interrupted`] as `patience` says.
    pub fn lock_or_repair(
        &self,
        patience: &Patience,
        repair: impl FnOnce(Words<'_>),
    ) -> Result<Guard<'_>, LockError> {
        match self.lock_with(patience)? {
            Acquired::Clean(guard) => Ok(guard),
            Acquired::OwnerDied(recovery) => recovery.repair(|words| {
                repair(words);
                Ok(())
            }),
        }
    }

    /// Takes the lock, waiting for at most `limit` (monotonic clock).
    ///
    /// # Errors
    /// The errors of [`WritableSegment::lock`], [`LockError::TimedOut`], and
    /// [`LockError::NoRecord`] if all records of the segment were taken for that time.
    #[inline]
    pub fn lock_timeout(&self, limit: Duration) -> Result<Acquired<'_>, LockError> {
        self.lock_with(&Patience::forever().limit(Some(limit)))
    }

    /// Takes the lock, waiting as long as `patience` allows. A process that may only read the
    /// segment can intercept wake-ups. Each lost wake-up delays a waiter by at most 2 ms.
    ///
    /// # Errors
    /// The errors of [`WritableSegment::lock_timeout`], and [`LockError::Interrupted`].
    #[inline]
    pub fn lock_with(&self, patience: &Patience) -> Result<Acquired<'_>, LockError> {
        match acquire::acquire(&self.segment.map, Wait::No) {
            Err(LockError::WouldBlock) => self.lock_waiting(Waiting::new(patience)),
            tried => tried,
        }
    }

    /// As [`WritableSegment::lock_with`], but the patience is that of a call which has waited for
    /// something else since `start`.
    ///
    /// # Errors
    /// As [`WritableSegment::lock_with`].
    pub fn lock_since(
        &self,
        patience: &Patience,
        start: Instant,
    ) -> Result<Acquired<'_>, LockError> {
        self.lock_waiting(Waiting::since(patience, start))
    }

    pub(crate) fn lock_waiting(&self, waiting: Waiting<'_>) -> Result<Acquired<'_>, LockError> {
        acquire::acquire(&self.segment.map, Wait::While(waiting))
    }

    /// Takes the lock if it is free.
    ///
    /// # Errors
    /// [`LockError::WouldBlock`] if the lock is held, or if no record is free;
    /// [`LockError::WouldDeadlock`] if this thread holds the lock through this handle;
    /// [`LockError::Os`] if the thread cannot be registered.
    #[inline]
    pub fn try_lock(&self) -> Result<Acquired<'_>, LockError> {
        acquire::acquire(&self.segment.map, Wait::No)
    }

    /// Takes the lock, in as few instructions as possible, if it is free and nothing needs repair.
    /// The result `None` does not say why that failed; [`WritableSegment::lock`] does.
    #[inline]
    #[must_use]
    pub fn try_lock_clean(&self) -> Option<Guard<'_>> {
        acquire::acquire_clean(&self.segment.map)
    }

    /// Returns the body for stores without the lock. It is for words that any thread may store to,
    /// by the caller's protocol, such as those that others sleep on ([`Segment::wait`]).
    #[inline(always)]
    #[must_use]
    pub fn unlocked_words(&self) -> Words<'_> {
        Words::claimable(self.segment.map.body())
    }

    /// Writes the segment back to its file (`msync`). This is useful only in a namespace on a disk,
    /// and it is not a transaction: see `SECURITY.md` on power loss.
    ///
    /// # Errors
    /// If `msync` fails.
    pub fn flush(&self) -> io::Result<()> {
        self.segment.map.flush()
    }

    /// Returns the address of the 64-bit word that names the holder of the lock (its
    /// [`WriterId`](crate::WriterId), or 0), for debuggers and crash tests.
    #[must_use]
    pub fn lock_address(&self) -> usize {
        self.segment.map.base() as usize + LOCK_OFFSET
    }
}

impl std::ops::Deref for WritableSegment {
    type Target = Segment;

    #[inline(always)]
    fn deref(&self) -> &Segment {
        &self.segment
    }
}
