//! What may be a key, and how it becomes words.

use std::fmt;

use crate::buffer::last_word;
use crate::error::TableError;

/// Longest byte or string key.
pub(crate) const MAX_KEY_BYTES: usize = 256;
/// A word for the length, then the bytes.
const MAX_KEY_WORDS: usize = 1 + MAX_KEY_BYTES / 8;

/// Room for the words of any key of any table.
pub(crate) type KeyRoom = [u64; MAX_KEY_WORDS];

/// Empty room.
pub(crate) const NO_KEY: KeyRoom = [0; MAX_KEY_WORDS];

/// A type of keys: `i8` to `i64`, `u8` to `u64`, `str` and `[u8]`.
///
/// Byte and string keys have 0 bytes up to the table's `key_size`, which is 256 at most;
/// a longer one is [`TableError::KeyTooLong`].
///
/// Sealed: the code that runs under the table's lock is the table's own.
pub trait Key: sealed::Sealed {
    /// What iteration gives back.
    type Owned;

    /// How the kind of key is recorded in the segment: a table of `i32` keys does
    /// not open as one of `i64` keys.
    const KIND: KeyKind;

    /// Room for the key as words.
    #[doc(hidden)]
    type Room;

    /// Empty room.
    #[doc(hidden)]
    const ROOM: Self::Room;

    /// The key as words; byte keys may have up to `max` bytes.
    #[doc(hidden)]
    fn to_words<'a>(&self, max: usize, room: &'a mut Self::Room) -> Result<&'a [u64], TableError>;

    /// Reads a key back; `None` when the words are not a key (damaged memory).
    #[doc(hidden)]
    fn from_words(words: &[u64]) -> Option<Self::Owned>;
}

mod sealed {
    pub trait Sealed {}
}

/// The recorded kind of a key type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyKind {
    class: Class,
    /// Width of an integer in bytes; 0 for bytes.
    width: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Class {
    Signed = 1,
    Unsigned = 2,
    Bytes = 3,
    Str = 4,
}

impl KeyKind {
    /// The number in the segment header.
    pub(crate) fn code(self) -> u64 {
        (self.class as u64) << 8 | u64::from(self.width)
    }

    /// Words that a key takes in a slot, when byte keys have up to `max` bytes.
    pub(crate) fn words(self, max: usize) -> usize {
        match self.class {
            Class::Signed | Class::Unsigned => 1,
            Class::Bytes | Class::Str => 1 + max.div_ceil(8),
        }
    }

    /// True when the words in a slot are those of a key of at most `max` bytes.
    pub(crate) fn is_possible(self, words: &[u64], max: usize) -> bool {
        let Some((&first, rest)) = words.split_first() else { return false };
        let unused = 64 - 8 * u32::from(self.width.clamp(1, 8));
        match self.class {
            Class::Signed => (first << unused) as i64 >> unused == first as i64,
            Class::Unsigned => first << unused >> unused == first,
            Class::Bytes | Class::Str => {
                let Some(len) = usize::try_from(first).ok().filter(|&len| len <= max) else {
                    return false;
                };
                let mut bytes = [0; MAX_KEY_BYTES];
                for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(rest) {
                    *to = word.to_le_bytes();
                }
                let Some((key, behind)) = bytes.split_at_checked(len) else { return false };
                // The last word is filled up with zeros, or it is not the one that is hashed.
                let filled = behind.iter().take(len.next_multiple_of(8) - len).all(|&b| b == 0);
                filled && (self.class == Class::Bytes || std::str::from_utf8(key).is_ok())
            }
        }
    }

    /// A printable name for a code, also for one that this version does not know.
    pub(crate) fn describe(code: u64) -> String {
        let bits = (code & 0xFF) * 8;
        match code >> 8 {
            1 => format!("i{bits}"),
            2 => format!("u{bits}"),
            3 => "[u8]".to_owned(),
            4 => "str".to_owned(),
            other => format!("unknown ({other:#x})"),
        }
    }
}

macro_rules! integer_keys {
    ($($t:ty: $class:ident as $wide:ty),*) => {$(
        impl sealed::Sealed for $t {}

        impl Key for $t {
            type Owned = $t;

            const KIND: KeyKind = KeyKind { class: Class::$class, width: size_of::<$t>() as u8 };

            type Room = [u64; 1];
            const ROOM: [u64; 1] = [0];

            #[inline(always)]
            fn to_words<'a>(&self, _: usize, room: &'a mut [u64; 1]) -> Result<&'a [u64], TableError> {
                *room = [<$wide>::from(*self) as u64];
                Ok(room)
            }

            fn from_words(words: &[u64]) -> Option<$t> {
                <$t>::try_from(*words.first()? as $wide).ok()
            }
        }
    )*};
}

integer_keys!(
    i8: Signed as i64, i16: Signed as i64, i32: Signed as i64, i64: Signed as i64,
    u8: Unsigned as u64, u16: Unsigned as u64, u32: Unsigned as u64, u64: Unsigned as u64
);

impl sealed::Sealed for [u8] {}

impl Key for [u8] {
    type Owned = Vec<u8>;

    const KIND: KeyKind = KeyKind { class: Class::Bytes, width: 0 };

    type Room = KeyRoom;
    const ROOM: Self::Room = NO_KEY;

    #[inline]
    fn to_words<'a>(&self, max: usize, room: &'a mut Self::Room) -> Result<&'a [u64], TableError> {
        let max = max.min(MAX_KEY_BYTES);
        if self.len() > max {
            return Err(TableError::KeyTooLong { len: self.len(), max });
        }
        // Stored as the words that hash and comparison load: loads of what was stored in pieces would stall on store
        // forwarding, which took as long as the rest of a lookup.
        let (whole, rest) = self.as_chunks::<8>();
        let [len, words @ ..] = room;
        *len = self.len() as u64;
        for (to, chunk) in words.iter_mut().zip(whole) {
            *to = u64::from_le_bytes(*chunk);
        }
        let mut used = 1 + whole.len();
        if let Some(to) = room.get_mut(used).filter(|_| !rest.is_empty()) {
            *to = last_word(self);
            used += 1;
        }
        Ok(room.get(..used).unwrap_or_default())
    }

    fn from_words(words: &[u64]) -> Option<Vec<u8>> {
        let (&len, rest) = words.split_first()?;
        let bytes = rest.iter().flat_map(|word| word.to_le_bytes());
        let len = usize::try_from(len).ok().filter(|&len| len <= 8 * rest.len())?;
        Some(bytes.take(len).collect())
    }
}

impl sealed::Sealed for str {}

impl Key for str {
    type Owned = String;

    const KIND: KeyKind = KeyKind { class: Class::Str, width: 0 };

    type Room = <[u8] as Key>::Room;
    const ROOM: Self::Room = <[u8] as Key>::ROOM;

    #[inline]
    fn to_words<'a>(&self, max: usize, room: &'a mut Self::Room) -> Result<&'a [u64], TableError> {
        self.as_bytes().to_words(max, room)
    }

    fn from_words(words: &[u64]) -> Option<String> {
        String::from_utf8(<[u8]>::from_words(words)?).ok()
    }
}

/// A key inside an error: an integer, or bytes shown escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyValue {
    /// A signed integer key.
    Signed(i64),
    /// An unsigned integer key.
    Unsigned(u64),
    /// A `[u8]` or `str` key.
    Bytes(Box<[u8]>),
}

impl KeyValue {
    pub(crate) fn new<K: Key + ?Sized>(words: &[u64]) -> Self {
        let first = words.first().copied().unwrap_or(0);
        match K::KIND.class {
            Class::Signed => Self::Signed(first as i64),
            Class::Unsigned => Self::Unsigned(first),
            Class::Bytes | Class::Str => {
                Self::Bytes(<[u8]>::from_words(words).unwrap_or_default().into())
            }
        }
    }
}

impl fmt::Display for KeyValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(n) => write!(f, "{n}"),
            Self::Unsigned(n) => write!(f, "{n}"),
            Self::Bytes(bytes) => match std::str::from_utf8(bytes) {
                Ok(text) => write!(f, "{text:?}"),
                Err(_) => write!(f, "\"{}\"", bytes.escape_ascii()),
            },
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words_of<K: Key + ?Sized>(key: &K) -> Vec<u64> {
        let mut room = K::ROOM;
        key.to_words(MAX_KEY_BYTES, &mut room).unwrap().to_vec()
    }

    #[test]
    fn kinds_are_distinct() {
        let codes = [
            i8::KIND.code(),
            i16::KIND.code(),
            i32::KIND.code(),
            i64::KIND.code(),
            u8::KIND.code(),
            u16::KIND.code(),
            u32::KIND.code(),
            u64::KIND.code(),
            str::KIND.code(),
            <[u8]>::KIND.code(),
        ];
        let distinct: std::collections::HashSet<_> = codes.iter().collect();
        assert_eq!(distinct.len(), codes.len());
        assert_eq!(KeyKind::describe(i32::KIND.code()), "i32");
        assert_eq!(KeyKind::describe(str::KIND.code()), "str");
        assert_eq!(KeyKind::describe(99 << 8), "unknown (0x63)");
    }

    #[test]
    fn damaged_words_are_no_key() {
        assert_eq!(i32::from_words(&[u64::MAX >> 1]), None);
        assert_eq!(i32::from_words(&[]), None);
        assert_eq!(<[u8]>::from_words(&[u64::MAX, 0]), None);
        assert_eq!(<[u8]>::from_words(&[9, 0]), None);
        assert_eq!(str::from_words(&[1, 0xFF_FF_FF_FF_FF_FF_FF_FF]), None);
    }

    proptest! {
        #[test]
        fn keys_round_trip_and_are_injective(a in any::<i64>(), b in any::<i32>(),
                                              s in ".{0,60}", t in ".{0,60}") {
            prop_assert_eq!(i64::from_words(&words_of(&a)), Some(a));
            prop_assert_eq!(i32::from_words(&words_of(&b)), Some(b));
            prop_assert_eq!(str::from_words(&words_of(s.as_str())), Some(s.clone()));
            prop_assert_eq!(s == t, words_of(s.as_str()) == words_of(t.as_str()));
        }

        #[test]
        fn too_long_is_said(len in 0usize..400, max in 1usize..300) {
            let key = vec![7u8; len];
            let limit = max.min(MAX_KEY_BYTES);
            let mut room = <[u8]>::ROOM;
            let got = key.as_slice().to_words(max, &mut room).map(<[u64]>::len);
            if len <= limit {
                prop_assert_eq!(got.unwrap(), 1 + len.div_ceil(8));
            } else {
                let said = matches!(got, Err(TableError::KeyTooLong { len: l, max: m }) if l == len && m == limit);
                prop_assert!(said);
            }
        }
    }
}
