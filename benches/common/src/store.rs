//! The operations that are compared.

use crate::workload::VALUE_SIZE;

/// A map from `i32` to up to [`VALUE_SIZE`] bytes.
///
/// Writes return whether they succeeded. The timed loops count these, and the callers check the
/// count, so that failing operations are never measured.
pub trait Store {
    /// Copies the value of `key` to the start of `buffer`; its length in bytes, or
    /// `None` when there is none.
    fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize>;

    /// Sets the value of `key`, whether it has one or not.
    fn upsert(&self, _key: i32, _value: &[u8]) -> bool {
        false
    }

    /// Adds an entry for a key that has none.
    fn add(&self, _key: i32, _value: &[u8]) -> bool {
        false
    }

    /// Replaces the value of a key that has one.
    fn update(&self, _key: i32, _value: &[u8]) -> bool {
        false
    }

    /// Removes an entry.
    fn remove(&self, _key: i32) -> bool {
        false
    }
}
