//! Comparing sixteen words at once, and prefetching, for 64-bit ARM. The scalar twins are in
//! `scalar.rs`.

#![allow(unsafe_code, reason = "vector instructions need a proof that the processor has them")]

use std::arch::aarch64::{
    uint8x8_t, uint32x4_t, vaddv_u8, vand_u8, vandq_u32, vceqq_s32, vceqq_u32, vcgtq_s32,
    vcombine_u16, vcreate_u8, vdupq_n_s32, vdupq_n_u32, vmovn_u16, vmovn_u32,
    vreinterpretq_s32_u32,
};

/// Compares words as signed numbers. Returns a mask with one bit for each word that is less than
/// `query`, and a mask with one bit for each word that equals `query`.
#[inline(always)]
pub(crate) fn compare(words: &[[u8; 4]; 16], query: i32) -> (u32, u32) {
    // SAFETY: the module is compiled only for targets that have NEON (`mod.rs`), so the program as
    // a whole runs only where it is (Reference, "codegen.target_feature").
    unsafe { compare_neon(words, query) }
}

#[target_feature(enable = "neon")]
#[inline]
fn compare_neon(words: &[[u8; 4]; 16], query: i32) -> (u32, u32) {
    let words = load(words).map(|word| vreinterpretq_s32_u32(word));
    let query = vdupq_n_s32(query);
    let less = words.map(|word| vcgtq_s32(query, word));
    let equal = words.map(|word| vceqq_s32(query, word));
    (mask(less), mask(equal))
}

/// Returns one bit for each word that equals `value` in the bits of `mask`.
#[inline(always)]
pub(crate) fn equal_mask(words: &[[u8; 4]; 16], mask: u32, value: u32) -> u32 {
    // SAFETY: as in `compare`.
    unsafe { equal_mask_neon(words, mask, value) }
}

#[target_feature(enable = "neon")]
#[inline]
fn equal_mask_neon(words: &[[u8; 4]; 16], bits: u32, value: u32) -> u32 {
    let (bits, value) = (vdupq_n_u32(bits), vdupq_n_u32(value));
    mask(load(words).map(|word| vceqq_u32(vandq_u32(word, bits), value)))
}

#[target_feature(enable = "neon")]
#[inline]
fn load(words: &[[u8; 4]; 16]) -> [uint32x4_t; 4] {
    let lanes: [[u32; 4]; 4] = bytemuck::cast(*words);
    // SAFETY: both are four times four numbers, for which any bits are valid (the documentation of
    // `std::arch` says so of its vectors), and the processor is little-endian (`mod.rs`), so their
    // order is the same.
    unsafe { std::mem::transmute(lanes) }
}

/// Returns one bit for each of 16 words, each of which is all ones or all zeros.
#[target_feature(enable = "neon")]
#[inline]
fn mask([a, b, c, d]: [uint32x4_t; 4]) -> u32 {
    let low = vmovn_u16(vcombine_u16(vmovn_u32(a), vmovn_u32(b)));
    let high = vmovn_u16(vcombine_u16(vmovn_u32(c), vmovn_u32(d)));
    bits(low) | bits(high) << 8
}

/// Returns one bit for each of 8 bytes, each of which is all ones or all zeros.
#[target_feature(enable = "neon")]
#[inline]
fn bits(bytes: uint8x8_t) -> u32 {
    // Byte i has the value of bit i.
    let weights = vcreate_u8(0x8040_2010_0804_0201);
    u32::from(vaddv_u8(vand_u8(bytes, weights)))
}

/// Prefetches the cache line of a byte.
#[inline(always)]
pub(crate) fn prefetch(byte: &u8) {
    // SAFETY: a prefetch reads nothing, never faults ("PRFM", Arm Architecture Reference Manual),
    // and changes neither registers nor flags nor the stack.
    unsafe {
        std::arch::asm!(
            "prfm pldl1keep, [{at}]",
            at = in(reg) std::ptr::from_ref(byte),
            options(readonly, nostack, preserves_flags),
        );
    }
}
