//! Building an image from entries that arrive in key order.

use crate::aligned::AlignedBytes;
use crate::error::BuildError;
use crate::grow::or_abort;
use crate::image::{FreezeOptions, Writer, room_for};

/// Builds an image from entries that are pushed in ascending key order.
///
/// The image is written while entries are pushed, so the builder needs only 8 bytes per entry
/// besides the image. To build from entries in any order, use [`RbTree`](crate::RbTree).
///
/// ```
/// use avl_snapshot::{BuildError, Builder, Snapshot};
///
/// let mut builder = Builder::new();
/// builder.push("anna", "1")?;
/// builder.push("berta", "2")?;
/// let error = builder.push("anna", "3").unwrap_err();
/// assert!(matches!(error, BuildError::NotSorted { index: 2, .. }));
/// let snapshot = Snapshot::new(builder.finish()).unwrap();
/// assert_eq!(snapshot.get("berta"), Some(&b"2"[..]));
/// # Ok::<(), BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Builder {
    writer: Writer,
    options: FreezeOptions,
}

impl Builder {
    /// Creates a builder of an empty map.
    #[must_use]
    pub fn new() -> Self {
        Self::with_options(FreezeOptions::default())
    }

    /// Creates a builder of an empty map. `options` say what its image will contain.
    #[must_use]
    pub fn with_options(options: FreezeOptions) -> Self {
        Self { writer: Writer::new(), options }
    }

    /// Reserves memory for `entries` more entries, with `bytes` of keys and values in total. Does
    /// nothing if there is not enough memory.
    pub fn reserve(&mut self, entries: usize, bytes: usize) {
        // Without it, the pushes that need the memory fail.
        let _ = self.writer.reserve(entries, bytes);
    }

    /// Appends an entry. O(length), amortised.
    ///
    /// # Errors
    /// [`BuildError::NotSorted`] if the key is not greater than the key that was pushed last;
    /// [`BuildError::KeyTooLong`], [`BuildError::TooLarge`], [`BuildError::TooManyEntries`] or
    /// [`BuildError::NoMemory`]. The builder is unchanged and can still be used.
    pub fn push(
        &mut self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
    ) -> Result<(), BuildError> {
        let (key, value) = (key.as_ref(), value.as_ref());
        self.writer.check(key, value)?;
        if let Some(last) = self.writer.last_key().filter(|&last| key <= last) {
            return Err(BuildError::not_sorted(self.len(), key, last));
        }
        self.writer.push(key, value)
    }

    /// Number of entries pushed so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.writer.len()
    }

    /// True if no entry has been pushed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Finishes the image. O(n). If memory runs out, the process is aborted, as after any failed
    /// allocation.
    #[must_use]
    pub fn finish(self) -> AlignedBytes {
        or_abort(self.try_finish())
    }

    /// Finishes the image. Unlike [`Builder::finish`], returns an error if memory runs out. O(n).
    ///
    /// # Errors
    /// [`BuildError::NoMemory`].
    pub fn try_finish(self) -> Result<AlignedBytes, BuildError> {
        self.writer.finish(&self.options)
    }
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

/// Makes an image from entries that arrive in ascending key order. O(n).
///
/// ```
/// let image = avl_snapshot::from_sorted([("a", "1"), ("b", "2")])?;
/// assert_eq!(avl_snapshot::Snapshot::new(image).unwrap().len(), 2);
/// let error = avl_snapshot::from_sorted([("b", "1"), ("a", "2")]).unwrap_err();
/// let said = r#"the key at position 1, "a", is not greater than "b" before it"#;
/// assert_eq!(error.to_string(), said);
/// # Ok::<(), avl_snapshot::BuildError>(())
/// ```
///
/// # Errors
/// The errors of [`Builder::push`].
pub fn from_sorted<K: AsRef<[u8]>, V: AsRef<[u8]>>(
    entries: impl IntoIterator<Item = (K, V)>,
) -> Result<AlignedBytes, BuildError> {
    let entries = entries.into_iter();
    let mut builder = Builder::new();
    builder.reserve(room_for(&entries), 0);
    for (key, value) in entries {
        builder.push(key, value)?;
    }
    builder.try_finish()
}
