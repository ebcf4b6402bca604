//! Tables: writing one key.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use shm_facade::PutMode;

use crate::border::Call;
use crate::codes::SHMAP_OK;
use crate::keys::GivenKey;
use crate::table::ShmapTable;

/// Adds a key that is absent. Any thread. O(1).
///
/// Errors: SHMAP_DUPLICATE_KEY; SHMAP_NO_SPACE if the table is full, or the value or the key is too
/// long; SHMAP_MISMATCH for a key of another kind; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing was
/// changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add(
    table: *const ShmapTable,
    key: i32,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put(&call, table, PutMode::Add, GivenKey::I32(key), (value, len))
}

/// `shmap_table_add` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add_i64(
    table: *const ShmapTable,
    key: i64,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put(&call, table, PutMode::Add, GivenKey::I64(key), (value, len))
}

/// `shmap_table_add` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put(&call, table, PutMode::Add, GivenKey::Bytes(key, key_len), (value, len))
}

/// Replaces the value of a key that is present. Any thread. O(1).
///
/// Errors: SHMAP_NOT_FOUND; SHMAP_NO_SPACE if the value is too long; SHMAP_MISMATCH for a key of
/// another kind; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_update(
    table: *const ShmapTable,
    key: i32,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put(&call, table, PutMode::Update, GivenKey::I32(key), (value, len))
}

/// `shmap_table_update` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_update_i64(
    table: *const ShmapTable,
    key: i64,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put(&call, table, PutMode::Update, GivenKey::I64(key), (value, len))
}

/// `shmap_table_update` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_update_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put(&call, table, PutMode::Update, GivenKey::Bytes(key, key_len), (value, len))
}

/// Sets the value of a key, whether the key is present or not. Any thread. O(1).
///
/// Errors: those of `shmap_table_add`, without SHMAP_DUPLICATE_KEY; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert(
    table: *const ShmapTable,
    key: i32,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put(&call, table, PutMode::Upsert, GivenKey::I32(key), (value, len))
}

/// `shmap_table_upsert` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert_i64(
    table: *const ShmapTable,
    key: i64,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put(&call, table, PutMode::Upsert, GivenKey::I64(key), (value, len))
}

/// `shmap_table_upsert` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    put(&call, table, PutMode::Upsert, GivenKey::Bytes(key, key_len), (value, len))
}

fn put(
    call: &Call,
    table: *const ShmapTable,
    mode: PutMode,
    key: GivenKey,
    (value, len): (*const c_void, usize),
) -> c_int {
    call.run(|| {
        let handle = call.handle(table)?;
        let table = handle.writable()?;
        table.put(mode, &handle.key(call, key)?, call.bytes("the value", value, len)?)?;
        Ok(SHMAP_OK)
    })
}

/// Removes a key. Any thread. O(1).
///
/// Errors: SHMAP_NOT_FOUND; SHMAP_MISMATCH for a key of another kind; SHMAP_TIMEOUT;
/// SHMAP_PERMISSION; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_remove(table: *const ShmapTable, key: i32) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    remove(&call, table, GivenKey::I32(key))
}

/// `shmap_table_remove` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_remove_i64(table: *const ShmapTable, key: i64) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    remove(&call, table, GivenKey::I64(key))
}

/// `shmap_table_remove` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_remove_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    remove(&call, table, GivenKey::Bytes(key, key_len))
}

fn remove(call: &Call, table: *const ShmapTable, key: GivenKey) -> c_int {
    call.run(|| {
        let handle = call.handle(table)?;
        handle.writable()?.remove(&handle.key(call, key)?)?;
        Ok(SHMAP_OK)
    })
}

/// Removes all entries at once. Any thread. O(capacity).
///
/// Errors: SHMAP_TIMEOUT, SHMAP_PERMISSION; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_clear(table: *const ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        call.handle(table)?.writable()?.clear()?;
        Ok(SHMAP_OK)
    })
}
