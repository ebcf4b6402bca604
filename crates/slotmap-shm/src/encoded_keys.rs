//! The keys of a batch as words, encoded before the lock is taken.

use crate::key_kind::KeyKind;

/// The words of the keys, end to end.
pub(crate) struct EncodedKeys {
    words: Vec<u64>,
    /// Where each key ends, or `None` if each key has one word.
    ends: Option<Vec<usize>>,
}

impl EncodedKeys {
    pub(crate) fn with_capacity(kind: KeyKind, keys: usize) -> Self {
        let ends = kind.integer().is_none().then(|| Vec::with_capacity(keys));
        Self { words: Vec::with_capacity(keys), ends }
    }

    #[inline]
    pub(crate) fn push(&mut self, key: &[u64]) {
        match (&mut self.ends, key) {
            (None, &[word]) => self.words.push(word),
            (None, _) => {}
            (Some(ends), _) => {
                self.words.extend_from_slice(key);
                ends.push(self.words.len());
            }
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.as_ref().map_or(self.words.len(), Vec::len)
    }

    #[inline]
    pub(crate) fn get(&self, index: usize) -> &[u64] {
        let key = match &self.ends {
            None => self.words.get(index..=index),
            Some(ends) => {
                let before = index.checked_sub(1).and_then(|index| ends.get(index));
                let start = before.copied().unwrap_or(0);
                ends.get(index).and_then(|&end| self.words.get(start..end))
            }
        };
        key.unwrap_or_default()
    }
}
