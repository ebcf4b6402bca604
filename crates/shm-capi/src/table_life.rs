//! Tables: creating, opening, closing, removing.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};

use shm_facade::{Error, Name, ReadOptions, StatusTable, TABLE, TableOpenError, UntypedTable};

use crate::at_name;
use crate::border::Call;
use crate::codes::{SHMAP_NOT_FOUND, SHMAP_OK};
use crate::fault::Fault;
use crate::handles::insert;
use crate::options::{ShmapTableOptions, TablePlan, of_table};
use crate::table::{Access, ShmapTable};

fn open(
    call: &Call,
    name: *const c_char,
    options: *const ShmapTableOptions,
    table: *mut *mut ShmapTable,
    access: impl FnOnce(&TablePlan, &Name) -> Result<Access, TableOpenError>,
) -> c_int {
    call.run(|| {
        let out = call.out("the place for the handle", table)?;
        let (name, plan) = (call.name(name)?, of_table(call, options)?);
        let of_name = |error| at_name::of_opening(&plan.namespace, name, error);
        let name = Name::new(name).map_err(|error| of_name(error.into()))?;
        let access = access(&plan, &name).map_err(|error| of_name(error.into()))?;
        out.set(insert(ShmapTable::new(access, plan.namespace, name))?);
        Ok(SHMAP_OK)
    })
}

/// Opens a table, whatever its sizes and its kind of keys, and stores a handle of it in `*table`.
/// The caller closes it with `shmap_table_close`. NULL for `options` means the defaults. Any
/// thread.
///
/// Errors: SHMAP_NOT_FOUND, SHMAP_INVALID_NAME, SHMAP_CORRUPT, SHMAP_MISMATCH, SHMAP_PERMISSION,
/// SHMAP_SYSTEM; `*table` is not changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_open(
    name: *const c_char,
    options: *const ShmapTableOptions,
    table: *mut *mut ShmapTable,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, name, options, table, |plan, name| {
        UntypedTable::open(&plan.namespace, name, &plan.options).map(Access::Writable)
    })
}

/// Creates a table. Its keys are of the kind that `options` name, which is `int32_t` by default. No
/// table may have that name yet. In all other respects, this is like `shmap_table_open`.
///
/// Errors: SHMAP_DUPLICATE_KEY if a table has that name, SHMAP_INVALID for impossible sizes and
/// times, SHMAP_NO_SPACE, and those of `shmap_table_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_create(
    name: *const c_char,
    options: *const ShmapTableOptions,
    table: *mut *mut ShmapTable,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, name, options, table, |plan, name| {
        let TablePlan { namespace, kind, options } = plan;
        UntypedTable::create_with_kind(namespace, name, *kind, options).map(Access::Writable)
    })
}

/// Opens a table, or creates it if it does not exist. An existing table must have the requested
/// kind of keys and sizes, and its entries must expire and be evicted as requested. In all other
/// respects, this is like `shmap_table_open`.
///
/// Errors: SHMAP_MISMATCH for other keys, sizes, expiry or eviction, SHMAP_INVALID for impossible
/// sizes and times, SHMAP_NO_SPACE, and those of `shmap_table_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_open_or_create(
    name: *const c_char,
    options: *const ShmapTableOptions,
    table: *mut *mut ShmapTable,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, name, options, table, |plan, name| {
        let TablePlan { namespace, kind, options } = plan;
        UntypedTable::open_or_create_with_kind(namespace, name, *kind, options)
            .map(Access::Writable)
    })
}

/// Opens a table for reading only. Read permission is enough, and every call that would change the
/// table fails with SHMAP_PERMISSION. In all other respects, this is like `shmap_table_open`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_open_read_only(
    name: *const c_char,
    options: *const ShmapTableOptions,
    table: *mut *mut ShmapTable,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    open(&call, name, options, table, |plan, name| {
        let options = ReadOptions::default().trust(plan.options.trust.clone());
        UntypedTable::open_read_only(&plan.namespace, name, &options).map(Access::ReadOnly)
    })
}

/// Closes a handle. The table stays, without the ephemeral entries that this thread has added with
/// this handle. No other thread may be in a call with this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_close(table: *mut ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.close(table)
}

/// Removes the name of this table. Processes that have the table open keep it. Any thread.
///
/// Errors: SHMAP_NOT_FOUND if the name was already gone or leads to another table now;
/// SHMAP_PERMISSION, SHMAP_SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_unlink(table: *const ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?;
        if table.unlink()? {
            return Ok(SHMAP_OK);
        }
        let name = table.name().as_str();
        let message = format!("the name {name:?} does not lead to this table any more");
        Err(Fault::new(SHMAP_NOT_FOUND, message))
    })
}

/// Removes the name of a table without opening it. Of `options`, only `dir` is used. Any thread.
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

/// Returns 1 if the name no longer leads to this table, 0 if it does, or an error code. Any thread.
/// This takes two system calls.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_is_orphaned(table: *const ShmapTable) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| Ok(c_int::from(call.handle(table)?.is_orphaned()?)))
}
