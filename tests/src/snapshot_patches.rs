//! Sound images with patches, decoded from bytes: for fuzzing the code behind the checksums.

use crate::golden::{high_bytes, numbered, prefixes_and_nuls, ties, wide};
use crate::image::{encode, entry_word, fix_checksums, header, set_word, word};

/// An image, and keys to ask it for.
#[must_use]
pub fn decode(bytes: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let Some((&how, mut rest)) = bytes.split_first() else { return Default::default() };
    let map = match how >> 1 & 15 {
        0 => high_bytes(),
        1 => prefixes_and_nuls(),
        2 => vec![],
        3 => numbered(1),
        4 => numbered(3),
        5 => numbered(15),
        6 => numbered(16),
        7 => ties(),
        8 => wide(),
        _ => numbered(40),
    };
    let mut queries =
        vec![vec![], vec![0xFF; 4], b"id:".to_vec(), rest[..rest.len().min(9)].to_vec()];
    queries.extend(map.iter().step_by(5).map(|(key, _)| key.clone()));
    let mut image = encode(&map, how & 1 == 0);
    while let Some((patch, more)) = rest.split_first_chunk::<5>() {
        let [what, at, high, value, shift] = *patch;
        let at = usize::from(u16::from_le_bytes([at, high]));
        apply(&mut image, what, at, value, shift);
        rest = more;
    }
    fix_checksums(&mut image);
    (image, queries)
}

fn apply(image: &mut Vec<u8>, what: u8, at: usize, value: u8, shift: u8) {
    let number = u64::from(value).rotate_left(u32::from(shift));
    let (len, words) = (image.len(), image.len() / 8);
    match what % 8 {
        0 => image[at % len] = value,
        1 => image[at % len] ^= 1 << (value % 8),
        2 => set_word(image, 8 * (at % words), number),
        3 => set_word(image, 8 * (at % words), entry_word(number, u64::from(shift))),
        4 => {
            let at = 8 * (at % words);
            let sum = word(image, at).wrapping_add(number);
            set_word(image, at, sum);
        }
        5 => {
            let (a, b) = (8 * (at % words), 8 * (usize::from(value) % words));
            let (at_a, at_b) = (word(image, a), word(image, b));
            set_word(image, a, at_b);
            set_word(image, b, at_a);
        }
        6 => set_word(image, header::ENTRIES + 8 * (at % 4), number),
        // The length, by whole words.
        _ => image.resize((len as isize + 8 * isize::from(value as i8)).max(64) as usize, shift),
    }
}
