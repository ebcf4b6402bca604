//! Opening a segment to write. The opener becomes one of its living writers. If there is none, the
//! opener takes the segment over if that is needed: after a reboot, in a copied file, in another
//! pid namespace, or if the lock is held by nobody alive.
//!
//! `docs/concurrency.md`, chapter Takeover, says why each step is safe, and what a death leaves.

use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Duration;

use bytemuck::Zeroable;

use super::acquire::{self, Wait};
use super::layout::{
    LOCK_OFFSET, RECORD_CANARY, RECORD_LEN, RECORDS_OFFSET, SESSION_OFFSET, Session,
};
use super::lock_word::{LOCK_WORD, LockWord};
use super::map::Mapping;
use super::mutex;
use super::patience::Waiting;
use super::raw_file::ValidatedFile;
use super::records::Record;
use super::segment::WritableSegment;
use crate::error::{HeaderError, IoError, LockError, OpenError};
use crate::os::alive::{self, Hold};
use crate::os::fork::process_token;
use crate::os::holder::{Holder, may_have_mapped};
use crate::os::identity;
use crate::os::limits;
use crate::sabotage;

/// How long an opener waits for another process that is taking the segment over, or for the writers
/// of another boot or another file to go away.
const RESET_LIMIT: Duration = Duration::from_secs(5);
/// How long an opener waits for writers of another pid namespace. This is long enough to outlast
/// processes that only check the segment. The opener also listens for such writers for this long
/// before it takes the segment over.
const FOREIGN_LIMIT: Duration = Duration::from_millis(100);
/// The time between two attempts, and between two checks while the opener listens.
const STEP: Duration = Duration::from_millis(1);
const LISTENING_STEP: Duration = Duration::from_millis(10);

/// The result of a takeover.
enum Outcome {
    /// The segment may be used here.
    Usable,
    /// A writer may be alive, whatever the file locks say. Nothing was changed.
    InUse(Option<Holder>),
}

/// What happens to the mutex in a takeover.
enum Lock {
    /// The mutex is initialised again, because nobody holds it or because nobody will ever release
    /// it.
    Lost,
    /// The mutex is locked like any other mutex.
    Sound,
}

/// Opens a file to write to it.
pub(crate) fn become_writer(
    file: ValidatedFile,
    waiting: Waiting<'_>,
) -> Result<WritableSegment, OpenError> {
    file.into_writer(waiting)
}

impl ValidatedFile {
    fn into_writer(self, waiting: Waiting<'_>) -> Result<WritableSegment, OpenError> {
        self.header().validate_abi().map_err(|e| self.header_error(e))?;
        let meta = self.file().metadata().map_err(|e| IoError::new("stat", self.path(), e))?;
        let here = Session::current(meta.dev(), meta.ino())
            .map_err(|e| IoError::new("identify the process for", self.path(), e))?;
        let mut holder = None;
        loop {
            if self.try_hold(Hold::Exclusive)? {
                match self.take_over(&here)? {
                    Outcome::Usable => {
                        self.try_hold(Hold::Shared)?;
                        return self.into_checked(&here);
                    }
                    Outcome::InUse(by) => holder = by,
                }
                self.try_hold(Hold::Nothing)?;
            } else if self.try_hold(Hold::Shared)? {
                // There are other writers, or one of them has just taken the segment over.
                let session = self.intact_session()?;
                let patient = waiting.waited() <= FOREIGN_LIMIT && !waiting.is_over();
                let native = session.pid_namespace == here.pid_namespace;
                if session.is_same_boot_and_inode(&here) && (native || !patient) {
                    return self.into_checked(&session);
                }
                self.try_hold(Hold::Nothing)?;
            }
            let (path, waited) = (self.path(), waiting.waited());
            if waited > RESET_LIMIT || waiting.is_over() {
                return Err(OpenError::ResetBusy { path: path.to_owned(), waited, holder });
            }
            if waiting.is_interrupted() {
                return Err(OpenError::Interrupted { path: path.to_owned(), waited });
            }
            std::thread::sleep(STEP);
        }
    }

    /// Makes the segment usable here. The caller holds the file lock exclusively, so it sees no
    /// other writer. It cannot see writers that opened the file through another of its inodes
    /// (below an overlay, a file has two), or writers that lost their descriptor. The mutex shows
    /// such writers.
    fn take_over(&self, here: &Session) -> Result<Outcome, OpenError> {
        let found = self.intact_session()?;
        let lock = match self.judge_lock(&found, here)? {
            Ok(lock) => lock,
            Err(owner) => return Ok(Outcome::InUse(owner)),
        };
        let lost = match self.judge_records(&found, here)? {
            Ok(lost) => lost,
            Err(owner) => return Ok(Outcome::InUse(Some(owner))),
        };
        let io = |action| move |e| IoError::new(action, self.path(), e);
        let mut map = Mapping::new(self.file(), self.header(), true).map_err(io("map"))?;
        map.admit(found.pid_namespace, process_token());
        let canary = self.header().canary();
        let is_unfinished = !sabotage::forgets_unfinished_locks();
        let is_unfinished = is_unfinished && mutex::is_unfinished(&map, canary);
        let is_sound = matches!(lock, Lock::Sound) && !is_unfinished;
        if is_sound {
            mutex::validate(&map, canary).map_err(|e| self.header_error(e))?;
            // The first acquisition clears what a dead owner left, including the sign that others
            // wait.
            match acquire::acquire(&map, Wait::No).and_then(|acquired| {
                drop(acquired);
                acquire::acquire(&map, Wait::No)
            }) {
                Ok(acquired) => {
                    if found.pid_namespace != here.pid_namespace && is_wanted(&map) {
                        return Ok(Outcome::InUse(None));
                    }
                    let moved = found.device != here.device || found.inode != here.inode;
                    if moved {
                        // A copy may have been made in the middle of a write.
                        mutex::set_dirty(&map, true);
                    }
                    self.make_records(&map, &lost)?;
                    self.write_session(&found, here)?;
                    drop(acquired);
                    return Ok(Outcome::Usable);
                }
                // It can no longer be used.
                Err(LockError::NotRecoverable) => {}
                // It was free a moment ago, so a writer is alive.
                Err(LockError::WouldBlock | LockError::WouldDeadlock) => {
                    return Ok(Outcome::InUse(map.holder()));
                }
                Err(LockError::Os { source, .. }) => return Err(io("lock")(source).into()),
                Err(e) => return Err(io("lock")(io::Error::other(e)).into()),
            }
        }
        mutex::init(&map, canary, true).map_err(io("make the mutex of"))?;
        self.make_records(&map, &lost)?;
        self.write_session(&found, here)?;
        Ok(Outcome::Usable)
    }

    /// Decides from the lock word what to do with the mutex, before the mutex is touched. The error
    /// names a holder that may be alive.
    fn judge_lock(
        &self,
        found: &Session,
        here: &Session,
    ) -> Result<Result<Lock, Option<Holder>>, OpenError> {
        if found.boot_id != here.boot_id {
            return Ok(Ok(Lock::Lost));
        }
        // Read from the file: this process is not to count among those that have it mapped.
        let Some(offset) = LOCK_WORD else { return Ok(Ok(Lock::Sound)) };
        let mut word = [0; 4];
        self.file()
            .read_exact_at(&mut word, (LOCK_OFFSET + offset) as u64)
            .map_err(|e| IoError::new("read", self.path(), e))?;
        let Some(tid) = LockWord(u32::from_ne_bytes(word)).owner() else {
            return Ok(Ok(Lock::Sound));
        };
        if !may_live(tid, found, here) {
            return Ok(Ok(Lock::Lost));
        }
        let native = found.pid_namespace == here.pid_namespace;
        let holder = if native { Holder::of_thread(tid) } else { Holder::unknown(tid) };
        Ok(Err(Some(holder)))
    }

    /// The records of writers whose mutexes must be made again. They are judged as the lock is,
    /// each by itself: one whose owner may be alive is left to it. If that owner is of another pid
    /// namespace, the segment is left to it; the error names it.
    fn judge_records(
        &self,
        found: &Session,
        here: &Session,
    ) -> Result<Result<Vec<u32>, Holder>, OpenError> {
        let writers = self.header().writers();
        if found.boot_id != here.boot_id {
            return Ok(Ok((0..writers).collect()));
        }
        let Some(word_at) = LOCK_WORD else { return Ok(Ok(Vec::new())) };
        // Read from the file, as in `judge_lock`.
        let mut bytes = vec![0; RECORD_LEN * writers as usize];
        self.file()
            .read_exact_at(&mut bytes, RECORDS_OFFSET as u64)
            .map_err(|e| IoError::new("read", self.path(), e))?;
        let canary = self.header().canary().to_ne_bytes();
        let mut lost = Vec::new();
        for (index, record) in (0..).zip(bytes.chunks_exact(RECORD_LEN)) {
            let word = record.get(word_at..).and_then(|bytes| bytes.first_chunk());
            let owner = word.and_then(|word| LockWord(u32::from_ne_bytes(*word)).owner());
            let is_made = record.get(RECORD_CANARY..).is_some_and(|at| at.starts_with(&canary));
            let is_lost = match owner {
                Some(tid) => !may_live(tid, found, here),
                // Its making was interrupted, or it is damaged: nobody takes it.
                None => !is_made,
            };
            match owner {
                _ if is_lost => lost.push(index),
                // A writer at work, which need not come for the lock.
                Some(tid) if is_made && found.pid_namespace != here.pid_namespace => {
                    return Ok(Err(Holder::unknown(tid)));
                }
                _ => {}
            }
        }
        Ok(Ok(lost))
    }

    /// Makes the mutexes of these records again.
    fn make_records(&self, map: &Mapping, lost: &[u32]) -> Result<(), OpenError> {
        let canary = self.header().canary();
        lost.iter()
            .filter_map(|&index| Record::get(map, index))
            .try_for_each(|record| record.init(canary))
            .map_err(|e| IoError::new("make the records of writers of", self.path(), e).into())
    }

    /// Writes the session record. Its 64 bytes are in one page and are written with one call, which
    /// a signal does not split.
    fn write_session(&self, found: &Session, here: &Session) -> Result<(), OpenError> {
        if found == here {
            return Ok(());
        }
        limits::check_write((SESSION_OFFSET + size_of::<Session>()) as u64)
            .and_then(|()| {
                self.file().write_all_at(bytemuck::bytes_of(here), SESSION_OFFSET as u64)
            })
            .map_err(|e| IoError::new("write the session of", self.path(), e).into())
    }

    fn into_checked(self, session: &Session) -> Result<WritableSegment, OpenError> {
        let path = self.path().to_owned();
        let here = identity::pid_namespace()
            .map_err(|e| IoError::new("identify the process for", &path, e))?;
        let mut segment = self.map(true)?;
        segment.admit(session, here).map_err(|source| OpenError::Header { path, source })?;
        Ok(WritableSegment::new(segment))
    }

    fn try_hold(&self, hold: Hold) -> Result<bool, OpenError> {
        alive::try_hold(self.file(), hold).map_err(|e| IoError::new("lock", self.path(), e).into())
    }

    fn intact_session(&self) -> Result<Session, OpenError> {
        let mut session = Session::zeroed();
        self.file()
            .read_exact_at(bytemuck::bytes_of_mut(&mut session), SESSION_OFFSET as u64)
            .map_err(|e| IoError::new("read", self.path(), e))?;
        if session.is_intact() { Ok(session) } else { Err(self.header_error(HeaderError::Session)) }
    }
}

/// Returns true if the thread that a mutex names as its owner may be alive. The kernel has not
/// marked the mutex, although it marks the mutex when an owner dies that has this very file mapped.
/// So the owner is alive, or it held the mutex of another file, of which this file is a copy.
fn may_live(tid: u32, found: &Session, here: &Session) -> bool {
    let native = found.pid_namespace == here.pid_namespace;
    if native { may_have_mapped(tid, here.inode) } else { found.inode == here.inode }
}

/// True if a process waits for the lock within [`FOREIGN_LIMIT`], while the caller holds the lock.
/// That process is a writer of another pid namespace that neither the file locks nor the records
/// show. A writer that does not ask for the lock in that time learns at its next write that it has
/// lost the segment.
fn is_wanted(map: &Mapping) -> bool {
    let start = std::time::Instant::now();
    while start.elapsed() < FOREIGN_LIMIT {
        if map.lock_word().is_some_and(LockWord::has_waiters) {
            return true;
        }
        std::thread::sleep(LISTENING_STEP);
    }
    false
}
