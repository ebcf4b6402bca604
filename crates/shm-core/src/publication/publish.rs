//! Publication of whole files. A file gets its name, or replaces another file, in one step.
//! (`remove.rs` removes.)
//!
//! `docs/concurrency.md`, chapter Publication, has the steps, their order, and what a death leaves.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::body::DraftBody;
use super::control::{self, Effects};
use super::options::{PublishOptions, PublishedKind};
use super::seal::seal;
use super::turn::Turn;
use crate::error::{CreateError, IoError, PublishError};
use crate::name::Name;
use crate::namespace::Namespace;
use crate::os::file_id::is_memory;
use crate::os::file_map;
use crate::refused;
use crate::sabotage;
use crate::segment::draft::Draft;
use crate::segment::layout::{BODY_OFFSET, GEOMETRY_WORDS, Header, NO_LOCK, total_len};
use crate::segment::patience::{Patience, Waiting};
use crate::segment::segment::WritableSegment;
use crate::segment::space::check_space;
use crate::segment::trust::Trust;

impl Namespace {
    /// Publishes `body` under a name and returns its edition, which is 1 or one more than the
    /// newest edition. The length of `body` must be a multiple of 8. O(length).
    ///
    /// The file is complete before it gets the name, and never changes afterwards. Processes that
    /// have an older file open keep it. If a process is killed during this call, at any
    /// instruction, the name leads to the old file or to the new one, or to none if there was none.
    /// The process may also leave a temporary file (`.shmap-tmp-…`), and a control segment that has
    /// no file or an unfinished publication; [`Namespace::prune`] removes or corrects these. They
    /// do not delay the next publisher.
    ///
    /// # Errors
    /// Any [`PublishError`]. The name then leads to what it led to before.
    pub fn publish(
        &self,
        name: &Name,
        kind: PublishedKind,
        options: &PublishOptions,
        body: &[u8],
    ) -> Result<u64, PublishError> {
        self.publish_if(name, kind, options, body, || true)
    }

    /// Publishes as [`Namespace::publish`] does, but only if `agrees` returns true. `agrees` runs
    /// under the lock of this publication, so the file that it finds at the name is the file that
    /// would be replaced. `agrees` must not publish under that name or remove it.
    ///
    /// # Errors
    /// The errors of [`Namespace::publish`], and [`PublishError::Declined`].
    pub fn publish_if(
        &self,
        name: &Name,
        kind: PublishedKind,
        options: &PublishOptions,
        body: &[u8],
        agrees: impl FnOnce() -> bool,
    ) -> Result<u64, PublishError> {
        if !body.len().is_multiple_of(8) {
            // Before anything is written.
            return Err(CreateError::BadLength { len: body.len() as u64 }.into());
        }
        let write = |to: &mut DraftBody<'_>| to.write_all(body).map_err(|e| to.refused(e));
        self.publish_with(name, kind, options, body.len() as u64, write, agrees)
    }

    /// Publishes a body that `write` writes to the file, and may read back: the body need not be in
    /// memory. Otherwise as [`Namespace::publish_if`]. `expected` is the length of the body as far
    /// as it is known; if so many bytes do not fit, `write` is not called. The length of the body
    /// must be a multiple of 8.
    ///
    /// # Errors
    /// The errors of [`Namespace::publish_if`], and those of `write`. The name then leads to what
    /// it led to before, and what was written is gone.
    pub fn publish_with<E: From<PublishError>>(
        &self,
        name: &Name,
        kind: PublishedKind,
        options: &PublishOptions,
        expected: u64,
        write: impl FnOnce(&mut DraftBody<'_>) -> Result<(), E>,
        agrees: impl FnOnce() -> bool,
    ) -> Result<u64, E> {
        let path = self.path_of(name, kind.kind);
        let draft = self.draft_for(options, &path, expected)?;
        let expected = total_len(expected.next_multiple_of(8), 0).map_err(PublishError::from)?;
        let body_at = BODY_OFFSET as u64;
        // A negative control: a name that leads to an unfinished file must be noticed.
        if sabotage::names_unfinished_files() {
            let io = |e| PublishError::from(IoError::new("control", self.dir(), e));
            let file = draft.file().try_clone().map_err(io)?;
            file.set_len(expected).map_err(io)?;
            let edition = self.name_draft(name, kind, options, draft, expected, agrees)?;
            write(&mut DraftBody::new(&file, self.dir(), body_at, expected))?;
            return Ok(edition);
        }
        let mut body = DraftBody::new(draft.file(), self.dir(), body_at, expected);
        write(&mut body)?;
        let total_len = total_len(body.len(), 0).map_err(PublishError::from)?;
        // Before the lock, so that others do not wait for the disk, or for memory.
        if is_memory(draft.file()) {
            file_map::give_huge_pages(draft.file(), total_len as usize);
        } else {
            let synced = draft.file().sync_data();
            synced.map_err(|error| body.refused(error))?;
        }
        Ok(self.name_draft(name, kind, options, draft, total_len, agrees)?)
    }

    /// Makes a file without a name for a body of at least `expected` bytes.
    fn draft_for(
        &self,
        options: &PublishOptions,
        path: &Path,
        expected: u64,
    ) -> Result<Draft, PublishError> {
        if let Some(mode) = options.mode
            && (mode & !0o444 != 0 || mode & 0o400 == 0)
        {
            return Err(PublishError::BadMode { mode });
        }
        let expected = total_len(expected.next_multiple_of(8), 0)?;
        // Cheaper than writing the file first; the link decides.
        if !options.replace && path.symlink_metadata().is_ok() {
            return Err(CreateError::AlreadyExists { path: path.to_owned() }.into());
        }
        let draft = Draft::new(self.dir())?;
        check_space(draft.file(), expected, self.dir())?;
        let full = |e: io::Error| refused::creating("write a file in", e, expected, self.dir());
        draft.file().write_all_at(&[0; BODY_OFFSET], 0).map_err(full)?;
        Ok(draft)
    }

    /// Gives a draft of `total_len` bytes, whose body is complete, its header and its name.
    fn name_draft(
        &self,
        name: &Name,
        kind: PublishedKind,
        options: &PublishOptions,
        draft: Draft,
        total_len: u64,
        agrees: impl FnOnce() -> bool,
    ) -> Result<u64, PublishError> {
        let path = self.path_of(name, kind.kind);
        let taken = |path: &Path| CreateError::AlreadyExists { path: path.to_owned() }.into();
        let full = |e: io::Error| refused::creating("write a file in", e, total_len, self.dir());
        let turn = Turn { namespace: self, name, kind, trust: &options.trust };
        let patience =
            Patience::forever().limit(options.lock_timeout).interrupt(options.interrupt.clone());
        let mode = options.mode.unwrap_or(PRIVATE) | 0o200;
        turn.take(mode, Waiting::new(&patience), |control, words| {
            let newest = turn.settle(control, words)?;
            if !options.replace && path.symlink_metadata().is_ok() {
                return Err(taken(&path));
            }
            if !agrees() {
                return Err(PublishError::Declined { path: path.clone() });
            }
            let mode = options.mode.unwrap_or_else(|| mode_at(&path, &options.trust));
            let mut geometry = [0; GEOMETRY_WORDS];
            if let Some(edition) = geometry.first_mut() {
                *edition = newest + 1;
            }
            let kind_of_file = (kind.kind, kind.kind_version);
            let header = Header::new(kind_of_file, geometry, (NO_LOCK, 0), total_len);
            let io = |action| move |source| IoError::new(action, self.dir(), source);
            let header = header.map_err(io("draw an id for a file in"))?;
            draft.file().write_all_at(bytemuck::bytes_of(&header), 0).map_err(full)?;
            draft
                .file()
                .set_permissions(Permissions::from_mode(mode))
                .map_err(io("set the mode of a file in"))?;
            if !is_memory(draft.file()) {
                draft.file().sync_all().map_err(full)?;
            }
            let draft = match sabotage::names_unfinished_files() {
                true => draft,
                false => seal(draft, self.dir(), total_len)?,
            };
            let draft = Some(draft);
            let mode = mode | 0o200;
            let mut place = Named { draft, path: &path, replace: options.replace, control, mode };
            control::publish(words, newest, &mut place)
        })
    }
}

/// The mode of a file that only its owner may read.
const PRIVATE: u32 = 0o400;

/// Returns the mode for a file that replaces the one at a path. If a user who is not trusted owns
/// the old file, its mode is not kept, because otherwise that user would decide who may read the
/// new file.
fn mode_at(path: &Path, trust: &Trust) -> u32 {
    match path.symlink_metadata() {
        Ok(meta) if meta.is_file() && trust.accepts(meta.uid()) => meta.mode() & 0o444 | PRIVATE,
        _ => PRIVATE,
    }
}

/// Gives the readers of the file access to the control segment. Returns the previous mode of the
/// control segment.
fn set_mode(control: &WritableSegment, mode: u32) -> Result<u32, PublishError> {
    let io = |action| move |e| IoError::new(action, control.path(), e);
    let file = control.file().map_err(io("stat"))?;
    let found = file.metadata().map_err(io("stat"))?.mode() & 0o7777;
    if found != mode {
        let permissions = Permissions::from_mode(mode);
        file.set_permissions(permissions).map_err(io("set the mode of"))?;
    }
    Ok(found)
}

/// The name in the file system, and the file that is about to get it.
struct Named<'a> {
    draft: Option<Draft>,
    path: &'a PathBuf,
    replace: bool,
    control: &'a WritableSegment,
    /// The mode that the control segment is to have.
    mode: u32,
}

impl Effects for Named<'_> {
    type Error = PublishError;

    fn link(&mut self) -> Result<(), PublishError> {
        // It is linked once.
        if let Some(draft) = self.draft.take() {
            let link = if self.replace { Draft::replace } else { Draft::publish };
            // Before the link, so that a reader that finds the new file may read the word beside
            // it.
            let before = set_mode(self.control, self.mode)?;
            if let Err(e) = link(draft, self.path) {
                // The old file stays, and so do its readers.
                let _ = set_mode(self.control, before);
                return Err(e.into());
            }
        }
        Ok(())
    }

    fn wake(&self) {
        self.control.wake(control::WORD);
    }
}
