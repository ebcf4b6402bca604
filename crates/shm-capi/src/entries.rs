//! Tables: copies of many entries, of one moment.

#![allow(unsafe_code)]

use std::ffi::c_int;

use shm_facade::Value;

use crate::border::Call;
use crate::codes::SHMAP_OK;
use crate::fault::Fault;
use crate::handles::{Handle, HandleKind, insert};
use crate::plain::ShmapStatus;
use crate::table::{Access, ShmapTable, missing};

/// Copies of entries of a table, all of one moment. They no longer change.
pub struct ShmapEntries(Vec<(i32, Option<Value>)>);

impl Handle for ShmapEntries {
    const KIND: HandleKind = HandleKind::ENTRIES;
}

/// Copies the values of keys, all of one moment, and stores a handle of the copies in `*entries`, in the order of the keys. The
/// caller frees it with `shmap_entries_free`. Any thread. O(count).
///
/// Errors: SHMAP_TIMEOUT when other writers left no moment; SHMAP_CORRUPT. A key that is missing is no error here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_many(
    table: *const ShmapTable,
    keys: *const i32,
    count: usize,
    entries: *mut *mut ShmapEntries,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        let keys = call.array("keys", keys, count)?;
        let out = call.out("the place for the handle", entries)?;
        let values = match &table.access {
            Access::Writable(table) => table.batch_get(keys)?,
            Access::ReadOnly(reader) => reader.batch_get(keys)?,
        };
        out.set(insert(ShmapEntries(keys.iter().copied().zip(values).collect()))?);
        Ok(SHMAP_OK)
    })
}

/// Copies all entries of one moment, in ascending order of their keys, and stores a handle of the copies in `*entries`. The
/// caller frees it with `shmap_entries_free`. Through a handle that is only for reading, beside writers that do not pause for a
/// second, each entry is whole, but they are of different moments. Damaged slots are left out. Any thread. O(capacity + n log n).
///
/// Errors: SHMAP_TIMEOUT when the lock was not acquired; SHMAP_CORRUPT.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_entries(
    table: *const ShmapTable,
    entries: *mut *mut ShmapEntries,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        let out = call.out("the place for the handle", entries)?;
        let mut found = match &table.access {
            Access::Writable(table) => table.entries()?,
            Access::ReadOnly(reader) => reader.listing()?.entries,
        };
        found.sort_unstable_by_key(|&(key, _)| key);
        let found = found.into_iter().map(|(key, value)| (key, Some(value))).collect();
        out.set(insert(ShmapEntries(found))?);
        Ok(SHMAP_OK)
    })
}

/// Stores the number of entries in `*len`, those without a value included. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_entries_len(entries: *const ShmapEntries, len: *mut usize) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let entries = call.handle(entries)?;
        call.out("len", len)?.set(entries.0.len());
        Ok(SHMAP_OK)
    })
}

/// Stores entry number `index`, counted from 0, in `*entry`. Its value belongs to the handle, and is valid until that is freed. Any
/// thread. O(1).
///
/// Errors: SHMAP_NOT_FOUND when the key had no value: then `entry->key` is the key and `entry->value.data` NULL. SHMAP_INVALID
/// when there is no such entry.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_entries_at(
    entries: *const ShmapEntries,
    index: usize,
    entry: *mut ShmapStatus,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let entries = call.handle(entries)?;
        let out = call.out("entry", entry)?;
        let (key, value) = entries.0.get(index).ok_or_else(|| {
            Fault::invalid(format!("entry {index} of {} does not exist", entries.0.len()))
        })?;
        out.set(ShmapStatus::of(*key, value.as_deref()));
        if value.is_none() { Err(missing(*key)) } else { Ok(SHMAP_OK) }
    })
}

/// Frees the copies. No other thread may be in a call with this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_entries_free(entries: *mut ShmapEntries) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.close(entries)
}
