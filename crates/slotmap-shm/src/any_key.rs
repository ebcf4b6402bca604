//! A key of any kind. It is for errors, and for code that does not know the kind of keys in
//! advance.

use std::fmt;

/// A key of any kind. Errors contain such keys. A table whose kind of keys is known only at run
/// time ([`UntypedTable`](crate::UntypedTable)) takes and returns them.
///
/// A table of integer keys accepts both `Signed` and `Unsigned`, whatever its kind, as long as the
/// number is in the range of its keys. A table returns `Signed` for signed kinds, `Unsigned` for
/// unsigned ones and `Bytes` for `str` and `[u8]`. Keys of one kind have the order of their Rust
/// type.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AnyKey {
    /// A signed integer key.
    Signed(i64),
    /// An unsigned integer key.
    Unsigned(u64),
    /// A `[u8]` or `str` key.
    Bytes(Vec<u8>),
}

impl fmt::Display for AnyKey {
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

/// Shows byte keys that are UTF-8 as text.
impl fmt::Debug for AnyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(_) => write!(f, "Signed({self})"),
            Self::Unsigned(_) => write!(f, "Unsigned({self})"),
            Self::Bytes(_) => write!(f, "Bytes({self})"),
        }
    }
}

macro_rules! from {
    ($($t:ty: $variant:ident),*) => {$(
        impl From<$t> for AnyKey {
            fn from(key: $t) -> Self {
                Self::$variant(key.into())
            }
        }
    )*};
}

from!(
    i8: Signed, i16: Signed, i32: Signed, i64: Signed,
    u8: Unsigned, u16: Unsigned, u32: Unsigned, u64: Unsigned,
    &str: Bytes, String: Bytes, &[u8]: Bytes, Vec<u8>: Bytes
);
