//! Maps: taking the newest edition, and waiting for one.

#![allow(unsafe_code)]

use std::ffi::c_int;
use std::sync::Arc;
use std::time::{Duration, Instant};

use shm_facade::SharedMap;

use crate::border::Call;
use crate::fault::Fault;
use crate::handles::shortly;
use crate::map::{ShmapMap, Source, not_published};
use crate::options::limit;

/// How long a wait sleeps before it looks whether the handle was closed meanwhile.
const SLICE: Duration = Duration::from_secs(1);

/// What the handle leads to now. It stays open as long as this does, whatever becomes of the
/// handle.
fn in_hand(map: *const ShmapMap) -> Result<Arc<Source>, Fault> {
    shortly(map, ShmapMap::share)
}

/// Takes another edition, unless another thread did so already. Drops what is left over when the
/// lock is over.
fn take(map: *const ShmapMap, from: &Arc<Source>, newer: SharedMap) -> Result<(), Fault> {
    let newer = Arc::new(Source::Published(newer));
    shortly(map, |map, lock| map.replace(from, newer, lock)).map(drop)
}

/// Takes the newest edition: 1 if that is another one, 0 if not, or an error code. After 1,
/// pointers into the map are no longer valid. Files and copies stay what they are. No other thread
/// may be in a call that reads with this handle, or use pointers into the map; others may wait on
/// it and refresh it. One atomic load, under a lock of its own, when nothing was published. About
/// every 100 ms it also looks at the name, and so finds what was published anew after the files
/// had been removed from outside.
///
/// Errors: those of `shmap_map_open`; the handle keeps its edition. A name that was removed is no
/// error: the handle goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_refresh(map: *const ShmapMap) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let source = shortly(map, |map, lock| (!map.is_newest(lock)).then(|| map.share(lock)))?;
        let Some(source) = source else { return Ok(0) };
        let Source::Published(published) = &*source else { return Ok(0) };
        let Some(newer) = published.newer()? else { return Ok(0) };
        take(map, &source, newer)?;
        Ok(1)
    })
}

/// Sleeps until there is another edition, and takes it: 1; 0 when `timeout_ms` milliseconds are
/// over, or an error code. Negative waits for ever. After 1, pointers into the map are no longer
/// valid. No other thread may be in a call that reads with this handle, or use pointers into the
/// map, when an edition is taken: `shmap_map_wait` takes none. Any number of threads may wait on
/// one handle: each returns 1.
///
/// Errors: those of `shmap_map_open`; SHMAP_INVALID for a file or a copy, which has no later
/// editions, and when the handle is closed meanwhile.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_wait_for_update(map: *const ShmapMap, timeout_ms: i64) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        wait(map, timeout_ms, |source, newer| match newer {
            Some(newer) => take(map, source, newer),
            None => Ok(()),
        })
    })
}

/// Sleeps until there is another edition than the one in hand: 1; 0 when `timeout_ms` milliseconds
/// are over, or an error code. Negative waits for ever. It takes none, so pointers into the map
/// stay valid; `shmap_map_refresh` does. Other threads may do anything with the handle meanwhile.
///
/// Errors: as `shmap_map_wait_for_update`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_wait(map: *const ShmapMap, timeout_ms: i64) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| wait(map, timeout_ms, |_, _| Ok(())))
}

/// 1 when the handle's edition is not the newest any more, or not the one that it had at first;
/// `then` gets what it had, and what there is now.
fn wait(
    map: *const ShmapMap,
    timeout_ms: i64,
    then: impl FnOnce(&Arc<Source>, Option<SharedMap>) -> Result<(), Fault>,
) -> Result<c_int, Fault> {
    let (start, timeout) = (Instant::now(), limit(timeout_ms).unwrap_or(Duration::MAX));
    let source = in_hand(map)?;
    let Source::Published(published) = &*source else { return Err(not_published()) };
    loop {
        let left = timeout.saturating_sub(start.elapsed());
        let newer = published.wait_for_newer(left.min(SLICE))?;
        // Fails when the handle was closed.
        let taken = shortly(map, |map, lock| !map.is(&source, lock))?;
        if newer.is_some() || taken {
            then(&source, newer)?;
            return Ok(1);
        }
        if left <= SLICE {
            return Ok(0);
        }
    }
}
