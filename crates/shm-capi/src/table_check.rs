//! Tables: checking, repairing, writing back.

#![allow(unsafe_code)]

use std::ffi::c_int;

use crate::border::Call;
use crate::codes::{SHMAP_OK, SHMAP_SYSTEM};
use crate::fault::Fault;
use crate::table::ShmapTable;

/// Checks under the lock that all parts of the table agree. Any thread. O(capacity).
///
/// Errors: SHMAP_CORRUPT; the message says what is wrong, and the next write repairs it.
/// SHMAP_TIMEOUT, SHMAP_PERMISSION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_verify(table: *const ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        call.handle(table)?.writable()?.verify()?;
        Ok(SHMAP_OK)
    })
}

/// Repairs what a dead writer or a damaged file left, now rather than at the next write. Stores the
/// number of entries that were lost in `*lost`, unless that is NULL. All entries in undamaged slots
/// are kept. Any thread. O(capacity).
///
/// Errors: SHMAP_TIMEOUT, SHMAP_PERMISSION; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_recover(table: *const ShmapTable, lost: *mut usize) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        let lost = call.out_or_null("lost", lost)?;
        let repaired = table.recover()?;
        if let Some(lost) = lost {
            lost.set(repaired.entries);
        }
        Ok(SHMAP_OK)
    })
}

/// Writes the table back to its file. This matters if the directory is on a disk. Any thread.
///
/// Errors: SHMAP_SYSTEM, SHMAP_PERMISSION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_flush(table: *const ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        let path = || table.namespace().path_of(table.name(), shm_facade::TABLE);
        let flushed = table.writable()?.flush();
        flushed.map_err(|e| Fault::new(SHMAP_SYSTEM, format!("write back {:?}: {e}", path())))?;
        Ok(SHMAP_OK)
    })
}
