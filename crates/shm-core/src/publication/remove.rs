//! Removal of published names, even if their control segment can no longer be used.

use std::fs::File;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::control::{self, MAX_EDITION, RETIRED};
use super::options::PublishedKind;
use super::turn::{Turn, retire};
use crate::error::{IoError, OpenError, PublishError};
use crate::name::Name;
use crate::namespace::Namespace;
use crate::os::alive::{self, Hold};
use crate::os::limits;
use crate::os::retry::retry;
use crate::segment::layout::BODY_OFFSET;
use crate::segment::patience::{Patience, Waiting};
use crate::segment::segment::WritableSegment;
use crate::segment::trust::Trust;
use crate::sync::Words;

/// What a removal found in place of the control segment of the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Removal {
    /// A sound control segment. It was removed, and its readers were notified.
    InTurn,
    /// A control segment that was damaged, or whose word was out of range. It was removed, and
    /// processes that had it open notice.
    Damaged,
    /// Something other than a control segment, or a file of another user. It stays. Publishing
    /// under the name fails until the file is removed or its owner is trusted.
    Foreign,
}

impl Namespace {
    /// Removes a published name and its control segment. Processes that have the file open keep it.
    /// If a process is killed during this call, at any instruction, the name leads to the file or
    /// to no file.
    ///
    /// A control segment that is damaged, or belongs to another user, does not prevent the removal;
    /// see [`Removal`]. The only exception is a damaged control segment that a process still has
    /// open for publishing.
    ///
    /// # Errors
    /// [`PublishError::NotFound`] if the name is free; [`PublishError::Open`] if the control
    /// segment cannot be opened, or is damaged and still in use; others the errors of
    /// [`Namespace::publish`]. After an error, nothing was changed.
    pub fn remove_published(
        &self,
        name: &Name,
        kind: PublishedKind,
        trust: &Trust,
        patience: &Patience,
    ) -> Result<Removal, PublishError> {
        let waiting = Waiting::new(patience);
        let turn = Turn { namespace: self, name, kind, trust };
        let path = self.path_of(name, kind.kind);
        let control = self.path_of(name, kind.control);
        // Each further round needs another process that removed the control segment meanwhile.
        loop {
            // No control segment is made only to be removed. One without a file may be damaged.
            if !is_taken(&path)? && !is_taken(&control)? {
                return Err(PublishError::NotFound { path });
            }
            let why = match turn.take(0o600, waiting, |c, words| in_turn(&turn, &path, c, words)) {
                Err(PublishError::Open(why)) if why.is_damage() => why,
                // Whatever the error is, there is nothing to remove.
                Err(_) if !is_taken(&path)? => return Err(PublishError::NotFound { path }),
                other => return other,
            };
            if let Some(removal) = beside(&path, &control, why)? {
                return Ok(removal);
            }
        }
    }
}

/// Removes the name under the lock of the control segment.
fn in_turn(
    turn: &Turn<'_>,
    path: &Path,
    control: &WritableSegment,
    words: Words<'_>,
) -> Result<Removal, PublishError> {
    let wake = || control.wake(control::WORD);
    let there = is_taken(path)?;
    let (newest, before, removal) = match turn.settle(control, words) {
        // What is left of the name is for `prune`, or for the next publisher.
        Ok(_) if !there => return Err(PublishError::NotFound { path: path.to_owned() }),
        Ok(newest) => (newest, 2 * newest, Removal::InTurn),
        // No edition can be counted on from there. If this process dies, the next one finds a word
        // out of range again.
        Err(PublishError::ControlWord { found, .. }) => (MAX_EDITION, found, Removal::Damaged),
        Err(e) => return Err(e),
    };
    control::begin(words, newest, wake);
    if there && let Err(e) = remove(path) {
        control::give_up(words, before, wake);
        return Err(e);
    }
    if retire(control, words).is_err() {
        // The segment stays in use, for the next publication.
        control::give_up(words, before, wake);
    }
    Ok(removal)
}

/// Removes a file whose control segment cannot be used. Returns `None` if the caller must try
/// again.
fn beside(path: &Path, control: &Path, why: OpenError) -> Result<Option<Removal>, PublishError> {
    let wreck = match Wreck::find(control)? {
        Found::Gone => return Ok(None),
        Found::InUse => return Err(why.into()),
        Found::NotOurs if !is_taken(path)? => {
            return Err(PublishError::NotFound { path: path.to_owned() });
        }
        Found::NotOurs => None,
        Found::Wreck(wreck) => Some(wreck),
    };
    if let Some(wreck) = &wreck {
        wreck.retire().map_err(|e| IoError::new("write to", control, e))?;
    }
    remove(path)?;
    let Some(wreck) = wreck else { return Ok(Some(Removal::Foreign)) };
    // The name is removed already. What is left is found by the next call.
    let _ = std::fs::remove_file(control);
    drop(wreck);
    Ok(Some(Removal::Damaged))
}

/// A damaged control segment of this user that no other process has open for writing. Since the
/// segment can no longer be opened, this means that there is no publisher and no other process that
/// removes the name.
struct Wreck {
    file: File,
    len: u64,
}

enum Found {
    Wreck(Wreck),
    /// Another process has the damaged control segment open for writing.
    InUse,
    NotOurs,
    Gone,
}

impl Wreck {
    fn find(path: &Path) -> Result<Found, PublishError> {
        let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let io = |action| move |e| IoError::new(action, path, e);
        let Some(named) = lstat(path)? else { return Ok(Found::Gone) };
        if !named.is_file() || named.uid() != rustix::process::geteuid().as_raw() {
            return Ok(Found::NotOurs);
        }
        let file = match retry(|| rustix::fs::open(path, flags, Mode::empty())) {
            Ok(fd) => File::from(fd),
            Err(e) if e == rustix::io::Errno::NOENT => return Ok(Found::Gone),
            Err(e) => return Err(io("open")(e.into()).into()),
        };
        if !alive::try_hold(&file, Hold::Exclusive).map_err(io("lock"))? {
            return Ok(Found::InUse);
        }
        let meta = file.metadata().map_err(io("stat"))?;
        // Locked, and still at the name, so nobody removes it from there meanwhile.
        match lstat(path)? {
            Some(named) if (named.dev(), named.ino()) == (meta.dev(), meta.ino()) => {
                Ok(Found::Wreck(Self { file, len: meta.len() }))
            }
            _ => Ok(Found::Gone),
        }
    }

    /// Makes readers that opened the segment before the damage look up the name again. The lock
    /// cannot be locked. It need not be, because this process is the only one that may write.
    fn retire(&self) -> io::Result<()> {
        let at = (BODY_OFFSET + 8 * control::WORD) as u64;
        // Do not write a word where there is none: that would need memory.
        if self.len < at + 8 {
            return Ok(());
        }
        limits::check_write(at + 8)?;
        self.file.write_all_at(&RETIRED.to_ne_bytes(), at)
    }
}

/// True if the path leads to anything.
fn is_taken(path: &Path) -> Result<bool, PublishError> {
    Ok(lstat(path)?.is_some())
}

fn lstat(path: &Path) -> Result<Option<std::fs::Metadata>, PublishError> {
    match path.symlink_metadata() {
        Ok(meta) => Ok(Some(meta)),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(e) => Err(IoError::new("look at", path, e).into()),
    }
}

/// Removes a path, if it exists.
fn remove(path: &Path) -> Result<(), PublishError> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(IoError::new("remove", path, e).into())
        }
        _ => Ok(()),
    }
}
