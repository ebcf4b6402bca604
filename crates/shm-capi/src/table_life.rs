//! Tables: making, opening, closing, removing; and to a map and back.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

use shm_facade::{
    Error, Name, StatusOptions, StatusReader, StatusTable, TABLE, map_key, table_key,
};

use crate::at_name;
use crate::border::Call;
use crate::codes::{SHMAP_MISMATCH, SHMAP_NOT_FOUND, SHMAP_OK};
use crate::fault::Fault;
use crate::handles::insert;
use crate::map::{ShmapMap, Source, with_snapshot};
use crate::options::{ShmapMapOptions, ShmapTableOptions, of_share, of_table};
use crate::table::{Access, ShmapTable};

fn open(
    call: &Call,
    name: *const c_char,
    options: *const ShmapTableOptions,
    table: *mut *mut ShmapTable,
    access: impl FnOnce(&str, &StatusOptions) -> Result<Access, Error>,
) -> c_int {
    call.run(|| {
        let out = call.out("the place for the handle", table)?;
        let (name, options) = (call.name(name)?, of_table(call, options)?);
        let access = access(name, &options)
            .map_err(|error| at_name::of_table(&options.namespace, name, error))?;
        let name = name.to_owned();
        out.set(insert(ShmapTable { access, namespace: options.namespace, name })?);
        Ok(SHMAP_OK)
    })
}

/// Opens a table, whatever its sizes, and stores a handle of it in `*table`. The caller closes it with
/// `shmap_table_close`. NULL for `options` means the defaults. Any thread.
///
/// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_CORRUPT, SHMAP_MISMATCH, SHMAP_PERMISSION, SHMAP_SYSTEM; `*table` is left
/// alone.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_open(
    name: *const c_char,
    options: *const ShmapTableOptions,
    table: *mut *mut ShmapTable,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, name, options, table, |name, options| {
        StatusTable::open_with(name, options).map(Access::Writable)
    })
}

/// Creates a table where there is none. Otherwise as `shmap_table_open`.
///
/// Errors: SHMAP_DUPLICATE_KEY when there is one, SHMAP_NO_SPACE, and those of `shmap_table_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_create(
    name: *const c_char,
    options: *const ShmapTableOptions,
    table: *mut *mut ShmapTable,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, name, options, table, |name, options| {
        StatusTable::create_with(name, options).map(Access::Writable)
    })
}

/// Opens a table, or creates it. One that exists must have the sizes asked for. Otherwise as `shmap_table_open`.
///
/// Errors: SHMAP_MISMATCH for other sizes, SHMAP_INVALID for impossible ones, SHMAP_NO_SPACE, and those of `shmap_table_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_open_or_create(
    name: *const c_char,
    options: *const ShmapTableOptions,
    table: *mut *mut ShmapTable,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, name, options, table, |name, options| {
        StatusTable::open_or_create_with(name, options).map(Access::Writable)
    })
}

/// Opens a table for reading only: read permission is enough, and every call that would change the table
/// fails with SHMAP_PERMISSION. Otherwise as `shmap_table_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_open_read_only(
    name: *const c_char,
    options: *const ShmapTableOptions,
    table: *mut *mut ShmapTable,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, name, options, table, |name, options| {
        StatusReader::open_read_only_with(name, options).map(Access::ReadOnly)
    })
}

/// Closes a handle. The table stays. No other thread may be in a call with this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_close(table: *mut ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.close(table)
}

/// Removes the name of this table. Processes that have it open keep it. Any thread.
///
/// Errors: SHMAP_NOT_FOUND when the name was gone already or leads to another table by now; SHMAP_PERMISSION, SHMAP_SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_unlink(table: *const ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        if table.writable()?.unlink()? {
            return Ok(SHMAP_OK);
        }
        let message = format!("the name {:?} does not lead to this table any more", table.name);
        Err(Fault::new(SHMAP_NOT_FOUND, message))
    })
}

/// Removes the name of a table without opening it. Of `options`, only `dir` counts. Any thread.
///
/// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_PERMISSION, SHMAP_SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_remove_name(
    name: *const c_char,
    options: *const ShmapTableOptions,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let (name, options) = (call.name(name)?, of_table(&call, options)?);
        if StatusTable::unlink_name(name, &options.namespace)? {
            return Ok(SHMAP_OK);
        }
        let path = options.namespace.path_of(&Name::new(name).map_err(Error::from)?, TABLE);
        Err(at_name::of_table(&options.namespace, name, Error::NotFound { path }))
    })
}

/// 1 when the name no longer leads to this table, 0 when it does, or an error code. Any thread. Two system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_is_orphaned(table: *const ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        let orphaned = match &table.access {
            Access::Writable(table) => table.is_orphaned()?,
            Access::ReadOnly(reader) => reader.is_orphaned()?,
        };
        Ok(c_int::from(orphaned))
    })
}

/// Publishes the entries of one moment as a map `name`, and stores its edition in `*edition`, unless that is NULL. Keys are those
/// of `shmap_map_key`. Where `options` name no directory, it goes to the table's. Any thread. O(n log n).
///
/// Errors: as `shmap_tree_share`, and SHMAP_TIMEOUT; what was published stays.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_freeze(
    table: *const ShmapTable,
    name: *const c_char,
    options: *const ShmapMapOptions,
    edition: *mut u64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        let edition = call.out_or_null("edition", edition)?;
        let (name, options) = (call.name(name)?, of_share(&call, options, Some(&table.namespace))?);
        let made = match &table.access {
            Access::Writable(table) => table.freeze_with(name, &options)?,
            Access::ReadOnly(reader) => reader.freeze_with(name, &options)?,
        };
        if let Some(edition) = edition {
            edition.set(made);
        }
        Ok(SHMAP_OK)
    })
}

/// Sets the values of all keys of a map that was frozen from a table, all or nothing, and stores how many those are in
/// `*count`, unless that is NULL. Other keys stay. Any thread. O(n).
///
/// Errors: SHMAP_MISMATCH for a key that `shmap_map_key` did not make; SHMAP_NO_SPACE, SHMAP_TIMEOUT, SHMAP_PERMISSION; nothing
/// was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_load(
    table: *const ShmapTable,
    map: *const ShmapMap,
    count: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        let map = call.handle(map)?.read(&call);
        let count = call.out_or_null("count", count)?;
        let loaded = with_snapshot!(map, snapshot => table.load(snapshot))?;
        if let Some(count) = count {
            count.set(loaded);
        }
        Ok(SHMAP_OK)
    })
}

/// Stores the key of a map that stands for a key of a table in the four bytes at `bytes`. Such keys have the order of the
/// numbers. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_key(key: i32, bytes: *mut u8) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        call.out_array("the place for the key", bytes, 4)?.copy(&map_key(key));
        Ok(SHMAP_OK)
    })
}

/// Stores the key of a table that a key of a map, of `len` bytes, stands for in `*key`. Any thread.
///
/// Errors: SHMAP_MISMATCH when it stands for none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_key(
    bytes: *const std::ffi::c_void,
    len: usize,
    key: *mut i32,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let bytes = call.bytes("the key", bytes, len)?;
        let out = call.out("key", key)?;
        let message = || format!("a key of {len} bytes stands for no key of a table");
        out.set(table_key(bytes).ok_or_else(|| Fault::new(SHMAP_MISMATCH, message()))?);
        Ok(SHMAP_OK)
    })
}
