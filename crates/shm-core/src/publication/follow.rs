//! The reader's side of publication: noticing that a newer file was published, and sleeping until
//! one is.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::control::{self, RETIRED};
use super::in_place::InPlace;
use super::options::PublishedKind;
use super::published::Published;
use super::turn::{CONTROL_VERSION, has_word};
use crate::error::{IoError, OpenError};
use crate::name::Name;
use crate::namespace::Namespace;
use crate::os::clock::coarse as now;
use crate::os::file_id::{FileId, leads_nowhere};
use crate::segment::segment::Segment;
use crate::segment::trust::Trust;

/// Maximum length of a single sleep while nobody is publishing. A wake-up ends such a sleep.
const LONG: Duration = Duration::from_secs(1);
/// Maximum length of a single sleep while a process is publishing, or after a process died while
/// publishing. In the second case, there may be no wake-up.
const SHORT: Duration = Duration::from_millis(50);

/// How long a check of the names is valid, in nanoseconds. See [`Follower::is_due`].
const LOOK: u64 = 100_000_000;

/// Remembers which file a reader opened under a name, and notices when the name leads to another
/// one.
///
/// The file itself is not part of a follower: [`Namespace::follow`] returns the two separately. A
/// follower is `Send` and `Sync`.
#[derive(Clone, Debug)]
pub struct Follower {
    namespace: Namespace,
    name: Name,
    kind: PublishedKind,
    trust: Trust,
    /// The control segment. It was opened before the file, so if it belongs to an earlier life of
    /// the name, its word is [`RETIRED`]. `None` if there is no control segment that this user may
    /// read.
    control: Option<Arc<Segment>>,
    edition: u64,
    id: [u8; 16],
    /// The file to which the name led.
    file: FileId,
    /// When the names must be checked again, in nanoseconds of the coarse monotonic clock. Private
    /// to this process: no other access is ordered by it.
    due: Due,
}

/// A point in time that any thread may set.
#[derive(Debug)]
struct Due(AtomicU64);

impl Due {
    /// Returns the time at which a check that is made now stops being valid.
    fn new() -> Self {
        Self(AtomicU64::new(now() + LOOK))
    }
}

impl Clone for Due {
    fn clone(&self) -> Self {
        Self(AtomicU64::new(self.0.load(Ordering::Relaxed)))
    }
}

/// The value of the control word when a [`Follower`] loaded it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen(Option<u64>);

impl Namespace {
    /// Opens a published file to use it in place, and to notice when it is replaced. O(1).
    ///
    /// # Errors
    /// The errors of [`Namespace::open_published`], for the file and for the control segment beside
    /// it. It is not an error if the control segment is missing or not readable by this user.
    pub fn follow(
        &self,
        name: &Name,
        kind: PublishedKind,
        trust: &Trust,
        in_place: InPlace,
    ) -> Result<(Follower, Published), OpenError> {
        let control = open_control(self, name, kind, trust)?;
        let published = self.open_published(name, kind.kind, kind.kind_version, trust, in_place)?;
        Ok((Follower::new(self, name, kind, trust, control, &published), published))
    }
}

fn open_control(
    namespace: &Namespace,
    name: &Name,
    kind: PublishedKind,
    trust: &Trust,
) -> Result<Option<Arc<Segment>>, OpenError> {
    match namespace.open_read_only(name, kind.control, CONTROL_VERSION, trust) {
        Ok(control) => Ok(has_word(&control).is_ok().then(|| Arc::new(control))),
        // Without a usable one, each refresh opens the file at the name: a file that is sound and
        // trusted must not become unreadable because of what lies beside it.
        Err(
            OpenError::NotFound { .. }
            | OpenError::PermissionDenied { .. }
            | OpenError::NotAFile { .. }
            | OpenError::ForeignOwner { .. }
            | OpenError::ForeignWriters { .. }
            | OpenError::Header { .. },
        ) => Ok(None),
        Err(e) => Err(e),
    }
}

impl Follower {
    /// Follows the name from this file on. `control` was opened before the file.
    fn new(
        namespace: &Namespace,
        name: &Name,
        kind: PublishedKind,
        trust: &Trust,
        control: Option<Arc<Segment>>,
        published: &Published,
    ) -> Self {
        Self {
            namespace: namespace.clone(),
            name: name.clone(),
            kind,
            trust: trust.clone(),
            control,
            edition: published.edition(),
            id: published.id(),
            file: published.file_id(),
            due: Due::new(),
        }
    }

    /// Loads the control word.
    #[inline]
    #[must_use]
    pub fn load(&self) -> Seen {
        Seen(self.control.as_ref().map(|control| control::load(control.words())))
    }

    /// True if `seen` says that nothing newer was published under this control segment. If the
    /// result is false, call [`Follower::successor`] to find out whether there is a newer file.
    #[inline]
    #[must_use]
    pub fn is_current(&self, seen: Seen) -> bool {
        seen.0.is_some_and(|word| control::is_newest(word, self.edition))
    }

    /// True if the last check of the names was 100 ms ago or longer. In that case, the control word
    /// alone is not enough, so call [`Follower::is_at_name`]. Reads a coarse clock, without a
    /// system call.
    #[inline]
    #[must_use]
    pub fn is_due(&self) -> bool {
        // Wraps round if it is overdue; a time later than the next check can be is not valid.
        self.due.0.load(Ordering::Relaxed).wrapping_sub(now()) > LOOK
    }

    /// True if both names still lead to this follower's files: the published file and the control
    /// segment. Costs two `stat` calls.
    ///
    /// False if files were removed or replaced without this library, which the control word does
    /// not show. Always false without a control segment. A file that this process may not `stat`
    /// counts as unchanged, so a process that gave up its privileges keeps what it has.
    #[must_use]
    pub fn is_at_name(&self) -> bool {
        self.due.0.store(now() + LOOK, Ordering::Relaxed);
        let Some(control) = &self.control else { return false };
        let same = |path: &Path, id| FileId::at(path).map_or(true, |found| found == Some(id));
        !control.is_orphaned().unwrap_or(false) && same(&self.path(), self.file)
    }

    /// Opens the file that the name leads to now. Returns `None` if it is this follower's file, or
    /// if the name leads to no file. Costs about ten system calls.
    ///
    /// This follower keeps following its file. The returned follower belongs to the new file.
    ///
    /// # Errors
    /// The errors of [`Namespace::follow`]; nothing has changed.
    pub fn successor(&mut self) -> Result<Option<(Self, Published)>, OpenError> {
        let (namespace, kind, trust) = (&self.namespace, self.kind, &self.trust);
        // Opened before the file, see `control`.
        let stale = match &self.control {
            None => true,
            Some(control) => control
                .is_orphaned()
                .map_err(|source| IoError::new("look at", control.path(), source))?,
        };
        let newer = if stale { open_control(namespace, &self.name, kind, trust)? } else { None };
        let found = Published::find(namespace, &self.name, kind.kind, kind.kind_version, trust);
        let file = match found {
            Err(OpenError::NotFound { .. }) => return Ok(None),
            other => other?,
        };
        if file.header().random_id == self.id {
            // The file was found after `newer` was opened, so the two belong together.
            if stale && newer.is_some() {
                self.control = newer;
            }
            // It may be a copy of the file that was moved to its path.
            if let Ok(meta) = file.into_parts().0.into_parts().0.metadata() {
                self.file = FileId::of(&meta);
            }
            return Ok(None);
        }
        let published = Published::new(file)?;
        // A control segment that still has its name belongs to whatever is published under it.
        let control = if stale { newer } else { self.control.clone() };
        let follower = Self::new(namespace, &self.name, kind, trust, control, &published);
        Ok(Some((follower, published)))
    }

    /// Sleeps until the control word differs from `seen`. The sleep lasts at most `limit`, and
    /// never more than a second, or 50 ms if a process is publishing or died doing so. A signal may
    /// end it early.
    ///
    /// # Errors
    /// If the kernel refuses the call.
    pub fn sleep(&self, seen: Seen, limit: Duration) -> io::Result<()> {
        let slice = if self.is_current(seen) { LONG } else { SHORT };
        match (&self.control, seen.0) {
            (Some(control), Some(word)) => control.wait(control::WORD, word, limit.min(slice)),
            _ => {
                std::thread::sleep(limit.min(slice));
                Ok(())
            }
        }
    }

    /// True if the name leads to no file, or if it was removed and then given to another file. It
    /// makes no difference whether this library removed it or the files were removed without it.
    /// False if a newer edition replaced the file. Without a control segment the two cases cannot
    /// be distinguished, and the result is false if there is a file. Costs at most two `stat`
    /// calls.
    ///
    /// # Errors
    /// If `stat` fails for another reason than a missing name.
    pub fn is_removed(&self) -> io::Result<bool> {
        let named = match self.path().symlink_metadata() {
            Ok(meta) if meta.is_file() => FileId::of(&meta),
            Ok(_) => return Ok(true),
            Err(e) if leads_nowhere(&e) => return Ok(true),
            Err(e) => return Err(e),
        };
        match &self.control {
            _ if named == self.file => Ok(false),
            None => Ok(false),
            Some(control) => {
                Ok(control::load(control.words()) == RETIRED || control.is_orphaned()?)
            }
        }
    }

    fn path(&self) -> PathBuf {
        self.namespace.path_of(&self.name, self.kind.kind)
    }

    /// Returns the edition of this follower's file.
    #[must_use]
    pub fn edition(&self) -> u64 {
        self.edition
    }

    /// Returns the namespace of the name that this follower follows.
    #[must_use]
    pub fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// Returns the name that this follower follows.
    #[must_use]
    pub fn name(&self) -> &Name {
        &self.name
    }
}
