//! Reads one line of JSON Lines. This is stricter than `serde_json::Value`, which keeps the last of
//! two members of the same name.

use std::fmt;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::error::Category;

use super::Record;
use crate::escape::unhex;

/// Reads `{"key": …, "value": …}`.
pub(super) fn parse(line: &[u8], record: &mut Record) -> Result<(), String> {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Err("not an object with key and value".to_owned());
    }
    let mut json = serde_json::Deserializer::from_slice(line);
    let outcome = Entry(record).deserialize(&mut json).and_then(|()| json.end());
    outcome.map_err(|error| {
        // It counts lines from the start of this one.
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        match error.classify() {
            Category::Data => text.to_owned(),
            _ => format!("not JSON: {text} (byte {})", error.column()),
        }
    })
}

/// The members of the line.
struct Entry<'a>(&'a mut Record);

impl<'de> DeserializeSeed<'de> for Entry<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Entry<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with key and value")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<(), M::Error> {
        let (mut key, mut value) = (false, false);
        while let Some(name) = members.next_key::<String>()? {
            let (seen, bytes) = match name.as_str() {
                "key" => (&mut key, &mut self.0.key),
                "value" => (&mut value, &mut self.0.value),
                _ => {
                    let text = format!("{name:?} is neither \"key\" nor \"value\"");
                    return Err(M::Error::custom(text));
                }
            };
            if std::mem::replace(seen, true) {
                return Err(twice(&name));
            }
            match (members.next_value_seed(Bytes(bytes))?, name.as_str()) {
                (Kind::Text | Kind::Hex, _) | (Kind::Number, "key") => {}
                (_, "key") => {
                    let text = "the key is no string, whole number or {\"hex\": …}";
                    return Err(M::Error::custom(text));
                }
                _ => return Err(M::Error::custom("the value is no string or {\"hex\": …}")),
            }
        }
        match (key, value) {
            (true, true) => Ok(()),
            (false, _) => Err(M::Error::custom("there is no \"key\"")),
            _ => Err(M::Error::custom("there is no \"value\"")),
        }
    }
}

fn twice<E: serde::de::Error>(name: &str) -> E {
    E::custom(format_args!("{name:?} is given twice"))
}

/// A key or a value, which goes into this buffer.
struct Bytes<'a>(&'a mut Vec<u8>);

/// The type that a key or value had.
enum Kind {
    Text,
    /// `{"hex": …}`, which is now decoded.
    Hex,
    /// A whole number, which is now in digits.
    Number,
    Other,
}

impl Bytes<'_> {
    fn set(self, bytes: &[u8], kind: Kind) -> Kind {
        self.0.clear();
        self.0.extend_from_slice(bytes);
        kind
    }
}

impl<'de> DeserializeSeed<'de> for Bytes<'_> {
    type Value = Kind;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Kind, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Bytes<'_> {
    type Value = Kind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string, a whole number or {\"hex\": …}")
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(self.set(text.as_bytes(), Kind::Text))
    }

    fn visit_u64<E>(self, n: u64) -> Result<Kind, E> {
        Ok(self.set(n.to_string().as_bytes(), Kind::Number))
    }

    fn visit_i64<E>(self, n: i64) -> Result<Kind, E> {
        Ok(self.set(n.to_string().as_bytes(), Kind::Number))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut members: M) -> Result<Kind, M::Error> {
        let (mut hex, mut other) = (None, false);
        while let Some(name) = members.next_key::<String>()? {
            if name != "hex" {
                members.next_value::<IgnoredAny>()?;
                other = true;
            } else if hex.is_some() {
                return Err(twice("hex"));
            } else {
                let mut digits = Vec::new();
                let kind = members.next_value_seed(Bytes(&mut digits))?;
                let digits = std::str::from_utf8(&digits).ok();
                hex = Some(digits.filter(|_| matches!(kind, Kind::Text)).and_then(unhex));
            }
        }
        Ok(match hex.flatten() {
            Some(bytes) if !other => self.set(&bytes, Kind::Hex),
            _ => Kind::Other,
        })
    }

    fn visit_f64<E>(self, _: f64) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Other)
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut items: S) -> Result<Kind, S::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Kind::Other)
    }
}
