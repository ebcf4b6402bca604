//! The table of this project as a [`Store`]. It is here because a trait can only be implemented
//! where the trait or the type is defined.

use slotmap_shm::Table;

use crate::Store;
use crate::workload::VALUE_SIZE;

impl Store for Table<i32> {
    #[inline]
    fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
        // An error counts as a miss, and misses are counted.
        self.get_into(&key, buffer).ok().flatten()
    }

    #[inline]
    fn upsert(&self, key: i32, value: &[u8]) -> bool {
        self.upsert(&key, value).is_ok()
    }

    #[inline]
    fn add(&self, key: i32, value: &[u8]) -> bool {
        self.add(&key, value).is_ok()
    }

    #[inline]
    fn update(&self, key: i32, value: &[u8]) -> bool {
        self.update(&key, value).is_ok()
    }

    #[inline]
    fn remove(&self, key: i32) -> bool {
        self.remove(&key).is_ok()
    }
}
