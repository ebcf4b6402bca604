//! Tables: publishing a table as a map, and copying a map into a table.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

use shm_facade::{AnyKey, KeyKind, any_map_key, any_table_key, freeze_table, load_table};

use crate::at_name;
use crate::border::Call;
use crate::codes::{SHMAP_MISMATCH, SHMAP_OK};
use crate::fault::Fault;
use crate::map::{ShmapMap, Source, with_snapshot};
use crate::options::{ShmapMapOptions, of_share};
use crate::table::{Access, ShmapTable, reading};

/// Publishes the entries, as they were at one moment, as a map `name`. Stores the edition of that
/// map in `*edition`, unless that is NULL. Keys of text and bytes are the same in the map. An
/// integer becomes its bytes, the most significant first, with the sign bit flipped if the kind of
/// keys is signed; see `shmap_map_key`. If `options` name no directory, the map goes to the
/// directory of the table. Any thread. O(n log n).
///
/// Errors: those of `shmap_tree_share`, and SHMAP_TIMEOUT. After an error, the map that was
/// published before stays.
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
        let (name, options) =
            (call.name(name)?, of_share(&call, options, Some(table.namespace()))?);
        let made = reading!(table, table => freeze_table(table, name, &options))
            .map_err(at_name::of_share)?;
        if let Some(edition) = edition {
            edition.set(made);
        }
        Ok(SHMAP_OK)
    })
}

/// Sets the values of all keys of a map that was frozen from a table: all of them or none. Stores
/// the number of keys in `*count`, unless that is NULL. Other keys of the table keep their values.
/// Any thread. O(n).
///
/// Errors: SHMAP_MISMATCH for a key that is not the map key of a key of this table's kind;
/// SHMAP_NO_SPACE, SHMAP_TIMEOUT, SHMAP_PERMISSION; nothing was changed.
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
        let loaded = with_snapshot!(map, snapshot => load_table(table, snapshot))?;
        if let Some(count) = count {
            count.set(loaded);
        }
        Ok(SHMAP_OK)
    })
}

/// Stores the map key for an `int32_t` key of a table in the 4 bytes at `bytes`. Such map keys sort
/// in the order of the numbers. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_key(key: i32, bytes: *mut u8) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let key = any_map_key(KeyKind::I32, &key.into()).unwrap_or_default();
        call.out_array("the place for the key", bytes, 4)?.copy(&key);
        Ok(SHMAP_OK)
    })
}

/// Converts a map key of `len` bytes back to the `int32_t` key of a table, and stores it in `*key`.
/// Any thread.
///
/// Errors: SHMAP_MISMATCH if the bytes are not the map key of an `int32_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_key(bytes: *const c_void, len: usize, key: *mut i32) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    table_key(&call, KeyKind::I32, (bytes, len), key)
}

/// Stores the map key for an `int64_t` key of a table in the 8 bytes at `bytes`. Such map keys sort
/// in the order of the numbers. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_key_i64(key: i64, bytes: *mut u8) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let key = any_map_key(KeyKind::I64, &key.into()).unwrap_or_default();
        call.out_array("the place for the key", bytes, 8)?.copy(&key);
        Ok(SHMAP_OK)
    })
}

/// Converts a map key of `len` bytes back to the `int64_t` key of a table, and stores it in `*key`.
/// Any thread.
///
/// Errors: SHMAP_MISMATCH if the bytes are not the map key of an `int64_t`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_key_i64(
    bytes: *const c_void,
    len: usize,
    key: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    table_key(&call, KeyKind::I64, (bytes, len), key)
}

fn table_key<T: TryFrom<i64>>(
    call: &Call,
    kind: KeyKind,
    (bytes, len): (*const c_void, usize),
    key: *mut T,
) -> c_int {
    call.run(|| {
        let bytes = call.bytes("the key", bytes, len)?;
        let out = call.out("key", key)?;
        let found = match any_table_key(kind, bytes) {
            Some(AnyKey::Signed(n)) => T::try_from(n).ok(),
            _ => None,
        };
        let message = || format!("a key of {len} bytes stands for no key of a table of {kind}");
        out.set(found.ok_or_else(|| Fault::new(SHMAP_MISMATCH, message()))?);
        Ok(SHMAP_OK)
    })
}
