//! The two value buffers of a slot, as words that are loaded and stored one by one.
//!
//! The first [`HEAD_WORDS`] words of both lie in the slot's first cache line, so that
//! finding and copying a short value touches that line only; the rest follows in one piece.
//! Bytes are little endian within a word.

use shm_core::{Ordering, ReadWords, Words};

use crate::layout::{HEAD_WORDS, Layout};

/// Bytes of a value that lie in the head.
const HEAD_BYTES: usize = HEAD_WORDS * 8;

/// A buffer as readers see it. What is copied counts only once the slot's version
/// has been checked.
#[derive(Clone, Copy)]
pub(crate) struct Buffer<'a> {
    slot: ReadWords<'a>,
    layout: &'a Layout,
    number: usize,
}

impl<'a> Buffer<'a> {
    #[inline(always)]
    pub(crate) fn new(slot: ReadWords<'a>, layout: &'a Layout, number: usize) -> Self {
        Self { slot, layout, number }
    }

    /// Copies the first `to.len()` bytes, at most the table's value size.
    #[inline(always)]
    pub(crate) fn copy_to(&self, to: &mut [u8]) {
        let head = self.slot.slice(self.layout.head_at(self.number), self.layout.head_words);
        match to.split_at_mut_checked(HEAD_BYTES) {
            None => copy_words(head, to),
            Some((first, rest)) => {
                copy_words(head, first);
                let at = self.layout.tail_at(self.number);
                copy_words(self.slot.slice(at, self.layout.tail_words), rest);
            }
        }
    }

    /// Copies the first `to.len()` words, byte order as in memory.
    #[inline(always)]
    pub(crate) fn copy_to_words(&self, to: &mut [u64]) {
        let head = self.slot.slice(self.layout.head_at(self.number), self.layout.head_words);
        let load = |words: ReadWords<'_>, to: &mut [u64]| {
            for (at, to) in to.iter_mut().enumerate() {
                *to = words.load(at, Ordering::Relaxed).to_le();
            }
        };
        match to.split_at_mut_checked(HEAD_WORDS) {
            None => load(head, to),
            Some((first, rest)) => {
                load(head, first);
                let at = self.layout.tail_at(self.number);
                load(self.slot.slice(at, self.layout.tail_words), rest);
            }
        }
    }
}

#[inline(always)]
fn copy_words(words: ReadWords<'_>, to: &mut [u8]) {
    let (whole, rest) = to.as_chunks_mut::<8>();
    for (at, to) in whole.iter_mut().enumerate() {
        *to = words.load(at, Ordering::Relaxed).to_le_bytes();
    }
    if rest.is_empty() {
        return;
    }
    // In pieces of 4, 2 and 1: no call of memcpy, no loop.
    let mut word = words.load(whole.len(), Ordering::Relaxed);
    let (fours, rest) = rest.as_chunks_mut::<4>();
    if let [four] = fours {
        *four = (word as u32).to_le_bytes();
        word >>= 32;
    }
    let (twos, rest) = rest.as_chunks_mut::<2>();
    if let [two] = twos {
        *two = (word as u16).to_le_bytes();
        word >>= 16;
    }
    if let [one] = rest {
        *one = word as u8;
    }
}

/// Stores a value of at most the table's value size. Relaxed: readers do not use
/// this buffer before the commit, which is a Release store.
#[inline(always)]
pub(crate) fn store(slot: Words<'_>, layout: &Layout, number: usize, value: &[u8]) {
    let head = slot.slice(layout.head_at(number), layout.head_words);
    match value.split_at_checked(HEAD_BYTES) {
        None => store_words(head, value),
        Some((first, rest)) => {
            store_words(head, first);
            store_words(slot.slice(layout.tail_at(number), layout.tail_words), rest);
        }
    }
}

#[inline(always)]
fn store_words(to: Words<'_>, bytes: &[u8]) {
    let (whole, rest) = bytes.as_chunks::<8>();
    for (at, &chunk) in whole.iter().enumerate() {
        to.store(at, u64::from_le_bytes(chunk), Ordering::Relaxed);
    }
    if !rest.is_empty() {
        to.store(whole.len(), last_word(bytes), Ordering::Relaxed);
    }
}

/// The bytes after the last whole word, in the low end of a word, the rest zero.
/// Loads only whole pieces: bytes stored one by one and loaded as a word would
/// stall on store forwarding.
#[inline(always)]
fn last_word(bytes: &[u8]) -> u64 {
    let len = bytes.len() % 8;
    if let Some(last) = bytes.last_chunk::<8>() {
        return u64::from_le_bytes(*last) >> (64 - 8 * len);
    }
    let byte = |at: usize| u64::from(bytes.get(at).copied().unwrap_or(0)) << (8 * at);
    match (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        // They overlap, and agree where they do.
        (Some(first), Some(last)) => {
            let high = u64::from(u32::from_le_bytes(*last)) << (8 * (len - 4));
            u64::from(u32::from_le_bytes(*first)) | high
        }
        _ => byte(0) | byte(1) | byte(2),
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::key::Key;
    use crate::layout::Geometry;
    use shm_core::Word;

    #[test]
    fn values_of_every_length_round_trip_in_both_buffers() {
        for value_size in [0, 1, 7, 8, 9, 15, 16, 17, 24, 31, 40] {
            let geometry = Geometry { capacity: 1, value_size, key_size: 8 };
            let layout = Layout::new(geometry, i32::KIND, 1).unwrap();
            let words: Vec<Word> = (0..layout.slot_words).map(|_| Word::new(u64::MAX)).collect();
            let bytes: Vec<u8> = (1..=value_size as u8).collect();
            for len in 0..=value_size {
                let other: Vec<u8> = bytes[..len].iter().map(|b| !b).collect();
                store(Words::new(&words), &layout, 0, &bytes[..len]);
                store(Words::new(&words), &layout, 1, &other);
                let read = |number| {
                    let mut to = vec![0; len];
                    Buffer::new(ReadWords::new(&words), &layout, number).copy_to(&mut to);
                    to
                };
                assert_eq!(read(0), bytes[..len]);
                assert_eq!(read(1), other);
            }
        }
    }

    #[test]
    fn the_last_word_holds_the_bytes_after_the_whole_ones() {
        let bytes: Vec<u8> = (1..=40).collect();
        for len in (0..40).filter(|len| len % 8 != 0) {
            let mut expected = [0; 8];
            let rest = &bytes[len - len % 8..len];
            expected[..rest.len()].copy_from_slice(rest);
            assert_eq!(last_word(&bytes[..len]), u64::from_le_bytes(expected), "{len} bytes");
        }
    }
}
