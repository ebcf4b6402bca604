//! The keys of a batch as words, made before the lock is taken.

/// Words of keys, end to end.
pub(crate) struct EncodedKeys {
    words: Vec<u64>,
    /// Where each key ends.
    ends: Vec<usize>,
}

impl EncodedKeys {
    pub(crate) fn with_capacity(keys: usize) -> Self {
        Self { words: Vec::with_capacity(keys), ends: Vec::with_capacity(keys) }
    }

    pub(crate) fn push(&mut self, key: &[u64]) {
        self.words.extend_from_slice(key);
        self.ends.push(self.words.len());
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &[u64]> {
        let starts = std::iter::once(0).chain(self.ends.iter().copied());
        starts.zip(&self.ends).map(|(start, &end)| self.words.get(start..end).unwrap_or_default())
    }
}
