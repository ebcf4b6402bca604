//! Comparing sixteen words at once, and prefetching, for x86 with SSE2. The scalar twins are in
//! `scalar.rs`.

#![allow(unsafe_code, reason = "vector instructions need a proof that the processor has them")]

#[cfg(target_arch = "x86")]
use std::arch::x86 as arch;
#[cfg(target_arch = "x86_64")]
use std::arch::x86_64 as arch;

use arch::{
    __m128i, _MM_HINT_T0, _mm_and_si128, _mm_cmpeq_epi32, _mm_cmpgt_epi32, _mm_movemask_epi8,
    _mm_packs_epi16, _mm_packs_epi32, _mm_prefetch, _mm_set1_epi32,
};

/// Compares words as signed numbers. Returns a mask with one bit for each word that is less than
/// `query`, and a mask with one bit for each word that equals `query`. SSE2 is part of x86-64.
/// Wider registers would save about ten instructions, but a search spends its time waiting for
/// memory.
#[inline(always)]
pub(crate) fn compare(words: &[[u8; 4]; 16], query: i32) -> (u32, u32) {
    // SAFETY: the module is compiled only for targets that have SSE2 (`mod.rs`), so the program
    // as a whole runs only where it is (Reference, "codegen.target_feature").
    unsafe { compare_sse2(words, query) }
}

#[target_feature(enable = "sse2")]
#[inline]
fn compare_sse2(words: &[[u8; 4]; 16], query: i32) -> (u32, u32) {
    let [a, b, c, d]: [__m128i; 4] = bytemuck::cast(*words);
    let query = _mm_set1_epi32(query);
    let less = mask(
        _mm_cmpgt_epi32(query, a),
        _mm_cmpgt_epi32(query, b),
        _mm_cmpgt_epi32(query, c),
        _mm_cmpgt_epi32(query, d),
    );
    let equal = mask(
        _mm_cmpeq_epi32(query, a),
        _mm_cmpeq_epi32(query, b),
        _mm_cmpeq_epi32(query, c),
        _mm_cmpeq_epi32(query, d),
    );
    (less, equal)
}

/// Returns one bit for each of 16 words, each of which is all ones or all zeros.
#[target_feature(enable = "sse2")]
#[inline]
fn mask(a: __m128i, b: __m128i, c: __m128i, d: __m128i) -> u32 {
    let bytes = _mm_packs_epi16(_mm_packs_epi32(a, b), _mm_packs_epi32(c, d));
    _mm_movemask_epi8(bytes) as u32
}

/// Returns one bit for each word that equals `value` in the bits of `mask`.
#[inline(always)]
pub(crate) fn equal_mask(words: &[[u8; 4]; 16], mask: u32, value: u32) -> u32 {
    // SAFETY: as in `compare`.
    unsafe { equal_mask_sse2(words, mask, value) }
}

#[target_feature(enable = "sse2")]
#[inline]
fn equal_mask_sse2(words: &[[u8; 4]; 16], bits: u32, value: u32) -> u32 {
    let [a, b, c, d]: [__m128i; 4] = bytemuck::cast(*words);
    let bits = _mm_set1_epi32(bits as i32);
    let value = _mm_set1_epi32(value as i32);
    mask(
        _mm_cmpeq_epi32(_mm_and_si128(a, bits), value),
        _mm_cmpeq_epi32(_mm_and_si128(b, bits), value),
        _mm_cmpeq_epi32(_mm_and_si128(c, bits), value),
        _mm_cmpeq_epi32(_mm_and_si128(d, bits), value),
    )
}

/// Prefetches the cache line of a byte.
#[inline(always)]
pub(crate) fn prefetch(byte: &u8) {
    // SAFETY: a prefetch reads nothing and never faults ("PREFETCHh", Intel SDM); as in `compare`,
    // the processor has the instruction.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(byte).cast()) }
}
