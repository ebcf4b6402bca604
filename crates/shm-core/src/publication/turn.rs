//! Taking turns at a published name: locking the control segment that has the name, and making its
//! control word even again.

use std::io;

use rustix::fs::OFlags;

use super::control::{self, RETIRED};
use super::options::PublishedKind;
use crate::error::{HeaderError, IoError, LockError, OpenError, PublishError};
use crate::name::Name;
use crate::namespace::Namespace;
use crate::sabotage;
use crate::segment::guard::Acquired;
use crate::segment::options::CreateOptions;
use crate::segment::patience::Waiting;
use crate::segment::raw_file::RawFile;
use crate::segment::segment::{Segment, WritableSegment};
use crate::segment::trust::Trust;
use crate::sync::Words;

/// Version of the layout of control segments.
pub(crate) const CONTROL_VERSION: u64 = 1;

/// Removes the name of a control segment that is no longer needed, and notifies its readers. If the
/// name cannot be removed, the result is an error, and nothing has changed. The caller holds the
/// lock and has checked that the segment has the name, so no other segment's name is removed.
pub(crate) fn retire(control: &WritableSegment, words: Words<'_>) -> io::Result<()> {
    let wake = || control.wake(control::WORD);
    let before = control::load(words.as_read());
    // Odd before the name goes: if this process died in between, an even word in a segment without
    // a name would tell its readers for ever that nothing is newer.
    let begun = before.is_multiple_of(2);
    if begun {
        control::begin(words, before / 2, wake);
    }
    let removed = std::fs::remove_file(control.path());
    if removed.is_ok() {
        control::retire(words, wake);
    } else if begun {
        control::give_up(words, before, wake);
    }
    removed
}

/// The right to change which file a name leads to.
pub(crate) struct Turn<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a Name,
    pub(crate) kind: PublishedKind,
    pub(crate) trust: &'a Trust,
}

impl Turn<'_> {
    /// Runs `act` under the lock of the control segment that has the name. If there is none, one is
    /// created with this mode.
    ///
    /// If `act` fails, a segment that was created for it and that nobody else has used is removed.
    pub(crate) fn take<T>(
        &self,
        mode: u32,
        waiting: Waiting<'_>,
        act: impl FnOnce(&WritableSegment, Words<'_>) -> Result<T, PublishError>,
    ) -> Result<T, PublishError> {
        let options = CreateOptions::new(self.kind.control, CONTROL_VERSION, 8).mode(mode);
        // Each further round needs another process that removed the name meanwhile.
        loop {
            let (control, is_new) =
                self.namespace.open_or_make(self.name, &options, self.trust, waiting, |_| {})?;
            has_word(&control)?;
            let lock = |source| PublishError::Lock { path: control.path().to_owned(), source };
            let guard = match control.lock_waiting(waiting).map_err(lock)? {
                Acquired::Clean(guard) => guard,
                // `settle` repairs whatever its owner left, each time.
                Acquired::OwnerDied(recovery) => {
                    recovery.repair(|_| Ok::<(), LockError>(())).map_err(lock)?
                }
            };
            let words = guard.words().map_err(lock)?;
            let wake = || control.wake(control::WORD);
            if control.is_orphaned().map_err(|e| IoError::new("look at", control.path(), e))? {
                // Its remover died before it could store RETIRED.
                control::retire(words, wake);
                continue;
            }
            if control::load(words.as_read()) == RETIRED {
                // Somebody gave the retired segment its name back.
                std::fs::remove_file(control.path())
                    .map_err(|e| IoError::new("remove", control.path(), e))?;
                continue;
            }
            // Another process may have opened the segment that this one made, and had its turn
            // first. Then the word is not 0, and never will be again.
            let unused = is_new && control::load(words.as_read()) == 0;
            let outcome = act(&control, words);
            if unused && outcome.is_err() {
                // Nothing was published under it. A process that waits for its lock finds that it
                // has no name, and makes another. If it cannot be removed it stays, and the error
                // of `act` is returned.
                let _ = retire(&control, words);
            }
            return outcome;
        }
    }

    /// Makes the control word even again, and returns the newest edition that there ever was.
    pub(crate) fn settle(
        &self,
        control: &WritableSegment,
        words: Words<'_>,
    ) -> Result<u64, PublishError> {
        let at_name = if sabotage::settles_blindly() { None } else { self.edition_at_name()? };
        control::settle(words, at_name, || control.wake(control::WORD))
            .map_err(|found| PublishError::ControlWord { path: control.path().to_owned(), found })
    }

    /// Returns the edition of the file at the name, or 0 if there is none. `None` if this user
    /// cannot read that file or does not trust its owner, or if it is not a published file.
    fn edition_at_name(&self) -> Result<Option<u64>, OpenError> {
        let path = self.namespace.path_of(self.name, self.kind.kind);
        let file = RawFile::open(path, OFlags::RDONLY, self.trust)
            .and_then(|raw| raw.validate(self.kind.kind, self.kind.kind_version));
        match file.map(|file| file.header().edition()) {
            Ok(edition) if edition < control::MAX_EDITION => Ok(Some(edition)),
            Err(OpenError::NotFound { .. }) => Ok(Some(0)),
            // For instance a lack of descriptors: it is unknown whether it is a published file.
            Err(e @ OpenError::Io(_)) => Err(e),
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

/// Checks that a control segment has a control word.
pub(crate) fn has_word(control: &Segment) -> Result<(), OpenError> {
    if !control.words().is_empty() {
        return Ok(());
    }
    let found = control.file_len();
    let source = HeaderError::Length { found, expected: found + 8 };
    Err(OpenError::Header { path: control.path().to_owned(), source })
}
