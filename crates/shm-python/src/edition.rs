//! The map that a snapshot's handle reads: an edition of a published name, or a file that `save`
//! wrote.

use std::io;
use std::ops::{Bound, Range};
use std::path::Path;
use std::time::Duration;

use avl_snapshot::Snapshot;
use shm_core::{MappedFile, Trust};
use shm_facade::{Error, Share, SharedMap};

use crate::arguments::IN_PLACE;
/// A map that does not change.
#[expect(clippy::large_enum_variant, reason = "behind an `Arc` wherever it is")]
pub(crate) enum Edition {
    Published(SharedMap),
    Saved(Snapshot<MappedFile>),
}

/// Makes the same call on either variant.
macro_rules! either {
    ($self:expr, $map:ident => $call:expr) => {
        match $self {
            Self::Published($map) => $call,
            Self::Saved($map) => $call,
        }
    };
}

impl Edition {
    /// Opens a file that `save` wrote.
    pub(crate) fn saved(path: &Path, trust: &Trust) -> Result<Self, Error> {
        SharedMap::open_file(path, trust, IN_PLACE).map(Self::Saved)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        either!(self, map => map.len())
    }

    #[inline]
    pub(crate) fn get(&self, key: impl AsRef<[u8]>) -> Option<&[u8]> {
        either!(self, map => map.get(key))
    }

    #[inline]
    pub(crate) fn contains_key(&self, key: impl AsRef<[u8]>) -> bool {
        either!(self, map => map.contains_key(key))
    }

    pub(crate) fn get_many(&self, keys: &[&[u8]]) -> Vec<Option<&[u8]>> {
        either!(self, map => map.get_many(keys))
    }

    #[inline]
    pub(crate) fn nth(&self, rank: usize) -> Option<(&[u8], &[u8])> {
        either!(self, map => map.nth(rank))
    }

    pub(crate) fn rank(&self, key: impl AsRef<[u8]>) -> usize {
        either!(self, map => map.rank(key))
    }

    /// Returns the ranks of the keys between two bounds.
    pub(crate) fn range<K: AsRef<[u8]>>(&self, bounds: (Bound<K>, Bound<K>)) -> Range<usize> {
        either!(self, map => map.range(bounds).ranks())
    }

    /// Returns the ranks of the keys that start with `prefix`.
    pub(crate) fn prefix(&self, prefix: &[u8]) -> Range<usize> {
        either!(self, map => map.prefix(prefix).ranks())
    }

    pub(crate) fn iter(&self) -> avl_snapshot::Iter<'_> {
        either!(self, map => map.iter())
    }

    pub(crate) fn has_hash_index(&self) -> bool {
        either!(self, map => map.has_hash_index())
    }

    pub(crate) fn as_bytes(&self) -> &[u8] {
        either!(self, map => map.as_bytes())
    }

    pub(crate) fn path(&self) -> &Path {
        either!(self, map => map.get_ref().path())
    }

    pub(crate) fn verify(&self) -> Result<(), Error> {
        either!(self, map => Ok(map.verify()?))
    }

    pub(crate) fn save(&self, path: &Path) -> Result<(), Error> {
        either!(self, map => map.save(path))
    }

    /// Returns an id that no other edition of the name has, or `None` for a saved file.
    pub(crate) fn id(&self) -> Option<[u8; 16]> {
        match self {
            Self::Published(map) => Some(map.get_ref().id()),
            Self::Saved(_) => None,
        }
    }

    /// Returns the number of the edition, counted from 1, or 0 for a saved file.
    pub(crate) fn number(&self) -> u64 {
        match self {
            Self::Published(map) => map.edition(),
            Self::Saved(_) => 0,
        }
    }

    /// Returns the newest edition, if it differs from this one. A saved file has no newer edition.
    #[inline]
    pub(crate) fn newer(&self) -> Result<Option<Self>, Error> {
        match self {
            Self::Published(map) => Ok(map.newer()?.map(Self::Published)),
            Self::Saved(_) => Ok(None),
        }
    }

    /// Like `newer`, but sleeps until there is a newer edition, for at most `timeout`.
    pub(crate) fn wait_for_newer(&self, timeout: Duration) -> Result<Option<Self>, Error> {
        match self {
            Self::Published(map) => Ok(map.wait_for_newer(timeout)?.map(Self::Published)),
            Self::Saved(_) => Ok(None),
        }
    }

    /// True if the name or the path leads nowhere now, or if the name was removed after this
    /// edition was published.
    pub(crate) fn is_removed(&self) -> Result<bool, Error> {
        let map = match self {
            Self::Published(map) => return map.is_removed(),
            Self::Saved(map) => map,
        };
        let path = map.get_ref().path();
        match path.symlink_metadata() {
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(source) => Err(shm_core::IoError::new("look at", path, source).into()),
        }
    }
}
