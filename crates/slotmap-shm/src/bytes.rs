//! The bytes after the last whole word of a value, loaded and stored as one word.

/// Returns the bytes after the last whole word, at the low end of a word whose other bytes are
/// zero. The bytes are loaded in pieces that are as large as possible. Storing them one by one and
/// then loading the word would stall on store forwarding.
#[inline(always)]
pub(crate) fn last_word(bytes: &[u8]) -> u64 {
    let len = bytes.len() % 8;
    if let Some(last) = bytes.last_chunk::<8>() {
        return u64::from_le_bytes(*last) >> (64 - 8 * len);
    }
    let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or(0)) << (8 * at);
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // The two pieces overlap, and agree where they do.
        (Some(first), Some(last)) => {
            let high = u64::from(u32::from_le_bytes(*last)) << (8 * (len - 4));
            u64::from(u32::from_le_bytes(*first)) | high
        }
        _ => byte(0) | byte(1) | byte(2),
    }
}

/// Stores up to 7 bytes, in pieces of 4, 2 and 1.
#[inline(always)]
pub(crate) fn put_last(mut word: u64, to: &mut [u8]) {
    let (fours, to) = to.as_chunks_mut::<4>();
    if let [four] = fours {
        *four = (word as u32).to_le_bytes();
        word >>= 32;
    }
    let (twos, to) = to.as_chunks_mut::<2>();
    if let [two] = twos {
        *two = (word as u16).to_le_bytes();
        word >>= 16;
    }
    if let [one] = to {
        *one = word as u8;
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_holds_the_bytes_after_the_whole_ones() {
        let bytes: Vec<u8> = (1..=40).collect();
        for len in (0..40).filter(|len| len % 8 != 0) {
            let mut expected = [0; 8];
            let rest = &bytes[len - len % 8..len];
            expected[..rest.len()].copy_from_slice(rest);
            assert_eq!(last_word(&bytes[..len]), u64::from_le_bytes(expected), "{len} bytes");
            let mut back = vec![0; rest.len()];
            put_last(last_word(&bytes[..len]), &mut back);
            assert_eq!(back, rest);
        }
    }
}
