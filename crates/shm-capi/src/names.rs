//! Names: listing tables and maps.

#![allow(unsafe_code)]

use std::ffi::{CString, c_char, c_int};

use shm_facade::{SNAPSHOT, StatusTable, TABLE};

use crate::border::Call;
use crate::codes::SHMAP_OK;
use crate::fault::Fault;
use crate::handles::{Handle, HandleKind, insert};
use crate::options::namespace;
use crate::plain::ShmapName;

/// A table has the name.
pub const SHMAP_KIND_TABLE: c_int = 1;
/// A map has the name.
pub const SHMAP_KIND_MAP: c_int = 2;

/// The names that were in a directory. They never change.
pub struct ShmapNames(Vec<(CString, c_int)>);

impl Handle for ShmapNames {
    const KIND: HandleKind = HandleKind::NAMES;
}

/// Lists the tables and maps of a directory in the order of their names, whether they can be opened
/// or not. If both a map and a table have the same name, the map comes first. Stores a handle of
/// the list in `*names`, which the caller frees with `shmap_names_free`. NULL for `dir` means
/// `$SHMAP_DIR`, or `/dev/shm`. Opens no table or map. Any thread. O(files in the directory).
///
/// Errors: SHMAP_NOT_FOUND, SHMAP_PERMISSION, SHMAP_SYSTEM.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_list(dir: *const c_char, names: *mut *mut ShmapNames) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let out = call.out("the place for the handle", names)?;
        let mut found = Vec::new();
        for entry in StatusTable::list(&namespace(&call, dir)?)? {
            let kind = match entry.kind.as_str() {
                kind if kind == TABLE.as_str() => SHMAP_KIND_TABLE,
                kind if kind == SNAPSHOT.kind.as_str() => SHMAP_KIND_MAP,
                // The control segment of a map, or a segment of another kind.
                _ => continue,
            };
            // A name has no NUL, so no name is left out.
            found.extend(CString::new(entry.name.as_str()).ok().map(|name| (name, kind)));
        }
        out.set(insert(ShmapNames(found))?);
        Ok(SHMAP_OK)
    })
}

/// Stores the number of names in `*len`. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_names_len(names: *const ShmapNames, len: *mut usize) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let names = call.handle(names)?;
        call.out("len", len)?.set(names.0.len());
        Ok(SHMAP_OK)
    })
}

/// Stores name number `index`, counted from 0, in `*name`. The text belongs to the handle and is
/// valid until the handle is freed. Any thread. O(1).
///
/// Errors: SHMAP_INVALID if there is no such name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_names_at(
    names: *const ShmapNames,
    index: usize,
    name: *mut ShmapName,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let names = call.handle(names)?;
        let out = call.out("name", name)?;
        let (text, kind) = names.0.get(index).ok_or_else(|| {
            Fault::invalid(format!("name {index} of {} does not exist", names.0.len()))
        })?;
        out.set(ShmapName::of(text, *kind));
        Ok(SHMAP_OK)
    })
}

/// Frees the list. No other thread may be in a call with this handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_names_free(names: *mut ShmapNames) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.close(names)
}
