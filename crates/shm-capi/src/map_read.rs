//! Maps: looking up keys, iterating in key order, and saving.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int, c_void};

use shm_facade::Share;

use crate::at_name;
use crate::border::Call;
use crate::codes::{SHMAP_NOT_FOUND, SHMAP_OK};
use crate::fault::Fault;
use crate::map::{ShmapMap, Source, with_snapshot};
use crate::plain::{ShmapBytes, ShmapPair, ShmapRange};
use crate::tree::missing;

/// Stores the address and length of a key's value in `*value`. The value is in the mapping, so
/// nothing is copied. The value is valid until the handle takes another edition or is closed. Any
/// thread; takes no lock. O(1) with a hash index, otherwise O(log n).
///
/// Errors: SHMAP_NOT_FOUND.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_get(
    map: *const ShmapMap,
    key: *const c_void,
    key_len: usize,
    value: *mut ShmapBytes,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let key = call.bytes("the key", key, key_len)?;
        let out = call.out("value", value)?;
        match with_snapshot!(map, snapshot => snapshot.get(key)) {
            Some(found) => out.set(ShmapBytes::of(found)),
            None => return Err(missing(key)),
        }
        Ok(SHMAP_OK)
    })
}

/// Looks up `count` keys, and stores the address and length of each value in the array `values`, in
/// the order of the keys. `data` is NULL for a key without a value. In all other respects, this is
/// like `shmap_map_get`, but about twice as fast per key on big maps.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_get_many(
    map: *const ShmapMap,
    keys: *const ShmapBytes,
    count: usize,
    values: *mut ShmapBytes,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let keys: Vec<&[u8]> = call
            .array("keys", keys, count)?
            .iter()
            .map(|key| call.named_bytes("a key", key))
            .collect::<Result<_, _>>()?;
        let out = call.out_array("values", values, count)?;
        let found = with_snapshot!(map, snapshot => snapshot.get_many(&keys));
        out.fill(found.into_iter().map(|value| value.map_or(ShmapBytes::NONE, ShmapBytes::of)));
        Ok(SHMAP_OK)
    })
}

/// Returns 1 if the key has a value, 0 if it has none, or an error code. Any thread, and as fast as
/// `shmap_map_get`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_contains(
    map: *const ShmapMap,
    key: *const c_void,
    key_len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let key = call.bytes("the key", key, key_len)?;
        Ok(c_int::from(with_snapshot!(map, snapshot => snapshot.contains_key(key))))
    })
}

/// Stores the number of entries in `*len`. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_len(map: *const ShmapMap, len: *mut usize) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        call.out("len", len)?.set(with_snapshot!(map, snapshot => snapshot.len()));
        Ok(SHMAP_OK)
    })
}

/// Stores the entry with the least key in `*entry`. The memory that it points to is valid for as
/// long as with `shmap_map_get`. Any thread. O(1).
///
/// Errors: SHMAP_NOT_FOUND if the map is empty.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_first(map: *const ShmapMap, entry: *mut ShmapPair) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let out = call.out("entry", entry)?;
        let found = with_snapshot!(map, snapshot => snapshot.first()).ok_or_else(empty)?;
        out.set(ShmapPair::of(found));
        Ok(SHMAP_OK)
    })
}

/// Stores the entry with the greatest key in `*entry`. In all other respects, this is like
/// `shmap_map_first`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_last(map: *const ShmapMap, entry: *mut ShmapPair) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let out = call.out("entry", entry)?;
        let found = with_snapshot!(map, snapshot => snapshot.last()).ok_or_else(empty)?;
        out.set(ShmapPair::of(found));
        Ok(SHMAP_OK)
    })
}

/// Stores the entry at a rank, which counts from 0 in key order, in `*entry`. In all other
/// respects, this is like `shmap_map_first`.
///
/// Errors: SHMAP_NOT_FOUND if there is no such entry.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_nth(
    map: *const ShmapMap,
    rank: usize,
    entry: *mut ShmapPair,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let out = call.out("entry", entry)?;
        let found = with_snapshot!(map, snapshot => snapshot.nth(rank)).ok_or_else(|| {
            let len = with_snapshot!(map, snapshot => snapshot.len());
            Fault::new(SHMAP_NOT_FOUND, format!("rank {rank}: the map has {len} entries"))
        })?;
        out.set(ShmapPair::of(found));
        Ok(SHMAP_OK)
    })
}

/// Stores the number of keys that are less than `key` in `*rank`. `key` need not be in the map. Any
/// thread. O(log n).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_rank(
    map: *const ShmapMap,
    key: *const c_void,
    key_len: usize,
    rank: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let key = call.bytes("the key", key, key_len)?;
        call.out("rank", rank)?.set(with_snapshot!(map, snapshot => snapshot.rank(key)));
        Ok(SHMAP_OK)
    })
}

/// Stores the range of the entries with `first` <= key < `end` in `*range`. If `first` is NULL, the
/// range starts at the least key. If `end` is NULL, the range ends with the greatest key.
/// `shmap_map_next` and `shmap_map_prev` iterate over it. Any thread. O(log n).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_range(
    map: *const ShmapMap,
    first: *const c_void,
    first_len: usize,
    end: *const c_void,
    end_len: usize,
    range: *mut ShmapRange,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let from = call.bytes("the first key", first, first_len)?;
        let to = call.bytes("the end key", end, end_len)?;
        let out = call.out("range", range)?;
        out.set(with_snapshot!(map, snapshot => {
            let front = snapshot.rank(from);
            let back = if end.is_null() { snapshot.len() } else { snapshot.rank(to) };
            ShmapRange { front, back: back.max(front) }
        }));
        Ok(SHMAP_OK)
    })
}

/// Stores the range of the entries whose keys start with `prefix` in `*range`. A prefix of length 0
/// means all entries. In all other respects, this is like `shmap_map_range`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_prefix(
    map: *const ShmapMap,
    prefix: *const c_void,
    prefix_len: usize,
    range: *mut ShmapRange,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let prefix = call.bytes("the prefix", prefix, prefix_len)?;
        let out = call.out("range", range)?;
        let ranks = with_snapshot!(map, snapshot => snapshot.prefix(prefix).ranks());
        out.set(ShmapRange { front: ranks.start, back: ranks.end });
        Ok(SHMAP_OK)
    })
}

/// Removes the first entry from `*range`, stores it in `*entry` and returns 1. Returns 0 if the
/// range is empty, or an error code. The memory that the entry points to is valid for as long as
/// with `shmap_map_get`. Any thread, each with its own range. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_next(
    map: *const ShmapMap,
    range: *mut ShmapRange,
    entry: *mut ShmapPair,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    step(&call, map, range, entry, |left| {
        let rank = left.front;
        left.front += 1;
        rank
    })
}

/// Removes the last entry from `*range`. In all other respects, this is like `shmap_map_next`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_prev(
    map: *const ShmapMap,
    range: *mut ShmapRange,
    entry: *mut ShmapPair,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    step(&call, map, range, entry, |left| {
        left.back -= 1;
        left.back
    })
}

/// Removes an entry from a range and stores it. `take` removes a rank from a range that is not
/// empty.
fn step(
    call: &Call,
    map: *const ShmapMap,
    range: *mut ShmapRange,
    entry: *mut ShmapPair,
    take: impl FnOnce(&mut ShmapRange) -> usize,
) -> c_int {
    call.run(|| {
        let map = call.handle(map)?.read(call);
        let mut left = *call.one("range", range)?;
        let (range, entry) = (call.out("range", range)?, call.out("entry", entry)?);
        // The handle may have taken a smaller edition since, and C may have written anything.
        left.back = left.back.min(with_snapshot!(map, snapshot => snapshot.len()));
        if left.front >= left.back {
            return Ok(0);
        }
        let rank = take(&mut left);
        let Some(found) = with_snapshot!(map, snapshot => snapshot.nth(rank)) else { return Ok(0) };
        range.set(left);
        entry.set(ShmapPair::of(found));
        Ok(1)
    })
}

/// Checks the whole map: checksum, order, offsets. Any thread. O(n).
///
/// Errors: SHMAP_CORRUPT; the message says what is wrong, and where.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_verify(map: *const ShmapMap) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        with_snapshot!(map, snapshot => snapshot.verify()).map_err(|error| {
            let error = shm_facade::Error::from(error);
            match map.path() {
                Some(path) => at_name::of_file(path, error),
                None => error.into(),
            }
        })?;
        Ok(SHMAP_OK)
    })
}

/// Stores the address and length of the map's image in `*image`: the bytes that `shmap_map_save`
/// writes. They are valid for as long as with `shmap_map_get`. Any thread. O(1).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_image(map: *const ShmapMap, image: *mut ShmapBytes) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let bytes = with_snapshot!(map, snapshot => snapshot.as_bytes());
        call.out("image", image)?.set(ShmapBytes::of(bytes));
        Ok(SHMAP_OK)
    })
}

/// Writes the map to a file of mode 0400, replacing any file at the path in one step.
/// `shmap_map_open_file` opens it. Any thread. O(n).
///
/// Errors: those of `shmap_tree_save`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_save(map: *const ShmapMap, path: *const c_char) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let map = call.handle(map)?.read(&call);
        let path = call.path("the path", path)?;
        with_snapshot!(map, snapshot => snapshot.save(path))?;
        Ok(SHMAP_OK)
    })
}

fn empty() -> Fault {
    Fault::new(SHMAP_NOT_FOUND, "the map is empty")
}
