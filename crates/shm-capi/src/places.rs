//! Places for the values that handles lead to. Places are given out and taken back without a lock,
//! so that a fork cannot leave a lock locked.
//!
//! A place is a slot in a chunk; chunks are never moved or freed. Places that were given back form
//! a stack: the `number` of each such place says which place is below it. Each use of a place has a
//! different generation, and a place whose generations are used up is never given out again. So no
//! two handles ever have the same number.
//!
//! If a child is forked while another thread is between two steps here, the child loses that
//! thread's place, and nothing else.
//!
//! # Invariants
//! 1. `chunks[n]` is null, or came from `Box::into_raw` of a slice of `FIRST << n` slots. Once set,
//!    it never changes.
//! 2. The slot of a reserved place belongs to the thread that reserved it, until the place is given
//!    back.
//! 3. The low part of `top` is the place on top of the stack plus 1, or 0. The part above is a
//!    count of all changes. Each change adds one to the count, so an exchange that succeeds has
//!    read the place below the one that is still on top.

#![allow(unsafe_code)]

use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};

use crate::short_lock::ShortLock;

pub(crate) const PLACE_BITS: u32 = 24;
const PLACE: u64 = (1 << PLACE_BITS) - 1;
/// Number of places in the first chunk. Each further chunk has twice as many places as the one
/// before.
const FIRST: usize = 64;
const CHUNKS: usize = 18;
/// The number of all places.
pub(crate) const PLACES: usize = FIRST * ((1 << CHUNKS) - 1);
const _: () = assert!(PLACES < PLACE as usize && usize::BITS == 64);

#[derive(Default)]
pub(crate) struct Slot {
    /// While the place is in use, the number of its handle. Otherwise the next generation in the
    /// high bits, and in the low bits the place below it in the stack plus 1. That is not a number
    /// of a handle, because its highest byte is 0.
    pub(crate) number: AtomicU64,
    pub(crate) value: AtomicPtr<c_void>,
    /// Held by calls that must not overlap with the end of the handle.
    pub(crate) lock: ShortLock,
}

pub(crate) struct Places {
    chunks: [AtomicPtr<Slot>; CHUNKS],
    top: AtomicU64,
    /// The first place that was never used.
    unused: AtomicUsize,
    last_generation: u64,
}

/// A place that is about to get a handle.
pub(crate) struct Reserved<'a> {
    pub(crate) place: usize,
    pub(crate) generation: u64,
    pub(crate) slot: &'a Slot,
}

/// Returns the chunk of a place, and the first place of that chunk.
fn chunk_of(place: usize) -> (usize, usize) {
    let chunk = (place / FIRST + 1).ilog2() as usize;
    (chunk, FIRST * ((1 << chunk) - 1))
}

impl Places {
    pub(crate) const fn new(last_generation: u64) -> Self {
        Self {
            chunks: [const { AtomicPtr::new(ptr::null_mut()) }; CHUNKS],
            top: AtomicU64::new(0),
            unused: AtomicUsize::new(0),
            last_generation,
        }
    }

    /// Returns the slot of a place, if that place was ever used.
    #[inline]
    pub(crate) fn slot(&self, place: usize) -> Option<&Slot> {
        let (chunk, start) = chunk_of(place);
        // Acquire: pairs with the release in `chunk`.
        let slots = self.chunks.get(chunk)?.load(Ordering::Acquire);
        if slots.is_null() {
            return None;
        }
        // SAFETY: invariant 1; the place is in the chunk that `chunk_of` says, so below its length.
        let slot = unsafe { slots.add(place - start) };
        // SAFETY: it lies in the allocation, which stays; all of its fields are atomic, and nobody
        // has it mutably.
        Some(unsafe { &*slot })
    }

    /// Returns a free place, or `None` if all places are in use or used up.
    pub(crate) fn reserve(&self) -> Option<Reserved<'_>> {
        self.pop().or_else(|| self.fresh())
    }

    fn pop(&self) -> Option<Reserved<'_>> {
        // Acquire: pairs with the release in `give_back`. All stores to `top` are exchanges, so it
        // also pairs with those that gave back the places further down.
        let mut top = self.top.load(Ordering::Acquire);
        loop {
            let place = usize::try_from((top & PLACE).checked_sub(1)?).ok()?;
            let slot = self.slot(place)?;
            // This counts only if the exchange finds that the place is still on top: invariant 3.
            let word = slot.number.load(Ordering::Relaxed);
            let next = (top & !PLACE).wrapping_add(1 << PLACE_BITS) | word & PLACE;
            match self.top.compare_exchange(top, next, Ordering::Acquire, Ordering::Acquire) {
                Ok(_) => {
                    return Some(Reserved { place, generation: word >> PLACE_BITS, slot });
                }
                Err(found) => top = found,
            }
        }
    }

    fn fresh(&self) -> Option<Reserved<'_>> {
        let more = |unused: usize| (unused < PLACES).then_some(unused + 1);
        let place = self.unused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok()?;
        self.make_chunk(chunk_of(place).0);
        Some(Reserved { place, generation: 0, slot: self.slot(place)? })
    }

    /// Makes a chunk if there is none. If several threads do so at once, one wins, and none waits.
    fn make_chunk(&self, chunk: usize) {
        let Some(at) = self.chunks.get(chunk) else { return };
        if !at.load(Ordering::Relaxed).is_null() {
            return;
        }
        let slots: Box<[Slot]> = (0..FIRST << chunk).map(|_| Slot::default()).collect();
        let slots = Box::into_raw(slots);
        // Release: the slots' first state. Pairs with the acquire in `slot`.
        let null = ptr::null_mut();
        if at.compare_exchange(null, slots.cast(), Ordering::Release, Ordering::Relaxed).is_err() {
            // SAFETY: it came of `Box::into_raw`, and nobody else has seen it.
            drop(unsafe { Box::from_raw(slots) });
        }
    }

    /// Takes back a place whose slot no longer has a handle. `generation` is the generation that
    /// the place had.
    pub(crate) fn give_back(&self, place: usize, generation: u64, slot: &Slot) {
        if generation >= self.last_generation {
            // Another handle would have a number that was already used.
            return;
        }
        let mut top = self.top.load(Ordering::Relaxed);
        loop {
            slot.number.store((generation + 1) << PLACE_BITS | top & PLACE, Ordering::Relaxed);
            let next = (top & !PLACE).wrapping_add(1 << PLACE_BITS) | (place as u64 + 1);
            // Release: the slot's number. Pairs with the acquire in `pop`.
            match self.top.compare_exchange(top, next, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(found) => top = found,
            }
        }
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        for (chunk, slots) in self.chunks.iter_mut().enumerate() {
            let slots = *slots.get_mut();
            if !slots.is_null() {
                let slots = ptr::slice_from_raw_parts_mut(slots, FIRST << chunk);
                // SAFETY: invariant 1; `&mut self`: nobody has a slot of it.
                drop(unsafe { Box::from_raw(slots) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn places_fill_chunk_after_chunk() {
        let mut expected = (0, 0);
        for place in 0..10_000 {
            let (chunk, start) = chunk_of(place);
            if chunk != expected.0 {
                assert_eq!((chunk, start), (expected.0 + 1, place));
                assert_eq!(place - expected.1, FIRST << expected.0);
                expected = (chunk, start);
            }
            assert_eq!(start, expected.1);
        }
        assert_eq!(chunk_of(PLACES - 1).0, CHUNKS - 1);
        assert_eq!(chunk_of(PLACES).0, CHUNKS);
    }

    #[test]
    fn a_place_is_given_out_once_a_generation_and_then_never_again() {
        let places = Places::new(3);
        let mut seen = Vec::new();
        for _ in 0..8 {
            let reserved = places.reserve().unwrap();
            seen.push((reserved.place, reserved.generation));
            places.give_back(reserved.place, reserved.generation, reserved.slot);
        }
        assert_eq!(seen, [(0, 0), (0, 1), (0, 2), (0, 3), (1, 0), (1, 1), (1, 2), (1, 3)]);
    }

    #[test]
    fn what_was_given_back_last_comes_first() {
        let places = Places::new(u64::MAX >> PLACE_BITS);
        let all: Vec<_> = (0..200).map(|_| places.reserve().unwrap()).collect();
        assert_eq!(all.iter().map(|r| r.place).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
        for reserved in &all {
            places.give_back(reserved.place, reserved.generation, reserved.slot);
        }
        for place in (0..200).rev() {
            let reserved = places.reserve().unwrap();
            assert_eq!((reserved.place, reserved.generation), (place, 1));
        }
        assert_eq!(places.reserve().unwrap().place, 200);
    }

    #[test]
    fn threads_never_have_one_place_at_once_nor_one_number_twice() {
        const ROUNDS: usize = if cfg!(miri) { 50 } else { 20_000 };
        // So few generations that places are used up during the test.
        let places = Places::new(100);
        let seen = Mutex::new(HashSet::new());
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    let mut mine = Vec::new();
                    for round in 0..ROUNDS {
                        let two: Vec<_> = (0..round % 3).filter_map(|_| places.reserve()).collect();
                        for reserved in two {
                            assert!(reserved.slot.value.load(Ordering::Relaxed).is_null());
                            let marked = ptr::without_provenance_mut(1);
                            reserved.slot.value.store(marked, Ordering::Relaxed);
                            std::hint::spin_loop();
                            reserved.slot.value.store(ptr::null_mut(), Ordering::Relaxed);
                            mine.push((reserved.place, reserved.generation));
                            places.give_back(reserved.place, reserved.generation, reserved.slot);
                        }
                    }
                    let mut seen = seen.lock().unwrap();
                    for number in mine {
                        assert!(seen.insert(number), "{number:?} was given out twice");
                    }
                });
            }
        });
        assert!(!seen.into_inner().unwrap().is_empty());
    }
}
