//! Tables: waiting until a key, or anything in the table, has changed.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use shm_facade::{TableVersion, Version};

use crate::border::Call;
use crate::codes::SHMAP_OK;
use crate::keys::GivenKey;
use crate::options::limit;
use crate::plain::{ShmapKeyVersion, ShmapWholeVersion};
use crate::table::{Access, ShmapTable, reading};
use crate::table_read::{absent, give};

/// `shmap_table_get`, which also stores the version of the key in `*version`, for
/// `shmap_table_wait_for_change`. The version is stored whether the key is present or absent, and
/// also if the value is longer than `size`. Any thread; takes no lock. O(1).
///
/// Errors: those of `shmap_table_get`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_with_version(
    table: *const ShmapTable,
    key: i32,
    buffer: *mut c_void,
    size: usize,
    len: *mut usize,
    version: *mut ShmapKeyVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get(&call, table, GivenKey::I32(key), (buffer, size), len, version)
}

/// `shmap_table_get_with_version` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_with_version_i64(
    table: *const ShmapTable,
    key: i64,
    buffer: *mut c_void,
    size: usize,
    len: *mut usize,
    version: *mut ShmapKeyVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get(&call, table, GivenKey::I64(key), (buffer, size), len, version)
}

/// `shmap_table_get_with_version` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_with_version_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    buffer: *mut c_void,
    size: usize,
    len: *mut usize,
    version: *mut ShmapKeyVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get(&call, table, GivenKey::Bytes(key, key_len), (buffer, size), len, version)
}

fn get(
    call: &Call,
    table: *const ShmapTable,
    key: GivenKey,
    (buffer, size): (*mut c_void, usize),
    len: *mut usize,
    version: *mut ShmapKeyVersion,
) -> c_int {
    call.run(|| {
        let table = call.handle(table)?;
        let key = table.key(call, key)?;
        let buffer = call.out_array("the buffer", buffer.cast::<u8>(), size)?;
        let (len, out) = (call.out("len", len)?, call.out("version", version)?);
        let (value, version) = reading!(table, table => table.get_with_version(&key))?;
        out.set(ShmapKeyVersion::new(version));
        let Some(value) = value else { return Err(absent(&key)) };
        give(key, &value, buffer, size, len)
    })
}

/// Stores the version of a key in `*version`, for `shmap_table_wait_for_change`. Returns 1 if the
/// key has a value, 0 if it has none, or an error code. Any thread; takes no lock. O(1).
///
/// Errors: SHMAP_MISMATCH for a key of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_version(
    table: *const ShmapTable,
    key: i32,
    version: *mut ShmapKeyVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    version_of(&call, table, GivenKey::I32(key), version)
}

/// `shmap_table_version` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_version_i64(
    table: *const ShmapTable,
    key: i64,
    version: *mut ShmapKeyVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    version_of(&call, table, GivenKey::I64(key), version)
}

/// `shmap_table_version` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_version_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    version: *mut ShmapKeyVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    version_of(&call, table, GivenKey::Bytes(key, key_len), version)
}

fn version_of(
    call: &Call,
    table: *const ShmapTable,
    key: GivenKey,
    version: *mut ShmapKeyVersion,
) -> c_int {
    call.run(|| {
        let table = call.handle(table)?;
        let key = table.key(call, key)?;
        let out = call.out("version", version)?;
        let version = reading!(table, table => table.version(&key))?;
        out.set(ShmapKeyVersion::new(version));
        Ok(c_int::from(version.is_present()))
    })
}

/// Sleeps until the key has another version than `*seen`, stores that version in `*now`, and
/// returns 1. Returns 0 once `timeout_ms` milliseconds have passed, or an error code. A negative
/// timeout waits for ever. `now` may be NULL, and may be `seen`. A value that is replaced, an entry
/// that is removed, and one that is added are changes, even if the value is the same afterwards.
/// The call may skip changes that follow each other quickly, but never the last one. Through a
/// handle for reading only, it looks again every few milliseconds. Any thread; any number of
/// threads may wait with one handle. Nobody may close the handle meanwhile.
///
/// Errors: SHMAP_MISMATCH for a key of another kind, or a version of another table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_wait_for_change(
    table: *const ShmapTable,
    key: i32,
    seen: *const ShmapKeyVersion,
    timeout_ms: i64,
    now: *mut ShmapKeyVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    wait_for_change(&call, table, GivenKey::I32(key), seen, timeout_ms, now)
}

/// `shmap_table_wait_for_change` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_wait_for_change_i64(
    table: *const ShmapTable,
    key: i64,
    seen: *const ShmapKeyVersion,
    timeout_ms: i64,
    now: *mut ShmapKeyVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    wait_for_change(&call, table, GivenKey::I64(key), seen, timeout_ms, now)
}

/// `shmap_table_wait_for_change` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_wait_for_change_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    seen: *const ShmapKeyVersion,
    timeout_ms: i64,
    now: *mut ShmapKeyVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    wait_for_change(&call, table, GivenKey::Bytes(key, key_len), seen, timeout_ms, now)
}

fn wait_for_change(
    call: &Call,
    table: *const ShmapTable,
    key: GivenKey,
    seen: *const ShmapKeyVersion,
    timeout_ms: i64,
    now: *mut ShmapKeyVersion,
) -> c_int {
    call.run(|| {
        let table = call.handle(table)?;
        let key = table.key(call, key)?;
        // Copied, because `now` may be the same memory.
        let seen = Version::from_words(call.one("seen", seen)?.words);
        let out = call.out_or_null("now", now)?;
        let timeout = limit(timeout_ms);
        let found = reading!(table, table => table.wait_for_change(&key, seen, timeout))?;
        if let (Some(found), Some(out)) = (found, out) {
            out.set(ShmapKeyVersion::new(found));
        }
        Ok(c_int::from(found.is_some()))
    })
}

/// Stores the version of the whole table in `*version`, for `shmap_table_wait_for_any_change`. Any
/// thread; takes no lock. O(number of writers).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_whole_version(
    table: *const ShmapTable,
    version: *mut ShmapWholeVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        let out = call.out("version", version)?;
        out.set(ShmapWholeVersion::new(reading!(table, table => table.table_version())));
        Ok(SHMAP_OK)
    })
}

/// Sleeps until anything in the table has changed since it had the version `*seen`, stores the
/// version that it has then in `*now`, and returns 1. The end of a thread that has written may look
/// like a change. To miss nothing, ask for the version first, then read, and then wait with this
/// version. In all other respects, this is like `shmap_table_wait_for_change`.
///
/// Errors: SHMAP_MISMATCH for a version of another table.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_wait_for_any_change(
    table: *const ShmapTable,
    seen: *const ShmapWholeVersion,
    timeout_ms: i64,
    now: *mut ShmapWholeVersion,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        let seen = TableVersion::from_words(call.one("seen", seen)?.words);
        let out = call.out_or_null("now", now)?;
        let timeout = limit(timeout_ms);
        let found = reading!(table, table => table.wait_for_any_change(seen, timeout))?;
        if let (Some(found), Some(out)) = (found, out) {
            out.set(ShmapWholeVersion::new(found));
        }
        Ok(c_int::from(found.is_some()))
    })
}
