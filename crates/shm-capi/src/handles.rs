//! Handles: numbers that C treats as pointers.
//!
//! A handle is never dereferenced. It is looked up here, so that a null, foreign, wrong or freed
//! handle is detected without reading any memory that it might point to. From the highest bits
//! down, a number consists of [`MARK`], which no pointer of a user's process has in its first byte;
//! the kind; a generation, which changes each time a place is used again; and the place. No number
//! is given out twice: a place whose generations are used up is not used again.
//!
//! No lock here can be left locked by a fork (`places.rs`, `short_lock.rs`).
//!
//! # Invariants
//! 1. While a slot's `number` is the number of a handle, its `value` came from `Box::into_raw` for
//!    the type of the number's kind, and nobody else owns that value. `insert` establishes this,
//!    with one release store of `number` at the end.
//! 2. Only `take` ends this state, under the slot's lock.
//! 3. No two `Handle` types have the same kind.

#![allow(unsafe_code)]

use std::ptr;
use std::sync::atomic::Ordering;

use crate::codes::SHMAP_NO_SPACE;
use crate::fault::Fault;
use crate::places::{PLACE_BITS, PLACES, Places, Slot};
use crate::short_lock::Held;

/// First byte of each number. Addresses of user processes have zeros there.
const MARK: u64 = 0xA5;
const MARK_SHIFT: u32 = 56;
const KIND_BITS: u32 = 4;
const KIND_SHIFT: u32 = MARK_SHIFT - KIND_BITS;
/// Number of bits of a generation, which is 28. So a place is used up to 2^28 times, and all places
/// together up to 2^52 times.
const GENERATION_BITS: u32 = KIND_SHIFT - PLACE_BITS;

/// A kind of handles. The kinds are defined here and not beside the types, so that this file does
/// not depend on the types.
pub(crate) struct HandleKind {
    /// The number of the kind, which is below 16.
    number: u8,
    /// What a message calls a handle of this kind, with its article.
    called: &'static str,
}

impl HandleKind {
    pub(crate) const TABLE: Self = Self { number: 1, called: "a table" };
    pub(crate) const ENTRIES: Self = Self { number: 2, called: "copied entries" };
    pub(crate) const TREE: Self = Self { number: 3, called: "a tree" };
    pub(crate) const MAP: Self = Self { number: 4, called: "a map" };
    pub(crate) const NAMES: Self = Self { number: 5, called: "listed names" };
    const ALL: [Self; 5] = [Self::TABLE, Self::ENTRIES, Self::TREE, Self::MAP, Self::NAMES];
}

/// A type that handles lead to.
pub(crate) trait Handle: Send + Sync + 'static {
    /// The kind of the handles. No other type has the same kind (invariant 3).
    const KIND: HandleKind;
}

static ALL: Places = Places::new((1 << GENERATION_BITS) - 1);

fn number_of(kind: u8, generation: u64, place: usize) -> u64 {
    MARK << MARK_SHIFT | u64::from(kind) << KIND_SHIFT | generation << PLACE_BITS | place as u64
}

/// Splits the number of a handle into its place and its generation.
fn parts_of(number: u64) -> (usize, u64) {
    let place = number & ((1 << PLACE_BITS) - 1);
    (place as usize, number >> PLACE_BITS & ((1 << GENERATION_BITS) - 1))
}

/// Makes a handle that owns `value`.
pub(crate) fn insert<T: Handle>(value: T) -> Result<*mut T, Fault> {
    const { assert!(T::KIND.number >> KIND_BITS == 0, "kinds are below 16") };
    let no_place =
        || Fault::new(SHMAP_NO_SPACE, format!("all {PLACES} handles are open, or worn out"));
    let reserved = ALL.reserve().ok_or_else(no_place)?;
    let number = number_of(T::KIND.number, reserved.generation, reserved.place);
    reserved.slot.value.store(Box::into_raw(Box::new(value)).cast(), Ordering::Relaxed);
    // Pairs with the acquire load in `check`.
    reserved.slot.number.store(number, Ordering::Release);
    Ok(ptr::without_provenance_mut(number as usize))
}

fn called(kind: u64) -> &'static str {
    let known = HandleKind::ALL.iter().find(|known| u64::from(known.number) == kind);
    known.map_or("an unknown kind", |known| known.called)
}

/// Returns the slot and the number of a pointer that could be a handle of this kind.
#[inline]
fn slot_of<T: Handle>(handle: *const T) -> Result<(&'static Slot, u64), Fault> {
    let number = handle.addr() as u64;
    if number >> MARK_SHIFT != MARK {
        return Err(no_handle::<T>(number));
    }
    let kind = number >> KIND_SHIFT & ((1 << KIND_BITS) - 1);
    if kind != u64::from(T::KIND.number) {
        return Err(of_another_kind::<T>(kind));
    }
    let slot = ALL.slot(parts_of(number).0).ok_or_else(closed::<T>)?;
    Ok((slot, number))
}

#[cold]
fn no_handle<T: Handle>(number: u64) -> Fault {
    Fault::invalid(match number {
        0 => {
            let called = T::KIND.called;
            format!("the handle is null, not {called}: was it opened, or, in C++, moved from?")
        }
        _ => format!("{number:#x} is no handle, let alone {}", T::KIND.called),
    })
}

#[cold]
fn of_another_kind<T: Handle>(kind: u64) -> Fault {
    Fault::invalid(format!("the handle is of {}, not of {}", called(kind), T::KIND.called))
}

#[cold]
fn closed<T: Handle>() -> Fault {
    Fault::invalid(format!("the handle of {} was closed already", T::KIND.called))
}

/// Checks whether the slot still has this handle.
#[inline]
fn check<T: Handle>(slot: &Slot, number: u64) -> Result<(), Fault> {
    // Pairs with the release store in `insert`.
    if slot.number.load(Ordering::Acquire) == number { Ok(()) } else { Err(closed::<T>()) }
}

/// Returns the value that a handle leads to.
///
/// # Safety
/// Nobody closes the handle within `'a`.
#[inline]
pub(crate) unsafe fn find<'a, T: Handle>(handle: *const T) -> Result<&'a T, Fault> {
    let (slot, number) = slot_of(handle)?;
    check::<T>(slot, number)?;
    let value: *const T = slot.value.load(Ordering::Relaxed).cast();
    // SAFETY: by invariants 1 and 3 it is a `T` that came of `Box::into_raw`; by invariant 2 and
    // the caller's promise it lives for `'a`.
    Ok(unsafe { &*value })
}

/// Runs a few instructions on the value that a handle leads to, whatever other threads do with the
/// handle, even if they close it. `work` must not sleep or wait. A child that is forked between any
/// two of its stores must be able to continue.
pub(crate) fn shortly<T: Handle, R>(
    handle: *const T,
    work: impl FnOnce(&T, &Held<'_>) -> R,
) -> Result<R, Fault> {
    let (slot, number) = slot_of(handle)?;
    let lock = slot.lock.take();
    check::<T>(slot, number)?;
    let value: *const T = slot.value.load(Ordering::Relaxed).cast();
    // SAFETY: by invariants 1 and 3 it is a `T` that came of `Box::into_raw`; by invariant 2 it
    // lives as long as the lock is held.
    Ok(work(unsafe { &*value }, &lock))
}

/// Ends a handle, and returns the value that it owned. If two calls are made for one handle, at
/// most one succeeds.
///
/// # Safety
/// No reference that [`find`] returned for this handle is still in use.
pub(crate) unsafe fn take<T: Handle>(handle: *mut T) -> Result<Box<T>, Fault> {
    let (slot, number) = slot_of(handle)?;
    let lock = slot.lock.take();
    check::<T>(slot, number)?;
    // 0 is not the number of a handle. A child that is forked here loses the place.
    slot.number.store(0, Ordering::Relaxed);
    let value: *mut T = slot.value.swap(ptr::null_mut(), Ordering::Relaxed).cast();
    drop(lock);
    let (place, generation) = parts_of(number);
    ALL.give_back(place, generation, slot);
    // SAFETY: by invariants 1 and 3 it came of `Box::into_raw` for a `T`; only this call found the
    // number, and no reference is left by the caller's promise.
    Ok(unsafe { Box::from_raw(value) })
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Number(u32);
    impl Handle for Number {
        const KIND: HandleKind = HandleKind { number: 14, called: "a number" };
    }
    struct Other;
    impl Handle for Other {
        const KIND: HandleKind = HandleKind { number: 15, called: "another" };
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
        let beyond = number_of(Number::KIND.number, 0, (1 << PLACE_BITS) - 1);
        assert!(read(ptr::without_provenance(beyond as usize)).is_err());
        // SAFETY: nobody uses it from here on.
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
    fn numbers_tell_kinds_generations_and_places_apart() {
        let last = (1 << GENERATION_BITS) - 1;
        let mut numbers = Vec::new();
        for kind in [0, 15] {
            for generation in [0, 1, last - 1, last] {
                for place in [0, 1, PLACES - 1] {
                    let number = number_of(kind, generation, place);
                    assert_eq!(parts_of(number), (place, generation));
                    assert_eq!(number >> MARK_SHIFT, MARK);
                    numbers.push(number);
                }
            }
        }
        let count = numbers.len();
        numbers.sort_unstable();
        numbers.dedup();
        assert_eq!(numbers.len(), count);
    }

    /// Using up all generations would take 2^28 rounds; the arithmetic is the same for any last
    /// generation.
    #[test]
    fn no_number_comes_twice_when_generations_are_used_up() {
        let places = Places::new(255);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100_000 {
            let reserved = places.reserve().unwrap();
            assert!(seen.insert(number_of(1, reserved.generation, reserved.place)));
            places.give_back(reserved.place, reserved.generation, reserved.slot);
        }
    }

    #[test]
    fn short_work_meets_no_end() {
        let handle = insert(Number(7)).unwrap().expose_provenance();
        std::thread::scope(|scope| {
            let at_it: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(move || {
                        let handle = ptr::without_provenance(handle);
                        let mut count = 0;
                        while let Ok(found) = shortly(handle, |number: &Number, _| number.0) {
                            assert_eq!(found, 7);
                            count += 1;
                        }
                        count
                    })
                })
                .collect();
            std::thread::yield_now();
            assert_eq!(close(ptr::without_provenance_mut(handle)).unwrap(), 7);
            for thread in at_it {
                let _: u64 = thread.join().unwrap();
            }
        });
    }

    #[test]
    fn kinds_differ_and_each_is_of_one_type() {
        for (i, kind) in HandleKind::ALL.iter().enumerate() {
            assert!(HandleKind::ALL[..i].iter().all(|other| other.number != kind.number));
        }
        let src = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let files = std::fs::read_dir(src).unwrap();
        let text: String =
            files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap()).collect();
        for kind in ["TABLE", "ENTRIES", "TREE", "MAP", "NAMES"] {
            let of_a_type = format!("const KIND: HandleKind = HandleKind::{kind};");
            assert_eq!(text.matches(&of_a_type).count(), 1, "{kind}");
        }
    }
}
