//! Maps: cursors, which move to any key and on in both directions.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use crate::border::Call;
use crate::map::{ShmapMap, Source, with_snapshot};
use crate::plain::{ShmapCursor, ShmapPair};

/// Moves `*cursor` before the first entry whose key is not less than `key`, or after the last entry
/// if there is no such key. Returns 1 if `key` is in the map, 0 if it is not, or an error code.
/// What `*cursor` was before does not matter. Any thread, each with its own cursor. O(log n).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_cursor_seek(
    map: *const ShmapMap,
    cursor: *mut ShmapCursor,
    key: *const c_void,
    key_len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let key = call.bytes("the key", key, key_len)?;
        let out = call.out("cursor", cursor)?;
        let (found, rank) = with_snapshot!(map, snapshot => {
            let mut cursor = snapshot.cursor();
            (cursor.seek(key), cursor.rank())
        });
        out.set(ShmapCursor { rank });
        Ok(c_int::from(found))
    })
}

/// Stores the entry after the cursor in `*entry`, moves the cursor behind it and returns 1. Returns
/// 0 if there is none, or an error code; the cursor then stays. The memory that the entry points to
/// is valid for as long as with `shmap_map_get`. Any thread, each with its own cursor. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_cursor_next(
    map: *const ShmapMap,
    cursor: *mut ShmapCursor,
    entry: *mut ShmapPair,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    step(&call, map, cursor, entry, |rank, len| (rank < len).then(|| (rank, rank + 1)))
}

/// Stores the entry before the cursor in `*entry`, and moves the cursor in front of it. In all
/// other respects, this is like `shmap_cursor_next`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_cursor_prev(
    map: *const ShmapMap,
    cursor: *mut ShmapCursor,
    entry: *mut ShmapPair,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    step(&call, map, cursor, entry, |rank, len| {
        // The handle may have taken a smaller edition since, and C may have written anything.
        rank.min(len).checked_sub(1).map(|before| (before, before))
    })
}

/// Stores an entry beside the cursor, and moves the cursor. `from` returns the rank of the entry
/// and the new rank of the cursor, from its rank and the number of entries.
fn step(
    call: &Call,
    map: *const ShmapMap,
    cursor: *mut ShmapCursor,
    entry: *mut ShmapPair,
    from: impl FnOnce(usize, usize) -> Option<(usize, usize)>,
) -> c_int {
    call.run(|| {
        let map = call.handle(map)?.read(call);
        let rank = call.one("cursor", cursor)?.rank;
        let (cursor, entry) = (call.out("cursor", cursor)?, call.out("entry", entry)?);
        let Some((at, rank)) = from(rank, with_snapshot!(map, snapshot => snapshot.len())) else {
            return Ok(0);
        };
        let Some(found) = with_snapshot!(map, snapshot => snapshot.nth(at)) else { return Ok(0) };
        cursor.set(ShmapCursor { rank });
        entry.set(ShmapPair::of(found));
        Ok(1)
    })
}
