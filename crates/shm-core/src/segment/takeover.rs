//! Opening a segment to write. The opener becomes one of its living writers. If there is none, the
//! opener takes the segment over if that is needed: after a reboot, or in a copied file.
//!
//! `docs/concurrency.md`, chapter Takeover, says why each step is safe, and what a death leaves.

use std::os::unix::fs::{FileExt, MetadataExt};
use std::time::Duration;

use bytemuck::Zeroable;

use super::layout::{LOCK_OFFSET, RECORD_LEN, RECORDS_OFFSET, SESSION_OFFSET, Session};
use super::lock_word::Library;
use super::map::Mapping;
use super::patience::Waiting;
use super::raw_file::ValidatedFile;
use super::records::{Record, Stored, WriterId};
use super::seats;
use super::segment::WritableSegment;
use crate::error::{HeaderError, IoError, OpenError};
use crate::os::alive::{self, Hold};
use crate::os::holder::{Holder, may_have_mapped};
use crate::os::identity;
use crate::os::limits;
use crate::os::registrar::Registrar;

/// How long an opener waits for another process that is taking the segment over, or for the writers
/// of another boot or another file to go away.
const RESET_LIMIT: Duration = Duration::from_secs(5);
/// The time between two attempts.
const STEP: Duration = Duration::from_millis(1);
/// How long one attempt waits for a thread that registers.
const REGISTERING: Duration = Duration::from_millis(20);

/// The result of a takeover.
enum Outcome {
    /// The segment may be used here.
    Usable,
    /// A writer may be alive, whatever the file locks say. Nothing was changed.
    InUse(Option<Holder>),
}

/// What the records say.
struct Judged {
    /// The records whose owners cannot be alive, and those that no thread can take.
    lost: Vec<u32>,
    /// The holder of the lock, if it may be alive.
    holder: Option<Holder>,
}

/// This process, as far as it matters.
struct Here {
    session: Session,
    pid_namespace: u64,
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
        if Library::OURS.is_none() {
            return Err(self.header_error(HeaderError::CLibrary));
        }
        let meta = self.file().metadata().map_err(|e| IoError::new("stat", self.path(), e))?;
        let identify = |e| IoError::new("identify the process for", self.path(), e);
        let here = Here {
            session: Session::current(meta.dev(), meta.ino()).map_err(identify)?,
            pid_namespace: identity::pid_namespace().map_err(identify)?,
        };
        let mut holder = None;
        loop {
            if self.try_hold(Hold::Exclusive)? {
                match self.take_over(&here)? {
                    Outcome::Usable => {
                        self.try_hold(Hold::Shared)?;
                        return Ok(WritableSegment::new(self.map(true)?));
                    }
                    Outcome::InUse(by) => holder = by,
                }
                self.try_hold(Hold::Nothing)?;
            } else if self.try_hold(Hold::Shared)? {
                // There are other writers, or one of them has just taken the segment over.
                if self.intact_session()?.is_same_boot_and_inode(&here.session) {
                    return Ok(WritableSegment::new(self.map(true)?));
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
    /// (below an overlay, a file has two), or writers that lost their descriptor. The records show
    /// such writers.
    fn take_over(&self, here: &Here) -> Result<Outcome, OpenError> {
        let found = self.intact_session()?;
        let moved = found != here.session;
        if !moved && self.judge(&found, here)?.lost.is_empty() {
            return Ok(Outcome::Usable);
        }
        let io = |action| move |e| IoError::new(action, self.path(), e);
        seats::prepare_for_fork();
        let registrar = Registrar::get(self.file(), REGISTERING).map_err(io("lock"))?;
        let Some(registrar) = registrar else { return Ok(Outcome::InUse(None)) };
        // Once more: nobody registers now.
        let Judged { lost, holder } = self.judge(&found, here)?;
        if moved && holder.is_some() {
            // Perhaps a copy of a held lock, which nobody would release.
            return Ok(Outcome::InUse(holder));
        }
        let map = Mapping::new(self.file(), self.header(), true).map_err(io("map"))?;
        let lost = lost.iter().filter_map(|&index| Record::get(&map, index));
        lost.for_each(|record| record.reset(&registrar));
        if moved {
            // A copy may have been made in the middle of a write, and pages of it may be lost.
            map.set_dirty(true);
        }
        self.write_session(&found, here)?;
        Ok(Outcome::Usable)
    }

    /// Judges the records, each by itself. They are read from the file: this process is not to
    /// count among those that have it mapped.
    fn judge(&self, found: &Session, here: &Here) -> Result<Judged, OpenError> {
        let records = self.header().records();
        let read = |bytes: &mut [u8], at: usize| {
            let read = self.file().read_exact_at(bytes, at as u64);
            read.map_err(|e| IoError::new("read", self.path(), e))
        };
        if found.boot_id != here.session.boot_id {
            return Ok(Judged { lost: (0..records).collect(), holder: None });
        }
        let mut lock = [0; 8];
        read(&mut lock, LOCK_OFFSET)?;
        let lock = WriterId::from_u64(u64::from_ne_bytes(lock));
        let lock = lock.map(|id| (id.index(), id.generation()));
        let mut bytes = vec![0; RECORD_LEN * records as usize];
        read(&mut bytes, RECORDS_OFFSET)?;
        let (mut lost, mut holder) = (Vec::new(), None);
        for (index, record) in (0..).zip(bytes.chunks_exact(RECORD_LEN)) {
            let record = Stored::read(record);
            match record.owner.filter(|&owner| may_live(owner, &record, found, here)) {
                Some(owner) if lock == Some((index, record.generation)) => {
                    holder = Some(thread(owner, &record, here));
                }
                Some(_) => {}
                None if record.owner.is_some() || !record.is_sound => lost.push(index),
                None => {}
            }
        }
        Ok(Judged { lost, holder })
    }

    /// Writes the session record. Its 64 bytes are in one page and are written with one call, which
    /// a signal does not split.
    fn write_session(&self, found: &Session, here: &Here) -> Result<(), OpenError> {
        if *found == here.session {
            return Ok(());
        }
        limits::check_write((SESSION_OFFSET + size_of::<Session>()) as u64)
            .and_then(|()| {
                let bytes = bytemuck::bytes_of(&here.session);
                self.file().write_all_at(bytes, SESSION_OFFSET as u64)
            })
            .map_err(|e| IoError::new("write the session of", self.path(), e).into())
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
fn may_live(owner: u32, record: &Stored, found: &Session, here: &Here) -> bool {
    if record.pid_namespace == here.pid_namespace {
        may_have_mapped(owner, here.session.inode)
    } else {
        found.inode == here.session.inode
    }
}

fn thread(tid: u32, record: &Stored, here: &Here) -> Holder {
    if record.pid_namespace == here.pid_namespace {
        Holder::of_thread(tid)
    } else {
        Holder::elsewhere(record.process, tid, record.pid_namespace)
    }
}
