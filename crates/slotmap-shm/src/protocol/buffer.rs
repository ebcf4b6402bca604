//! The two value buffers of a slot, as words that are loaded and stored one by one.
//!
//! The first two words of both buffers follow the key, so that finding and copying a short value
//! touches only the slot's first cache line, if the key is short as well. The other words of each
//! buffer follow in one piece. Bytes are little endian within a word.

use shm_core::{Ordering, ReadWords, Words};

use super::version::{self, buffer_of};
use crate::bytes::{last_word, put_last};
use crate::layout::{HEAD_WORDS, LINE_WORDS, Layout};
use crate::value::{Source, Value};

/// A reader of a large value checks the version after each piece of this many words (64 KiB). If a
/// write has overtaken the copy, the copy ends early, so that the next attempt starts right after
/// the flip.
const PIECE_WORDS: usize = 1 << 13;

/// Number of bytes of a value that lie in the head.
const HEAD_BYTES: usize = HEAD_WORDS * 8;

/// A buffer as readers see it. Bytes that are copied from it are valid only once the slot's version
/// has been checked.
#[derive(Clone, Copy)]
pub(crate) struct Buffer<'a> {
    all: ReadWords<'a>,
    layout: &'a Layout,
    pub(crate) slot: usize,
    /// The version of the slot that the buffer belongs to.
    pub(crate) version: u64,
}

impl<'a> Buffer<'a> {
    /// Returns the buffer of `slot` from which a reader of this version copies.
    #[inline(always)]
    pub(crate) fn new(all: ReadWords<'a>, layout: &'a Layout, slot: usize, version: u64) -> Self {
        Self { all, layout, slot, version }
    }

    #[inline(always)]
    fn number(&self) -> usize {
        buffer_of(self.version)
    }

    /// True if a write of the slot has completed since this version. Anything that is copied from
    /// now on will be discarded.
    #[cold]
    fn is_overtaken(&self) -> bool {
        let line = self.all.slice(self.layout.slot_at(self.slot), LINE_WORDS);
        !version::is_unchanged(line, self.version)
    }

    /// True if the first `len` bytes of the buffer are `expected`.
    pub(crate) fn is(&self, expected: &[u8], len: usize) -> bool {
        if len != expected.len() {
            return false;
        }
        let words = self.head().into_iter().chain(self.tail().iter_relaxed());
        words.zip(expected.chunks(8)).all(|(word, bytes)| word.to_le_bytes().starts_with(bytes))
    }

    /// Copies the first `to.len()` bytes, which must not be more than the table's value size.
    #[inline(always)]
    pub(crate) fn copy_to(&self, to: &mut [u8]) {
        let head = self.head();
        if to.len() <= HEAD_BYTES {
            head_to_bytes(head, to);
        } else {
            self.copy_long(head, to);
        }
    }

    /// Copies a value of more than [`HEAD_BYTES`] bytes.
    #[inline(never)]
    fn copy_long(self, head: [u64; HEAD_WORDS], to: &mut [u8]) {
        if let Some((first, rest)) = to.split_at_mut_checked(HEAD_BYTES) {
            head_to_bytes(head, first);
            let (whole, last) = rest.as_chunks_mut::<8>();
            let mut words = self.tail().iter_relaxed();
            for (nth, piece) in whole.chunks_mut(PIECE_WORDS).enumerate() {
                if nth > 0 && self.is_overtaken() {
                    return;
                }
                for (to, word) in piece.iter_mut().zip(words.by_ref()) {
                    *to = word.to_le_bytes();
                }
            }
            if let Some(word) = words.next().filter(|_| !last.is_empty()) {
                put_last(word, last);
            }
        }
    }

    /// Copies the first `len` bytes to `to`. Allocates a new value only if the capacity of `to` is
    /// too small.
    pub(crate) fn copy_to_value(self, to: &mut Value, len: usize) {
        match to.words_for(len) {
            Some(words) => self.copy_to_words(words),
            None => *to = Value::copy(self, len),
        }
    }

    #[inline(always)]
    fn head(&self) -> [u64; HEAD_WORDS] {
        let at = self.layout.slot_at(self.slot) + self.layout.head_at(self.number());
        let head = self.all.slice(at, HEAD_WORDS);
        [head.load(0, Ordering::Relaxed), head.load(1, Ordering::Relaxed)]
    }

    fn tail(&self) -> ReadWords<'a> {
        let at = self.layout.slot_at(self.slot) + self.layout.tail_at(self.number());
        self.all.slice(at, self.layout.tail_words)
    }
}

impl Source for Buffer<'_> {
    #[inline(always)]
    fn copy_to_words(&self, to: &mut [u64]) {
        let head = self.head();
        for (to, word) in to.iter_mut().zip(head) {
            *to = word.to_le();
        }
        if let Some(rest) = to.get_mut(HEAD_WORDS..).filter(|rest| !rest.is_empty()) {
            let mut words = self.tail().iter_relaxed();
            for (nth, piece) in rest.chunks_mut(PIECE_WORDS).enumerate() {
                if nth > 0 && self.is_overtaken() {
                    return;
                }
                for (to, word) in piece.iter_mut().zip(words.by_ref()) {
                    *to = word.to_le();
                }
            }
        }
    }
}

/// Copies at most 16 bytes, without a loop or a call.
#[inline(always)]
fn head_to_bytes([first, second]: [u64; HEAD_WORDS], to: &mut [u8]) {
    match to.split_first_chunk_mut::<8>() {
        None => put_last(first, to),
        Some((whole, rest)) => {
            *whole = first.to_le_bytes();
            match rest.split_first_chunk_mut::<8>() {
                None => put_last(second, rest),
                Some((whole, _)) => *whole = second.to_le_bytes(),
            }
        }
    }
}

/// Stores a value of at most the table's value size. The stores are relaxed, because readers do not
/// use this buffer before the commit, which is a Release store.
#[inline]
pub(crate) fn store(all: Words<'_>, layout: &Layout, slot: usize, number: usize, value: &[u8]) {
    let head = all.slice(layout.slot_at(slot) + layout.head_at(number), HEAD_WORDS);
    match value.split_at_checked(HEAD_BYTES) {
        Some((first, rest)) if !rest.is_empty() => {
            store_words(head, first);
            let at = layout.slot_at(slot) + layout.tail_at(number);
            store_words(all.slice(at, layout.tail_words), rest);
        }
        _ => store_words(head, value),
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

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::geometry::Geometry;
    use crate::key::TypedKey;
    use shm_core::Word;

    #[test]
    fn values_of_every_length_round_trip_in_both_buffers() {
        for value_size in [0, 1, 7, 8, 9, 15, 16, 17, 24, 31, 40] {
            let geometry = Geometry { capacity: 1, value_size, key_size: 8 };
            let layout = Layout::new(geometry, i32::KIND, 1).unwrap();
            let words: Vec<Word> = (0..layout.total_words).map(|_| Word::new(u64::MAX)).collect();
            let all = Words::new(&words);
            let bytes: Vec<u8> = (1..=value_size as u8).collect();
            for len in 0..=value_size {
                let other: Vec<u8> = bytes[..len].iter().map(|b| !b).collect();
                store(all, &layout, 0, 0, &bytes[..len]);
                store(all, &layout, 0, 1, &other);
                for (number, expected) in [(0, &bytes[..len]), (1, &other)] {
                    let buffer = Buffer::new(all.as_read(), &layout, 0, number);
                    assert!(buffer.is(expected, len) && !buffer.is(expected, len + 1));
                    assert!(
                        len == 0
                            || !buffer.is(if number == 0 { &other } else { &bytes[..len] }, len)
                    );
                    let mut to = vec![0; len];
                    buffer.copy_to(&mut to);
                    assert_eq!(to, expected);
                    let mut words = vec![0; len.div_ceil(8)];
                    buffer.copy_to_words(&mut words);
                    assert_eq!(bytemuck::cast_slice::<u64, u8>(&words)[..len], *expected);
                }
            }
        }
    }
}
