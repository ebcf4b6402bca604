//! Result codes: the codes of the facade, and one code that only an FFI boundary needs.

use std::ffi::{CStr, c_int};

/// Success.
pub const SHMAP_OK: c_int = 0;
/// The key, the table, the map or the directory does not exist.
pub const SHMAP_NOT_FOUND: c_int = -1;
/// The table is full, a value or key is too long for it, the buffer is too small, the file system
/// is full, or the table has no record left for another writing thread.
pub const SHMAP_NO_SPACE: c_int = -2;
/// The key, the table or the map exists already, or a batch names a key twice.
pub const SHMAP_DUPLICATE_KEY: c_int = -3;
/// The name is not valid. A valid name has 1 to 200 bytes of UTF-8, no slash and no leading dot.
pub const SHMAP_INVALID_NAME: c_int = -4;
/// The lock was not acquired in time.
pub const SHMAP_TIMEOUT: c_int = -5;
/// The file at the name is damaged, or never was a table or map.
pub const SHMAP_CORRUPT: c_int = -6;
/// The file at the name has another kind, size, key type or format, or was created under another C
/// library or pid namespace, or a value is not the expected one.
pub const SHMAP_MISMATCH: c_int = -7;
/// Not permitted: the operating system refuses it, the file belongs to a user who is not trusted,
/// or the table was opened for reading only.
pub const SHMAP_PERMISSION: c_int = -8;
/// The operating system refused the operation for another reason.
pub const SHMAP_SYSTEM: c_int = -9;
/// An argument is not possible: a null pointer, a handle that is closed, unknown or of another
/// kind, a length without data, an impossible mode, size or time, or a time to live for a table
/// whose entries do not expire.
pub const SHMAP_INVALID: c_int = -10;
/// A bug of the library: it panicked. No memory was damaged; please report the message.
pub const SHMAP_PANIC: c_int = -11;

/// What a code means, as one constant sentence.
pub(crate) fn meaning(code: c_int) -> &'static CStr {
    match code {
        SHMAP_OK => c"success",
        SHMAP_NOT_FOUND => c"no such key, table, map or directory",
        SHMAP_NO_SPACE => {
            c"no space: the table or file system is full, or a value, key or buffer does not fit"
        }
        SHMAP_DUPLICATE_KEY => c"the key, table or map exists already",
        SHMAP_INVALID_NAME => c"the name is not valid",
        SHMAP_TIMEOUT => c"the lock was not acquired in time",
        SHMAP_CORRUPT => c"the file is damaged, or no table or map",
        SHMAP_MISMATCH => c"another kind, size, type, format, machine state or value than asked for",
        SHMAP_PERMISSION => c"not permitted",
        SHMAP_SYSTEM => c"the operating system refused",
        SHMAP_INVALID => {
            c"an argument is not possible: null, a dead or foreign handle, a bad length, size, mode or time"
        }
        SHMAP_PANIC => c"the library panicked: a defect of it",
        _ => c"not a code of this library",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_facade::ResultCode;

    #[test]
    fn codes_are_those_of_the_facade() {
        let facade = [
            (SHMAP_OK, ResultCode::Ok),
            (SHMAP_NOT_FOUND, ResultCode::NotFound),
            (SHMAP_NO_SPACE, ResultCode::NoSpace),
            (SHMAP_DUPLICATE_KEY, ResultCode::DuplicateKey),
            (SHMAP_INVALID_NAME, ResultCode::InvalidName),
            (SHMAP_TIMEOUT, ResultCode::Timeout),
            (SHMAP_CORRUPT, ResultCode::Corrupt),
            (SHMAP_MISMATCH, ResultCode::Mismatch),
            (SHMAP_PERMISSION, ResultCode::Permission),
            (SHMAP_SYSTEM, ResultCode::System),
            (SHMAP_INVALID, ResultCode::Invalid),
        ];
        for (code, of_facade) in facade {
            assert_eq!(code, of_facade as c_int);
        }
    }

    #[test]
    fn every_code_has_a_meaning_of_its_own() {
        let mut meanings: Vec<_> = (SHMAP_PANIC..=SHMAP_OK).map(meaning).collect();
        meanings.push(meaning(1));
        let count = meanings.len();
        meanings.sort();
        meanings.dedup();
        assert_eq!(meanings.len(), count);
        assert_eq!(meaning(1), meaning(SHMAP_PANIC - 1));
    }
}
