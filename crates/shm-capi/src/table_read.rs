//! Tables: reading the value of one key, and the counts and sizes of a table.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use shm_facade::AnyKey;

use crate::border::{Call, Out, OutArray};
use crate::codes::{SHMAP_NOT_FOUND, SHMAP_OK};
use crate::fault::Fault;
use crate::keys::{GivenKey, number_of};
use crate::options::{number_of_eviction, number_of_expiry};
use crate::plain::{ShmapTableStats, ShmapWriter};
use crate::table::{Access, ShmapTable, reading};

/// Copies the value of a key to `buffer`, which holds up to `size` bytes, and stores the value's
/// length in `*len`. No NUL is appended. Any thread; takes no lock. O(1).
///
/// Errors: SHMAP_NOT_FOUND; SHMAP_MISMATCH for a key of another kind; SHMAP_NO_SPACE if the value
/// is longer than `size`. In that case, `*len` is the value's length, and nothing was copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get(
    table: *const ShmapTable,
    key: i32,
    buffer: *mut c_void,
    size: usize,
    len: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get(&call, table, || GivenKey::I32(key), (buffer, size), len)
}

/// `shmap_table_get` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_i64(
    table: *const ShmapTable,
    key: i64,
    buffer: *mut c_void,
    size: usize,
    len: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get(&call, table, || GivenKey::I64(key), (buffer, size), len)
}

/// `shmap_table_get` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    buffer: *mut c_void,
    size: usize,
    len: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get(&call, table, || GivenKey::Bytes(key, key_len), (buffer, size), len)
}

// The key comes from a closure, whose type differs between the forms of keys. So each form has a
// function of its own, and decisions that depend on the form are made at compile time.
#[inline(always)]
fn get(
    call: &Call,
    table: *const ShmapTable,
    key: impl FnOnce() -> GivenKey,
    (buffer, size): (*mut c_void, usize),
    len: *mut usize,
) -> c_int {
    call.run(|| {
        let table = call.handle(table)?;
        let key = table.key(call, key())?;
        let buffer = call.out_array("the buffer", buffer.cast::<u8>(), size)?;
        let len = call.out("len", len)?;
        let Some(value) = reading!(table, table => table.get(&key))? else {
            return Err(absent(&key));
        };
        give(key, &value, buffer, size, len)
    })
}

/// Copies a value to the caller's buffer of `size` bytes, if it fits.
#[inline(always)]
pub(crate) fn give(
    key: AnyKey,
    value: &[u8],
    buffer: OutArray<'_, u8>,
    size: usize,
    len: Out<'_, usize>,
) -> Result<c_int, Fault> {
    len.set(value.len());
    if !buffer.has_room_for(value.len()) {
        return Err(too_long(key, value.len(), size));
    }
    buffer.copy(value);
    Ok(SHMAP_OK)
}

#[cold]
pub(crate) fn absent(key: &AnyKey) -> Fault {
    Fault::new(SHMAP_NOT_FOUND, format!("key {key} does not exist"))
}

#[cold]
fn too_long(key: AnyKey, needed: usize, len: usize) -> Fault {
    shm_facade::TableError::BufferTooSmall { key, len, needed }.into()
}

/// Returns 1 if the key has a value, 0 if it has none, or an error code. Any thread; takes no lock.
/// O(1).
///
/// Errors: SHMAP_MISMATCH for a key of another kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_contains(table: *const ShmapTable, key: i32) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    contains(&call, table, || GivenKey::I32(key))
}

/// `shmap_table_contains` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_contains_i64(table: *const ShmapTable, key: i64) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    contains(&call, table, || GivenKey::I64(key))
}

/// `shmap_table_contains` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_contains_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    contains(&call, table, || GivenKey::Bytes(key, key_len))
}

#[inline(always)]
fn contains(call: &Call, table: *const ShmapTable, key: impl FnOnce() -> GivenKey) -> c_int {
    call.run(|| {
        let table = call.handle(table)?;
        let key = table.key(call, key())?;
        Ok(c_int::from(reading!(table, table => table.contains_key(&key))?))
    })
}

/// Stores the number of entries in `*len`. An entry that has expired counts until its place is
/// taken or `shmap_table_expire` removes it. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_len(table: *const ShmapTable, len: *mut usize) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        call.out("len", len)?.set(reading!(table, table => table.len()));
        Ok(SHMAP_OK)
    })
}

/// Returns the kind of the table's keys, which is one of SHMAP_KEYS_... (all above 0), or an error
/// code. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_key_kind(table: *const ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| number_of(call.handle(table)?.key_kind()))
}

/// Stores the counts and sizes of the table in `*stats`. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_stats(
    table: *const ShmapTable,
    stats: *mut ShmapTableStats,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        let out = call.out("stats", stats)?;
        let (found, geometry) = reading!(table, table => (table.stats(), table.geometry()));
        out.set(ShmapTableStats {
            len: found.len,
            capacity: found.capacity,
            max_capacity: found.max_capacity,
            value_size: found.value_size,
            key_size: geometry.key_size,
            ttl_ms: number_of_expiry(geometry.expiry)?,
            evict: number_of_eviction(geometry.eviction)?,
            writes: found.writes,
            growths: found.growths,
            recoveries: found.recoveries,
            lost: found.lost,
            expired: found.expired,
            evicted: found.evicted,
            file_len: found.file_len,
        });
        Ok(SHMAP_OK)
    })
}

/// Stores the threads that write, or have written, to the table in `writers`, which has place for
/// `size` of them, and stores their number in `*count`. If there are more than `size`, the first
/// ones are stored. A thread is listed after its first write, for as long as no other writer has
/// taken over its record. Any thread. O(number of records), and reads `/proc` for each living
/// writer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_writers(
    table: *const ShmapTable,
    writers: *mut ShmapWriter,
    size: usize,
    count: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        let out = call.out_array("writers", writers, size)?;
        let count = call.out("count", count)?;
        let found = reading!(table, table => table.writers());
        count.set(found.len());
        out.copy(&found.iter().map(ShmapWriter::new).collect::<Vec<_>>());
        Ok(SHMAP_OK)
    })
}
