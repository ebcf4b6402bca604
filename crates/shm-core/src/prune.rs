//! Removing what killed processes left in a namespace.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use crate::alive::{self, Hold};
use crate::control;
use crate::create::retry;
use crate::draft::TEMPORARY_PREFIX;
use crate::error::{LockError, OpenError, PublishError};
use crate::mutex::Acquired;
use crate::name::Name;
use crate::namespace::Namespace;
use crate::open::Trust;
use crate::publish::PublishedKind;
use crate::sabotage;
use crate::turn::{CONTROL_VERSION, Turn, has_word, retire};

/// What [`Namespace::prune`] found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pruned {
    /// Where.
    pub path: PathBuf,
    /// What it was.
    pub what: Litter,
}

/// What a killed process may leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Litter {
    /// A file that never got its name, or was to replace another one. Removed.
    Temporary,
    /// A control segment beside which nothing is published. Removed.
    Control,
    /// A control segment whose word said that somebody is publishing; nobody is. Settled.
    Unsettled,
}

impl Namespace {
    /// Removes what killed processes of this user left, and says what that was, sorted by path: files
    /// under temporary names, control segments of these kinds without a file or with work begun. With
    /// `dry_run` it only says. O(files in the directory).
    ///
    /// It touches nothing of other users, nothing that a living process is about to give a name, and no control
    /// segment that one has open for publishing; it waits for nobody. What cannot be
    /// opened is left alone.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn prune(&self, kinds: &[PublishedKind], dry_run: bool) -> io::Result<Vec<Pruned>> {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(self.dir())? {
            let entry = entry?;
            let path = entry.path();
            if is_temporary(&entry.file_name()) && sweep(&path, dry_run).unwrap_or(false) {
                found.push(Pruned { path, what: Litter::Temporary });
            }
        }
        for entry in self.list()? {
            for kind in kinds.iter().filter(|kind| kind.control.as_str() == entry.kind) {
                if let Ok(Some(what)) = self.prune_control(&entry.name, *kind, dry_run) {
                    found.push(Pruned { path: entry.path.clone(), what });
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
        dry_run: bool,
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
        let io = |source| OpenError::Io { action: "look at", path: reader.path().into(), source };
        let ours = reader.owner_and_mode().map_err(io)?.0 == euid();
        let found = litter(control::look(reader.words()));
        // A negative control; sweeping around the living must matter.
        let greedy = sabotage::sweeps_the_living();
        let in_use = !greedy && alive::has_writers(reader.file()).map_err(io)?;
        if !ours || found.is_none() || in_use {
            return Ok(None);
        }
        if dry_run {
            return Ok(found);
        }

        let control = self.open(name, kind.control, CONTROL_VERSION, &trust)?;
        has_word(&control)?;
        let lock = |source| PublishError::Lock { path: control.path().to_owned(), source };
        let guard = match control.try_lock() {
            Ok(Acquired::Clean(guard)) => guard,
            Ok(Acquired::OwnerDied(recovery)) => {
                recovery.repair(|_| Ok::<(), LockError>(())).map_err(lock)?
            }
            // Somebody has come since.
            Err(LockError::WouldBlock) => return Ok(None),
            Err(e) => return Err(lock(e)),
        };
        let words = guard.words().map_err(lock)?;
        if control.is_orphaned().map_err(io)? {
            return Ok(None);
        }
        let found = litter(control::look(words.as_read()));
        match found {
            // Whoever waits for the lock sees that it has no name any more, and makes another one.
            Some(Litter::Control) if !retire(&control, words) => return Ok(None),
            Some(Litter::Control) => {}
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

/// Removes a file under a temporary name that no living process is about to give another one.
fn sweep(path: &Path, dry_run: bool) -> io::Result<bool> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = File::from(retry(|| rustix::fs::open(path, flags, Mode::empty()))?);
    let meta = file.metadata()?;
    // Its creator holds the other kind of this lock, or will begin again without it.
    let dead = meta.is_file()
        && meta.uid() == euid()
        && (sabotage::sweeps_the_living() || alive::try_hold_draft(&file, Hold::Shared)?);
    if !dead {
        return Ok(false);
    }
    let named = path.symlink_metadata()?;
    if (named.dev(), named.ino()) != (meta.dev(), meta.ino()) {
        return Ok(false);
    }
    if !dry_run {
        std::fs::remove_file(path)?;
    }
    Ok(true)
}

fn euid() -> u32 {
    rustix::process::geteuid().as_raw()
}
