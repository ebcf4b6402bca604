//! Tables: entries that expire, and entries that go with their writer.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_void};
use std::time::Duration;

use shm_facade::TimeToLive;

use crate::border::Call;
use crate::codes::{SHMAP_MISMATCH, SHMAP_OK};
use crate::fault::Fault;
use crate::keys::GivenKey;
use crate::options::milliseconds_up;
use crate::table::{Access, ShmapTable, reading};
use crate::table_read::{absent, give};

/// The result of `shmap_table_ttl` for an entry that stays until it is removed.
pub const SHMAP_TTL_FOR_EVER: i64 = -1;
/// The result of `shmap_table_ttl` for an ephemeral entry, which stays as long as the thread that
/// added it.
pub const SHMAP_TTL_EPHEMERAL: i64 = -2;

/// Converts a time to live. Whether a table can have it is left to the table.
fn time_to_live(ttl_ms: i64) -> Result<Duration, Fault> {
    u64::try_from(ttl_ms).map(Duration::from_millis).map_err(|_| {
        Fault::invalid(format!("the time to live is {ttl_ms} ms, it must be at least 1 ms"))
    })
}

/// `shmap_table_upsert` with a time to live, which begins now: after `ttl_ms` milliseconds, the
/// entry has expired, and is absent for every call but `shmap_table_get_stale`. The time goes on
/// while the machine is suspended. An entry with a time to live does not outlast a reboot. Calls
/// that change the value of a present key, such as `shmap_table_update`, leave its time as it is;
/// `shmap_table_upsert` gives it the default of the table. Any thread. O(1).
///
/// Errors: those of `shmap_table_upsert`; SHMAP_INVALID if the table was created without `ttl_ms`
/// among its options, and for a time that is not above 0 or is too long; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert_for(
    table: *const ShmapTable,
    key: i32,
    value: *const c_void,
    len: usize,
    ttl_ms: i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    upsert_for(&call, table, GivenKey::I32(key), (value, len), ttl_ms)
}

/// `shmap_table_upsert_for` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert_for_i64(
    table: *const ShmapTable,
    key: i64,
    value: *const c_void,
    len: usize,
    ttl_ms: i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    upsert_for(&call, table, GivenKey::I64(key), (value, len), ttl_ms)
}

/// `shmap_table_upsert_for` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_upsert_for_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    len: usize,
    ttl_ms: i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    upsert_for(&call, table, GivenKey::Bytes(key, key_len), (value, len), ttl_ms)
}

fn upsert_for(
    call: &Call,
    table: *const ShmapTable,
    key: GivenKey,
    (value, len): (*const c_void, usize),
    ttl_ms: i64,
) -> c_int {
    call.run(|| {
        let handle = call.handle(table)?;
        let table = handle.writable()?;
        let key = handle.key(call, key)?;
        let value = call.bytes("the value", value, len)?;
        table.upsert_for(&key, value, time_to_live(ttl_ms)?)?;
        Ok(SHMAP_OK)
    })
}

/// Gives a present entry a new time to live, which begins now. Its value and its version stay as
/// they are. An ephemeral entry then no longer goes with its thread. Any thread. O(1).
///
/// Errors: SHMAP_NOT_FOUND, also if the entry has expired; SHMAP_INVALID as for
/// `shmap_table_upsert_for`; SHMAP_MISMATCH for a key of another kind; SHMAP_TIMEOUT;
/// SHMAP_PERMISSION; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_touch(
    table: *const ShmapTable,
    key: i32,
    ttl_ms: i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    touch(&call, table, GivenKey::I32(key), ttl_ms)
}

/// `shmap_table_touch` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_touch_i64(
    table: *const ShmapTable,
    key: i64,
    ttl_ms: i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    touch(&call, table, GivenKey::I64(key), ttl_ms)
}

/// `shmap_table_touch` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_touch_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    ttl_ms: i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    touch(&call, table, GivenKey::Bytes(key, key_len), ttl_ms)
}

fn touch(call: &Call, table: *const ShmapTable, key: GivenKey, ttl_ms: i64) -> c_int {
    call.run(|| {
        let handle = call.handle(table)?;
        handle.writable()?.touch(&handle.key(call, key)?, time_to_live(ttl_ms)?)?;
        Ok(SHMAP_OK)
    })
}

/// Stores how long the entry of a key stays in `*ttl_ms`: in milliseconds, rounded up, or
/// SHMAP_TTL_FOR_EVER, or SHMAP_TTL_EPHEMERAL. Works with any table. Any thread; takes no lock.
/// O(1).
///
/// Errors: SHMAP_NOT_FOUND, also if the entry has expired; SHMAP_MISMATCH for a key of another
/// kind.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_ttl(
    table: *const ShmapTable,
    key: i32,
    ttl_ms: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    ttl(&call, table, GivenKey::I32(key), ttl_ms)
}

/// `shmap_table_ttl` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_ttl_i64(
    table: *const ShmapTable,
    key: i64,
    ttl_ms: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    ttl(&call, table, GivenKey::I64(key), ttl_ms)
}

/// `shmap_table_ttl` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_ttl_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    ttl_ms: *mut i64,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    ttl(&call, table, GivenKey::Bytes(key, key_len), ttl_ms)
}

fn ttl(call: &Call, table: *const ShmapTable, key: GivenKey, ttl_ms: *mut i64) -> c_int {
    call.run(|| {
        let table = call.handle(table)?;
        let key = table.key(call, key)?;
        let out = call.out("ttl_ms", ttl_ms)?;
        let Some(found) = reading!(table, table => table.ttl(&key))? else {
            return Err(absent(&key));
        };
        out.set(match found {
            TimeToLive::ForEver => SHMAP_TTL_FOR_EVER,
            TimeToLive::For(left) => milliseconds_up(left),
            TimeToLive::Ephemeral => SHMAP_TTL_EPHEMERAL,
            _ => {
                let message = "this version has no number for how long this entry stays";
                return Err(Fault::new(SHMAP_MISMATCH, message));
            }
        });
        Ok(SHMAP_OK)
    })
}

/// `shmap_table_get` that also finds an entry that has expired, as long as nothing else has taken
/// its place. Works with any table. Any thread; takes no lock. O(1).
///
/// Errors: those of `shmap_table_get`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_stale(
    table: *const ShmapTable,
    key: i32,
    buffer: *mut c_void,
    size: usize,
    len: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get_stale(&call, table, GivenKey::I32(key), (buffer, size), len)
}

/// `shmap_table_get_stale` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_stale_i64(
    table: *const ShmapTable,
    key: i64,
    buffer: *mut c_void,
    size: usize,
    len: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get_stale(&call, table, GivenKey::I64(key), (buffer, size), len)
}

/// `shmap_table_get_stale` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_get_stale_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    buffer: *mut c_void,
    size: usize,
    len: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    get_stale(&call, table, GivenKey::Bytes(key, key_len), (buffer, size), len)
}

fn get_stale(
    call: &Call,
    table: *const ShmapTable,
    key: GivenKey,
    (buffer, size): (*mut c_void, usize),
    len: *mut usize,
) -> c_int {
    call.run(|| {
        let table = call.handle(table)?;
        let key = table.key(call, key)?;
        let buffer = call.out_array("the buffer", buffer.cast::<u8>(), size)?;
        let len = call.out("len", len)?;
        let Some(value) = reading!(table, table => table.get_stale(&key))? else {
            return Err(absent(&key));
        };
        give(key, &value, buffer, size, len)
    })
}

/// Adds a key that is absent, as an ephemeral entry: it is gone when the calling thread ends, also
/// if its process is killed. It is also gone when this thread forks by `fork` (not by `vfork` or
/// `posix_spawn`), or closes the handle. If another thread closes the handle, the entry may stay
/// until this thread ends. Any thread. O(1).
///
/// Errors: those of `shmap_table_add`; SHMAP_INVALID if the table was created without `ttl_ms`
/// among its options; SHMAP_NO_SPACE also if so many threads write to the table that this one
/// cannot be registered; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add_ephemeral(
    table: *const ShmapTable,
    key: i32,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    add_ephemeral(&call, table, GivenKey::I32(key), (value, len))
}

/// `shmap_table_add_ephemeral` for a key of 64 bits.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add_ephemeral_i64(
    table: *const ShmapTable,
    key: i64,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    add_ephemeral(&call, table, GivenKey::I64(key), (value, len))
}

/// `shmap_table_add_ephemeral` for a key of text or bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_add_ephemeral_bytes(
    table: *const ShmapTable,
    key: *const c_void,
    key_len: usize,
    value: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    add_ephemeral(&call, table, GivenKey::Bytes(key, key_len), (value, len))
}

fn add_ephemeral(
    call: &Call,
    table: *const ShmapTable,
    key: GivenKey,
    (value, len): (*const c_void, usize),
) -> c_int {
    call.run(|| {
        let handle = call.handle(table)?;
        let table = handle.writable()?;
        table.add_ephemeral(&handle.key(call, key)?, call.bytes("the value", value, len)?)?;
        Ok(SHMAP_OK)
    })
}

/// Removes entries that have expired, among the next `max_visited` places of the table, and stores
/// how many were visited in `*visited`, unless that is NULL. Each call goes on where the last one
/// of any process stopped. Without it, an expired entry keeps its place until the key is added
/// again or an insertion needs the place. Any thread. O(max_visited).
///
/// Errors: SHMAP_TIMEOUT, SHMAP_PERMISSION; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_expire(
    table: *const ShmapTable,
    max_visited: usize,
    visited: *mut usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let table = call.handle(table)?.writable()?;
        let out = call.out_or_null("visited", visited)?;
        let visited = table.expire(max_visited)?;
        if let Some(out) = out {
            out.set(visited);
        }
        Ok(SHMAP_OK)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::SHMAP_INVALID;

    #[test]
    fn times_are_rounded_up_and_never_negative() {
        assert_eq!(time_to_live(0).unwrap(), Duration::ZERO);
        assert_eq!(time_to_live(7).unwrap(), Duration::from_millis(7));
        for negative in [-1, i64::MIN] {
            assert_eq!(time_to_live(negative).unwrap_err().code, SHMAP_INVALID);
        }
        assert_eq!(milliseconds_up(Duration::from_nanos(1)), 1);
        assert_eq!(milliseconds_up(Duration::from_millis(2)), 2);
        assert_eq!(milliseconds_up(Duration::MAX), i64::MAX);
    }
}
