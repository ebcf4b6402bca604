//! Maps: taking the newest edition, and waiting for a newer one.

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

/// Maximum time that a wait sleeps before it checks whether the handle was closed meanwhile.
const SLICE: Duration = Duration::from_secs(1);

/// Returns the current source of the handle. The source stays open for as long as the result lives,
/// whatever happens to the handle.
fn in_hand(map: *const ShmapMap) -> Result<Arc<Source>, Fault> {
    shortly(map, ShmapMap::share)
}

/// Takes another edition, unless another thread has already taken one. The source that is no longer
/// used is dropped after the lock is released.
fn take(map: *const ShmapMap, from: &Arc<Source>, newer: SharedMap) -> Result<(), Fault> {
    let newer = Arc::new(Source::Published(newer));
    shortly(map, |map, lock| map.replace(from, newer, lock)).map(drop)
}

/// Takes the newest edition. Returns 1 if that differs from the handle's edition, 0 if it does not,
/// or an error code. If the result is 1, pointers into the map are invalid. Files and copies never
/// change. No other thread may be in a call that reads with this handle, or use pointers into the
/// map. Other threads may wait on the handle and refresh it. If nothing was published, this costs
/// one atomic load under a lock of the handle. About every 100 ms it also checks the name, so that
/// it finds a map whose files were deleted by other means and then published again.
///
/// Errors: those of `shmap_map_open`; the handle keeps its edition. A name that was removed is not
/// an error: the handle remains usable.
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

/// Sleeps until there is another edition, takes it and returns 1. Returns 0 once `timeout_ms`
/// milliseconds have passed, or an error code. A negative timeout waits for ever. If the result is
/// 1, pointers into the map are invalid. When an edition is taken, no other thread may be in a call
/// that reads with this handle, or use pointers into the map; `shmap_map_wait` takes no edition.
/// Any number of threads may wait on one handle, and each of these calls returns 1.
///
/// Errors: those of `shmap_map_open`; SHMAP_INVALID for a file or a copy, which has no later
/// editions, and if the handle is closed meanwhile.
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

/// Sleeps until there is an edition other than the handle's edition, and returns 1. Returns 0 once
/// `timeout_ms` milliseconds have passed, or an error code. A negative timeout waits for ever. This
/// call does not take the new edition, so pointers into the map stay valid. `shmap_map_refresh`
/// takes it. Other threads may do anything with the handle meanwhile.
///
/// Errors: those of `shmap_map_wait_for_update`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_wait(map: *const ShmapMap, timeout_ms: i64) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| wait(map, timeout_ms, |_, _| Ok(())))
}

/// Waits. Returns 1 if the handle's edition is no longer the newest, or no longer the edition that
/// the handle had at first. Calls `then` with the former edition and the current one.
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
        // Fails if the handle was closed.
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
