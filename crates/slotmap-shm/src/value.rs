//! An owned copy of a value.

use std::fmt;
use std::ops::Deref;

use shm_core::ReadWords;

const INLINE_WORDS: usize = 8;

/// The bytes of a value, copied out of shared memory. Up to 64 bytes are kept
/// without allocation. Dereferences to `[u8]`.
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
    /// Copies `len` bytes out of a buffer. Relaxed loads: the caller validates
    /// the slot's version afterwards.
    #[inline]
    pub(crate) fn copy(buffer: ReadWords<'_>, len: usize) -> Self {
        let used = len.div_ceil(8);
        let words = if used <= INLINE_WORDS {
            let mut inline = [0; INLINE_WORDS];
            for (to, from) in inline.iter_mut().zip(buffer.iter_relaxed()).take(used) {
                *to = from.to_le();
            }
            Words::Inline(inline)
        } else {
            Words::Heap(buffer.iter_relaxed().take(used).map(u64::to_le).collect())
        };
        Self { words, len }
    }

    /// The bytes.
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
