//! The operations that are compared.

use crate::workload::VALUE_SIZE;

/// A map from `i32` to up to [`VALUE_SIZE`] bytes.
///
/// Writes return whether they were done; the timed loops count, and the callers
/// check, so that nothing is measured that fails.
pub trait Store {
    /// Copies the value of `key` to the start of `buffer`; its length in bytes, or
    /// `None` when there is none.
    fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize>;

    /// Sets the value of `key`, whether it has one or not.
    fn upsert(&self, key: i32, value: &[u8]) -> bool;

    /// Adds an entry for a key that has none.
    fn add(&self, key: i32, value: &[u8]) -> bool;

    /// Replaces the value of a key that has one.
    fn update(&self, key: i32, value: &[u8]) -> bool;

    /// Removes an entry.
    fn remove(&self, key: i32) -> bool;
}
