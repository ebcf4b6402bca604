//! The kind of a table's keys.

use std::fmt;

/// Maximum length of a byte or string key in bytes.
pub(crate) const MAX_KEY_BYTES: usize = 256;

/// The kind of a table's keys. It is recorded in the table's header, so a table of `i32` keys does
/// not open as a table of `i64` keys. `Display` shows the name of the Rust type.
///
/// ```
/// use slotmap_shm::KeyKind;
/// assert_eq!(KeyKind::I32.to_string(), "i32");
/// assert_eq!(KeyKind::Bytes.to_string(), "[u8]");
/// assert_eq!(KeyKind::U16.integer(), Some((16, false)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyKind {
    /// `i8`.
    I8,
    /// `i16`.
    I16,
    /// `i32`.
    I32,
    /// `i64`.
    I64,
    /// `u8`.
    U8,
    /// `u16`.
    U16,
    /// `u32`.
    U32,
    /// `u64`.
    U64,
    /// `[u8]`: any bytes.
    Bytes,
    /// `str`: UTF-8.
    Str,
}

impl KeyKind {
    /// All kinds.
    pub const ALL: [Self; 10] = [
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::Str,
        Self::Bytes,
    ];

    /// The name of the Rust type.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::Bytes => "[u8]",
            Self::Str => "str",
        }
    }

    /// Returns the width of an integer kind in bits, and whether it is signed. Returns `None` for
    /// `str` and `[u8]`.
    #[must_use]
    #[inline]
    pub const fn integer(self) -> Option<(u32, bool)> {
        match self {
            Self::I8 => Some((8, true)),
            Self::I16 => Some((16, true)),
            Self::I32 => Some((32, true)),
            Self::I64 => Some((64, true)),
            Self::U8 => Some((8, false)),
            Self::U16 => Some((16, false)),
            Self::U32 => Some((32, false)),
            Self::U64 => Some((64, false)),
            Self::Bytes | Self::Str => None,
        }
    }

    /// Returns the number that stands for this kind in the segment header. Its second byte is the
    /// class, and its first byte is the width of an integer in bytes.
    pub(crate) const fn code(self) -> u64 {
        match (self, self.integer()) {
            (_, Some((bits, true))) => 1 << 8 | (bits / 8) as u64,
            (_, Some((bits, false))) => 2 << 8 | (bits / 8) as u64,
            (Self::Str, None) => 4 << 8,
            (_, None) => 3 << 8,
        }
    }

    /// Returns the kind that a number stands for, or `None` if this version does not know the
    /// number.
    pub(crate) fn from_code(code: u64) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// Returns the number of words that a key takes in a slot, if byte keys have up to `max` bytes.
    pub(crate) fn words(self, max: usize) -> usize {
        if self.integer().is_some() { 1 } else { 1 + max.div_ceil(8) }
    }

    /// True if the words in a slot encode a key of at most `max` bytes.
    pub(crate) fn is_possible(self, words: &[u64], max: usize) -> bool {
        let Some((&first, rest)) = words.split_first() else { return false };
        match self.integer() {
            Some((bits, true)) => (first << (64 - bits)) as i64 >> (64 - bits) == first as i64,
            Some((bits, false)) => first << (64 - bits) >> (64 - bits) == first,
            None => {
                let Some(len) = usize::try_from(first).ok().filter(|&len| len <= max) else {
                    return false;
                };
                let mut bytes = [0; MAX_KEY_BYTES];
                for (to, word) in bytes.as_chunks_mut::<8>().0.iter_mut().zip(rest) {
                    *to = word.to_le_bytes();
                }
                let Some((key, behind)) = bytes.split_at_checked(len) else { return false };
                // The last word must be padded with zeros, as it was when it was hashed.
                let filled = behind.iter().take(len.next_multiple_of(8) - len).all(|&b| b == 0);
                filled && (self == Self::Bytes || std::str::from_utf8(key).is_ok())
            }
        }
    }
}

impl fmt::Display for KeyKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn codes_are_distinct_and_those_of_the_format() {
        for kind in KeyKind::ALL {
            assert_eq!(KeyKind::from_code(kind.code()), Some(kind));
        }
        assert_eq!(KeyKind::I32.code(), 0x104);
        assert_eq!(KeyKind::U64.code(), 0x208);
        assert_eq!((KeyKind::Bytes.code(), KeyKind::Str.code()), (0x300, 0x400));
        assert_eq!(KeyKind::from_code(0x103), None);
        assert_eq!(KeyKind::from_code(0x6300), None);
    }
}
