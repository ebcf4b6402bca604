//! Tables: copies of many entries, as they were at one moment.

#![allow(unsafe_code)]

use std::ffi::c_int;

use shm_facade::{AnyKey, KeyKind, Value};

use crate::border::Call;
use crate::codes::{SHMAP_MISMATCH, SHMAP_NOT_FOUND, SHMAP_OK};
use crate::fault::Fault;
use crate::handles::{Handle, HandleKind, insert};
use crate::keys::{EntryElement, KeyElement};
use crate::plain::{ShmapBytes, ShmapPair, ShmapStatus, ShmapStatusI64};
use crate::table::{Access, ShmapTable, reading};

/// Copies of entries of a table, all as they were at one moment. They never change.
pub struct ShmapEntries {
    kind: KeyKind,
    entries: Vec<(AnyKey, Option<Value>)>,
}

impl Handle for ShmapEntries {
    const KIND: HandleKind = HandleKind::ENTRIES;
}

/// Copies the values of keys, all as they were at one moment and in the order of the keys, and
/// stores a handle of the copies in `*entries`. The caller frees it with `shmap_entries_free`. Any
/// thread. O(count).
///
/// Errors: SHMAP_TIMEOUT if other writers kept changing the values; SHMAP_MISMATCH for a key of
/// another kind; SHMAP_NO_SPACE for a key that is too long; SHMAP_CORRUPT. A missing key is not an
/// error here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_many(
    table: *const ShmapTable,
    keys: *const i32,
    count: usize,
    entries: *mut *mut ShmapEntries,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get_many(&call, table, (keys, count), entries)
}

/// `shmap_table_get_many` for keys of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_many_i64(
    table: *const ShmapTable,
    keys: *const i64,
    count: usize,
    entries: *mut *mut ShmapEntries,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get_many(&call, table, (keys, count), entries)
}

/// `shmap_table_get_many` for keys of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_many_bytes(
    table: *const ShmapTable,
    keys: *const ShmapBytes,
    count: usize,
    entries: *mut *mut ShmapEntries,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get_many(&call, table, (keys, count), entries)
}

fn get_many<T: KeyElement>(
    call: &Call,
    table: *const ShmapTable,
    (keys, count): (*const T, usize),
    entries: *mut *mut ShmapEntries,
) -> c_int {
    call.run(|| {
        let table = call.handle(table)?;
        let keys = table.keys(call, keys, count)?;
        let out = call.out("the place for the handle", entries)?;
        let values = reading!(table, table => table.get_many(&keys))?;
        let entries = keys.into_iter().zip(values).collect();
        out.set(insert(ShmapEntries { kind: table.key_kind(), entries })?);
        Ok(SHMAP_OK)
    })
}

/// Copies all entries as they were at one moment, in ascending order of their keys, and stores a
/// handle of the copies in `*entries`. The caller frees it with `shmap_entries_free`. If the table
/// is open for reading only and writers do not pause for a second, each entry is whole, but the
/// entries are of different moments. Damaged slots are left out. Any thread. O(capacity + n log n).
///
/// Errors: SHMAP_TIMEOUT if the lock was not acquired; SHMAP_CORRUPT.
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
        let mut found = reading!(table, table => table.listing())?.entries;
        found.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        let entries = found.into_iter().map(|(key, value)| (key, Some(value))).collect();
        out.set(insert(ShmapEntries { kind: table.key_kind(), entries })?);
        Ok(SHMAP_OK)
    })
}

/// Stores the number of entries in `*len`, including those without a value. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_entries_len(entries: *const ShmapEntries, len: *mut usize) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let entries = call.handle(entries)?;
        call.out("len", len)?.set(entries.entries.len());
        Ok(SHMAP_OK)
    })
}

/// Stores the entry with number `index`, counted from 0, in `*entry`. The value belongs to the
/// handle and is valid until the handle is freed. Any thread. O(1).
///
/// Errors: SHMAP_NOT_FOUND if the key had no value. In that case, `entry->key` is the key and
/// `entry->value.data` is NULL. SHMAP_MISMATCH if the key is of another kind, or does not fit
/// `entry->key`. SHMAP_INVALID if there is no such entry.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_entries_at(
    entries: *const ShmapEntries,
    index: usize,
    entry: *mut ShmapStatus,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    at(&call, entries, index, entry)
}

/// `shmap_entries_at` for keys of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_entries_at_i64(
    entries: *const ShmapEntries,
    index: usize,
    entry: *mut ShmapStatusI64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    at(&call, entries, index, entry)
}

/// `shmap_entries_at` for keys of text or bytes, which belong to the handle as the values do.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_entries_at_bytes(
    entries: *const ShmapEntries,
    index: usize,
    entry: *mut ShmapPair,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    at(&call, entries, index, entry)
}

fn at<T: EntryElement>(
    call: &Call,
    entries: *const ShmapEntries,
    index: usize,
    entry: *mut T,
) -> c_int {
    call.run(|| {
        let ShmapEntries { kind, entries } = call.handle(entries)?;
        let out = call.out("entry", entry)?;
        T::Key::FORM.check(*kind, || "the entries have".to_owned())?;
        let (key, value) = entries.get(index).ok_or_else(|| {
            Fault::invalid(format!("entry {index} of {} does not exist", entries.len()))
        })?;
        let too_large = || {
            let message = format!("key {key} of type {kind} does not fit: shmap_entries_at_i64");
            Fault::new(SHMAP_MISMATCH, message)
        };
        out.set(T::of(key, value.as_deref()).ok_or_else(too_large)?);
        match value {
            Some(_) => Ok(SHMAP_OK),
            None => Err(Fault::new(SHMAP_NOT_FOUND, format!("key {key} does not exist"))),
        }
    })
}

/// Frees the copies. No other thread may be in a call with this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_entries_free(entries: *mut ShmapEntries) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.close(entries)
}
