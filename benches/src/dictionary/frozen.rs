//! The snapshot, as a [`Dictionary`].

#![allow(unsafe_code, reason = "a mapped file may be changed by others; this one is not")]

use std::fs::File;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use avl_snapshot::{AlignedBytes, Builder, FreezeOptions, RbTree, Snapshot, StreamBuilder};
use memmap2::Mmap;

use crate::dictionary::{Corpus, Dictionary, Entries};

/// A snapshot in private memory.
pub type Frozen = Snapshot<AlignedBytes>;

/// A snapshot in a shared, read-only mapping of a file.
#[derive(Debug)]
pub struct Published(Snapshot<Mmap>);

impl Published {
    /// Writes an image of the corpus to a new file and maps that.
    ///
    /// # Errors
    /// When the file cannot be made.
    pub fn create(path: &Path, corpus: &Corpus, hash_index: bool) -> Result<Self> {
        std::fs::write(path, &Self::image(&corpus.sorted, hash_index)?[..])?;
        Self::open(path)
    }

    /// Maps a file that no process changes (others in this program do not, and its directory is its
    /// own).
    ///
    /// # Errors
    /// When there is none, or no snapshot in it.
    #[inline(never)]
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("open {}", path.display()))?;
        // SAFETY: the file was written before it was opened, and nobody writes to it or truncates
        // it.
        let map = unsafe { Mmap::map(&file) }?;
        Ok(Self(Snapshot::new(map)?))
    }

    /// The image of entries in key order.
    ///
    /// # Errors
    /// When they are not in order.
    pub fn image(sorted: &Entries, hash_index: bool) -> Result<AlignedBytes> {
        let mut builder = Builder::with_options(FreezeOptions::default().hash_index(hash_index));
        builder.reserve(sorted.len(), sorted.bytes());
        for (key, value) in sorted.iter() {
            builder.push(key, value)?;
        }
        Ok(builder.finish())
    }

    /// A file in memory with the image of entries in key order, which is written while it is built.
    ///
    /// # Errors
    /// When the entries are not in order, or there is no such file.
    pub fn file(sorted: &Entries) -> Result<File> {
        let options = FreezeOptions::default().hash_index(false);
        let mut builder = StreamBuilder::with_options(file_in_memory()?, options)?;
        builder.reserve(sorted.len());
        for (key, value) in sorted.iter() {
            builder.push(key, value)?;
        }
        Ok(builder.finish()?)
    }

    /// The same, of an image that is built in private memory first.
    ///
    /// # Errors
    /// When the entries are not in order, or there is no such file.
    pub fn file_of_image(sorted: &Entries) -> Result<File> {
        let mut file = file_in_memory()?;
        file.write_all(&Self::image(sorted, false)?)?;
        Ok(file)
    }

    /// The image of entries in any order, by way of the red-black tree, all at once as `collect`
    /// does.
    ///
    /// # Errors
    /// When there are too many.
    pub fn image_of_unsorted(entries: &Entries, hash_index: bool) -> Result<AlignedBytes> {
        let tree = RbTree::from_entries(entries.iter())?;
        Ok(tree.freeze_with(&FreezeOptions::default().hash_index(hash_index)))
    }

    /// The same, set one by one.
    ///
    /// # Errors
    /// When there are too many.
    pub fn image_of_single(entries: &Entries) -> Result<AlignedBytes> {
        let mut tree = RbTree::new();
        for (key, value) in entries.iter() {
            tree.set(key, value)?;
        }
        Ok(tree.freeze_with(&FreezeOptions::default().hash_index(false)))
    }

    /// The snapshot.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot<Mmap> {
        &self.0
    }
}

fn file_in_memory() -> Result<File> {
    Ok(rustix::fs::memfd_create("map", rustix::fs::MemfdFlags::CLOEXEC)?.into())
}

impl<D: AsRef<[u8]>> Dictionary for Snapshot<D> {
    #[inline]
    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.get(key)
    }
}

impl Dictionary for Published {
    #[inline]
    fn value(&self, key: &[u8]) -> Option<&[u8]> {
        self.0.get(key)
    }
}
