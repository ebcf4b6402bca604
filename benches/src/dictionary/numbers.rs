//! A dictionary that is queried by the table's keys, which are numbers.

use crate::Store;
use crate::dictionary::Dictionary;
use crate::workload::VALUE_SIZE;

/// A dictionary whose keys are numbers as four bytes, in the order of the numbers. It is read only.
#[derive(Clone, Debug)]
pub struct ByNumber<D>(pub D);

/// Big-endian with the sign bit flipped, so that the bytes sort as the numbers do.
#[inline]
pub(crate) fn ordered_bytes(number: i32) -> [u8; 4] {
    (number as u32 ^ 1 << 31).to_be_bytes()
}

impl<D: Dictionary> Store for ByNumber<D> {
    #[inline]
    fn get_into(&self, key: i32, buffer: &mut [u8; VALUE_SIZE]) -> Option<usize> {
        let value = self.0.value(&ordered_bytes(key))?;
        buffer.get_mut(..value.len())?.copy_from_slice(value);
        Some(value.len())
    }
}
