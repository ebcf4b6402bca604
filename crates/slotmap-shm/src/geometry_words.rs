//! The geometry of a table as words of the segment header.

use std::time::Duration;

use shm_core::GEOMETRY_WORDS;

use crate::geometry::{Eviction, Expiry, Geometry, GeometryError};
use crate::key_kind::KeyKind;

/// Flags of the geometry word that says what may happen to entries.
const EXPIRES: u64 = 1;
const EVICTS: u64 = 2;

/// Encodes the geometry, the kind and the seed as the geometry words of the segment header. The
/// other words are zero and reserved for later versions.
pub(crate) fn encode(geometry: Geometry, kind: KeyKind, seed: u64) -> [u64; GEOMETRY_WORDS] {
    let mut words = [0; GEOMETRY_WORDS];
    let fields = [
        geometry.capacity as u64,
        geometry.value_size as u64,
        kind.code(),
        geometry.key_size as u64,
        seed,
        geometry.max_capacity.unwrap_or(0) as u64,
        if geometry.expiry == Expiry::Never { 0 } else { EXPIRES }
            | if geometry.eviction == Eviction::Never { 0 } else { EVICTS },
        match geometry.expiry {
            Expiry::After(ttl) => u64::try_from(ttl.as_nanos()).unwrap_or(u64::MAX),
            Expiry::Never | Expiry::ByEntry => 0,
        },
    ];
    for (word, field) in words.iter_mut().zip(fields) {
        *word = field;
    }
    words
}

/// Returns an error for flags that this version does not know.
pub(crate) fn check_flags(words: &[u64; GEOMETRY_WORDS]) -> Result<(), GeometryError> {
    let [_, _, _, _, _, _, flags, ..] = *words;
    let (what, min, max) = ("flags", 0, (EXPIRES | EVICTS) as usize);
    if flags <= max as u64 {
        return Ok(());
    }
    Err(GeometryError::OutOfRange { what, value: flags, min, max })
}

/// Decodes the geometry, the code of the key kind, and the seed from the header.
pub(crate) fn decode(words: &[u64; GEOMETRY_WORDS]) -> (Geometry, u64, u64) {
    let [capacity, value_size, kind, key_size, seed, max_capacity, flags, ttl, ..] = *words;
    let size = |word| usize::try_from(word).unwrap_or(usize::MAX);
    let geometry = Geometry {
        capacity: size(capacity),
        max_capacity: Some(max_capacity).filter(|&max| max != 0).map(size),
        expiry: match (flags & EXPIRES, ttl) {
            (0, _) => Expiry::Never,
            (_, 0) => Expiry::ByEntry,
            (_, ttl) => Expiry::After(Duration::from_nanos(ttl)),
        },
        eviction: match flags & EVICTS {
            0 => Eviction::Never,
            _ => Eviction::LeastRecentlyWritten,
        },
        value_size: size(value_size),
        key_size: size(key_size),
    };
    (geometry, kind, seed)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::key::TypedKey;

    #[test]
    fn they_round_trip() {
        let ttl = Duration::from_millis(3);
        for expiry in [Expiry::Never, Expiry::ByEntry, Expiry::After(ttl)] {
            for eviction in [Eviction::Never, Eviction::LeastRecentlyWritten] {
                for max_capacity in [None, Some(10)] {
                    let g = Geometry::default().capacity(5).value_size(6).key_size(7);
                    let g = Geometry { max_capacity, expiry, eviction, ..g };
                    let words = encode(g, str::KIND, 9);
                    assert_eq!(decode(&words), (g, str::KIND.code(), 9));
                    assert_eq!(check_flags(&words), Ok(()));
                }
            }
        }
    }

    #[test]
    fn flags_that_are_not_known_are_refused() {
        let mut words = encode(Geometry::default(), str::KIND, 9);
        words[6] = 4;
        let (what, value, min, max) = ("flags", 4, 0, 3);
        let refused = Err(GeometryError::OutOfRange { what, value, min, max });
        assert_eq!(check_flags(&words), refused);
    }
}
