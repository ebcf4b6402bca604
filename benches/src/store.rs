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

    /// Sets the value of `key`, whether it is present or not.
    fn upsert(&self, key: i32, value: &[u8]) -> bool;

    /// Adds an entry for a key that has none.
    fn add(&self, key: i32, value: &[u8]) -> bool;

    /// Replaces the value of a key that has one.
    fn update(&self, key: i32, value: &[u8]) -> bool;

    /// Removes an entry.
    fn remove(&self, key: i32) -> bool;
}
