//! Maps: opening, following, removing.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::path::Path;
use std::time::Duration;

use shm_facade::{AlignedBytes, MappedFile, SharedMap, Snapshot, prune};

use crate::at_name;
use crate::border::Call;
use crate::codes::SHMAP_OK;
use crate::exclusive::{Changing, Exclusive};
use crate::fault::Fault;
use crate::handles::{Handle, insert};
use crate::options::{ShmapMapOptions, limit, namespace, of_map};

/// A map that is open. One handle has one edition until it is refreshed.
pub struct ShmapMap(Exclusive<Source>);

/// What a map is read from.
#[allow(clippy::large_enum_variant, reason = "one for each open map, and boxed")]
pub(crate) enum Source {
    Published(SharedMap),
    File(Snapshot<MappedFile>),
    Copy(Snapshot<AlignedBytes>),
}

impl Handle for ShmapMap {
    const KIND: u8 = 4;
    const WHAT: &'static str = "a map";
}

impl Source {
    /// What it was opened by; nothing for a copy.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Published(map) => Some(map.snapshot().get_ref().path()),
            Self::File(map) => Some(map.get_ref().path()),
            Self::Copy(_) => None,
        }
    }
}

impl ShmapMap {
    /// For reading.
    #[inline]
    pub(crate) fn read<'c>(&'c self, call: &'c Call) -> Result<&'c Source, Fault> {
        self.0.read(call)
    }

    /// For taking another edition.
    fn change<'c>(&'c self, call: &'c Call) -> Result<Changing<'c, Source>, Fault> {
        self.0.change(call)
    }
}

/// Evaluates an expression with the snapshot of a source, whatever its type.
macro_rules! with_snapshot {
    ($source:expr, $snapshot:ident => $body:expr) => {
        match $source {
            $crate::map::Source::Published(map) => {
                let $snapshot = map.snapshot();
                $body
            }
            $crate::map::Source::File($snapshot) => $body,
            $crate::map::Source::Copy($snapshot) => $body,
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
        out.set(insert(ShmapMap(Exclusive::new(source()?)))?);
        Ok(SHMAP_OK)
    })
}

/// Opens the map that is published under a name, and stores a handle of it in `*map`. The caller closes it with
/// `shmap_map_close`. It checks who made the file and the headers, and reads no entries: `shmap_map_verify` does. NULL for
/// `options` means the defaults. Any thread. O(1).
///
/// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_CORRUPT, SHMAP_MISMATCH, SHMAP_SYSTEM; SHMAP_PERMISSION also for a file that
/// anybody may write to, for which there is `shmap_map_open_copy`. `*map` is left alone.
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
        let map = SharedMap::open_with(name, &options);
        Ok(Source::Published(map.map_err(|e| at_name::of_map(&options.namespace, name, e))?))
    })
}

/// Copies the map that is published under a name into private memory, verifies it, and stores a handle of it in `*map`. The
/// owner of the file may have write permission. It does not follow later editions. Otherwise as `shmap_map_open`. O(n).
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
        let map = SharedMap::open_copy(name, &options);
        Ok(Source::Copy(map.map_err(|e| at_name::of_map(&options.namespace, name, e))?))
    })
}

/// Opens a file that `shmap_tree_save` or `shmap_map_save` wrote, and stores a handle of it in `*map`. It does not follow later
/// editions. Of `options`, `dir` does not count. Otherwise as `shmap_map_open`.
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
        let map = SharedMap::open_file(path, &options.trust);
        Ok(Source::File(map.map_err(|error| at_name::of_file(path, error))?))
    })
}

/// Closes a handle. What was published stays; pointers into the map are no longer valid. No other thread may be in a call with
/// this handle; SHMAP_INVALID when one is found to wait on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_close(map: *mut ShmapMap) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    match call.run(|| call.handle(map)?.change(&call).map(|_| SHMAP_OK)) {
        SHMAP_OK => call.close(map),
        busy => busy,
    }
}

/// Takes the newest edition: 1 if that is another one, 0 if not, or an error code. After 1, pointers into the map are no longer
/// valid. Files and copies stay what they are. No other thread may be in a call with this handle. One atomic load
/// when nothing was published.
///
/// Errors: those of `shmap_map_open`; the handle keeps its edition. A name that was removed is no error: the handle goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_refresh(map: *const ShmapMap) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?;
        match &mut *map.change(&call)? {
            Source::Published(map) => Ok(c_int::from(map.refresh()?)),
            _ => Ok(0),
        }
    })
}

/// Sleeps until there is another edition, and takes it: 1; 0 when `timeout_ms` milliseconds are over, or an error code. Negative
/// waits for ever. Otherwise as `shmap_map_refresh`: no other thread may be in a call with this handle, so a thread
/// that waits has a handle of its own.
///
/// Errors: those of `shmap_map_open`; SHMAP_INVALID for a file or a copy, which has no later editions.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_wait_for_update(map: *const ShmapMap, timeout_ms: i64) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?;
        match &mut *map.change(&call)? {
            Source::Published(map) => {
                let timeout = limit(timeout_ms).unwrap_or(Duration::MAX);
                Ok(c_int::from(map.wait_for_update(timeout)?))
            }
            _ => Err(not_published()),
        }
    })
}

/// Stores the edition in hand in `*generation`: 1 for the first under the name, one more each time. 0 for files and copies. Any
/// thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_generation(map: *const ShmapMap, generation: *mut u64) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call)?;
        call.out("generation", generation)?.set(match map {
            Source::Published(map) => map.generation(),
            _ => 0,
        });
        Ok(SHMAP_OK)
    })
}

/// 1 when the name leads to no map now, 0 when it does, or an error code. The handle goes on all the same. Any thread. One
/// system call.
///
/// Errors: SHMAP_INVALID for a file or a copy.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_is_removed(map: *const ShmapMap) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| match call.handle(map)?.read(&call)? {
        Source::Published(map) => Ok(c_int::from(map.is_removed()?)),
        _ => Err(not_published()),
    })
}

/// Removes the name of a map. Later openings fail with SHMAP_NOT_FOUND; who has it open keeps it. Any thread.
///
/// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_TIMEOUT, SHMAP_PERMISSION, SHMAP_CORRUPT, SHMAP_SYSTEM; nothing was
/// changed.
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

/// Removes what killed publishers of this user left in a directory, and stores how many files those are in `*count`, unless
/// that is NULL; with `dry_run` not 0 it only counts. NULL for `dir` means `$SHMAP_DIR`, or `/dev/shm`. Living publishers, tables
/// and other users' files are left alone. Any thread. O(files in the directory).
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
        let found = prune(&namespace(&call, dir)?, dry_run != 0)?.len();
        if let Some(count) = count {
            count.set(found);
        }
        Ok(SHMAP_OK)
    })
}

fn not_published() -> Fault {
    Fault::invalid("the map is a file or a copy: it follows no name")
}
