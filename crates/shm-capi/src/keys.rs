//! Keys of tables, as C passes them and gets them back.
//!
//! C passes a key in one of three forms, each with its own functions: `int32_t`, `int64_t`, or
//! bytes and their number. A table has one of the ten kinds of keys that the library knows. An
//! integer in either form can be a key of any integer kind whose range includes it, and bytes can
//! be a key of the other two kinds. For anything else, this module or the table returns an error
//! before anything is changed.

use std::ffi::{c_int, c_void};

use shm_facade::{AnyKey, KeyKind, TableError};

use crate::border::Call;
use crate::codes::SHMAP_MISMATCH;
use crate::fault::Fault;
use crate::plain::{Plain, ShmapBytes, ShmapPair, ShmapStatus, ShmapStatusI64};

/// Keys are signed 8-bit integers.
pub const SHMAP_KEYS_I8: c_int = 1;
/// Keys are signed 16-bit integers.
pub const SHMAP_KEYS_I16: c_int = 2;
/// Keys are `int32_t`. The default.
pub const SHMAP_KEYS_I32: c_int = 3;
/// Keys are `int64_t`.
pub const SHMAP_KEYS_I64: c_int = 4;
/// Keys are unsigned 8-bit integers.
pub const SHMAP_KEYS_U8: c_int = 5;
/// Keys are unsigned 16-bit integers.
pub const SHMAP_KEYS_U16: c_int = 6;
/// Keys are `uint32_t`.
pub const SHMAP_KEYS_U32: c_int = 7;
/// Keys are `uint64_t`. The functions for `int64_t` take and return the number with the same bits.
pub const SHMAP_KEYS_U64: c_int = 8;
/// Keys are UTF-8 text of up to `key_size` bytes.
pub const SHMAP_KEYS_TEXT: c_int = 9;
/// Keys are up to `key_size` bytes, which may be any bytes.
pub const SHMAP_KEYS_BYTES: c_int = 10;

const KINDS: [(c_int, KeyKind); 10] = [
    (SHMAP_KEYS_I8, KeyKind::I8),
    (SHMAP_KEYS_I16, KeyKind::I16),
    (SHMAP_KEYS_I32, KeyKind::I32),
    (SHMAP_KEYS_I64, KeyKind::I64),
    (SHMAP_KEYS_U8, KeyKind::U8),
    (SHMAP_KEYS_U16, KeyKind::U16),
    (SHMAP_KEYS_U32, KeyKind::U32),
    (SHMAP_KEYS_U64, KeyKind::U64),
    (SHMAP_KEYS_TEXT, KeyKind::Str),
    (SHMAP_KEYS_BYTES, KeyKind::Bytes),
];

/// Returns the kind with this number in C.
pub(crate) fn kind_of(number: c_int) -> Result<KeyKind, Fault> {
    let found = KINDS.iter().find(|(known, _)| *known == number);
    found.map(|(_, kind)| *kind).ok_or_else(|| {
        Fault::invalid(format!("there is no kind of keys {number}: 1 to {}", KINDS.len()))
    })
}

/// Returns the number of this kind in C.
pub(crate) fn number_of(kind: KeyKind) -> Result<c_int, Fault> {
    let found = KINDS.iter().find(|(_, known)| *known == kind);
    found.map(|(number, _)| *number).ok_or_else(|| {
        Fault::new(SHMAP_MISMATCH, format!("this version has no number for keys of type {kind}"))
    })
}

/// The form in which C passes a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    I32,
    I64,
    Bytes,
}

impl Form {
    /// Returns an error if the table's keys are not of this form. `whose` begins the message.
    #[inline(always)]
    pub(crate) fn check(self, kind: KeyKind, whose: impl FnOnce() -> String) -> Result<(), Fault> {
        let is_bytes = matches!(kind, KeyKind::Str | KeyKind::Bytes);
        if is_bytes == (self == Self::Bytes) { Ok(()) } else { Err(self.refused(kind, &whose())) }
    }

    #[cold]
    fn refused(self, kind: KeyKind, whose: &str) -> Fault {
        let (called, advice) = match self {
            Self::I32 => ("i32", "call the function that ends in _bytes"),
            Self::I64 => ("i64", "call the function that ends in _bytes"),
            Self::Bytes => ("bytes", "call the function for integer keys"),
        };
        let message = format!("{whose} keys of type {kind}, not {called}");
        Fault::new(SHMAP_MISMATCH, message).advised(advice)
    }
}

/// A key as C passes it.
#[derive(Clone, Copy, Debug)]
pub(crate) enum GivenKey {
    I32(i32),
    I64(i64),
    Bytes(*const c_void, usize),
}

impl GivenKey {
    #[inline(always)]
    pub(crate) fn form(self) -> Form {
        match self {
            Self::I32(_) => Form::I32,
            Self::I64(_) => Form::I64,
            Self::Bytes(..) => Form::Bytes,
        }
    }

    /// Turns this into a key for a table of this kind, which takes keys of up to `max` bytes.
    /// `member` is its position in a batch.
    #[inline(always)]
    pub(crate) fn to_any_key(
        self,
        call: &Call,
        (kind, max): (KeyKind, usize),
        member: Option<usize>,
    ) -> Result<AnyKey, Fault> {
        let (data, len) = match self {
            Self::I32(n) => return Ok(n.into()),
            Self::I64(n) if kind == KeyKind::U64 => return Ok(n.cast_unsigned().into()),
            Self::I64(n) => return Ok(n.into()),
            Self::Bytes(data, len) => (data, len),
        };
        let bytes = call.bytes("the key", data, len).map_err(|fault| match member {
            None => fault,
            Some(index) => fault.of_member(index),
        })?;
        if len <= max {
            return Ok(bytes.into());
        }
        // Checked here and not left to the table, so that a key that no table can have is not
        // copied.
        let source = TableError::key_too_long(bytes, max);
        Err(match member {
            None => source.into(),
            Some(index) => TableError::InBatch { index, source: Box::new(source) }.into(),
        })
    }
}

/// An element of an array of keys.
pub(crate) trait KeyElement: Plain {
    const FORM: Form;

    fn key(&self) -> GivenKey;
}

impl KeyElement for i32 {
    const FORM: Form = Form::I32;

    fn key(&self) -> GivenKey {
        GivenKey::I32(*self)
    }
}

impl KeyElement for i64 {
    const FORM: Form = Form::I64;

    fn key(&self) -> GivenKey {
        GivenKey::I64(*self)
    }
}

impl KeyElement for ShmapBytes {
    const FORM: Form = Form::Bytes;

    fn key(&self) -> GivenKey {
        let (data, len) = self.parts();
        GivenKey::Bytes(data, len)
    }
}

/// An element of an array of entries.
pub(crate) trait EntryElement: Plain {
    type Key: KeyElement;

    fn key(&self) -> &Self::Key;

    fn value(&self) -> &ShmapBytes;

    /// Makes the entry. Returns `None` for a key that this form cannot hold.
    fn of(key: &AnyKey, value: Option<&[u8]>) -> Option<Self>;
}

impl EntryElement for ShmapStatus {
    type Key = i32;

    fn key(&self) -> &i32 {
        self.key_and_value().0
    }

    fn value(&self) -> &ShmapBytes {
        self.key_and_value().1
    }

    fn of(key: &AnyKey, value: Option<&[u8]>) -> Option<Self> {
        let key = match key {
            AnyKey::Signed(n) => i32::try_from(*n).ok()?,
            AnyKey::Unsigned(n) => i32::try_from(*n).ok()?,
            AnyKey::Bytes(_) => return None,
        };
        Some(Self::new(key, value))
    }
}

impl EntryElement for ShmapStatusI64 {
    type Key = i64;

    fn key(&self) -> &i64 {
        self.key_and_value().0
    }

    fn value(&self) -> &ShmapBytes {
        self.key_and_value().1
    }

    fn of(key: &AnyKey, value: Option<&[u8]>) -> Option<Self> {
        let key = match key {
            AnyKey::Signed(n) => *n,
            AnyKey::Unsigned(n) => n.cast_signed(),
            AnyKey::Bytes(_) => return None,
        };
        Some(Self::new(key, value))
    }
}

impl EntryElement for ShmapPair {
    type Key = ShmapBytes;

    fn key(&self) -> &ShmapBytes {
        self.key_and_value().0
    }

    fn value(&self) -> &ShmapBytes {
        self.key_and_value().1
    }

    fn of(key: &AnyKey, value: Option<&[u8]>) -> Option<Self> {
        let AnyKey::Bytes(key) = key else { return None };
        Some(Self::new(key, value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_number_of_its_own() {
        for kind in KeyKind::ALL {
            assert_eq!(kind_of(number_of(kind).unwrap()).unwrap(), kind);
        }
        for none in [c_int::MIN, -1, 0, 11, c_int::MAX] {
            assert_eq!(kind_of(none).unwrap_err().code, crate::codes::SHMAP_INVALID);
        }
    }

    #[test]
    fn a_key_of_another_form_is_refused_with_both_kinds() {
        let whose = || "it has".to_owned();
        for kind in KeyKind::ALL {
            let is_integer = kind.integer().is_some();
            for form in [Form::I32, Form::I64] {
                assert_eq!(form.check(kind, whose).is_ok(), is_integer);
            }
            assert_eq!(Form::Bytes.check(kind, whose).is_ok(), !is_integer);
        }
        let refused = Form::Bytes.check(KeyKind::I64, whose).unwrap_err();
        let message = "it has keys of type i64, not bytes; call the function for integer keys";
        assert_eq!(refused.message, message);
        assert_eq!(refused.code, SHMAP_MISMATCH);
    }
}
