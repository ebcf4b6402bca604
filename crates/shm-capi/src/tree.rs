//! Trees: maps that are being built, in private memory.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

use shm_facade::{FreezeOptions, RbTree, Share};

use crate::at_name;
use crate::border::Call;
use crate::codes::{SHMAP_INVALID, SHMAP_NOT_FOUND, SHMAP_OK, SHMAP_PANIC};
use crate::exclusive::{Broken, Exclusive};
use crate::fault::Fault;
use crate::handles::{Handle, HandleKind, insert};
use crate::options::{ShmapMapOptions, of_share};
use crate::plain::ShmapBytes;

/// An ordered map in private memory. Its contents can be published as a map.
pub struct ShmapTree(Exclusive<RbTree>);

impl Handle for ShmapTree {
    const KIND: HandleKind = HandleKind::TREE;
}

impl ShmapTree {
    fn read<R>(&self, read: impl FnOnce(&RbTree) -> R) -> Result<R, Fault> {
        self.0.read(read).map_err(broken)
    }

    fn change<R>(&self, change: impl FnOnce(&mut RbTree) -> R) -> Result<R, Fault> {
        self.0.change(change).map_err(broken)
    }
}

fn broken(why: Broken) -> Fault {
    match why {
        Broken::Panicked => {
            Fault::new(SHMAP_PANIC, "the library panicked while it changed this tree: free it")
        }
        Broken::Forked => Fault::new(
            SHMAP_INVALID,
            "this process was forked while another thread changed the tree, which is half changed here: free it",
        ),
    }
}

/// Makes an empty tree, and stores a handle of it in `*tree`. The caller frees it with
/// `shmap_tree_free`. Any thread.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_tree_new(tree: *mut *mut ShmapTree) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let out = call.out("the place for the handle", tree)?;
        out.set(insert(ShmapTree(Exclusive::new(RbTree::new())))?);
        Ok(SHMAP_OK)
    })
}

/// Sets the value of a key, whether the key is present or not. The key and the value are copied.
/// Any thread. O(log n).
///
/// Errors: SHMAP_NO_SPACE for a key of 1 MiB or more, or more entries or bytes than a map can have;
/// nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_tree_set(
    tree: *const ShmapTree,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    value_len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let tree = call.handle(tree)?;
        let key = call.bytes("the key", key, key_len)?;
        let value = call.bytes("the value", value, value_len)?;
        tree.change(|tree| tree.set(key, value))??;
        Ok(SHMAP_OK)
    })
}

/// Stores the address and length of a key's value in `*value`. The value belongs to the tree, and
/// is valid until the next call that changes the tree. Any thread, as long as no other thread
/// changes the tree. O(log n).
///
/// Errors: SHMAP_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_tree_get(
    tree: *const ShmapTree,
    key: *const c_void,
    key_len: usize,
    value: *mut ShmapBytes,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let tree = call.handle(tree)?;
        let key = call.bytes("the key", key, key_len)?;
        let out = call.out("value", value)?;
        let found = tree.read(|tree| tree.get(key).map(ShmapBytes::of))?;
        out.set(found.ok_or_else(|| missing(key))?);
        Ok(SHMAP_OK)
    })
}

/// Removes a key. Any thread. O(log n).
///
/// Errors: SHMAP_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_tree_remove(
    tree: *const ShmapTree,
    key: *const c_void,
    key_len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let tree = call.handle(tree)?;
        let key = call.bytes("the key", key, key_len)?;
        if tree.change(|tree| tree.remove(key))? { Ok(SHMAP_OK) } else { Err(missing(key)) }
    })
}

/// Removes all keys. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_tree_clear(tree: *const ShmapTree) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        call.handle(tree)?.change(RbTree::clear)?;
        Ok(SHMAP_OK)
    })
}

/// Stores the number of keys in `*len`. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_tree_len(tree: *const ShmapTree, len: *mut usize) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let tree = call.handle(tree)?;
        let out = call.out("len", len)?;
        out.set(tree.read(RbTree::len)?);
        Ok(SHMAP_OK)
    })
}

/// Publishes the contents of the tree under `name`. Stores the edition, which is 1 or one more than
/// the newest edition, in `*edition`, unless that is NULL. At any moment, even if this process is
/// killed, the name leads to either the old map or the new map, and that map is whole. The tree
/// stays as it is. NULL for `options` means the defaults. Any thread. O(n).
///
/// Errors: SHMAP_DUPLICATE_KEY if the name is taken and `force` is not set, or if an empty tree
/// would replace a map with entries and `allow_empty` is not set; SHMAP_INVALID_NAME,
/// SHMAP_NO_SPACE, SHMAP_TIMEOUT, SHMAP_PERMISSION, SHMAP_CORRUPT, SHMAP_SYSTEM; the name leads to
/// what it led to before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_tree_share(
    tree: *const ShmapTree,
    name: *const c_char,
    options: *const ShmapMapOptions,
    edition: *mut u64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let tree = call.handle(tree)?;
        let edition = call.out_or_null("edition", edition)?;
        let (name, options) = (call.name(name)?, of_share(&call, options, None)?);
        let freeze = FreezeOptions::default().hash_index(options.hash_index);
        // Other threads may use the tree while this one waits for other publishers, or for a disk.
        let image = tree.read(|tree| tree.freeze_with(&freeze))?;
        let made = image.share_with(name, &options).map_err(at_name::of_share)?;
        if let Some(edition) = edition {
            edition.set(made);
        }
        Ok(SHMAP_OK)
    })
}

/// Writes the contents of the tree to a file of mode 0400, replacing any file at the path in one
/// step. `shmap_map_open_file` opens it. Any thread. O(n).
///
/// Errors: SHMAP_NOT_FOUND if the directory does not exist, SHMAP_NO_SPACE, SHMAP_PERMISSION,
/// SHMAP_SYSTEM; the path leads to what it led to before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_tree_save(tree: *const ShmapTree, path: *const c_char) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let tree = call.handle(tree)?;
        let path = call.path("the path", path)?;
        tree.read(|tree| tree.freeze_with(&FreezeOptions::default()))?.save(path)?;
        Ok(SHMAP_OK)
    })
}

/// Frees a tree. Maps that were published from it stay. No other thread may be in a call with this
/// handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_tree_free(tree: *mut ShmapTree) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.close(tree)
}

/// Makes the failure for a key that is missing in a tree or map.
pub(crate) fn missing(key: &[u8]) -> Fault {
    /// Maximum number of bytes of a key that a message quotes.
    const QUOTED: usize = 64;
    let start = key.get(..QUOTED).unwrap_or(key).escape_ascii();
    let len = key.len();
    let more = if len > QUOTED { format!("…\" of {len} bytes") } else { "\"".to_owned() };
    Fault::new(SHMAP_NOT_FOUND, format!("key \"{start}{more} does not exist"))
}
