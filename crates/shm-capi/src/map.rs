//! Maps: opening, closing, removing.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::path::Path;
use std::sync::Arc;

use shm_facade::{AlignedBytes, MappedFile, SharedMap, Snapshot, litter, prune};

use crate::at_name;
use crate::border::{Call, IN_PLACE};
use crate::codes::SHMAP_OK;
use crate::current::Current;
use crate::fault::Fault;
use crate::handles::{Handle, HandleKind, insert};
use crate::options::{ShmapMapOptions, namespace, of_map};
use crate::short_lock::Held;

/// An open map. A handle stays at its edition until it takes another edition.
pub struct ShmapMap(Current<Source>);

/// The bytes from which a map is read.
#[allow(clippy::large_enum_variant, reason = "one for each open map, and boxed")]
pub(crate) enum Source {
    Published(SharedMap),
    File(Snapshot<MappedFile>),
    Copy(Snapshot<AlignedBytes>),
}

impl Handle for ShmapMap {
    const KIND: HandleKind = HandleKind::MAP;
}

impl Source {
    /// Returns the path by which the map was opened, or `None` for a copy.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Published(map) => Some(map.snapshot().get_ref().path()),
            Self::File(map) => Some(map.get_ref().path()),
            Self::Copy(_) => None,
        }
    }
}

impl ShmapMap {
    /// Returns the source, for a call that reads.
    #[inline]
    pub(crate) fn read<'c>(&'c self, call: &'c Call) -> &'c Source {
        self.0.read(call)
    }

    /// Returns the current source, and keeps it alive.
    pub(crate) fn share(&self, lock: &Held<'_>) -> Arc<Source> {
        self.0.share(lock)
    }

    /// True if the handle still leads to this source.
    pub(crate) fn is(&self, source: &Arc<Source>, lock: &Held<'_>) -> bool {
        self.0.is(source, lock)
    }

    /// Makes the handle lead to `newer`, if it still leads to `from`. Returns the source that is no
    /// longer used.
    pub(crate) fn replace(
        &self,
        from: &Arc<Source>,
        newer: Arc<Source>,
        lock: &Held<'_>,
    ) -> Arc<Source> {
        if self.is(from, lock) { self.0.replace(newer, lock) } else { newer }
    }

    /// True if no newer edition was published. This takes one load.
    #[inline]
    pub(crate) fn is_newest(&self, lock: &Held<'_>) -> bool {
        self.0.look(lock, |source| match source {
            Source::Published(map) => map.is_newest(),
            _ => true,
        })
    }
}

/// Evaluates an expression with the snapshot of a [`Source`], whatever its type. Users of this
/// macro also import [`Source`].
macro_rules! with_snapshot {
    ($source:expr, $snapshot:ident => $body:expr) => {
        match $source {
            Source::Published(map) => {
                let $snapshot = map.snapshot();
                $body
            }
            Source::File($snapshot) => $body,
            Source::Copy($snapshot) => $body,
        }
    };
}
pub(crate) use with_snapshot;

fn open(
    call: &Call,
    map: *mut *mut ShmapMap,
    source: impl FnOnce() -> Result<Source, Fault>,
) -> c_int {
    call.run(|| {
        let out = call.out("the place for the handle", map)?;
        out.set(insert(ShmapMap(Current::new(source()?)))?);
        Ok(SHMAP_OK)
    })
}

/// Opens the map that is published under a name, and stores a handle of it in `*map`. The caller
/// closes it with `shmap_map_close`. This checks the owner of the file and the headers, but reads
/// no entries. `shmap_map_verify` checks the entries. NULL for `options` means the defaults. Any
/// thread. O(1).
///
/// The map is read in place. By making this call, the caller promises that the file's owner and
/// root do not write to the file or change its length while the handle is open. (No call of this
/// library does so.) If you cannot promise that, use `shmap_map_open_copy`.
///
/// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_CORRUPT, SHMAP_MISMATCH, SHMAP_SYSTEM;
/// SHMAP_PERMISSION, also for a file that anybody may write to or has open for writing. Use
/// `shmap_map_open_copy` for such a file. After an error `*map` is not changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_open(
    name: *const c_char,
    options: *const ShmapMapOptions,
    map: *mut *mut ShmapMap,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, map, || {
        let (name, options) = (call.name(name)?, of_map(&call, options)?);
        let map = SharedMap::open_with(name, &options, IN_PLACE);
        Ok(Source::Published(map.map_err(|e| at_name::of_map(&options.namespace, name, e))?))
    })
}

/// Copies the map that is published under a name into private memory, verifies it, and stores a
/// handle of it in `*map`. The owner of the file may have write permission. The copy does not
/// follow later editions. In all other respects, this is like `shmap_map_open`. O(n).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_open_copy(
    name: *const c_char,
    options: *const ShmapMapOptions,
    map: *mut *mut ShmapMap,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, map, || {
        let (name, options) = (call.name(name)?, of_map(&call, options)?);
        let map = SharedMap::open_copy_with(name, &options);
        Ok(Source::Copy(map.map_err(|e| at_name::of_map(&options.namespace, name, e))?))
    })
}

/// Opens a file that `shmap_tree_save` or `shmap_map_save` wrote, and stores a handle of it in
/// `*map`. The handle does not follow later editions. `dir` in `options` is ignored. In all other
/// respects, this is like `shmap_map_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_open_file(
    path: *const c_char,
    options: *const ShmapMapOptions,
    map: *mut *mut ShmapMap,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, map, || {
        let (path, options) = (call.path("the path", path)?, of_map(&call, options)?);
        let map = SharedMap::open_file(path, &options.trust, IN_PLACE);
        Ok(Source::File(map.map_err(|error| at_name::of_saved(path, error))?))
    })
}

/// Copies a file that `shmap_tree_save` or `shmap_map_save` wrote into private memory, verifies it,
/// and stores a handle of it in `*map`. The owner of the file may have write permission. Otherwise
/// as `shmap_map_open_file`. O(n).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_open_file_copy(
    path: *const c_char,
    options: *const ShmapMapOptions,
    map: *mut *mut ShmapMap,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, map, || {
        let (path, options) = (call.path("the path", path)?, of_map(&call, options)?);
        let map = SharedMap::open_file_copy(path, &options.trust);
        Ok(Source::Copy(map.map_err(|error| at_name::of_file(path, error))?))
    })
}

/// Closes a handle. The published map stays, but pointers into the map that came from this handle
/// become invalid. No other thread may be in a call with this handle, except for `shmap_map_wait`
/// and `shmap_map_wait_for_update`, which then end within a second with SHMAP_INVALID.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_close(map: *mut ShmapMap) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.close(map)
}

/// Stores the handle's edition in `*edition`. The first edition under a name is 1, and each further
/// edition is one more. For files and copies, it is 0. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_edition(map: *const ShmapMap, edition: *mut u64) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        call.out("edition", edition)?.set(match map {
            Source::Published(map) => map.edition(),
            _ => 0,
        });
        Ok(SHMAP_OK)
    })
}

/// Returns 0 if the name leads to this edition, or to an edition that replaced it. Returns 1 if the
/// name leads to no map, or to a map that was published after this edition was removed. Otherwise,
/// returns an error code. The handle remains usable in each case, and `shmap_map_refresh` takes the
/// map at the name. Any thread. At most two system calls.
///
/// Errors: SHMAP_INVALID for a file or a copy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_is_removed(map: *const ShmapMap) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| match call.handle(map)?.read(&call) {
        Source::Published(map) => Ok(c_int::from(map.is_removed()?)),
        _ => Err(not_published()),
    })
}

/// Removes the name of a map. Later attempts to open the name fail with SHMAP_NOT_FOUND. A process
/// that has the map open keeps it. Any thread.
///
/// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_TIMEOUT, SHMAP_PERMISSION, SHMAP_CORRUPT,
/// SHMAP_SYSTEM; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_remove_name(
    name: *const c_char,
    options: *const ShmapMapOptions,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let (name, options) = (call.name(name)?, of_map(&call, options)?);
        SharedMap::remove_with(name, &options)
            .map_err(|error| at_name::of_map(&options.namespace, name, error))?;
        Ok(SHMAP_OK)
    })
}

/// Removes the files that killed publishers of this user left in a directory, and stores their
/// number in `*count`, unless that is NULL. If `dry_run` is not 0, the call only counts them. NULL
/// for `dir` means `$SHMAP_DIR`, or `/dev/shm` if that is not set. Living publishers, tables and
/// other users' files are left alone. Any thread. O(files in the directory).
///
/// Errors: SHMAP_NOT_FOUND, SHMAP_PERMISSION, SHMAP_SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_prune(
    dir: *const c_char,
    dry_run: c_int,
    count: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let count = call.out_or_null("count", count)?;
        let sweep = if dry_run != 0 { litter } else { prune };
        let found = sweep(&namespace(&call, dir)?)?.len();
        if let Some(count) = count {
            count.set(found);
        }
        Ok(SHMAP_OK)
    })
}

pub(crate) fn not_published() -> Fault {
    Fault::invalid("the map is a file or a copy: it follows no name")
}
