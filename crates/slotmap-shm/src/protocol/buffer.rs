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
    /// The first cache line of the slot.
    line: ReadWords<'a>,
    all: ReadWords<'a>,
    layout: &'a Layout,
    pub(crate) slot: usize,
    /// The version of the slot that the buffer belongs to.
    pub(crate) version: u64,
}

impl<'a> Buffer<'a> {
    /// Returns the buffer of `slot` from which a reader of this version copies.
    #[inline(always)]
    pub(crate) fn new(
        line: ReadWords<'a>,
        all: ReadWords<'a>,
        layout: &'a Layout,
        slot: usize,
        version: u64,
    ) -> Self {
        Self { line, all, layout, slot, version }
    }

    #[inline(always)]
    fn number(&self) -> usize {
        buffer_of(self.version)
    }

    /// True if a write of the slot has completed since this version. Anything that is copied from
    /// now on will be discarded.
    #[cold]
    fn is_overtaken(&self) -> bool {
        !version::is_unchanged(self.line, self.version)
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
        if to.len() <= HEAD_BYTES {
            self.copy_short_to(to);
        } else {
            self.copy_long_to(to);
        }
    }

    /// Copies the first `to.len()` bytes, which must not be more than [`HEAD_BYTES`].
    #[inline(always)]
    pub(crate) fn copy_short_to(&self, to: &mut [u8]) {
        head_to_bytes(self.head(), to);
    }

    /// Copies a value of more than [`HEAD_BYTES`] bytes.
    #[inline(never)]
    pub(crate) fn copy_long_to(self, to: &mut [u8]) {
        if let Some((first, rest)) = to.split_at_mut_checked(HEAD_BYTES) {
            head_to_bytes(self.head(), first);
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
        let at = self.layout.head_at(self.number());
        if is_in_line(at) {
            [self.line.load(at, Ordering::Relaxed), self.line.load(at + 1, Ordering::Relaxed)]
        } else {
            let (first, second) = two_words(self.all, self.layout.slot_at(self.slot) + at);
            [first, second]
        }
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

    #[inline(always)]
    fn short(&self) -> [u64; HEAD_WORDS] {
        self.head().map(u64::to_le)
    }
}

/// The head of a buffer that is not in the slot's first cache line, because the key is long.
#[cold]
#[inline(never)]
fn two_words(all: ReadWords<'_>, at: usize) -> (u64, u64) {
    let head = all.slice(at, HEAD_WORDS);
    (head.load(0, Ordering::Relaxed), head.load(1, Ordering::Relaxed))
}

/// Copies at most 16 bytes, without a loop or a call.
#[inline(always)]
fn head_to_bytes([first, second]: [u64; HEAD_WORDS], to: &mut [u8]) {
    let len = to.len();
    let Some(whole) = to.first_chunk_mut::<8>() else {
        return put_last(first, to);
    };
    *whole = first.to_le_bytes();
    if let Some(last) = to.last_chunk_mut::<8>() {
        // The two pieces overlap, and agree where they do.
        let both = u128::from(second) << 64 | u128::from(first);
        let word = if len == HEAD_BYTES { second } else { (both >> (8 * len % 64)) as u64 };
        *last = word.to_le_bytes();
    }
}

/// True if a head at this offset in the slot is inside the slot's first cache line.
#[inline(always)]
fn is_in_line(at: usize) -> bool {
    at <= LINE_WORDS - HEAD_WORDS
}

/// Stores a value of at most the table's value size. The stores are relaxed, because readers do not
/// use this buffer before the commit, which is a Release store.
#[inline(always)]
pub(crate) fn store(
    line: Words<'_>,
    all: Words<'_>,
    layout: &Layout,
    slot: usize,
    number: usize,
    value: &[u8],
) {
    let at = layout.head_at(number);
    if is_in_line(at) && value.len() <= HEAD_BYTES {
        match value.split_first_chunk::<8>() {
            Some((&first, rest)) => {
                line.store(at, u64::from_le_bytes(first), Ordering::Relaxed);
                if !rest.is_empty() {
                    let second = rest.first_chunk::<8>().copied().map(u64::from_le_bytes);
                    let second = second.unwrap_or_else(|| last_word(value));
                    line.store(at + 1, second, Ordering::Relaxed);
                }
            }
            None if value.is_empty() => {}
            None => line.store(at, last_word(value), Ordering::Relaxed),
        }
    } else {
        store_long(all, layout, slot, number, value);
    }
}

/// Stores a value whose head is not in the slot's first cache line, or that has a tail.
#[inline(never)]
fn store_long(all: Words<'_>, layout: &Layout, slot: usize, number: usize, value: &[u8]) {
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
    use crate::geometry::{Eviction, Expiry, Geometry};
    use crate::key::TypedKey;
    use shm_core::Word;

    #[test]
    fn values_of_every_length_round_trip_in_both_buffers() {
        for value_size in [0, 1, 7, 8, 9, 15, 16, 17, 24, 31, 40] {
            let geometry = Geometry {
                capacity: 1,
                max_capacity: None,
                expiry: Expiry::Never,
                eviction: Eviction::Never,
                value_size,
                key_size: 8,
            };
            let layout = Layout::new(geometry, i32::KIND, 1).unwrap();
            let words: Vec<Word> = (0..layout.total_words).map(|_| Word::new(u64::MAX)).collect();
            let all = Words::new(&words);
            let bytes: Vec<u8> = (1..=value_size as u8).collect();
            for len in 0..=value_size {
                let other: Vec<u8> = bytes[..len].iter().map(|b| !b).collect();
                let line = all.slice(layout.slot_at(0), LINE_WORDS);
                store(line, all, &layout, 0, 0, &bytes[..len]);
                store(line, all, &layout, 0, 1, &other);
                for (number, expected) in [(0, &bytes[..len]), (1, &other)] {
                    let (line, all) = (line.as_read(), all.as_read());
                    let buffer = Buffer::new(line, all, &layout, 0, number);
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
