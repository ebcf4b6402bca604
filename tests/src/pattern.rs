//! Values that tell whether they are whole: a sequence number, and bytes that follow from the
//! number and the key.

/// A value of `len` bytes (at least 8) for `key` at `sequence`.
#[must_use]
pub fn value(key: i32, sequence: u64, len: usize) -> Vec<u8> {
    let mut bytes = sequence.to_le_bytes().to_vec();
    let mut state = sequence ^ (key as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    while bytes.len() < len {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        bytes.extend_from_slice(&(state ^ (state >> 29)).to_le_bytes());
    }
    bytes.truncate(len.max(8));
    bytes
}

/// The sequence number of a whole value of `key`; `None` when it is torn.
#[must_use]
pub fn sequence(key: i32, bytes: &[u8]) -> Option<u64> {
    let number = u64::from_le_bytes(*bytes.first_chunk()?);
    (value(key, number, bytes.len()) == bytes).then_some(number)
}

/// The length of values of this sequence number. It varies, so that the length of one value with
/// the bytes of another is noticed.
#[must_use]
pub fn length(sequence: u64, max: usize) -> usize {
    let room = max.saturating_sub(8) as u64 + 1;
    8 + (sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33).checked_rem(room).unwrap_or(0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_is_noticed() {
        let (a, b) = (value(1, 5, 40), value(1, 6, 40));
        assert_eq!(sequence(1, &a), Some(5));
        for cut in 1..40 {
            let mixed = [&a[..cut], &b[cut..]].concat();
            assert!(mixed == a || sequence(1, &mixed).is_none(), "cut at {cut}");
        }
        assert_eq!(sequence(2, &a), None);
        assert_eq!(sequence(1, &a[..3]), None);
        assert!((0..1000).all(|s| (8..=40).contains(&length(s, 40))));
    }
}
