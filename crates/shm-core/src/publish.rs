//! Publication of whole files: given a name, replaced, removed, each in one step.
//!
//! `docs/concurrency.md`, chapter Publication, has the steps, their order, and what a death leaves.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::control::{self, Place, RETIRED};
use crate::create::{CreateOptions, header, no_space, total_len};
use crate::draft::{Draft, directory_of};
use crate::error::{CreateError, HeaderError, LockError, OpenError, PublishError};
use crate::layout::{BODY_OFFSET, GEOMETRY_WORDS, NO_LOCK};
use crate::mutex::Acquired;
use crate::name::Name;
use crate::namespace::{Kind, Namespace};
use crate::open::{RawFile, Trust, is_memory};
use crate::sabotage;
use crate::segment::{Segment, WritableSegment};
use crate::sync::Words;

/// A kind of files that are published, and of the control segments beside them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PublishedKind {
    /// Of the files.
    pub kind: Kind,
    /// Version of their layout.
    pub kind_version: u64,
    /// Of the control segments: another one than `kind`, and of no other published kind, or removing
    /// a name of one takes the control segment of the other.
    pub control: Kind,
}

/// How to publish.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// Replaces what has the name; else that is [`CreateError::AlreadyExists`].
    pub replace: bool,
    /// Permission bits of the file, exact whatever the umask: read bits only, the owner's among
    /// them. The control segment gets the same, and the owner's write bit.
    pub mode: u32,
    /// Whose control segment to use.
    pub trust: Trust,
    /// How long to wait for another publisher; `None` for ever.
    pub lock_timeout: Option<Duration>,
}

impl Default for PublishOptions {
    /// For a free name, mode 0400, five seconds.
    fn default() -> Self {
        let lock_timeout = Some(Duration::from_secs(5));
        Self { replace: false, mode: 0o400, trust: Trust::new(), lock_timeout }
    }
}

/// Version of the layout of control segments.
pub(crate) const CONTROL_VERSION: u64 = 1;

impl Namespace {
    /// Publishes `body`, a multiple of 8 bytes long, under a name. Returns its edition: 1, or one
    /// more than the newest. O(length).
    ///
    /// The file is whole before it has the name, and never changes afterwards. Whoever has an older
    /// one open keeps it. A process killed at any instruction leaves the old one, the new one, or
    /// none where there was none; besides at most a temporary file (`.shmap-tmp-…`), and a control
    /// segment without a file or with work begun, which [`Namespace::prune`] removes or settles. The next
    /// publisher is not held up.
    ///
    /// # Errors
    /// [`PublishError`]; then the name leads to what it led to before.
    pub fn publish(
        &self,
        name: &Name,
        kind: PublishedKind,
        options: &PublishOptions,
        body: &[u8],
    ) -> Result<u64, PublishError> {
        if options.mode & !0o444 != 0 || options.mode & 0o400 == 0 {
            return Err(PublishError::BadMode { mode: options.mode });
        }
        let total_len = total_len(body.len() as u64)?;
        let path = self.path_of(name, kind.kind);
        let taken = |path: &Path| CreateError::AlreadyExists { path: path.to_owned() }.into();
        // Cheaper than writing it first; the link decides.
        if !options.replace && path.symlink_metadata().is_ok() {
            return Err(taken(&path));
        }
        let draft = Draft::new(self.dir())?;
        let full = |e: io::Error| {
            no_space(Errno::from_io_error(&e).unwrap_or(Errno::IO), total_len, self.dir())
        };
        draft.file().write_all_at(&[0; BODY_OFFSET], 0).map_err(full)?;
        // A negative control; a name that leads to an unfinished file must be noticed.
        let unfinished = sabotage::names_unfinished_files();
        let late = if unfinished { Some(draft.file().try_clone().map_err(full)?) } else { None };
        match &late {
            None => draft.file().write_all_at(body, BODY_OFFSET as u64).map_err(full)?,
            Some(file) => file.set_len(total_len).map_err(full)?,
        }
        // Before the lock, so that others do not wait for the disk.
        let persistent = !is_memory(draft.file());
        if persistent {
            draft.file().sync_data().map_err(full)?;
        }

        let turn = Turn { namespace: self, name, kind, trust: &options.trust };
        turn.take(options.mode | 0o200, options.lock_timeout, |control, words| {
            let newest = turn.settle(control, words)?;
            if !options.replace && path.symlink_metadata().is_ok() {
                return Err(taken(&path));
            }
            set_mode(control, options.mode | 0o200)?;
            let mut geometry = [0; GEOMETRY_WORDS];
            if let Some(edition) = geometry.first_mut() {
                *edition = newest + 1;
            }
            let header = header(
                &CreateOptions {
                    kind: kind.kind,
                    kind_version: kind.kind_version,
                    geometry,
                    body_len: body.len() as u64,
                    mode: options.mode,
                },
                NO_LOCK,
                total_len,
            );
            let io = |action| move |source| io_error(action, self.dir(), source);
            let header = header.map_err(io("draw an id for a file in"))?;
            draft.file().write_all_at(bytemuck::bytes_of(&header), 0).map_err(full)?;
            draft
                .file()
                .set_permissions(Permissions::from_mode(options.mode))
                .map_err(io("set the mode of a file in"))?;
            if persistent {
                draft.file().sync_all().map_err(full)?;
            }
            let draft = Some(draft);
            let mut place = Named { draft, path: &path, replace: options.replace, control };
            let published = control::publish(words, newest, &mut place);
            if let Some(file) = &late {
                file.write_all_at(body, BODY_OFFSET as u64).map_err(full)?;
            }
            published
        })
    }

    /// Removes a published name and its control segment. Whoever has the file open keeps it. Killed
    /// at any instruction, it leaves the file as it was, or absent.
    ///
    /// # Errors
    /// [`PublishError::NotFound`]; others as [`Namespace::publish`]. Nothing was changed.
    pub fn unpublish(
        &self,
        name: &Name,
        kind: PublishedKind,
        trust: &Trust,
        lock_timeout: Option<Duration>,
    ) -> Result<(), PublishError> {
        let path = self.path_of(name, kind.kind);
        let exists = || match path.symlink_metadata() {
            Ok(_) => Ok(()),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {
                Err(PublishError::NotFound { path: path.clone() })
            }
            Err(e) => Err(io_error("look at", &path, e)),
        };
        exists()?;
        let turn = Turn { namespace: self, name, kind, trust };
        turn.take(0o600, lock_timeout, |control, words| {
            exists()?;
            let newest = turn.settle(control, words)?;
            let wake = || control.wake(control::WORD);
            control::begin(words, newest, wake);
            if let Err(e) = std::fs::remove_file(&path)
                && e.kind() != io::ErrorKind::NotFound
            {
                control::give_up(words, newest, wake);
                return Err(io_error("remove", &path, e));
            }
            if retire(control, words).is_err() {
                // It stays in use, for the next publication.
                control::give_up(words, newest, wake);
            }
            Ok(())
        })
    }
}

/// Writes a bare file, with this mode exactly, and gives it its name in one step, also if that is
/// taken. The file's bytes are on the disk before it has the name. O(length).
///
/// # Errors
/// [`CreateError::BadMode`], [`CreateError::NoSpace`], [`CreateError::Io`]; then the path leads to
/// what it led to before.
pub fn write_file(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), CreateError> {
    if mode & !0o666 != 0 || mode & 0o400 == 0 {
        return Err(CreateError::BadMode { mode });
    }
    let dir = directory_of(path);
    let full = |e: io::Error| {
        no_space(Errno::from_io_error(&e).unwrap_or(Errno::IO), bytes.len() as u64, dir)
    };
    let draft = Draft::new(dir)?;
    draft.file().write_all_at(bytes, 0).map_err(full)?;
    draft.file().set_permissions(Permissions::from_mode(mode)).map_err(full)?;
    if !is_memory(draft.file()) {
        draft.file().sync_all().map_err(full)?;
    }
    draft.replace(path)?;
    Ok(())
}

/// Takes the name from a control segment that is of no use any more, and says so to its readers; when that
/// is not allowed, an error, and nothing has changed. The caller holds its lock and has seen that it
/// has the name: only then is it surely its own.
pub(crate) fn retire(control: &WritableSegment, words: Words<'_>) -> io::Result<()> {
    let wake = || control.wake(control::WORD);
    let before = control::look(words.as_read());
    // Odd before the name goes: an even word in a segment without one, left by a death in between, would
    // tell its readers for ever that nothing is newer.
    let begun = before.is_multiple_of(2);
    if begun {
        control::begin(words, before / 2, wake);
    }
    let removed = std::fs::remove_file(control.path());
    if removed.is_ok() {
        control::retire(words, wake);
    } else if begun {
        control::give_up(words, before / 2, wake);
    }
    removed
}

/// Whose turn it is to change what a name leads to.
pub(crate) struct Turn<'a> {
    pub(crate) namespace: &'a Namespace,
    pub(crate) name: &'a Name,
    pub(crate) kind: PublishedKind,
    pub(crate) trust: &'a Trust,
}

impl Turn<'_> {
    /// Runs `act` under the lock of the control segment that has the name. That is made, with this
    /// mode, where there is none.
    fn take<T>(
        &self,
        mode: u32,
        limit: Option<Duration>,
        act: impl FnOnce(&WritableSegment, Words<'_>) -> Result<T, PublishError>,
    ) -> Result<T, PublishError> {
        let options = CreateOptions {
            kind: self.kind.control,
            kind_version: CONTROL_VERSION,
            geometry: [0; GEOMETRY_WORDS],
            body_len: 8,
            mode,
        };
        // Each further round needs another process that removed the name meanwhile.
        loop {
            let control = self.namespace.open_or_create(self.name, &options, self.trust, |_| {})?;
            has_word(&control)?;
            let lock = |source| PublishError::Lock { path: control.path().to_owned(), source };
            let acquired = match limit {
                Some(limit) => control.lock_timeout(limit),
                None => control.lock(),
            };
            let guard = match acquired.map_err(lock)? {
                Acquired::Clean(guard) => guard,
                // Whatever its owner left, `settle` puts right each time.
                Acquired::OwnerDied(recovery) => {
                    recovery.repair(|_| Ok::<(), LockError>(())).map_err(lock)?
                }
            };
            let words = guard.words().map_err(lock)?;
            let wake = || control.wake(control::WORD);
            if control.is_orphaned().map_err(|e| io_error("look at", control.path(), e))? {
                // Its remover died before it could say so.
                control::retire(words, wake);
                continue;
            }
            if control::look(words.as_read()) == RETIRED {
                // Somebody gave it its name back.
                std::fs::remove_file(control.path())
                    .map_err(|e| io_error("remove", control.path(), e))?;
                continue;
            }
            return act(&control, words);
        }
    }

    /// The newest edition there ever was; settles the word by it.
    pub(crate) fn settle(
        &self,
        control: &WritableSegment,
        words: Words<'_>,
    ) -> Result<u64, PublishError> {
        let at_name = if sabotage::settles_blindly() { None } else { self.edition_at_name()? };
        control::settle(words, at_name, || control.wake(control::WORD))
            .map_err(|found| PublishError::ControlWord { path: control.path().to_owned(), found })
    }

    /// The edition of what is at the name; 0 when that is nothing, `None` when it is something that this user
    /// cannot read, or does not trust, or none of ours.
    fn edition_at_name(&self) -> Result<Option<u64>, OpenError> {
        let path = self.namespace.path_of(self.name, self.kind.kind);
        let file = RawFile::open(path, OFlags::RDONLY, self.trust)
            .and_then(|raw| raw.validate(self.kind.kind, self.kind.kind_version));
        match file.map(|file| file.header().edition()) {
            Ok(edition) if edition < control::MAX_EDITION => Ok(Some(edition)),
            Err(OpenError::NotFound { .. }) => Ok(Some(0)),
            // A lack of descriptors, for instance: whether it is one of ours is not known.
            Err(e @ OpenError::Io { .. }) => Err(e),
            Ok(_) | Err(_) => Ok(None),
        }
    }
}

/// Checks that a control segment has a control word.
pub(crate) fn has_word(control: &Segment) -> Result<(), OpenError> {
    if control.file_len() > BODY_OFFSET as u64 {
        return Ok(());
    }
    let source =
        HeaderError::Length { found: control.file_len(), expected: BODY_OFFSET as u64 + 8 };
    Err(OpenError::Header { path: control.path().to_owned(), source })
}

/// Readers of the file are to be readers of the control segment.
fn set_mode(control: &WritableSegment, mode: u32) -> Result<(), PublishError> {
    let io = |action| move |e| io_error(action, control.path(), e);
    let found = control.file().metadata().map_err(io("stat"))?.mode() & 0o7777;
    if found != mode {
        let permissions = Permissions::from_mode(mode);
        control.file().set_permissions(permissions).map_err(io("set the mode of"))?;
    }
    Ok(())
}

/// The name in the file system, and a file for it.
struct Named<'a> {
    draft: Option<Draft>,
    path: &'a PathBuf,
    replace: bool,
    control: &'a WritableSegment,
}

impl Place for Named<'_> {
    type Error = PublishError;

    fn link(&mut self) -> Result<(), PublishError> {
        // It is linked once.
        if let Some(draft) = self.draft.take() {
            let link = if self.replace { Draft::replace } else { Draft::publish };
            link(draft, self.path)?;
        }
        Ok(())
    }

    fn wake(&self) {
        self.control.wake(control::WORD);
    }
}

fn io_error(action: &'static str, path: &Path, source: io::Error) -> PublishError {
    PublishError::Io { action, path: path.to_owned(), source }
}
