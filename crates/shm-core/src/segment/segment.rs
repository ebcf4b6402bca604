//! A usable segment: opened, validated and mapped.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::acquire::{self, Wait};
use super::guard::{Acquired, Guard};
use super::layout::{GEOMETRY_WORDS, Header, LOCK_OFFSET, Session};
use super::map::Mapping;
use super::mutex;
use super::patience::{Patience, Waiting};
use crate::error::{HeaderError, LockError};
use crate::os::descriptor::SegmentFile;
use crate::os::file_id::FileId;
use crate::os::fork::process_token;
use crate::os::futex;
use crate::sync::{ReadWords, Words};

/// A segment that can be read. If it was opened read-only, it is mapped with `PROT_READ`.
///
/// `Send` and `Sync`: any number of threads may read through one handle.
pub struct Segment {
    map: Mapping,
    header: Header,
    file: SegmentFile,
    path: PathBuf,
}

/// A segment mapped for reading and writing. Dereferences to [`Segment`].
///
/// Its words can be stored to only under the lock: [`WritableSegment::lock`].
#[derive(Debug)]
pub struct WritableSegment {
    segment: Segment,
}

impl Segment {
    /// Joins the parts. The header is a validated private copy; `map` covers
    /// `header.total_len` bytes of `file`.
    pub(crate) fn new(map: Mapping, header: Header, file: File, path: PathBuf) -> Self {
        Self { map, header, file: SegmentFile::new(file), path }
    }

    /// The body: every byte after the first page, as 64-bit words.
    #[inline(always)]
    #[must_use]
    pub fn words(&self) -> ReadWords<'_> {
        ReadWords::new(self.map.body())
    }

    /// The words in which the kind recorded its geometry at creation. They never change and are
    /// covered by the header's checksum. What is returned is a private copy.
    #[must_use]
    pub fn geometry(&self) -> &[u64; GEOMETRY_WORDS] {
        &self.header.geometry
    }

    /// Version of the kind's layout.
    #[must_use]
    pub fn kind_version(&self) -> u64 {
        self.header.kind_version
    }

    /// A random id drawn at creation. Two segments of the same name have different ids.
    #[must_use]
    pub fn id(&self) -> [u8; 16] {
        self.header.random_id
    }

    /// When the segment was created, by the creator's wall clock.
    #[must_use]
    pub fn created(&self) -> SystemTime {
        self.header.created()
    }

    /// Length of the file in bytes.
    #[must_use]
    pub fn file_len(&self) -> u64 {
        self.header.total_len
    }

    /// The path that it was opened by.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's current owner (uid) and permission bits.
    ///
    /// # Errors
    /// If `fstat` fails. The error contains [`LostDescriptor`](crate::LostDescriptor) if the
    /// program closed the descriptor and the name no longer leads to this segment.
    pub fn owner_and_mode(&self) -> io::Result<(u32, u32)> {
        let meta = match self.file() {
            Ok(file) => file.metadata()?,
            Err(lost) => match std::fs::symlink_metadata(&self.path) {
                Ok(named) if FileId::of(&named) == self.file.id()? => named,
                _ => return Err(lost),
            },
        };
        Ok((meta.uid(), meta.mode() & 0o7777))
    }

    /// True if the name no longer leads to this segment, because the segment was unlinked or
    /// another one has the name. Later writes to this segment are seen only by processes that
    /// already have it open. Needs no descriptor.
    ///
    /// # Errors
    /// If `stat` fails for another reason than a missing name.
    pub fn is_orphaned(&self) -> io::Result<bool> {
        let named = FileId::at(&self.path)?;
        if self.is_writable() {
            // If a writer's descriptors were closed, others now see it as a writer again.
            let _ = self.file();
        }
        Ok(named != Some(self.file.id()?))
    }

    /// Sleeps while the low half of the word at `at` of the body equals that of `seen`. The sleep
    /// ends when somebody changes the word and calls [`Segment::wake`], or after `limit` (monotonic
    /// clock). It may end early, so check the word again. Works on a read-only mapping.
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

    /// Wakes all processes that sleep on the word at `at` of the body.
    ///
    /// # Panics
    /// If the body has no such word, as in [`ReadWords::load`].
    #[allow(clippy::indexing_slicing, reason = "documented panic; the bound is the safety net")]
    pub fn wake(&self, at: usize) {
        futex::wake_all(&self.map.body()[at]);
    }

    /// The file, if the descriptor still belongs to it; see [`SegmentFile::get`].
    pub(crate) fn file(&self) -> io::Result<&File> {
        self.file.get(&self.path, self.is_writable())
    }

    /// True if this handle may write.
    #[must_use]
    pub fn is_writable(&self) -> bool {
        self.map.is_writable()
    }

    /// Lets this process, a member of pid namespace `here`, use the mutex, if the mutex belongs to
    /// that namespace.
    pub(crate) fn admit(&mut self, session: &Session, here: u64) -> Result<(), HeaderError> {
        self.header.validate_abi()?;
        if session.pid_namespace != here {
            return Err(HeaderError::PidNamespace { found: session.pid_namespace, expected: here });
        }
        mutex::validate(&self.map, self.header.canary())?;
        self.map.admit(here, process_token());
        Ok(())
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        if self.map.is_held() {
            // The mapping stays because of a leaked guard. So this process must still count as a
            // living writer: otherwise another one could reinitialise the mutex while the thread's
            // robust list points to it.
            self.file.leak();
        }
    }
}

impl fmt::Debug for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Segment")
            .field("path", &self.path)
            .field("len", &self.header.total_len)
            .field("writable", &self.is_writable())
            .finish_non_exhaustive()
    }
}

impl WritableSegment {
    /// Wraps a segment whose mapping is writable and whose lock was checked.
    pub(crate) fn new(segment: Segment) -> Self {
        debug_assert!(segment.is_writable());
        Self { segment }
    }

    /// Locks, waiting as long as it takes.
    ///
    /// # Errors
    /// [`LockError::WouldDeadlock`] if this thread already holds the lock, or
    /// [`LockError::NotRecoverable`]. A dead owner is not an error: it is reported as
    /// [`Acquired::OwnerDied`].
    #[inline]
    pub fn lock(&self) -> Result<Acquired<'_>, LockError> {
        self.lock_with(&Patience::forever())
    }

    /// Locks, and repairs if the last owner died. This is the lock and the match on [`Acquired`] in
    /// one call. `repair` gets the body and must be idempotent: if a process dies in it, the next
    /// owner repairs again.
    ///
    /// # Errors
    /// As [`WritableSegment::lock`], and [`LockError::TimedOut`] and [`LockError::Interrupted`] as
    /// `patience` says.
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

    /// Locks, waiting at most `limit` (monotonic clock).
    ///
    /// # Errors
    /// As [`WritableSegment::lock`], and [`LockError::TimedOut`].
    #[inline]
    pub fn lock_timeout(&self, limit: Duration) -> Result<Acquired<'_>, LockError> {
        self.lock_with(&Patience::forever().limit(Some(limit)))
    }

    /// Locks, waiting as long as `patience` lasts. A process that may only read the segment can
    /// take wake-ups away. Each lost wake-up delays a waiter by at most 20 ms.
    ///
    /// # Errors
    /// As [`WritableSegment::lock_timeout`], and [`LockError::Interrupted`].
    #[inline]
    pub fn lock_with(&self, patience: &Patience) -> Result<Acquired<'_>, LockError> {
        match acquire::acquire(&self.segment.map, Wait::No) {
            Err(LockError::WouldBlock) => self.lock_waiting(Waiting::new(patience)),
            tried => tried,
        }
    }

    pub(crate) fn lock_waiting(&self, waiting: Waiting<'_>) -> Result<Acquired<'_>, LockError> {
        acquire::acquire(&self.segment.map, Wait::While(waiting))
    }

    /// Locks if the lock is free.
    ///
    /// # Errors
    /// [`LockError::WouldBlock`] if the lock is held, even by this thread, or
    /// [`LockError::NotRecoverable`].
    #[inline]
    pub fn try_lock(&self) -> Result<Acquired<'_>, LockError> {
        acquire::acquire(&self.segment.map, Wait::No)
    }

    /// Locks, in the fewest instructions, if the lock is free and nothing needs repair. `None` does
    /// not say why it failed; [`WritableSegment::lock`] does.
    #[inline]
    #[must_use]
    pub fn try_lock_clean(&self) -> Option<Guard<'_>> {
        acquire::acquire_clean(&self.segment.map)
    }

    /// Writes the segment back to its file (`msync`). This is useful only in a namespace on a disk,
    /// and it is not a transaction: see `SECURITY.md` on power loss.
    ///
    /// # Errors
    /// If `msync` fails.
    pub fn flush(&self) -> io::Result<()> {
        self.segment.map.flush()
    }

    /// Address of the mutex in this process, for debuggers and crash tests.
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
