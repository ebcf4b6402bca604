//! An owned copy of a value.

use std::fmt;
use std::ops::Deref;

const INLINE_WORDS: usize = 8;
/// Number of words of a short value.
const SHORT_WORDS: usize = 2;

/// A source from which a value can be copied.
pub(crate) trait Source {
    /// Copies the first `to.len()` words. The bytes of each word are in memory order.
    fn copy_to_words(&self, to: &mut [u64]);

    /// Returns the first two words, in memory order. The bytes after the value may be any.
    fn short(&self) -> [u64; SHORT_WORDS];
}

/// The bytes of a value, copied out of shared memory. Later changes of the table do not affect
/// them. Dereferences to `[u8]`. Up to 64 bytes are held without an allocation.
#[derive(Clone)]
pub struct Value {
    words: Words,
    len: usize,
}

#[derive(Clone)]
enum Words {
    /// As few words as that are copied to a caller at once.
    Short([u64; SHORT_WORDS]),
    Inline([u64; INLINE_WORDS]),
    Heap(Box<[u64]>),
}

impl Value {
    /// Copies `len` bytes. If the source may change meanwhile, the caller validates it afterwards.
    #[inline(always)]
    pub(crate) fn copy(from: impl Source, len: usize) -> Self {
        if len <= SHORT_WORDS * 8 {
            Self::copy_short(from, len)
        } else {
            Self::copy_long(from, len)
        }
    }

    /// Copies `len` bytes, at most two words, without a loop or a call.
    #[inline(always)]
    pub(crate) fn copy_short(from: impl Source, len: usize) -> Self {
        Self { words: Words::Short(from.short()), len }
    }

    #[inline(never)]
    fn copy_long(from: impl Source, len: usize) -> Self {
        let mut inline = [0; INLINE_WORDS];
        let used = len.div_ceil(8);
        let words = match inline.get_mut(..used) {
            Some(to) => {
                from.copy_to_words(to);
                Words::Inline(inline)
            }
            None => {
                let mut heap = vec![0; used].into_boxed_slice();
                from.copy_to_words(&mut heap);
                Words::Heap(heap)
            }
        };
        Self { words, len }
    }

    /// Copies the first `len` bytes of these words.
    pub(crate) fn from_words(from: &[u64], len: usize) -> Self {
        let from = from.get(..len.div_ceil(8)).unwrap_or(from);
        let mut inline = [0; INLINE_WORDS];
        let words = match inline.get_mut(..from.len()) {
            Some(to) => {
                to.copy_from_slice(from);
                Words::Inline(inline)
            }
            None => Words::Heap(from.into()),
        };
        Self { words, len }
    }

    /// An empty value with capacity for `max` bytes.
    pub(crate) fn with_room(max: usize) -> Self {
        let words = max.div_ceil(8);
        let words = if words <= INLINE_WORDS {
            Words::Inline([0; INLINE_WORDS])
        } else {
            Words::Heap(vec![0; words].into_boxed_slice())
        };
        Self { words, len: 0 }
    }

    /// Turns this value into an empty value with capacity for `max` bytes. Reuses the memory of
    /// this value if it is large enough.
    pub(crate) fn grow(self, max: usize) -> Self {
        match &self.words {
            Words::Heap(words) if words.len() >= max.div_ceil(8) => self,
            _ => Self::with_room(max),
        }
    }

    /// Sets the length to `len` bytes and returns the words to which the bytes are to be copied.
    /// Returns `None` if the capacity is too small.
    pub(crate) fn words_for(&mut self, len: usize) -> Option<&mut [u64]> {
        let room: &mut [u64] = match &mut self.words {
            Words::Short(words) => words,
            Words::Inline(words) => words,
            Words::Heap(words) => words,
        };
        let words = room.get_mut(..len.div_ceil(8))?;
        self.len = len;
        Some(words)
    }

    /// Moves the bytes to an allocation of about their size.
    pub(crate) fn fit(self) -> Self {
        match &self.words {
            Words::Heap(words) if self.len.div_ceil(8) <= words.len() / 2 => {
                Self::from_words(words, self.len)
            }
            _ => self,
        }
    }

    /// Returns the bytes of the value.
    #[inline]
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        let words: &[u64] = match &self.words {
            Words::Short(words) => words,
            Words::Inline(words) => words,
            Words::Heap(words) => words,
        };
        let bytes: &[u8] = bytemuck::cast_slice(words);
        bytes.get(..self.len).unwrap_or(bytes)
    }
}

impl Deref for Value {
    type Target = [u8];

    #[inline]
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
