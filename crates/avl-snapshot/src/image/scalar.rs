//! Comparing sixteen words, for any processor, in a form that compilers vectorise. `sse2.rs` and
//! `neon.rs` have the same functions for their processors. Tests compare them with these.

#![cfg_attr(
    any(target_feature = "sse2", target_feature = "neon"),
    allow(dead_code, reason = "used on other processors, and compared in tests")
)]

/// Compares words as signed numbers. Returns a mask with one bit for each word that is less than
/// `query`, and a mask with one bit for each word that equals `query`.
#[inline]
pub(crate) fn compare(words: &[[u8; 4]; 16], query: i32) -> (u32, u32) {
    let (mut less, mut equal) = (0u32, 0u32);
    for (at, key) in words.iter().enumerate() {
        let key = i32::from_le_bytes(*key);
        less |= u32::from(key < query) << at;
        equal |= u32::from(key == query) << at;
    }
    (less, equal)
}

/// Returns one bit for each word that equals `value` in the bits of `mask`.
#[inline]
pub(crate) fn equal_mask(words: &[[u8; 4]; 16], mask: u32, value: u32) -> u32 {
    let equal = |word: [u8; 4]| u32::from_le_bytes(word) & mask == value;
    words.iter().enumerate().fold(0, |bits, (at, &word)| bits | u32::from(equal(word)) << at)
}

/// Would prefetch the cache line of a byte. There is no portable way to do so.
#[inline(always)]
pub(crate) fn prefetch(_: &u8) {}

// Makes whole searches use this module, in tests.
#[cfg(any(test, fuzzing))]
thread_local! {
    pub(crate) static IS_USED: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}
