//! Removing the files that killed processes left in a namespace.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::control;
use super::options::PublishedKind;
use super::turn::{CONTROL_VERSION, Turn, has_word, retire};
use crate::error::{IoError, LockError, OpenError, PublishError};
use crate::name::Name;
use crate::namespace::Namespace;
use crate::os::alive::{self, Hold};
use crate::os::retry::retry;
use crate::sabotage;
use crate::segment::draft::TEMPORARY_PREFIX;
use crate::segment::guard::Acquired;
use crate::segment::patience::Patience;
use crate::segment::trust::Trust;

/// A file that [`Namespace::prune`] found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pruned {
    /// The path of the file.
    pub path: PathBuf,
    /// What kind of litter the file was.
    pub what: Litter,
}

/// The kinds of files that a killed process may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Litter {
    /// A file that never got its final name. It is removed.
    Temporary,
    /// A control segment beside which nothing is published. It is removed.
    Control,
    /// A control segment whose word says that a publication is under way, although none is. The
    /// word is corrected.
    Unsettled,
}

/// Whether to remove the files that are found, or only to report them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sweep {
    Look,
    Remove,
}

impl Namespace {
    /// Removes the files that killed processes of this user left, and returns a list of them,
    /// sorted by path. These are files under temporary names, and control segments of the given
    /// kinds that have no file or an unfinished publication. O(files in the directory).
    ///
    /// This call leaves alone the files of other users, files that a living process is about to
    /// name, control segments that a living process has open for publishing, and files that cannot
    /// be opened. It never waits.
    ///
    /// # Errors
    /// If the directory cannot be read, or a file cannot be removed from it. The message names the
    /// file; files that were already removed stay removed.
    pub fn prune(&self, kinds: &[PublishedKind]) -> io::Result<Vec<Pruned>> {
        self.sweep(kinds, Sweep::Remove)
    }

    /// Returns a list of what [`Namespace::prune`] would remove, sorted by path. Changes nothing.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn litter(&self, kinds: &[PublishedKind]) -> io::Result<Vec<Pruned>> {
        self.sweep(kinds, Sweep::Look)
    }

    fn sweep(&self, kinds: &[PublishedKind], sweep: Sweep) -> io::Result<Vec<Pruned>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.dir())? {
            let entry = entry?;
            let path = entry.path();
            if !is_temporary(&entry.file_name()) {
                continue;
            }
            // What cannot be opened is left alone.
            let Ok(Some(_held)) = dead_draft(&path) else { continue };
            if sweep == Sweep::Remove {
                remove(&path)?;
            }
            found.push(Pruned { path, what: Litter::Temporary });
        }
        for entry in self.list()? {
            for kind in kinds.iter().filter(|kind| kind.control.as_str() == entry.kind) {
                match self.prune_control(&entry.name, *kind, sweep) {
                    Ok(Some(what)) => found.push(Pruned { path: entry.path.clone(), what }),
                    Err(PublishError::Io(IoError { action: REMOVE, path, source, .. }))
                        if source.kind() != io::ErrorKind::NotFound =>
                    {
                        return Err(not_removed(&path, &source));
                    }
                    // Not ours to prune, or no longer there.
                    Ok(None) | Err(_) => {}
                }
            }
        }
        found.sort();
        Ok(found)
    }

    fn prune_control(
        &self,
        name: &Name,
        kind: PublishedKind,
        sweep: Sweep,
    ) -> Result<Option<Litter>, PublishError> {
        let trust = Trust::new();
        let is_alone = || match self.path_of(name, kind.kind).symlink_metadata() {
            Ok(_) => false,
            Err(e) => e.kind() == io::ErrorKind::NotFound,
        };
        let litter = |word: u64| match word {
            _ if is_alone() => Some(Litter::Control),
            word if word % 2 == 1 => Some(Litter::Unsettled),
            _ => None,
        };
        let reader = self.open_read_only(name, kind.control, CONTROL_VERSION, &trust)?;
        has_word(&reader)?;
        let io = |source| OpenError::from(IoError::new("look at", reader.path(), source));
        let ours = reader.owner_and_mode().map_err(io)?.0 == euid();
        let found = litter(control::load(reader.words()));
        // A negative control: it must matter that files of living processes are left alone.
        let greedy = sabotage::sweeps_the_living();
        let in_use = !greedy && reader.file().and_then(alive::has_writers).map_err(io)?;
        if !ours || found.is_none() || in_use {
            return Ok(None);
        }
        if sweep == Sweep::Look {
            return Ok(found);
        }

        let patience = Patience::forever();
        let control = self.open(name, kind.control, CONTROL_VERSION, &trust, &patience)?;
        has_word(&control)?;
        let lock = |source| PublishError::Lock { path: control.path().to_owned(), source };
        let guard = match control.try_lock() {
            Ok(Acquired::Clean(guard)) => guard,
            Ok(Acquired::OwnerDied(recovery)) => {
                recovery.repair(|_| Ok::<(), LockError>(())).map_err(lock)?
            }
            // Another process has come in the meantime.
            Err(LockError::WouldBlock) => return Ok(None),
            Err(e) => return Err(lock(e)),
        };
        let words = guard.words().map_err(lock)?;
        if control.is_orphaned().map_err(io)? {
            return Ok(None);
        }
        let found = litter(control::load(words.as_read()));
        match found {
            // A process that waits for the lock then sees that the segment no longer has a name,
            // and makes another one.
            Some(Litter::Control) => {
                let io = |source| IoError::new(REMOVE, control.path(), source);
                retire(&control, words).map_err(io)?;
            }
            Some(_) => {
                Turn { namespace: self, name, kind, trust: &trust }.settle(&control, words)?;
            }
            None => {}
        }
        Ok(found)
    }
}

fn is_temporary(file_name: &std::ffi::OsStr) -> bool {
    let digits = file_name.to_str().and_then(|name| name.strip_prefix(TEMPORARY_PREFIX));
    digits.is_some_and(|id| {
        id.len() == 16 && id.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    })
}

/// The action of the only error of `prune_control` that its caller reports.
const REMOVE: &str = "remove";

fn remove(path: &Path) -> io::Result<()> {
    match std::fs::remove_file(path) {
        // Another process has removed it.
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other.map_err(|e| not_removed(path, &e)),
    }
}

fn not_removed(path: &Path, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{REMOVE} {path:?}: {error}"))
}

/// Opens a file of this user under a temporary name, unless a living process is about to give it
/// its final name. While the returned file is open, no process can do that.
fn dead_draft(path: &Path) -> io::Result<Option<File>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(retry(|| rustix::fs::open(path, flags, Mode::empty()))?);
    let meta = file.metadata()?;
    // A living creator holds the exclusive lock, or finds the file without a name and starts again.
    let dead = meta.is_file()
        && meta.uid() == euid()
        && (sabotage::sweeps_the_living()
            || alive::try_hold_draft(&file, Hold::Shared)? && !alive::is_finished(&file)?);
    if !dead {
        return Ok(None);
    }
    let named = path.symlink_metadata()?;
    Ok(((named.dev(), named.ino()) == (meta.dev(), meta.ino())).then_some(file))
}

fn euid() -> u32 {
    rustix::process::geteuid().as_raw()
}
