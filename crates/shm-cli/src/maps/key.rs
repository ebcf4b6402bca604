//! One type for keys of all types, for commands that do not know the type beforehand.

use std::sync::LazyLock;

use clap::ValueEnum;
use clap::builder::PossibleValue;
use serde_json::{Value as Json, json};
use shm_facade::{any_map_key, any_table_key};
pub(crate) use slotmap_shm::AnyKey;
use slotmap_shm::KeyKind;

use crate::escape::{escape, hex};
use crate::failure::Failure;

/// A type of keys, as the command line names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyType(pub(crate) KeyKind);

impl ValueEnum for KeyType {
    fn value_variants<'a>() -> &'a [Self] {
        static ALL: LazyLock<Vec<KeyType>> =
            LazyLock::new(|| KeyKind::ALL.into_iter().map(KeyType).collect());
        &ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        // Brackets would have to be quoted in a shell.
        Some(match self.0 {
            KeyKind::Bytes => PossibleValue::new("bytes").alias(self.name()),
            KeyKind::Str => PossibleValue::new(self.name()).alias("text"),
            _ => PossibleValue::new(self.name()),
        })
    }
}

impl KeyType {
    pub(crate) const BYTES: Self = Self(KeyKind::Bytes);

    /// Returns the library's name of this type.
    pub(crate) fn name(self) -> &'static str {
        self.0.name()
    }

    fn integer(self) -> Option<(u32, bool)> {
        self.0.integer()
    }

    pub(crate) fn is_integer(self) -> bool {
        self.integer().is_some()
    }

    /// Returns the number of bytes of a key of this type in a map, if all such keys have the same
    /// number.
    pub(crate) fn len(self) -> Option<usize> {
        self.integer().map(|(bits, _)| bits as usize / 8)
    }

    /// Reads a key of this type.
    pub(crate) fn parse(self, bytes: &[u8]) -> Result<AnyKey, String> {
        let number = || std::str::from_utf8(bytes).unwrap_or_default();
        let wrong = || format!("{:?} is no key of type {}", escape(bytes), self.name());
        match self.integer() {
            Some((bits, true)) => number()
                .parse()
                .ok()
                .filter(|n: &i64| n >> (bits - 1) == 0 || n >> (bits - 1) == -1)
                .map(AnyKey::Signed)
                .ok_or_else(wrong),
            Some((bits, false)) => number()
                .parse()
                .ok()
                .filter(|n: &u64| *n <= u64::MAX >> (64 - bits))
                .map(AnyKey::Unsigned)
                .ok_or_else(wrong),
            None if self.0 == KeyKind::Str && std::str::from_utf8(bytes).is_err() => {
                Err(format!("{} (not UTF-8)", wrong()))
            }
            None => Ok(AnyKey::Bytes(bytes.to_vec())),
        }
    }

    /// Like [`KeyType::parse`], but for a key on the command line.
    pub(crate) fn parse_argument(self, bytes: &[u8]) -> Result<AnyKey, Failure> {
        self.parse(bytes).map_err(|reason| {
            Failure::usage(reason).hint("`shmap stat NAME` says which keys it has")
        })
    }

    /// Returns the map key of this key.
    pub(crate) fn to_map(self, key: &AnyKey) -> Vec<u8> {
        any_map_key(self.0, key).unwrap_or_else(|| match key {
            AnyKey::Bytes(bytes) => bytes.clone(),
            AnyKey::Signed(n) => n.to_string().into_bytes(),
            AnyKey::Unsigned(n) => n.to_string().into_bytes(),
        })
    }

    /// Returns the key of which these bytes are the map key, or `None` if the bytes have the wrong
    /// length or are not text.
    pub(crate) fn of_map(self, bytes: &[u8]) -> Option<AnyKey> {
        any_table_key(self.0, bytes)
    }
}

/// The forms of a key in files and on the terminal.
pub(crate) trait Forms {
    /// Returns the key as one line of text.
    fn text(&self) -> String;
    /// Returns the key for CSV: bytes are unchanged, and numbers are in digits.
    fn raw(&self) -> std::borrow::Cow<'_, [u8]>;
    fn json(&self) -> Json;
}

impl Forms for AnyKey {
    fn text(&self) -> String {
        match self {
            Self::Signed(n) => n.to_string(),
            Self::Unsigned(n) => n.to_string(),
            Self::Bytes(bytes) => escape(bytes),
        }
    }

    fn raw(&self) -> std::borrow::Cow<'_, [u8]> {
        match self {
            Self::Signed(n) => n.to_string().into_bytes().into(),
            Self::Unsigned(n) => n.to_string().into_bytes().into(),
            Self::Bytes(bytes) => bytes.as_slice().into(),
        }
    }

    fn json(&self) -> Json {
        match self {
            Self::Signed(n) => json!(n),
            Self::Unsigned(n) => json!(n),
            Self::Bytes(bytes) => json_bytes(bytes),
        }
    }
}

/// A string if the bytes are UTF-8, otherwise `{"hex": "…"}`.
pub(crate) fn json_bytes(bytes: &[u8]) -> Json {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "hex": hex(bytes) }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn integers_have_their_range() {
        for (t, good, bad) in [
            (KeyType(KeyKind::I8), ["-128", "127"], ["-129", "128"]),
            (KeyType(KeyKind::I32), ["-2147483648", "2147483647"], ["2147483648", "1.5"]),
            (KeyType(KeyKind::U16), ["0", "65535"], ["-1", "65536"]),
            (KeyType(KeyKind::U64), ["0", "18446744073709551615"], ["18446744073709551616", ""]),
        ] {
            assert!(good.iter().all(|n| t.parse(n.as_bytes()).unwrap().text() == *n));
            assert!(bad.iter().all(|n| t.parse(n.as_bytes()).is_err()), "{t:?}");
        }
        assert!(
            KeyType(KeyKind::Str).parse(b"\xff").is_err()
                && KeyType(KeyKind::Bytes).parse(b"\xff").is_ok()
        );
    }

    proptest! {
        #[test]
        fn keys_in_a_map_are_the_facades_and_come_back(a in any::<i32>(), b in any::<i32>(), c in any::<u64>()) {
            let [x, y] = [a, b].map(|n| KeyType(KeyKind::I32).to_map(&AnyKey::Signed(n.into())));
            prop_assert_eq!(&x[..], &shm_facade::map_key(a)[..]);
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(KeyType(KeyKind::I32).of_map(&x), Some(AnyKey::Signed(a.into())));
            let wide = KeyType(KeyKind::U64).to_map(&AnyKey::Unsigned(c));
            prop_assert_eq!(KeyType(KeyKind::U64).of_map(&wide), Some(AnyKey::Unsigned(c)));
            let signed = AnyKey::Signed(c.cast_signed());
            prop_assert_eq!(KeyType(KeyKind::I64).of_map(&KeyType(KeyKind::I64).to_map(&signed)), Some(signed));
            prop_assert_eq!(KeyType(KeyKind::I64).of_map(&x), None);
        }
    }
}
