//! Types of keys, and how a key is encoded as words.

use crate::any_key::AnyKey;
use crate::bytes::last_word;
use crate::error::TableError;
use crate::key_kind::{KeyKind, MAX_KEY_BYTES};

/// Maximum number of words of a key: one word for the length, then the bytes.
const MAX_KEY_WORDS: usize = 1 + MAX_KEY_BYTES / 8;

/// A buffer that is large enough for the words of any key of any table.
pub(crate) type KeyRoom = [u64; MAX_KEY_WORDS];

/// An empty buffer.
pub(crate) const NO_KEY: KeyRoom = [0; MAX_KEY_WORDS];

/// A type of keys: `i8` to `i64`, `u8` to `u64`, `str`, `[u8]`, and [`AnyKey`] for a kind that is
/// known only at run time.
///
/// A byte or string key has up to `key_size` bytes, and never more than 256. A call with a longer
/// key fails with [`TableError::KeyTooLong`]. A key may be empty.
///
/// # Types of your own
/// This trait is sealed, so no other type can be a key. The file records the kind of a table's
/// keys. So a table never opens as a table of another kind, and C, Python and the command line can
/// use its keys. A type that only one program knows has no such kind. To use a value of fixed size
/// as a key, store its bytes in a table of `[u8]` keys:
///
/// ```
/// # use slotmap_shm::{Name, Namespace, Table, TableOptions};
/// # let dir = std::env::temp_dir().join(format!("key-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let (namespace, name) = (Namespace::at(&dir), Name::new("routes")?);
/// type Route = [u32; 2]; // or any `repr(C)` structure that is `bytemuck::Pod`
/// let routes = Table::<[u8]>::create(&namespace, &name, &TableOptions::default())?;
/// let route: Route = [10, 22];
/// routes.add(bytemuck::bytes_of(&route), b"open")?;
/// for (key, _) in routes.entries()? {
///     assert_eq!(bytemuck::pod_read_unaligned::<Route>(&key), route);
/// }
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Key: sealed::Sealed {
    /// The type of the keys that iteration returns.
    type Owned;

    /// The kind of a table that has such keys, or `None` if the table may be of any kind.
    #[doc(hidden)]
    const EXPECTED: Option<KeyKind> = None;

    /// A buffer for the words of a key.
    #[doc(hidden)]
    type Room;

    /// An empty buffer.
    #[doc(hidden)]
    fn room() -> Self::Room;

    /// Encodes the key as words, for a table of this kind whose byte keys may have up to `max`
    /// bytes.
    #[doc(hidden)]
    fn to_words<'a>(
        &self,
        kind: KeyKind,
        max: usize,
        room: &'a mut Self::Room,
    ) -> Result<&'a [u64], TableError>;

    /// Decodes a key. Returns `None` if the words are not a key, because memory is damaged.
    #[doc(hidden)]
    fn from_words(kind: KeyKind, words: &[u64]) -> Option<Self::Owned>;
}

/// A type whose keys are all of one kind. Every key type except [`AnyKey`] implements this trait.
pub trait TypedKey: Key {
    /// The kind of these keys.
    const KIND: KeyKind;
}

mod sealed {
    /// Seals [`Key`](super::Key). The calls of `Key` may run under the table's lock, where no code
    /// of a user of this crate may run.
    pub trait Sealed {}
}

macro_rules! integer_keys {
    ($($t:ty: $kind:ident as $wide:ty),*) => {$(
        impl sealed::Sealed for $t {}

        impl Key for $t {
            type Owned = $t;

            const EXPECTED: Option<KeyKind> = Some(KeyKind::$kind);

            type Room = [u64; 1];
            #[inline(always)]
            fn room() -> [u64; 1] {
                [0]
            }

            #[inline(always)]
            fn to_words<'a>(
                &self,
                _: KeyKind,
                _: usize,
                room: &'a mut [u64; 1],
            ) -> Result<&'a [u64], TableError> {
                *room = [<$wide>::from(*self) as u64];
                Ok(room)
            }

            fn from_words(_: KeyKind, words: &[u64]) -> Option<$t> {
                <$t>::try_from(*words.first()? as $wide).ok()
            }
        }

        impl TypedKey for $t {
            const KIND: KeyKind = KeyKind::$kind;
        }
    )*};
}

integer_keys!(
    i8: I8 as i64, i16: I16 as i64, i32: I32 as i64, i64: I64 as i64,
    u8: U8 as u64, u16: U16 as u64, u32: U32 as u64, u64: U64 as u64
);

macro_rules! byte_keys {
    ($($t:ty: $kind:ident, $owned:ty, $to_bytes:expr, $from_bytes:expr;)*) => {$(
        impl sealed::Sealed for $t {}

        impl Key for $t {
            type Owned = $owned;

            const EXPECTED: Option<KeyKind> = Some(KeyKind::$kind);

            type Room = KeyRoom;
            #[inline(always)]
            fn room() -> KeyRoom {
                NO_KEY
            }

            #[inline]
            fn to_words<'a>(
                &self,
                _: KeyKind,
                max: usize,
                room: &'a mut KeyRoom,
            ) -> Result<&'a [u64], TableError> {
                bytes_to_words($to_bytes(self), max, room)
            }

            fn from_words(_: KeyKind, words: &[u64]) -> Option<$owned> {
                bytes_from_words(words).and_then($from_bytes)
            }
        }

        impl TypedKey for $t {
            const KIND: KeyKind = KeyKind::$kind;
        }
    )*};
}

byte_keys!(
    [u8]: Bytes, Vec<u8>, <[u8]>::as_ref, Some;
    str: Str, String, str::as_bytes, |bytes| String::from_utf8(bytes).ok();
);

#[inline]
fn bytes_to_words<'a>(
    key: &[u8],
    max: usize,
    room: &'a mut KeyRoom,
) -> Result<&'a [u64], TableError> {
    let max = max.min(MAX_KEY_BYTES);
    if key.len() > max {
        return Err(TableError::key_too_long(key, max));
    }
    // Stored word by word, as hashing and comparison load it: loading words that were stored in
    // smaller pieces stalls on store forwarding, which took as long as the rest of a lookup.
    let (whole, rest) = key.as_chunks::<8>();
    let [len, words @ ..] = room;
    *len = key.len() as u64;
    for (to, chunk) in words.iter_mut().zip(whole) {
        *to = u64::from_le_bytes(*chunk);
    }
    let mut used = 1 + whole.len();
    if let Some(to) = room.get_mut(used).filter(|_| !rest.is_empty()) {
        *to = last_word(key);
        used += 1;
    }
    Ok(room.get(..used).unwrap_or_default())
}

fn bytes_from_words(words: &[u64]) -> Option<Vec<u8>> {
    let (&len, rest) = words.split_first()?;
    let bytes = rest.iter().flat_map(|word| word.to_le_bytes());
    let len = usize::try_from(len).ok().filter(|&len| len <= 8 * rest.len())?;
    Some(bytes.take(len).collect())
}

impl sealed::Sealed for AnyKey {}

/// Every call with such a key checks that the key is of the table's kind.
impl Key for AnyKey {
    type Owned = AnyKey;

    /// One buffer for an integer and one for bytes. A single large buffer would have to be cleared,
    /// which takes as long as the rest of the work for an integer key.
    type Room = ([u64; 1], Option<KeyRoom>);

    // A function, not a constant: a constant would be copied whole, with the room for bytes.
    #[inline(always)]
    fn room() -> Self::Room {
        ([0], None)
    }

    #[inline(always)]
    fn to_words<'a>(
        &self,
        kind: KeyKind,
        max: usize,
        room: &'a mut Self::Room,
    ) -> Result<&'a [u64], TableError> {
        // Two's complement, as the integer types are stored.
        let word = match self {
            Self::Signed(n) => n.cast_unsigned(),
            Self::Unsigned(n) => *n,
            Self::Bytes(bytes) => {
                return any_bytes_to_words(bytes, kind, max, room.1.insert(NO_KEY));
            }
        };
        let fits = kind.integer().is_some_and(|(bits, signed)| {
            // A number below 0 and one above `i64::MAX` may have the same bits.
            let is_this_one = word.cast_signed() >= 0 || signed == matches!(self, Self::Signed(_));
            let unused = 64 - bits;
            let of_its_bits = if signed {
                (word.cast_signed() << unused >> unused).cast_unsigned()
            } else {
                word << unused >> unused
            };
            is_this_one && of_its_bits == word
        });
        if !fits {
            return Err(wrong_key(self, kind));
        }
        room.0 = [word];
        Ok(&room.0)
    }

    fn from_words(kind: KeyKind, words: &[u64]) -> Option<AnyKey> {
        match kind.integer() {
            Some(_) if !kind.is_possible(words, 0) => None,
            Some((_, true)) => words.first().map(|&n| Self::Signed(n as i64)),
            Some((_, false)) => words.first().map(|&n| Self::Unsigned(n)),
            None if kind == KeyKind::Str => {
                str::from_words(kind, words).map(|text| Self::Bytes(text.into_bytes()))
            }
            None => bytes_from_words(words).map(Self::Bytes),
        }
    }
}

/// Encodes a byte key as words, if keys of this kind are bytes or text.
#[inline(never)]
fn any_bytes_to_words<'a>(
    bytes: &[u8],
    kind: KeyKind,
    max: usize,
    room: &'a mut KeyRoom,
) -> Result<&'a [u64], TableError> {
    let fits = kind == KeyKind::Bytes || kind == KeyKind::Str && std::str::from_utf8(bytes).is_ok();
    if !fits {
        return Err(wrong_key(&AnyKey::from(bytes), kind));
    }
    bytes_to_words(bytes, max, room)
}

#[cold]
fn wrong_key(key: &AnyKey, kind: KeyKind) -> TableError {
    TableError::WrongKey { key: key.clone(), kind }
}

/// Returns the key that the words encode, to be part of an error.
#[cold]
pub(crate) fn any_key(kind: KeyKind, words: &[u64]) -> AnyKey {
    let first = words.first().copied().unwrap_or(0);
    match kind.integer() {
        Some((_, true)) => AnyKey::Signed(first as i64),
        Some((_, false)) => AnyKey::Unsigned(first),
        None => AnyKey::Bytes(bytes_from_words(words).unwrap_or_default()),
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn words_of<K: TypedKey + ?Sized>(key: &K) -> Vec<u64> {
        let mut room = K::room();
        key.to_words(K::KIND, MAX_KEY_BYTES, &mut room).unwrap().to_vec()
    }

    #[test]
    fn damaged_words_are_no_key() {
        assert_eq!(i32::from_words(i32::KIND, &[u64::MAX >> 1]), None);
        assert_eq!(i32::from_words(i32::KIND, &[]), None);
        assert_eq!(<[u8]>::from_words(KeyKind::Bytes, &[u64::MAX, 0]), None);
        assert_eq!(<[u8]>::from_words(KeyKind::Bytes, &[9, 0]), None);
        assert_eq!(str::from_words(str::KIND, &[1, 0xFF_FF_FF_FF_FF_FF_FF_FF]), None);
    }

    #[test]
    fn any_key_has_the_words_of_its_type_or_is_refused() {
        let words = |key: &AnyKey, kind| {
            let mut room = AnyKey::room();
            key.to_words(kind, 8, &mut room).map(<[u64]>::to_vec)
        };
        for (kind, good, bad) in [
            (KeyKind::I8, vec![-128, 127], vec![-129, 128]),
            (KeyKind::I64, vec![i64::MIN, i64::MAX], vec![]),
            (KeyKind::U16, vec![0, 65_535], vec![-1, 65_536]),
            (KeyKind::U64, vec![0, i64::MAX], vec![-1]),
        ] {
            for n in good {
                let words = words(&n.into(), kind).unwrap();
                assert_eq!(words, [n as u64]);
                let back = AnyKey::from_words(kind, &words).unwrap();
                assert_eq!(back.to_string(), n.to_string());
            }
            for n in bad {
                let refused = words(&n.into(), kind);
                assert!(matches!(refused, Err(TableError::WrongKey { .. })), "{n} {kind}");
            }
            assert!(words(&"1".into(), kind).is_err());
        }
        assert_eq!(words(&u64::MAX.into(), KeyKind::U64).unwrap(), [u64::MAX]);
        assert!(words(&u64::MAX.into(), KeyKind::I64).is_err());
        assert_eq!(words(&"abc".into(), KeyKind::Str).unwrap(), words_of("abc"));
        assert!(words(&[0xFF][..].into(), KeyKind::Str).is_err());
        assert_eq!(words(&[0xFF][..].into(), KeyKind::Bytes).unwrap(), words_of(&[0xFF][..]));
        assert!(words(&1.into(), KeyKind::Str).is_err());
        let long = words(&"123456789".into(), KeyKind::Str);
        assert!(matches!(long, Err(TableError::KeyTooLong { len: 9, max: 8, .. })));
    }

    proptest! {
        #[test]
        fn keys_round_trip_and_are_injective(a in any::<i64>(), b in any::<i32>(),
                                              s in ".{0,60}", t in ".{0,60}") {
            prop_assert_eq!(i64::from_words(i64::KIND, &words_of(&a)), Some(a));
            prop_assert_eq!(i32::from_words(i32::KIND, &words_of(&b)), Some(b));
            prop_assert_eq!(str::from_words(str::KIND, &words_of(s.as_str())), Some(s.clone()));
            prop_assert_eq!(s == t, words_of(s.as_str()) == words_of(t.as_str()));
        }

        #[test]
        fn too_long_is_said(len in 0usize..400, max in 1usize..300) {
            let key = vec![7u8; len];
            let limit = max.min(MAX_KEY_BYTES);
            let mut room = <[u8]>::room();
            let got = key.as_slice().to_words(KeyKind::Bytes, max, &mut room).map(<[u64]>::len);
            if len <= limit {
                prop_assert_eq!(got.unwrap(), 1 + len.div_ceil(8));
            } else {
                let Err(TableError::KeyTooLong { len: l, max: m, .. }) = got else {
                    return Err(TestCaseError::fail(format!("{got:?}")));
                };
                prop_assert_eq!((l, m), (len, limit));
            }
        }
    }
}
