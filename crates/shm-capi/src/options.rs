//! How tables and maps are created and opened.

#![allow(unsafe_code)]

use std::ffi::{c_char, c_int};
use std::time::Duration;

use shm_facade::{
    Eviction, Expiry, Geometry, KeyKind, MapOptions, Namespace, ShareOptions, TableOptions, Trust,
};

use crate::border::Call;
use crate::codes::{SHMAP_MISMATCH, SHMAP_OK};
use crate::fault::Fault;
use crate::keys::{SHMAP_KEYS_I32, kind_of};
use crate::plain::Plain;

/// For `ttl_ms` of the options: entries stay until they are removed. The default.
pub const SHMAP_TTL_NONE: i64 = 0;
/// For `ttl_ms` of the options: an entry expires if it was written with a time to live.
pub const SHMAP_TTL_BY_ENTRY: i64 = -1;

/// For `evict` of the options: an insertion into a full table fails. The default.
pub const SHMAP_EVICT_NEVER: c_int = 0;
/// For `evict` of the options: an insertion into a full table removes the entry that was written
/// longest ago. A touch counts as a write, a read does not.
pub const SHMAP_EVICT_LEAST_RECENTLY_WRITTEN: c_int = 1;

const EVICTIONS: [(c_int, Eviction); 2] = [
    (SHMAP_EVICT_NEVER, Eviction::Never),
    (SHMAP_EVICT_LEAST_RECENTLY_WRITTEN, Eviction::LeastRecentlyWritten),
];

/// How a table is created and opened. Initialise it with `shmap_table_options_init`, then change
/// fields.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapTableOptions {
    /// Size of this structure, as `shmap_table_options_init` set it.
    size: usize,
    /// Directory. NULL, the default, means `$SHMAP_DIR`, or `/dev/shm` if that is not set.
    dir: *const c_char,
    /// Maximum number of entries. If the table may grow, the maximum before it has grown. Default:
    /// 1024.
    capacity: usize,
    /// Maximum number of entries to which the table may grow. 0 means that it does not grow.
    /// Default: 0.
    max_capacity: usize,
    /// Maximum length of a value in bytes. Default: 256.
    value_size: usize,
    /// Kind of the keys of a table that is created, one of SHMAP_KEYS_... Default: SHMAP_KEYS_I32.
    key_kind: c_int,
    /// Maximum length of a key in bytes, 1 to 256, if keys are text or bytes. Default: 64.
    key_size: usize,
    /// Whether entries expire. A number above 0 is the time in milliseconds after which an entry
    /// expires, unless it was written with another time to live. With SHMAP_TTL_BY_ENTRY, only
    /// entries that were written with a time to live expire. Default: SHMAP_TTL_NONE.
    ttl_ms: i64,
    /// What happens to an insertion into a full table, one of SHMAP_EVICT_... Entries that have
    /// expired are removed first, and a table that may grow grows first. Default:
    /// SHMAP_EVICT_NEVER.
    evict: c_int,
    /// Permission bits of a table that is created. The umask does not change them. 0644 lets other
    /// users read. Default: 0600.
    mode: u32,
    /// If not 0, also opens tables that their group or other users may write to. Default: 0.
    shared_writers: c_int,
    /// User ids of further users whose tables may be opened, besides this user and root. Default:
    /// NULL, which means none.
    trusted_uids: *const u32,
    /// Number of these users.
    trusted_count: usize,
    /// How long a write waits for another writer, in milliseconds. A negative number means for
    /// ever. Default: 5000.
    lock_timeout_ms: i64,
}

/// How a map is published, opened and removed. Initialise it with `shmap_map_options_init`, then
/// change fields.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub struct ShmapMapOptions {
    /// Size of this structure, as `shmap_map_options_init` set it.
    size: usize,
    /// Directory. NULL, the default, means `$SHMAP_DIR`, or `/dev/shm` if that is not set.
    dir: *const c_char,
    /// Publishing: permission bits of the map. The umask does not change them. Only read bits are
    /// allowed; 0444 lets other users read. With 0, the default, a map gets the bits of the map
    /// that it replaces, and a first map gets 0400.
    mode: u32,
    /// Publishing: if not 0, replaces the map that has the name. Default: 0.
    force: c_int,
    /// Publishing with `force`: if not 0, a map without entries may replace a map with entries.
    /// Default: 0.
    allow_empty: c_int,
    /// Publishing a tree or table: if not 0, adds a hash index, which makes lookups of single keys
    /// several times as fast and takes twelve bytes per entry. Default: 1.
    hash_index: c_int,
    /// If not 0, also uses files that their group or other users may write to. Default: 0.
    shared_writers: c_int,
    /// User ids of further users whose maps may be opened, besides this user and root. Default:
    /// NULL, which means none.
    trusted_uids: *const u32,
    /// Number of these users.
    trusted_count: usize,
    /// How long to wait for another publisher of the name, in milliseconds. A negative number means
    /// for ever. Default: 5000.
    lock_timeout_ms: i64,
}

// SAFETY: raw pointers and numbers, which may be anything.
unsafe impl Plain for ShmapTableOptions {}
// SAFETY: as above.
unsafe impl Plain for ShmapMapOptions {}

/// Fills in the defaults. `size` is `sizeof(shmap_table_options)`, which lets later versions of the
/// library add fields.
///
/// Errors: SHMAP_INVALID for NULL or a size that this version does not know; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_table_options_init(
    options: *mut ShmapTableOptions,
    size: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let out = call.out("options", options)?;
        check_size::<ShmapTableOptions>(size)?;
        let default = TableOptions::default();
        out.set(ShmapTableOptions {
            size,
            dir: std::ptr::null(),
            capacity: default.geometry.capacity,
            max_capacity: default.geometry.max_capacity.unwrap_or(0),
            value_size: default.geometry.value_size,
            key_kind: SHMAP_KEYS_I32,
            key_size: default.geometry.key_size,
            ttl_ms: number_of_expiry(default.geometry.expiry)?,
            evict: number_of_eviction(default.geometry.eviction)?,
            mode: default.mode,
            shared_writers: 0,
            trusted_uids: std::ptr::null(),
            trusted_count: 0,
            lock_timeout_ms: milliseconds(default.lock_timeout),
        });
        Ok(SHMAP_OK)
    })
}

/// Fills in the defaults. `size` is `sizeof(shmap_map_options)`, which lets later versions of the
/// library add fields.
///
/// Errors: SHMAP_INVALID for NULL or a size that this version does not know; nothing was changed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn shmap_map_options_init(
    options: *mut ShmapMapOptions,
    size: usize,
) -> c_int {
    // SAFETY: C calls, and promises what `border.rs` says.
    let call = unsafe { Call::of_caller() };
    call.run(|| {
        let out = call.out("options", options)?;
        check_size::<ShmapMapOptions>(size)?;
        let default = ShareOptions::default();
        out.set(ShmapMapOptions {
            size,
            dir: std::ptr::null(),
            mode: default.mode.unwrap_or(0),
            force: c_int::from(default.force),
            allow_empty: c_int::from(default.allow_empty),
            hash_index: c_int::from(default.hash_index),
            shared_writers: 0,
            trusted_uids: std::ptr::null(),
            trusted_count: 0,
            lock_timeout_ms: milliseconds(default.lock_timeout),
        });
        Ok(SHMAP_OK)
    })
}

fn check_size<T>(size: usize) -> Result<(), Fault> {
    let known = size_of::<T>();
    if size == known {
        return Ok(());
    }
    Err(Fault::invalid(format!(
        "options of {size} bytes, this version has {known}: was the init function called?"
    )))
}

fn milliseconds(limit: Option<Duration>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit.as_millis()).unwrap_or(i64::MAX))
}

/// Converts a timeout from milliseconds. A negative number means for ever.
pub(crate) fn limit(milliseconds: i64) -> Option<Duration> {
    u64::try_from(milliseconds).ok().map(Duration::from_millis)
}

/// Converts a duration to milliseconds, rounded up.
pub(crate) fn milliseconds_up(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX)
}

fn expiry_of(ttl_ms: i64) -> Result<Expiry, Fault> {
    match ttl_ms {
        SHMAP_TTL_NONE => Ok(Expiry::Never),
        SHMAP_TTL_BY_ENTRY => Ok(Expiry::ByEntry),
        _ => match u64::try_from(ttl_ms) {
            Ok(ttl) => Ok(Expiry::After(Duration::from_millis(ttl))),
            Err(_) => Err(Fault::invalid(format!("ttl_ms is {ttl_ms}, it must be -1 or more"))),
        },
    }
}

/// Returns the number of this expiry in C.
pub(crate) fn number_of_expiry(expiry: Expiry) -> Result<i64, Fault> {
    match expiry {
        Expiry::Never => Ok(SHMAP_TTL_NONE),
        Expiry::ByEntry => Ok(SHMAP_TTL_BY_ENTRY),
        Expiry::After(ttl) => Ok(milliseconds_up(ttl)),
        _ => {
            let message = format!("this version has no number for an expiry of {expiry}");
            Err(Fault::new(SHMAP_MISMATCH, message))
        }
    }
}

fn eviction_of(number: c_int) -> Result<Eviction, Fault> {
    let found = EVICTIONS.iter().find(|(known, _)| *known == number);
    found.map(|(_, eviction)| *eviction).ok_or_else(|| {
        Fault::invalid(format!("there is no eviction {number}: 0 to {}", EVICTIONS.len() - 1))
    })
}

/// Returns the number of this eviction in C.
pub(crate) fn number_of_eviction(eviction: Eviction) -> Result<c_int, Fault> {
    let found = EVICTIONS.iter().find(|(_, known)| *known == eviction);
    found.map(|(number, _)| *number).ok_or_else(|| {
        let message = format!("this version has no number for an eviction of {eviction}");
        Fault::new(SHMAP_MISMATCH, message)
    })
}

/// Returns the namespace in `dir`, or the namespace that the environment names if `dir` is NULL.
pub(crate) fn namespace(call: &Call, dir: *const c_char) -> Result<Namespace, Fault> {
    Ok(call.path_or_null("the directory", dir)?.map_or_else(Namespace::from_env, Namespace::at))
}

fn trust(call: &Call, shared: c_int, uids: *const u32, count: usize) -> Result<Trust, Fault> {
    let own = Trust::new();
    let trust = if shared != 0 { own.shared_writers() } else { own };
    Ok(call.array("trusted_uids", uids, count)?.iter().fold(trust, |trust, &uid| trust.owner(uid)))
}

/// Where a table is, and how it is created and opened.
pub(crate) struct TablePlan {
    pub(crate) namespace: Namespace,
    pub(crate) kind: KeyKind,
    pub(crate) options: TableOptions,
}

/// The plan for a table; NULL means the defaults.
pub(crate) fn of_table(call: &Call, options: *const ShmapTableOptions) -> Result<TablePlan, Fault> {
    if options.is_null() {
        let (namespace, options) = (Namespace::from_env(), TableOptions::default());
        return Ok(TablePlan { namespace, kind: KeyKind::I32, options });
    }
    // The size is checked first, because a structure of another version may be shorter.
    check_size::<ShmapTableOptions>(*call.one("options", options.cast::<usize>())?)?;
    let given = call.one("options", options)?;
    let mut geometry = Geometry::default()
        .capacity(given.capacity)
        .value_size(given.value_size)
        .key_size(given.key_size)
        .expiry(expiry_of(given.ttl_ms)?)
        .eviction(eviction_of(given.evict)?);
    geometry.max_capacity = Some(given.max_capacity).filter(|&max| max != 0);
    Ok(TablePlan {
        namespace: namespace(call, given.dir)?,
        kind: kind_of(given.key_kind)?,
        options: TableOptions::default()
            .geometry(geometry)
            .mode(given.mode)
            .trust(trust(call, given.shared_writers, given.trusted_uids, given.trusted_count)?)
            .lock_timeout(limit(given.lock_timeout_ms)),
    })
}

/// Makes the options of a publication. NULL means the defaults. `dir` is used if the options name
/// no directory.
pub(crate) fn of_share(
    call: &Call,
    options: *const ShmapMapOptions,
    dir: Option<&Namespace>,
) -> Result<ShareOptions, Fault> {
    let mut share = ShareOptions::default();
    if !options.is_null() {
        check_size::<ShmapMapOptions>(*call.one("options", options.cast::<usize>())?)?;
        let given = call.one("options", options)?;
        share = ShareOptions::default()
            .namespace(namespace(call, given.dir)?)
            .force(given.force != 0)
            .allow_empty(given.allow_empty != 0)
            .hash_index(given.hash_index != 0)
            .lock_timeout(limit(given.lock_timeout_ms))
            .trust(trust(call, given.shared_writers, given.trusted_uids, given.trusted_count)?);
        share.mode = Some(given.mode).filter(|&mode| mode != 0);
        if !given.dir.is_null() {
            return Ok(share);
        }
    }
    if let Some(dir) = dir {
        share.namespace = dir.clone();
    }
    Ok(share)
}

/// Makes the options for opening or removing a map. NULL means the defaults.
pub(crate) fn of_map(call: &Call, options: *const ShmapMapOptions) -> Result<MapOptions, Fault> {
    let ShareOptions { namespace, trust, lock_timeout, .. } = of_share(call, options, None)?;
    Ok(MapOptions::default().namespace(namespace).trust(trust).lock_timeout(lock_timeout))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codes::SHMAP_INVALID;

    #[test]
    fn expiry_and_eviction_have_numbers_of_their_own() {
        let after = Expiry::After(Duration::from_millis(7));
        for expiry in [Expiry::Never, Expiry::ByEntry, after] {
            assert_eq!(expiry_of(number_of_expiry(expiry).unwrap()).unwrap(), expiry);
        }
        assert_eq!(number_of_expiry(Expiry::After(Duration::from_nanos(1))).unwrap(), 1);
        for none in [i64::MIN, -2] {
            assert_eq!(expiry_of(none).unwrap_err().code, SHMAP_INVALID);
        }
        for eviction in [Eviction::Never, Eviction::LeastRecentlyWritten] {
            assert_eq!(eviction_of(number_of_eviction(eviction).unwrap()).unwrap(), eviction);
        }
        for none in [c_int::MIN, -1, 2, c_int::MAX] {
            assert_eq!(eviction_of(none).unwrap_err().code, SHMAP_INVALID);
        }
    }
}
