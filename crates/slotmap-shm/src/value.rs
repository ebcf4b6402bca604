//! An owned copy of a value.

use std::fmt;
use std::ops::Deref;

use crate::buffer::Buffer;

const INLINE_WORDS: usize = 8;

/// The bytes of a value, copied out of shared memory. Up to 64 bytes are kept
/// without allocation. Dereferences to `[u8]`. It no longer changes, whatever becomes of the table.
#[derive(Clone)]
pub struct Value {
    words: Words,
    len: usize,
}

#[derive(Clone)]
enum Words {
    Inline([u64; INLINE_WORDS]),
    Heap(Box<[u64]>),
}

impl Value {
    /// Copies `len` bytes out of a buffer. The caller validates the slot's version
    /// afterwards.
    #[inline]
    pub(crate) fn copy(buffer: Buffer<'_>, len: usize) -> Self {
        let used = len.div_ceil(8);
        let mut inline = [0; INLINE_WORDS];
        let words = match inline.get_mut(..used) {
            Some(to) => {
                buffer.copy_to_words(to);
                Words::Inline(inline)
            }
            None => {
                let mut heap = vec![0; used].into_boxed_slice();
                buffer.copy_to_words(&mut heap);
                Words::Heap(heap)
            }
        };
        Self { words, len }
    }

    /// The bytes.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let words: &[u64] = match &self.words {
            Words::Inline(words) => words,
            Words::Heap(words) => words,
        };
        let bytes: &[u8] = bytemuck::cast_slice(words);
        bytes.get(..self.len).unwrap_or(bytes)
    }
}

impl Deref for Value {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl AsRef<[u8]> for Value {
    fn as_ref(&self) -> &[u8] {
        self.as_bytes()
    }
}

impl From<Value> for Vec<u8> {
    fn from(value: Value) -> Vec<u8> {
        value.as_bytes().to_vec()
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Value {}

impl<T: AsRef<[u8]> + ?Sized> PartialEq<&T> for Value {
    fn eq(&self, other: &&T) -> bool {
        self.as_bytes() == (*other).as_ref()
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.as_bytes().escape_ascii())
    }
}
