//! Tables: many keys at once, all or nothing.

#![allow(unsafe_code)]

use std::ffi::c_int;

use crate::border::Call;
use crate::codes::SHMAP_OK;
use crate::fault::Fault;
use crate::plain::ShmapStatus;
use crate::table::ShmapTable;

/// The members of a batch.
fn members<'c>(
    call: &'c Call,
    entries: *const ShmapStatus,
    count: usize,
) -> Result<Vec<(i32, &'c [u8])>, Fault> {
    let entries = call.array("entries", entries, count)?;
    let member = |entry: &'c ShmapStatus| {
        Ok((entry.key(), call.named_bytes("a value of the batch", entry.value())?))
    };
    entries.iter().map(member).collect()
}

/// Adds keys that must all be absent: all of them or none, also when this process is killed. Any thread. O(count).
///
/// Errors: those of `shmap_table_add`; the message says which member was at fault, counted from 0. Nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add_many(
    table: *const ShmapTable,
    entries: *const ShmapStatus,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        table.table().add_many(&members(&call, entries, count)?)?;
        Ok(SHMAP_OK)
    })
}

/// Replaces the values of keys that must all be present: all of them or none, also when this process is killed, and for every
/// reader at once. Of a key that occurs twice the last value counts. Any thread. O(count).
///
/// Errors: those of `shmap_table_update`; the message says which member was at fault, counted from 0. Nothing was
/// changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_update_many(
    table: *const ShmapTable,
    entries: *const ShmapStatus,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        table.batch_update(&members(&call, entries, count)?)?;
        Ok(SHMAP_OK)
    })
}

/// Sets the values of keys, whether they have one or not. Otherwise as `shmap_table_update_many`.
///
/// Errors: those of `shmap_table_upsert`; the message says which member was at fault, counted from 0. Nothing was
/// changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert_many(
    table: *const ShmapTable,
    entries: *const ShmapStatus,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        table.batch_upsert(&members(&call, entries, count)?)?;
        Ok(SHMAP_OK)
    })
}

/// Removes keys: all of them or, if one is not there or named twice, none. Any thread. O(count).
///
/// Errors: those of `shmap_table_remove`; the message says which member was at fault, counted from 0. Nothing was
/// changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_remove_many(
    table: *const ShmapTable,
    keys: *const i32,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        table.table().remove_many(call.array("keys", keys, count)?)?;
        Ok(SHMAP_OK)
    })
}
