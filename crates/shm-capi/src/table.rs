//! Tables: one key at a time.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};

use shm_facade::{Error, Namespace, StatusReader, StatusTable, Value};

use crate::border::Call;
use crate::codes::{SHMAP_NO_SPACE, SHMAP_NOT_FOUND, SHMAP_OK, SHMAP_PERMISSION};
use crate::fault::Fault;
use crate::handles::{Handle, HandleKind};
use crate::plain::ShmapTableStats;

/// A table that is open, for reading and writing or for reading only.
pub struct ShmapTable {
    pub(crate) access: Access,
    pub(crate) namespace: Namespace,
    pub(crate) name: String,
}

pub(crate) enum Access {
    Writable(StatusTable),
    ReadOnly(StatusReader),
}

impl Handle for ShmapTable {
    const KIND: HandleKind = HandleKind::TABLE;
}

impl ShmapTable {
    /// For a change.
    pub(crate) fn writable(&self) -> Result<&StatusTable, Fault> {
        match &self.access {
            Access::Writable(table) => Ok(table),
            Access::ReadOnly(_) => Err(Fault::new(
                SHMAP_PERMISSION,
                format!("table {:?} was opened for reading only", self.name),
            )),
        }
    }

    fn get(&self, key: i32) -> Result<Option<Value>, Error> {
        match &self.access {
            Access::Writable(table) => table.get(key),
            Access::ReadOnly(reader) => reader.get(key),
        }
    }

    fn contains(&self, key: i32) -> Result<bool, Error> {
        match &self.access {
            Access::Writable(table) => table.contains(key),
            Access::ReadOnly(reader) => reader.contains(key),
        }
    }

    pub(crate) fn stats(&self) -> shm_facade::Stats {
        match &self.access {
            Access::Writable(table) => table.stats(),
            Access::ReadOnly(reader) => reader.stats(),
        }
    }
}

/// Adds a key that is absent. Any thread. O(1).
///
/// Errors: SHMAP_DUPLICATE_KEY; SHMAP_NO_SPACE when the table is full or the value too long; SHMAP_TIMEOUT;
/// SHMAP_PERMISSION; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add(
    table: *const ShmapTable,
    key: i32,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        table.add(key, call.bytes("the value", value, len)?)?;
        Ok(SHMAP_OK)
    })
}

/// Replaces the value of a key that is present. Any thread. O(1).
///
/// Errors: SHMAP_NOT_FOUND; SHMAP_NO_SPACE when the value is too long; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing was
/// changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_update(
    table: *const ShmapTable,
    key: i32,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        table.update(key, call.bytes("the value", value, len)?)?;
        Ok(SHMAP_OK)
    })
}

/// Sets the value of a key, whether it has one or not. Any thread. O(1).
///
/// Errors: SHMAP_NO_SPACE when the table is full or the value too long; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing was
/// changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert(
    table: *const ShmapTable,
    key: i32,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        table.upsert(key, call.bytes("the value", value, len)?)?;
        Ok(SHMAP_OK)
    })
}

/// Copies the value of a key to `buffer`, which has room for `size` bytes, and its length to `*len`. No NUL is appended. Any
/// thread; takes no lock. O(1).
///
/// Errors: SHMAP_NOT_FOUND; SHMAP_NO_SPACE when the value is longer than `size`: then `*len` is its length, and
/// nothing was copied.
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
    call.run(|| {
        let table = call.handle(table)?;
        let buffer = call.out_array("the buffer", buffer.cast::<u8>(), size)?;
        let len = call.out("len", len)?;
        let Some(value) = table.get(key)? else {
            return Err(missing(key));
        };
        len.set(value.len());
        if !buffer.has_room_for(value.len()) {
            let message =
                format!("the value is {} bytes long, the buffer has room for {size}", value.len());
            return Err(Fault::new(SHMAP_NO_SPACE, message));
        }
        buffer.copy(&value);
        Ok(SHMAP_OK)
    })
}

/// 1 when the key has a value, 0 when not, or an error code. Any thread; takes no lock. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_contains(table: *const ShmapTable, key: i32) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| Ok(c_int::from(call.handle(table)?.contains(key)?)))
}

/// Removes a key. Any thread. O(1).
///
/// Errors: SHMAP_NOT_FOUND, SHMAP_TIMEOUT, SHMAP_PERMISSION; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_remove(table: *const ShmapTable, key: i32) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        call.handle(table)?.writable()?.remove(key)?;
        Ok(SHMAP_OK)
    })
}

/// Removes all entries, at once. Any thread. O(capacity).
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

/// Replaces the value of a key by `value` if it is `expected`. Any thread. O(1).
///
/// Errors: SHMAP_MISMATCH when it is another one; SHMAP_NOT_FOUND; SHMAP_NO_SPACE; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing
/// was changed.
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
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        let expected = call.bytes("the expected value", expected, expected_len)?;
        let value = call.bytes("the value", value, len)?;
        table.table().compare_exchange(&key, expected, value)?;
        Ok(SHMAP_OK)
    })
}

/// Adds `delta` to a counter, a value of 8 bytes, little endian, and stores what it was before in `*before`, unless that is
/// NULL. It wraps around. Any thread. O(1).
///
/// Errors: SHMAP_MISMATCH when the value is not 8 bytes long; SHMAP_NOT_FOUND; SHMAP_TIMEOUT; SHMAP_PERMISSION; nothing
/// was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_fetch_add(
    table: *const ShmapTable,
    key: i32,
    delta: i64,
    before: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        let before = call.out_or_null("before", before)?;
        let found = table.table().fetch_add(&key, delta)?;
        if let Some(before) = before {
            before.set(found);
        }
        Ok(SHMAP_OK)
    })
}

/// Stores the number of entries in `*len`. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_len(table: *const ShmapTable, len: *mut usize) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        call.out("len", len)?.set(table.stats().len);
        Ok(SHMAP_OK)
    })
}

/// Stores the table's figures in `*stats`. Any thread. O(1).
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
        let found = table.stats();
        out.set(ShmapTableStats {
            len: found.len,
            capacity: found.capacity,
            value_size: found.value_size,
            writes: found.writes,
            recoveries: found.recoveries,
            file_len: found.file_len,
        });
        Ok(SHMAP_OK)
    })
}

/// Checks under the lock that all parts of the table agree. Any thread. O(capacity).
///
/// Errors: SHMAP_CORRUPT with what is wrong; the next write then repairs. SHMAP_TIMEOUT, SHMAP_PERMISSION.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_verify(table: *const ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        call.handle(table)?.writable()?.table().verify()?;
        Ok(SHMAP_OK)
    })
}

pub(crate) fn missing(key: i32) -> Fault {
    Fault::new(SHMAP_NOT_FOUND, format!("key {key} does not exist"))
}
