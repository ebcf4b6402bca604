//! Finding out whether the keys of a published map can be the keys of a table with integer keys.
//! The map itself does not say so, because its keys are bytes.

use avl_snapshot::Snapshot;
use shm_core::Published;
use slotmap_shm::KeyKind;

use crate::failure::{Exit, Failure};
use crate::maps::key::{AnyKey, Forms, KeyType};

type Map = Snapshot<Published>;

/// Returns the first and the last key, or `None` if the map is empty.
fn sample(map: &Map) -> Option<[&[u8]; 2]> {
    let mut entries = map.iter();
    let (first, _) = entries.next()?;
    let last = entries.next_back().map_or(first, |(key, _)| key);
    Some([first, last])
}

/// Returns the type that the keys seem to have, if they look like the keys of a frozen table, that
/// is, 4 or 8 bytes that are not text.
pub(crate) fn guess(map: &Map) -> Option<KeyType> {
    let [first, last] = sample(map)?;
    if first.len() != last.len() || is_text(first) || is_text(last) {
        return None;
    }
    // Unsigned numbers begin with a zero byte unless they are large. Signed ones, whose sign bit is
    // flipped, do so only near the least number.
    let is_unsigned = first.first() == Some(&0);
    Some(KeyType(match (first.len(), is_unsigned) {
        (4, false) => KeyKind::I32,
        (4, true) => KeyKind::U32,
        (8, false) => KeyKind::I64,
        (8, true) => KeyKind::U64,
        _ => return None,
    }))
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| !text.chars().any(char::is_control))
}

/// Says which option the keys seem to need.
pub(crate) fn advice(keys: KeyType) -> String {
    format!("the keys look like those of a frozen table: --keys {}", keys.name())
}

/// Returns an error if keys of this type have another length than the keys of the map.
pub(crate) fn check_length(map: &Map, asked: KeyType) -> Result<(), Failure> {
    let (Some(len), Some(keys)) = (asked.len(), sample(map)) else { return Ok(()) };
    let Some(other) = keys.into_iter().find(|key| key.len() != len) else { return Ok(()) };
    let (shown, found) = (AnyKey::Bytes(other.to_vec()).text(), other.len());
    let name = asked.name();
    let text = format!(
        "the map's key {shown} stands for no key of type {name}: it has {found} bytes, not {len}"
    );
    let failure = Failure::new(Exit::Mismatch, text);
    Err(match guess(map) {
        Some(keys) => failure.hint(advice(keys)),
        None => failure.hint("leave --keys out to see keys as they are"),
    })
}
