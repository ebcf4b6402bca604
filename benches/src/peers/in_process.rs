//! A locked hash map in private memory: what a single process would use.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use parking_lot::RwLock;

use crate::Store;
use crate::workload::{CAPACITY, VALUE_SIZE};

type Entry = (u32, [u8; VALUE_SIZE]);

/// `parking_lot::RwLock` around the standard library's `HashMap`, by default with the
/// standard hasher. Values are arrays with a length.
#[derive(Debug, Default)]
pub struct InProcess<S = RandomState> {
    map: RwLock<HashMap<i32, Entry, S>>,
}

/// One multiplication a key: the cheapest hasher that works, and one whose collisions
/// anyone can make.
#[derive(Debug, Default)]
pub struct MultiplyHasher(u64);

/// [`InProcess`] with `MultiplyHasher`.
pub type CheapHash = InProcess<BuildHasherDefault<MultiplyHasher>>;

impl Hasher for MultiplyHasher {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u32(u32::from(byte));
        }
    }

    #[inline]
    fn write_u32(&mut self, word: u32) {
        self.0 = (self.0 ^ u64::from(word)).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    }

    #[inline]
    fn write_i32(&mut self, word: i32) {
        self.write_u32(word as u32);
    }

    #[inline]
    fn finish(&self) -> u64 {
        // The map takes the position from the low bits, which are the weak bits of a product.
        self.0.rotate_left(26)
    }
}

#[inline]
fn entry(value: &[u8]) -> Option<Entry> {
    let mut array = [0; VALUE_SIZE];
    array.get_mut(..value.len())?.copy_from_slice(value);
    Some((value.len() as u32, array))
}

/// Stores only the bytes of the value, into an existing entry.
#[inline]
fn set((len, array): &mut Entry, value: &[u8]) -> bool {
    let Some(to) = array.get_mut(..value.len()) else {
        return false;
    };
    to.copy_from_slice(value);
    *len = value.len() as u32;
    true
}

impl<S: BuildHasher + Default> Store for InProcess<S> {
    #[inline]
    fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
        let map = self.map.read();
        let (len, array) = map.get(&key)?;
        let value = array.get(..*len as usize)?;
        buffer.get_mut(..value.len())?.copy_from_slice(value);
        Some(value.len())
    }

    #[inline]
    fn upsert(&self, key: i32, value: &[u8]) -> bool {
        let mut map = self.map.write();
        if let Some(entry) = map.get_mut(&key) {
            return set(entry, value);
        }
        map.len() < CAPACITY && entry(value).map(|entry| map.insert(key, entry)).is_some()
    }

    #[inline]
    fn add(&self, key: i32, value: &[u8]) -> bool {
        let mut map = self.map.write();
        let room = map.len() < CAPACITY && !map.contains_key(&key);
        room && entry(value).map(|entry| map.insert(key, entry)).is_some()
    }

    #[inline]
    fn update(&self, key: i32, value: &[u8]) -> bool {
        self.map.write().get_mut(&key).is_some_and(|entry| set(entry, value))
    }

    #[inline]
    fn remove(&self, key: i32) -> bool {
        self.map.write().remove(&key).is_some()
    }
}
