//! Tables: changing a value depending on its previous value.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use shm_facade::{AnyKey, TableError, UntypedTable};

use crate::advice;
use crate::border::Call;
use crate::codes::SHMAP_OK;
use crate::fault::Fault;
use crate::keys::GivenKey;
use crate::table::ShmapTable;

/// Replaces the value of a key by `value` if the present value equals `expected`. Any thread. O(1).
///
/// Errors: SHMAP_MISMATCH if the present value differs from `expected`, and for a key of another
/// kind; SHMAP_NOT_FOUND; SHMAP_NO_SPACE; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_compare_exchange(
    table: *const ShmapTable,
    key: i32,
    expected: *const c_void,
    expected_len: usize,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    compare_exchange(&call, table, GivenKey::I32(key), (expected, expected_len), (value, len))
}

/// `shmap_table_compare_exchange` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_compare_exchange_i64(
    table: *const ShmapTable,
    key: i64,
    expected: *const c_void,
    expected_len: usize,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    compare_exchange(&call, table, GivenKey::I64(key), (expected, expected_len), (value, len))
}

/// `shmap_table_compare_exchange` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_compare_exchange_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    expected: *const c_void,
    expected_len: usize,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    compare_exchange(
        &call,
        table,
        GivenKey::Bytes(key, key_len),
        (expected, expected_len),
        (value, len),
    )
}

fn compare_exchange(
    call: &Call,
    table: *const ShmapTable,
    key: GivenKey,
    (expected, expected_len): (*const c_void, usize),
    (value, len): (*const c_void, usize),
) -> c_int {
    call.run(|| {
        let handle = call.handle(table)?;
        let table = handle.writable()?;
        let key = handle.key(call, key)?;
        let expected = call.bytes("the expected value", expected, expected_len)?;
        table.compare_exchange(&key, expected, call.bytes("the value", value, len)?)?;
        Ok(SHMAP_OK)
    })
}

/// Adds `delta` to a counter, which is a value of 8 bytes, little endian. Stores the old value in
/// `*before`, unless that is NULL. The counter wraps around. The key must be present;
/// `shmap_table_increment` adds a key that is absent. Any thread. O(1).
///
/// Errors: SHMAP_MISMATCH if the value is not 8 bytes long, if the table's values are shorter than
/// 8 bytes, and for a key of another kind; SHMAP_NOT_FOUND; SHMAP_TIMEOUT; SHMAP_PERMISSION;
/// nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_fetch_add(
    table: *const ShmapTable,
    key: i32,
    delta: i64,
    before: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    count(&call, table, GivenKey::I32(key), before, |table, key| table.fetch_add(key, delta))
}

/// `shmap_table_fetch_add` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_fetch_add_i64(
    table: *const ShmapTable,
    key: i64,
    delta: i64,
    before: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    count(&call, table, GivenKey::I64(key), before, |table, key| table.fetch_add(key, delta))
}

/// `shmap_table_fetch_add` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_fetch_add_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    delta: i64,
    before: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    count(&call, table, GivenKey::Bytes(key, key_len), before, |table, key| {
        table.fetch_add(key, delta)
    })
}

/// Adds `by` to a counter, which is a value of 8 bytes, little endian. Stores the new value in
/// `*after`, unless that is NULL. If the key is absent, the counter starts at `initial`, so that
/// its new value is `initial + by`. The counter wraps around. Any thread. O(1).
///
/// Errors: SHMAP_MISMATCH if the value is not 8 bytes long, if the table's values are shorter than
/// 8 bytes, and for a key of another kind; SHMAP_NO_SPACE if the table is full or the key is too
/// long; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_increment(
    table: *const ShmapTable,
    key: i32,
    by: i64,
    initial: i64,
    after: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    count(&call, table, GivenKey::I32(key), after, |table, key| table.increment(key, by, initial))
}

/// `shmap_table_increment` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_increment_i64(
    table: *const ShmapTable,
    key: i64,
    by: i64,
    initial: i64,
    after: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    count(&call, table, GivenKey::I64(key), after, |table, key| table.increment(key, by, initial))
}

/// `shmap_table_increment` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_increment_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    by: i64,
    initial: i64,
    after: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    count(&call, table, GivenKey::Bytes(key, key_len), after, |table, key| {
        table.increment(key, by, initial)
    })
}

fn count(
    call: &Call,
    table: *const ShmapTable,
    key: GivenKey,
    result: *mut i64,
    change: impl FnOnce(&UntypedTable, &AnyKey) -> Result<i64, TableError>,
) -> c_int {
    call.run(|| {
        let handle = call.handle(table)?;
        let table = handle.writable()?;
        let result = call.out_or_null("the place for the counter", result)?;
        let counter = change(table, &handle.key(call, key)?).map_err(|error| {
            let advice = advice::about_counter(&error);
            Fault::from(error).advised(advice)
        })?;
        if let Some(result) = result {
            result.set(counter);
        }
        Ok(SHMAP_OK)
    })
}
