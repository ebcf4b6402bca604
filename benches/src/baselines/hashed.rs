//! The next step of the original's author: a hash table under the mutex.

use std::io;
use std::path::Path;

use bytemuck::{Pod, Zeroable};

use super::Plain;
use crate::Store;
use crate::workload::{CAPACITY, VALUE_SIZE};

/// Twice the entries: at most half full.
const PLACES: usize = 2 * CAPACITY;
const MASK: usize = PLACES - 1;

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    key: i32,
    used: u32,
    len: u32,
    value: [u8; VALUE_SIZE],
}

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Body {
    /// Entries present.
    len: u32,
    places: [Entry; PLACES],
}

/// Open addressing with linear probing, values inline, removal by shifting back:
/// no tombstones, no indirection, and a hash of one multiplication.
pub struct Hashed {
    shared: Plain<Body>,
}

impl Hashed {
    /// Makes an empty one in a new file.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { shared: Plain::create(path)? })
    }

    /// Opens one that another process made.
    ///
    /// # Errors
    /// When the file cannot be mapped.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { shared: Plain::open(path)? })
    }
}

/// Fibonacci hashing (Knuth, volume 3, 6.4): the top bits of one product.
#[inline]
fn home(key: i32) -> usize {
    ((key as u32).wrapping_mul(0x9E37_79B9) >> (32 - PLACES.trailing_zeros())) as usize
}

impl Body {
    /// The place of the key (`Ok`), or the empty one where it would go.
    #[inline]
    fn find(&self, key: i32) -> Result<&Entry, usize> {
        let mut at = home(key);
        loop {
            // The mask keeps it in range, which the optimiser can see.
            match self.places.get(at & MASK) {
                Some(entry) if entry.used == 0 => return Err(at & MASK),
                Some(entry) if entry.key == key => return Ok(entry),
                _ => at += 1,
            }
        }
    }

    #[inline]
    fn find_mut(&mut self, key: i32) -> Option<&mut Entry> {
        let mut at = home(key);
        loop {
            match self.places.get(at & MASK) {
                Some(entry) if entry.used == 0 => return None,
                Some(entry) if entry.key == key => return self.places.get_mut(at & MASK),
                _ => at += 1,
            }
        }
    }

    #[inline]
    fn insert(&mut self, at: usize, key: i32, value: &[u8]) -> bool {
        if self.len as usize >= CAPACITY {
            return false;
        }
        let done = self.places.get_mut(at).is_some_and(|entry| {
            let fits = entry.set(value);
            if fits {
                entry.key = key;
                entry.used = 1;
            }
            fits
        });
        self.len += u32::from(done);
        done
    }

    fn remove(&mut self, key: i32) -> bool {
        let mut hole = home(key);
        while self.places.get(hole & MASK).is_some_and(|e| e.used != 0 && e.key != key) {
            hole += 1;
        }
        if self.places.get(hole & MASK).is_none_or(|entry| entry.used == 0) {
            return false;
        }
        let mut at = hole;
        loop {
            at += 1;
            let Some(&entry) = self.places.get(at & MASK).filter(|entry| entry.used != 0) else {
                break;
            };
            // It may move to the hole if its home is not between the two.
            if (at.wrapping_sub(home(entry.key)) & MASK) >= (at - hole) {
                if let Some(to) = self.places.get_mut(hole & MASK) {
                    *to = entry;
                }
                hole = at;
            }
        }
        if let Some(entry) = self.places.get_mut(hole & MASK) {
            entry.used = 0;
        }
        self.len -= 1;
        true
    }
}

impl Entry {
    #[inline]
    fn set(&mut self, value: &[u8]) -> bool {
        let Some(to) = self.value.get_mut(..value.len()) else {
            return false;
        };
        to.copy_from_slice(value);
        self.len = value.len() as u32;
        true
    }
}

impl Store for Hashed {
    #[inline]
    fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
        let locked = self.shared.lock()?;
        let entry = locked.find(key).ok()?;
        let value = entry.value.get(..entry.len as usize)?;
        buffer.get_mut(..value.len())?.copy_from_slice(value);
        Some(value.len())
    }

    #[inline]
    fn upsert(&self, key: i32, value: &[u8]) -> bool {
        self.shared.lock().is_some_and(|mut locked| match locked.find_mut(key) {
            Some(entry) => entry.set(value),
            None => match locked.find(key) {
                Err(at) => locked.insert(at, key, value),
                Ok(_) => false,
            },
        })
    }

    #[inline]
    fn add(&self, key: i32, value: &[u8]) -> bool {
        self.shared.lock().is_some_and(|mut locked| match locked.find(key) {
            Err(at) => locked.insert(at, key, value),
            Ok(_) => false,
        })
    }

    #[inline]
    fn update(&self, key: i32, value: &[u8]) -> bool {
        self.shared
            .lock()
            .is_some_and(|mut locked| locked.find_mut(key).is_some_and(|entry| entry.set(value)))
    }

    #[inline]
    fn remove(&self, key: i32) -> bool {
        self.shared.lock().is_some_and(|mut locked| locked.remove(key))
    }
}
