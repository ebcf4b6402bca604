//! Handles: numbers that C takes for pointers.
//!
//! A handle is never dereferenced. It is looked up here, so that a null, foreign, wrong or freed one is found out without a look at
//! memory that it might name. A number is, from the highest bits down: [`MARK`], which no pointer of a user's process has in
//! its first byte; the kind; a generation, another one each time a place is taken again; the place.
//!
//! Looking up takes no lock: chunks of places are never moved or freed.
//!
//! # Invariants
//! 1. While a slot's `number` is not 0, its `value` came of `Box::into_raw` for the type of the number's kind, and
//!    nobody else owns it. `insert` makes it so, with one release store of `number` at the end.
//! 2. `take` alone ends that, by the one exchange of `number` to 0 that succeeds.
//! 3. The kinds of all `Handle` types differ. A test looks.

#![allow(unsafe_code)]

use std::collections::VecDeque;
use std::ffi::c_void;
use std::ptr;
use std::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::codes::SHMAP_NO_SPACE;
use crate::entries::ShmapEntries;
use crate::fault::Fault;
use crate::map::ShmapMap;
use crate::names::ShmapNames;
use crate::table::ShmapTable;
use crate::tree::ShmapTree;

/// First byte of each number. Addresses of user processes have zeros there.
const MARK: usize = 0xA5;
const PLACE_BITS: u32 = 24;
const GENERATION_BITS: u32 = 24;
const KIND_SHIFT: u32 = PLACE_BITS + GENERATION_BITS;
const MARK_SHIFT: u32 = KIND_SHIFT + 8;

/// Places in the first chunk; each further one has twice as many.
const FIRST: usize = 64;
const CHUNKS: usize = 18;
const PLACES: usize = FIRST * ((1 << CHUNKS) - 1);
const _: () = assert!(PLACES < 1 << PLACE_BITS && usize::BITS == 64);

/// What handles lead to.
pub(crate) trait Handle: Send + Sync + 'static {
    /// A number of its own, for invariant 3.
    const KIND: u8;
    /// What it is called in messages, with its article.
    const WHAT: &'static str;
}

#[derive(Default)]
struct Slot {
    number: AtomicUsize,
    value: AtomicPtr<c_void>,
}

struct Free {
    /// Places that were given back, with the generation to use next; the longest unused first.
    again: VecDeque<(usize, usize)>,
    /// The first place that was never used.
    unused: usize,
}

static SLOTS: [OnceLock<Box<[Slot]>>; CHUNKS] = [const { OnceLock::new() }; CHUNKS];
static FREE: Mutex<Free> = Mutex::new(Free { again: VecDeque::new(), unused: 0 });

/// Chunk of a place, and where it starts.
fn chunk_of(place: usize) -> (usize, usize) {
    let chunk = (place / FIRST + 1).ilog2() as usize;
    (chunk, FIRST * ((1 << chunk) - 1))
}

fn slot(place: usize) -> Option<&'static Slot> {
    let (chunk, start) = chunk_of(place);
    SLOTS.get(chunk)?.get()?.get(place - start)
}

/// Makes a handle that owns `value`.
pub(crate) fn insert<T: Handle>(value: T) -> Result<*mut T, Fault> {
    let (place, generation) = {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        match free.again.pop_front() {
            Some(found) => found,
            None if free.unused < PLACES => {
                free.unused += 1;
                (free.unused - 1, 0)
            }
            None => {
                return Err(Fault::new(SHMAP_NO_SPACE, format!("all {PLACES} handles are open")));
            }
        }
    };
    let (chunk, start) = chunk_of(place);
    let slots = SLOTS.get(chunk).map(|chunk| {
        chunk.get_or_init(|| (0..FIRST << chunk_of(place).0).map(|_| Slot::default()).collect())
    });
    let Some(slot) = slots.and_then(|slots| slots.get(place - start)) else {
        return Err(Fault::new(SHMAP_NO_SPACE, "no place for a handle"));
    };
    let number =
        MARK << MARK_SHIFT | usize::from(T::KIND) << KIND_SHIFT | generation << PLACE_BITS | place;
    slot.value.store(Box::into_raw(Box::new(value)).cast(), Ordering::Relaxed);
    // Pairs with the acquire load in `find`.
    slot.number.store(number, Ordering::Release);
    Ok(ptr::without_provenance_mut(number))
}

/// The kinds of handles that callers have, with what they are called.
const KINDS: [(u8, &str); 5] = [
    (ShmapTable::KIND, ShmapTable::WHAT),
    (ShmapEntries::KIND, ShmapEntries::WHAT),
    (ShmapTree::KIND, ShmapTree::WHAT),
    (ShmapMap::KIND, ShmapMap::WHAT),
    (ShmapNames::KIND, ShmapNames::WHAT),
];

fn called(kind: usize) -> &'static str {
    let known = KINDS.iter().find(|(known, _)| usize::from(*known) == kind);
    known.map_or("an unknown kind", |(_, what)| what)
}

/// The slot of a living handle.
fn alive<T: Handle>(handle: *const T) -> Result<&'static Slot, Fault> {
    let number = handle.addr();
    if number == 0 {
        return Err(Fault::invalid(format!("the handle is null, not {}", T::WHAT)));
    }
    if number >> MARK_SHIFT != MARK {
        return Err(Fault::invalid(format!("{number:#x} is no handle, let alone {}", T::WHAT)));
    }
    let kind = number >> KIND_SHIFT & 0xFF;
    if kind != usize::from(T::KIND) {
        let text = format!("the handle is of {}, not of {}", called(kind), T::WHAT);
        return Err(Fault::invalid(text));
    }
    slot(number & ((1 << PLACE_BITS) - 1))
        // Pairs with the release store in `insert`.
        .filter(|slot| slot.number.load(Ordering::Acquire) == number)
        .ok_or_else(|| Fault::invalid(format!("the handle of {} was closed already", T::WHAT)))
}

/// What a handle leads to.
///
/// # Safety
/// Nobody closes the handle within `'a`.
pub(crate) unsafe fn find<'a, T: Handle>(handle: *const T) -> Result<&'a T, Fault> {
    let value: *const T = alive(handle)?.value.load(Ordering::Relaxed).cast();
    // SAFETY: by invariants 1 and 3 it is a `T` that came of `Box::into_raw`; by invariant 2 and the caller's
    // promise it lives for `'a`.
    Ok(unsafe { &*value })
}

/// Ends a handle; gives back what it owned. Of two calls for one handle at most one succeeds.
///
/// # Safety
/// No reference that [`find`] gave for this handle is in use any more.
pub(crate) unsafe fn take<T: Handle>(handle: *mut T) -> Result<Box<T>, Fault> {
    let slot = alive(handle)?;
    let number = handle.addr();
    slot.number
        .compare_exchange(number, 0, Ordering::AcqRel, Ordering::Relaxed)
        .map_err(|_| Fault::invalid(format!("the handle of {} was closed already", T::WHAT)))?;
    let value: *mut T = slot.value.swap(ptr::null_mut(), Ordering::Relaxed).cast();
    // SAFETY: by invariants 1 and 3 it came of `Box::into_raw` for a `T`; only this call's exchange succeeded, and
    // no reference is left by the caller's promise.
    let value = unsafe { Box::from_raw(value) };
    let place = number & ((1 << PLACE_BITS) - 1);
    let generation = ((number >> PLACE_BITS) + 1) & ((1 << GENERATION_BITS) - 1);
    FREE.lock().unwrap_or_else(PoisonError::into_inner).again.push_back((place, generation));
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Number(u32);
    impl Handle for Number {
        const KIND: u8 = 200;
        const WHAT: &'static str = "a number";
    }
    struct Other;
    impl Handle for Other {
        const KIND: u8 = 201;
        const WHAT: &'static str = "another";
    }

    fn read(handle: *const Number) -> Result<u32, Fault> {
        // SAFETY: each handle of these tests is closed by the test that has it.
        unsafe { find(handle) }.map(|number| number.0)
    }

    fn close(handle: *mut Number) -> Result<u32, Fault> {
        // SAFETY: as above; `read` keeps no reference.
        unsafe { take(handle) }.map(|number| number.0)
    }

    #[test]
    fn a_handle_is_found_until_it_is_closed() {
        let handle = insert(Number(7)).unwrap();
        assert_eq!(read(handle).unwrap(), 7);
        assert_eq!(close(handle).unwrap(), 7);
        assert!(read(handle).unwrap_err().message.contains("closed already"));
        assert!(close(handle).is_err());
    }

    #[test]
    fn what_is_no_handle_is_never_looked_into() {
        let on_stack = 5u64;
        let text = c"text";
        for foreign in [
            ptr::null::<Number>(),
            ptr::without_provenance(1),
            ptr::without_provenance(usize::MAX),
            (&raw const on_stack).cast(),
            text.as_ptr().cast(),
        ] {
            let fault = read(foreign).unwrap_err();
            assert_eq!(fault.code, crate::codes::SHMAP_INVALID);
        }
        let other = insert(Other).unwrap();
        let fault = read(other.cast()).unwrap_err();
        assert_eq!(fault.message, "the handle is of an unknown kind, not of a number");
        let beyond = ptr::without_provenance(
            MARK << MARK_SHIFT | 200 << KIND_SHIFT | ((1 << PLACE_BITS) - 1),
        );
        assert!(read(beyond).is_err());
        // SAFETY: nobody uses it any more.
        unsafe { take(other) }.unwrap();
    }

    #[test]
    fn a_freed_handle_stays_dead_when_its_place_is_taken_again() {
        let first = insert(Number(1)).unwrap();
        close(first).unwrap();
        for count in 0..1000 {
            let handle = insert(Number(count)).unwrap();
            assert_ne!(handle, first);
            assert!(read(first).is_err());
            close(handle).unwrap();
        }
    }

    #[test]
    fn many_are_open_at_once() {
        let handles: Vec<_> = (0..1000).map(|i| insert(Number(i)).unwrap()).collect();
        for (i, &handle) in handles.iter().enumerate() {
            assert_eq!(read(handle).unwrap(), i as u32);
        }
        for (i, handle) in handles.into_iter().enumerate() {
            assert_eq!(close(handle).unwrap(), i as u32);
        }
    }

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
    fn kinds_differ() {
        for (i, (kind, _)) in KINDS.iter().enumerate() {
            assert!(KINDS[..i].iter().all(|(other, _)| other != kind));
        }
    }
}
