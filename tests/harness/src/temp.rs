//! A temporary namespace, removed when the test ends, even if it fails.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// A fresh directory below `/dev/shm`, which is removed with its contents on drop. Its name
/// contains the process and a counter, so that two runs never meet.
#[derive(Debug)]
pub struct TempNamespace {
    dir: PathBuf,
}

impl TempNamespace {
    /// Creates the directory in memory.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn new() -> std::io::Result<Self> {
        Self::below(Path::new("/dev/shm"))
    }

    /// Creates the directory below `parent`.
    ///
    /// # Errors
    /// If it cannot be created.
    pub fn below(parent: &Path) -> std::io::Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);
        let dir = parent.join(format!("shmap-test-{}-{count}", std::process::id()));
        std::fs::create_dir(&dir)?;
        Ok(Self { dir })
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.dir
    }

    /// The names of the files in it.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn files(&self) -> std::io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        names.sort();
        Ok(names)
    }
}

impl Drop for TempNamespace {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.dir);
    }
}
