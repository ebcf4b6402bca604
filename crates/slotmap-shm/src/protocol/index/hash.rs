//! Hashing the words of a key.

use rapidhash::v3::rapidhash_v3_nano_inline;

use crate::layout::Layout;

/// Computes the hash of a key's words under the table's secrets. The secrets are drawn at creation,
/// so that nobody can choose colliding keys without reading the segment.
///
/// The hash is part of the format: all processes must agree on it, however they were built.
///
/// - One word (an integer): two folded multiplications, as in wyhash. Each masks the value with one
///   secret, multiplies it by another, and takes `hi ^ lo` of the 128-bit product. This takes half
///   as many instructions as the general function. One multiplication is not enough: with one seed
///   in 400, keys that differ only in their high bits would share a run.
/// - More words: rapidhash v3 (nano), whose output is stable by its specification.
#[inline(always)]
pub(crate) fn hash(layout: &Layout, key: &[u64]) -> u64 {
    match key {
        [only] => {
            let [mask, factor, second_mask] = layout.integer_secrets;
            fold(fold(only ^ mask, factor) ^ second_mask, factor)
        }
        _ => rapidhash_v3_nano_inline::<true, true>(bytemuck::cast_slice(key), &layout.secrets),
    }
}

/// Multiplies, and combines the two halves of the product with exclusive or.
#[inline(always)]
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::geometry::{Eviction, Expiry, Geometry};
    use crate::key::TypedKey;

    /// Returns the length of the longest run of places in use if all these keys have entries.
    fn longest_run(layout: &Layout, keys: &[u64]) -> usize {
        let mut used = vec![false; layout.index_len()];
        for key in keys {
            let mut place = hash(layout, &[*key]) as usize & layout.index_mask;
            while used[place] {
                place = (place + 1) & layout.index_mask;
            }
            used[place] = true;
        }
        let twice = used.iter().chain(&used);
        let run = |run: usize, &used: &bool| if used { run + 1 } else { 0 };
        twice
            .scan(0, |length, used| Some(std::mem::replace(length, run(*length, used))))
            .max()
            .unwrap()
    }

    #[test]
    fn no_seed_is_bad_for_keys_of_a_pattern() {
        const KEYS: u64 = 1024;
        let mut families: Vec<Vec<u64>> = vec![
            (0..KEYS).map(u64::reverse_bits).collect(),
            (0..KEYS).map(|k| k.wrapping_neg()).collect(),
            (0..KEYS).map(|k| k * k).collect(),
        ];
        families.extend([0, 1, 8, 16, 32, 40, 48, 54].map(|k| (0..KEYS).map(|m| m << k).collect()));
        let geometry = Geometry {
            capacity: KEYS as usize,
            max_capacity: None,
            expiry: Expiry::Never,
            eviction: Eviction::Never,
            value_size: 0,
            key_size: 8,
        };
        for seed in 0..400 {
            let layout = Layout::new(geometry, u64::KIND, seed * 0x9E37_79B9).unwrap();
            for keys in &families {
                let run = longest_run(&layout, keys);
                assert!(run < 64, "seed {seed}: a run of {run} for {:x} …", keys[1]);
            }
        }
    }
}
