//! Writers that are registered: a thread that may change shared words without the lock, and whose
//! death others notice.

use std::fmt;
use std::time::{Duration, Instant};

use super::acquire;
use super::map::Mapping;
use super::patience::Patience;
use super::records::{self, Record, WriterId};
use super::seats::{self, InUse, Unregistered};
use super::segment::{Segment, WritableSegment};
use crate::error::LockError;
use crate::os::holder::Holder;
use crate::sync::{Ordering, Words};

/// How long a thread waits for the right to register. After that it writes under the lock.
const REGISTERING: Duration = Duration::from_millis(2);

/// The calling thread as a registered writer of a segment: what it leaves unfinished can be told
/// from what is still going on, by [`Segment::is_writer_dead`].
///
/// It excludes nobody. A protocol that gives parts of the body to one writer at a time, by
/// [`Words::compare_exchange`] to a word with the writer's [id](Writer::id), is up to the caller.
/// What was given must be given back before the `Writer` is dropped.
#[must_use]
pub struct Writer<'a> {
    map: &'a Mapping,
    id: WriterId,
    /// The record belongs to the thread, and stays with it.
    _in_use: InUse,
}

impl<'a> Writer<'a> {
    /// The id of this registration. It is the same each time, until the thread ends or forks, or
    /// the segment is dropped.
    #[inline(always)]
    #[must_use]
    pub fn id(&self) -> WriterId {
        self.id
    }

    /// Returns the body. Other threads store to it at the same time.
    #[inline(always)]
    #[must_use]
    pub fn words(&self) -> Words<'a> {
        Words::claimable(self.map.body())
    }

    /// Counts a write in the record of this thread. See [`Segment::writes_by_records`].
    #[inline(always)]
    pub fn count_write(&self) {
        if let Some(record) = Record::get(self.map, self.id.index()) {
            // Relaxed: only the owner of the record stores to it.
            let writes = record.writes().load(Ordering::Relaxed);
            // Release: pairs with an Acquire fence after `Segment::writes_by_records`.
            record.writes().store(writes.wrapping_add(1), Ordering::Release);
        }
    }
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A record of a writer, as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriterRecord {
    /// The last registration.
    pub id: WriterId,
    /// The process that registered, as its pid namespace numbers it.
    pub pid: u32,
    /// Its thread.
    pub tid: u32,
    /// The pid namespace of that process: the inode of `/proc/PID/ns/pid`.
    pub pid_namespace: u64,
    /// The C library of that process: `glibc` or `musl`.
    pub c_library: &'static str,
    /// True if that thread is still registered.
    pub is_alive: bool,
    /// The writes that were counted in this record, also by its earlier owners.
    pub writes: u64,
}

impl WritableSegment {
    /// The calling thread as a registered writer. The first call of a thread takes a free record,
    /// which the thread keeps until it ends or forks, or this segment is dropped; later calls take
    /// a few instructions.
    ///
    /// `None` if the thread has no record and cannot keep one: the segment has none
    /// ([`CreateOptions::writers`](crate::CreateOptions::writers)), or none is free; the thread
    /// has 256 already, or is ending; another thread was registering for too long; or the file
    /// cannot be locked. Then write under the lock.
    #[inline(always)]
    pub fn writer(&self) -> Option<Writer<'_>> {
        let map = &self.segment.map;
        // Before the record is looked up: from here on a fork leaves it to this thread.
        let in_use = InUse::begin();
        let id = match seats::current(map.key()) {
            Some(id) => id,
            None => self.find_or_register()?,
        };
        Some(Writer { map, id, _in_use: in_use })
    }

    /// Like [`writer`](WritableSegment::writer), for a thread that cannot do without a record:
    /// waits, for as long as `patience` says, while other threads register, and always searches for
    /// a free record. Returns the [id](Writer::id).
    ///
    /// `None` if the segment has no records, or none is free; or if the thread has 256 already, or
    /// is ending.
    ///
    /// # Errors
    /// [`LockError::TimedOut`] or [`LockError::Interrupted`] if others registered all the time;
    /// [`LockError::ForeignProcess`] in a child that was forked in the middle of a write of its
    /// thread; [`LockError::Os`] if the file cannot be locked.
    #[cold]
    pub fn register(&self, patience: &Patience) -> Result<Option<WriterId>, LockError> {
        let _in_use = InUse::begin();
        let start = Instant::now();
        let found = patience.wait_in_slices(|slice| {
            match seats::find_or_search(&self.segment.map, slice) {
                Ok(id) => Ok(Some(Some(id))),
                Err(Unregistered::Full) => Ok(Some(None)),
                Err(Unregistered::Busy) => Ok(None),
                Err(why) => Err(LockError::from(why)),
            }
        })?;
        found.ok_or_else(|| LockError::TimedOut { waited: start.elapsed(), holder: None })
    }

    /// Notices the death of a registered writer that the kernel does not report: of a thread that
    /// called `execve`, and was not the main thread of its process. For a caller that has waited
    /// for this writer for some time: it takes a few system calls. Only the death of a writer of
    /// this pid namespace can be noticed in this way.
    #[cold]
    pub fn notice_death(&self, id: WriterId) {
        acquire::notice_death(&self.segment.map, id);
    }

    /// True if the calling thread registered under this id, be it through this handle of the
    /// segment or another.
    #[must_use]
    pub fn is_this_thread(&self, id: WriterId) -> bool {
        records::is_this_thread(&self.segment.map, id)
    }

    #[cold]
    #[inline(never)]
    fn find_or_register(&self) -> Option<WriterId> {
        let map = &self.segment.map;
        seats::find_or_register(map, REGISTERING).ok()
    }
}

impl Segment {
    /// True if this registration is over: its thread is dead, or is no longer registered under
    /// this id. Then all that it has stored is visible to the caller.
    ///
    /// An id that was loaded from a shared word with [`Ordering::Acquire`], to which its owner
    /// stored it with `Release`, is never reported dead while its owner is alive and registered.
    /// One whose owner died may count as alive for the moment in which another thread takes over
    /// the record: ask again. Works on a read-only mapping, and for writers of any pid namespace
    /// and with any C library.
    #[must_use]
    pub fn is_writer_dead(&self, id: WriterId) -> bool {
        records::is_dead(&self.map, id)
    }

    /// The thread that is registered under this id, for a message; `None` if the registration is
    /// over.
    #[must_use]
    pub fn holder_of(&self, id: WriterId) -> Option<Holder> {
        records::holder_of(&self.map, id)
    }

    /// The records that were ever used. O(number of records).
    #[must_use]
    pub fn writers(&self) -> Vec<WriterRecord> {
        let about = |record: Record<'_>| {
            let id = record.id()?;
            let (pid, tid) = record.thread();
            let pid_namespace = record.pid_namespace();
            let c_library = record.c_library().unwrap_or("unknown");
            let is_alive = !records::is_dead(&self.map, id);
            let writes = record.writes().load(Ordering::Relaxed);
            Some(WriterRecord { id, pid, tid, pid_namespace, c_library, is_alive, writes })
        };
        Record::all(&self.map).filter_map(about).collect()
    }

    /// The writes that all records counted, since the segment was created. O(number of records).
    ///
    /// After a [`fence`](crate::fence) with [`Ordering::Acquire`], the caller also sees what was
    /// stored before these writes were counted.
    #[must_use]
    pub fn writes_by_records(&self) -> u64 {
        Record::all(&self.map)
            .fold(0, |sum, record| sum.wrapping_add(record.writes().load(Ordering::Relaxed)))
    }

    /// How many registrations of writers are over, since the segment was created: the writers are
    /// dead, or have given their records back. Then all that they have stored is visible to the
    /// caller. O(number of records).
    ///
    /// The number may be one too low for the moment in which a thread takes over a record.
    #[must_use]
    pub fn registrations_over(&self) -> u64 {
        Record::all(&self.map).fold(0, |sum, record| sum.wrapping_add(record.registrations_over()))
    }
}
