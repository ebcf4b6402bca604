//! The hash index of an image, by the text of the format.

use super::Entry;

const D: [u64; 3] = [0x2d35_8dcc_aa6c_78a5, 0x8bb8_4b93_962e_acc9, 0x4b33_a62e_d433_d4a3];
/// Buckets that a lookup reads at most.
const PROBES: usize = 64;

fn mum(a: u64, b: u64) -> (u64, u64) {
    let product = u128::from(a) * u128::from(b);
    (product as u64, (product >> 64) as u64)
}

fn mix(a: u64, b: u64) -> u64 {
    let (low, high) = mum(a, b);
    low ^ high
}

fn word(bytes: &[u8], at: usize) -> u64 {
    super::word(bytes, at)
}

fn half(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32::from_le_bytes(bytes[at..][..4].try_into().expect("four bytes")))
}

/// rapidhash, version 3, variant nano, with avalanche and without protection, seed 0.
#[must_use]
pub fn hash(key: &[u8]) -> u64 {
    let n = key.len();
    let mut x = mix(D[2], D[1]);
    let mut rest = key;
    let (a, b) = match n {
        0 => (0, 0),
        1..=3 => (u64::from(key[0]) << 45 | u64::from(key[n - 1]), u64::from(key[n / 2])),
        4..=7 => (half(key, 0), half(key, n - 4)),
        8..=16 => (word(key, 0), word(key, n - 8)),
        _ => {
            let (mut y, mut z) = (x, x);
            while rest.len() > 48 {
                x = mix(word(rest, 0) ^ D[0], word(rest, 8) ^ x);
                y = mix(word(rest, 16) ^ D[1], word(rest, 24) ^ y);
                z = mix(word(rest, 32) ^ D[2], word(rest, 40) ^ z);
                rest = &rest[48..];
            }
            if n > 48 {
                x ^= y ^ z;
            }
            if rest.len() > 16 {
                x = mix(word(rest, 0) ^ D[2], word(rest, 8) ^ x);
            }
            if rest.len() > 32 {
                x = mix(word(rest, 16) ^ D[2], word(rest, 24) ^ x);
            }
            (word(key, n - 16) ^ rest.len() as u64, word(key, n - 8))
        }
    };
    if (4..=16).contains(&n) {
        x ^= n as u64;
    }
    let (a, b) = mum(a ^ D[1], b ^ x);
    mix(a ^ 0xaaaa_aaaa_aaaa_aaaa, b ^ D[1] ^ rest.len() as u64)
}

/// Sixteen bytes that hash as all others of this function do: their first half makes a factor zero.
#[must_use]
pub fn colliding_key(number: u64) -> Vec<u8> {
    [D[1].to_le_bytes(), number.to_be_bytes()].concat()
}

/// A bucket: eight cells.
pub(super) type Bucket = [u64; 8];

/// The buckets of these entries; `None` if some key finds no empty cell in its sixty-four buckets.
pub(super) fn buckets(entries: &[Entry]) -> Option<Vec<Bucket>> {
    let n = entries.len();
    if n == 0 {
        return None;
    }
    let mut buckets = vec![[0; 8]; (3 * n).div_ceil(16) + 1];
    let count = buckets.len();
    let mut start = 0;
    for (key, value) in entries {
        let hash = hash(key);
        let home = (((hash >> 32) * count as u64) >> 32) as usize;
        let near = (0..PROBES).map(|step| (home + step) % count);
        let at = { near }.find(|&at| buckets[at].contains(&0))?;
        let cell = buckets[at].iter_mut().find(|cell| **cell == 0)?;
        let tag = (hash as u32 >> 24) as u64;
        *cell = tag << 56
            | (key.len() as u64 + 1).min(255) << 48
            | (value.len() as u64).min(4095) << 36
            | start;
        start += (key.len() + value.len()) as u64;
    }
    Some(buckets)
}
