//! The original's algorithm: an array of entries, scanned under the mutex.

use std::io;
use std::path::Path;

use anyhow::{Result, ensure};
use bytemuck::{Pod, Zeroable};

use super::Plain;
use crate::Store;
use crate::workload::{CAPACITY, VALUE_SIZE, Workload};

#[derive(Clone, Copy, Pod, Zeroable)]
#[repr(C)]
struct Entry {
    key: i32,
    used: u32,
    len: u32,
    value: [u8; VALUE_SIZE],
}

type Entries = [Entry; CAPACITY];

/// A linear array of 1024 entries in shared memory; each operation locks, scans,
/// and copies.
pub struct Linear {
    shared: Plain<Entries>,
}

/// The same array in private memory: without a mutex, of any length, and read only.
pub struct Scanned {
    entries: Vec<Entry>,
}

impl Scanned {
    /// Makes an array of the present keys, with values of `len` bytes.
    ///
    /// # Errors
    /// When values of that length do not fit.
    pub fn new(work: &Workload, len: usize) -> Result<Self> {
        let mut entries = vec![Entry::zeroed(); work.present().len()];
        for (entry, &key) in entries.iter_mut().zip(work.present()) {
            let value = Workload::value(key);
            let fits = value.get(..len).is_some_and(|value| entry.occupy(key, value));
            ensure!(fits, "a value of {len} bytes");
        }
        Ok(Self { entries })
    }
}

impl Store for Scanned {
    #[inline]
    fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
        get_into(&self.entries, key, buffer)
    }
}

impl Linear {
    /// Makes an empty one in a new file.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        Ok(Self { shared: Plain::create(path)? })
    }

    /// Replaces values one by one under one lock; stops at the first key that is
    /// not there, as the original did.
    pub fn batch_update<V: AsRef<[u8]>>(&self, entries: &[(i32, V)]) -> bool {
        self.shared.lock().is_some_and(|mut locked| {
            entries.iter().all(|(key, value)| {
                find_mut(&mut locked, *key).is_some_and(|entry| entry.set(value.as_ref()))
            })
        })
    }
}

impl Entry {
    /// Stores a value, if it fits.
    #[inline]
    fn set(&mut self, value: &[u8]) -> bool {
        let Some(to) = self.value.get_mut(..value.len()) else {
            return false;
        };
        to.copy_from_slice(value);
        self.len = value.len() as u32;
        true
    }

    #[inline]
    fn occupy(&mut self, key: i32, value: &[u8]) -> bool {
        let fits = self.set(value);
        if fits {
            self.key = key;
            self.used = 1;
        }
        fits
    }
}

/// Copies out the value of a key, which is searched from the start.
#[inline]
fn get_into(entries: &[Entry], key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
    let entry = entries.iter().find(|entry| entry.used != 0 && entry.key == key)?;
    let value = entry.value.get(..entry.len as usize)?;
    buffer.get_mut(..value.len())?.copy_from_slice(value);
    Some(value.len())
}

#[inline]
fn find_mut(entries: &mut Entries, key: i32) -> Option<&mut Entry> {
    entries.iter_mut().find(|entry| entry.used != 0 && entry.key == key)
}

/// The entry of the key, or the first free one, and which of the two it is.
#[inline]
fn find_or_free(entries: &mut Entries, key: i32) -> (Option<usize>, bool) {
    let mut free = None;
    for (at, entry) in entries.iter().enumerate() {
        if entry.used == 0 {
            free = free.or(Some(at));
        } else if entry.key == key {
            return (Some(at), true);
        }
    }
    (free, false)
}

impl Store for Linear {
    #[inline]
    fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
        let locked = self.shared.lock()?;
        get_into(&locked[..], key, buffer)
    }

    #[inline]
    fn upsert(&self, key: i32, value: &[u8]) -> bool {
        self.shared.lock().is_some_and(|mut locked| {
            let (at, _) = find_or_free(&mut locked, key);
            at.and_then(|at| locked.get_mut(at)).is_some_and(|entry| entry.occupy(key, value))
        })
    }

    #[inline]
    fn add(&self, key: i32, value: &[u8]) -> bool {
        self.shared.lock().is_some_and(|mut locked| match find_or_free(&mut locked, key) {
            (Some(at), false) => locked.get_mut(at).is_some_and(|entry| entry.occupy(key, value)),
            _ => false,
        })
    }

    #[inline]
    fn update(&self, key: i32, value: &[u8]) -> bool {
        self.shared.lock().is_some_and(|mut locked| {
            find_mut(&mut locked, key).is_some_and(|entry| entry.set(value))
        })
    }

    #[inline]
    fn remove(&self, key: i32) -> bool {
        self.shared.lock().is_some_and(|mut locked| {
            find_mut(&mut locked, key).map(|entry| entry.used = 0).is_some()
        })
    }
}
