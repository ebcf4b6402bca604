//! Tables: many keys at once, all or nothing.

#![allow(unsafe_code)]

use std::ffi::c_int;

use shm_facade::PutMode;

use crate::border::Call;
use crate::codes::SHMAP_OK;
use crate::keys::{EntryElement, KeyElement};
use crate::plain::{ShmapBytes, ShmapPair, ShmapStatus, ShmapStatusI64};
use crate::table::ShmapTable;

/// Adds keys that must all be absent: all of them or none, even if this process is killed. Any
/// thread. O(count).
///
/// Errors: those of `shmap_table_add`; the message names the member that failed, counted from 0. A
/// key that occurs twice is SHMAP_DUPLICATE_KEY.
/// Nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add_many(
    table: *const ShmapTable,
    entries: *const ShmapStatus,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put_many(&call, table, PutMode::Add, entries, count)
}

/// `shmap_table_add_many` for keys of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add_many_i64(
    table: *const ShmapTable,
    entries: *const ShmapStatusI64,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put_many(&call, table, PutMode::Add, entries, count)
}

/// `shmap_table_add_many` for keys of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add_many_bytes(
    table: *const ShmapTable,
    entries: *const ShmapPair,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put_many(&call, table, PutMode::Add, entries, count)
}

/// Replaces the values of keys that must all be present: all of them or none, even if this process
/// is killed, and for every reader at once. If a key occurs twice, its last value counts. Any
/// thread. O(count).
///
/// Errors: those of `shmap_table_update`; the message names the member that failed, counted from 0.
/// Nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_update_many(
    table: *const ShmapTable,
    entries: *const ShmapStatus,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put_many(&call, table, PutMode::Update, entries, count)
}

/// `shmap_table_update_many` for keys of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_update_many_i64(
    table: *const ShmapTable,
    entries: *const ShmapStatusI64,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put_many(&call, table, PutMode::Update, entries, count)
}

/// `shmap_table_update_many` for keys of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_update_many_bytes(
    table: *const ShmapTable,
    entries: *const ShmapPair,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put_many(&call, table, PutMode::Update, entries, count)
}

/// Sets the values of keys, whether the keys are present or not. In all other respects, this is
/// like `shmap_table_update_many`.
///
/// Errors: those of `shmap_table_upsert`; the message names the member that failed, counted from 0.
/// Nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert_many(
    table: *const ShmapTable,
    entries: *const ShmapStatus,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put_many(&call, table, PutMode::Upsert, entries, count)
}

/// `shmap_table_upsert_many` for keys of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert_many_i64(
    table: *const ShmapTable,
    entries: *const ShmapStatusI64,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put_many(&call, table, PutMode::Upsert, entries, count)
}

/// `shmap_table_upsert_many` for keys of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert_many_bytes(
    table: *const ShmapTable,
    entries: *const ShmapPair,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put_many(&call, table, PutMode::Upsert, entries, count)
}

fn put_many<T: EntryElement>(
    call: &Call,
    table: *const ShmapTable,
    mode: PutMode,
    entries: *const T,
    count: usize,
) -> c_int {
    call.run(|| {
        let handle = call.handle(table)?;
        let table = handle.writable()?;
        table.put_many(mode, &handle.members(call, entries, count)?)?;
        Ok(SHMAP_OK)
    })
}

/// Removes keys: all of them or, if a key is absent or occurs twice, none. Any thread. O(count).
///
/// Errors: those of `shmap_table_remove`, and SHMAP_DUPLICATE_KEY for a key that occurs twice; the
/// message names the member that failed, counted from 0.
/// Nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_remove_many(
    table: *const ShmapTable,
    keys: *const i32,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    remove_many(&call, table, keys, count)
}

/// `shmap_table_remove_many` for keys of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_remove_many_i64(
    table: *const ShmapTable,
    keys: *const i64,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    remove_many(&call, table, keys, count)
}

/// `shmap_table_remove_many` for keys of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_remove_many_bytes(
    table: *const ShmapTable,
    keys: *const ShmapBytes,
    count: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    remove_many(&call, table, keys, count)
}

fn remove_many<T: KeyElement>(
    call: &Call,
    table: *const ShmapTable,
    keys: *const T,
    count: usize,
) -> c_int {
    call.run(|| {
        let handle = call.handle(table)?;
        let table = handle.writable()?;
        table.remove_many(&handle.keys(call, keys, count)?)?;
        Ok(SHMAP_OK)
    })
}
