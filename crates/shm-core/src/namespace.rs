//! Directories that hold segments.

use std::ffi::OsStr;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use crate::name::Name;

/// A short tag that says what a segment contains, such as `table`. The tag is part of the header
/// and of the file name, so a table and a snapshot may have the same name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(&'static str);

impl Kind {
    /// Creates a kind with this tag.
    ///
    /// ```
    /// use shm_core::Kind;
    /// const COUNTER: Kind = Kind::new("counter"); // `my-counter` or `counters1` do not compile
    /// assert_eq!(COUNTER.as_str(), "counter");
    /// ```
    ///
    /// # Panics
    /// If the tag is not 1 to 8 lower-case ASCII letters. In a `const`, this is a compile error.
    #[must_use]
    #[allow(clippy::panic, clippy::indexing_slicing, reason = "const evaluation")]
    pub const fn new(tag: &'static str) -> Self {
        let bytes = tag.as_bytes();
        assert!(!bytes.is_empty() && bytes.len() <= 8, "a kind's tag has 1 to 8 letters");
        let mut i = 0;
        while i < bytes.len() {
            assert!(
                bytes[i].is_ascii_lowercase(),
                "a kind's tag has only lower-case ASCII letters"
            );
            i += 1;
        }
        Self(tag)
    }

    /// Returns the tag.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }

    pub(crate) fn tag(self) -> [u8; 8] {
        let mut tag = [0; 8];
        for (to, from) in tag.iter_mut().zip(self.0.bytes()) {
            *to = from;
        }
        tag
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A directory of segments.
///
/// The default is `/dev/shm`, which is memory: its contents are gone after a reboot. Segments in a
/// directory on a disk survive a reboot.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Namespace {
    dir: PathBuf,
}

/// One segment file in a [`Namespace`].
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The segment's name.
    pub name: Name,
    /// The tag of the segment's kind.
    pub kind: String,
    /// The path of the segment's file.
    pub path: PathBuf,
}

const PREFIX: &str = "shmap.";

impl Namespace {
    /// The environment variable that [`Namespace::from_env`] reads.
    pub const ENV: &'static str = "SHMAP_DIR";

    /// Returns the namespace in directory `dir`, which must exist by the time the namespace is
    /// used. A relative path is resolved immediately, so a later change of the working directory
    /// does not affect it.
    #[must_use]
    pub fn at(dir: impl Into<PathBuf>) -> Self {
        let dir = dir.into();
        // Fails only for an empty path, or if the working directory is gone; each use will then say
        // so.
        let dir = std::path::absolute(&dir).unwrap_or(dir);
        Self { dir }
    }

    /// Returns the namespace in `$SHMAP_DIR`, or in `/dev/shm` if that variable is not set.
    #[must_use]
    pub fn from_env() -> Self {
        match std::env::var_os(Self::ENV) {
            Some(dir) if !dir.is_empty() => Self::at(dir),
            _ => Self::at("/dev/shm"),
        }
    }

    /// Returns the directory of this namespace.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Returns the path of a segment: `shmap.` + name + `.` + kind.
    #[must_use]
    pub fn path_of(&self, name: &Name, kind: Kind) -> PathBuf {
        self.dir.join(format!("{PREFIX}{name}.{kind}"))
    }

    /// Returns all segments, sorted by name and kind. O(files in the directory).
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn list(&self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            if let Some((name, kind)) = parse(&entry.file_name()) {
                entries.push(Entry { name, kind, path: entry.path() });
            }
        }
        entries.sort();
        Ok(entries)
    }

    /// Removes a name. Returns false if there was no such name. Processes that have the segment
    /// open go on with it, and its memory is freed when the last of them closes it;
    /// [`Segment::is_orphaned`](crate::Segment::is_orphaned) tells them. For a published name
    /// this removes only the file; [`Namespace::remove_published`] also tells the readers.
    ///
    /// # Errors
    /// If the directory does not permit the removal.
    pub fn unlink(&self, name: &Name, kind: Kind) -> io::Result<bool> {
        match std::fs::remove_file(self.path_of(name, kind)) {
            Ok(()) => Ok(true),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::from_env()
    }
}

fn parse(file_name: &OsStr) -> Option<(Name, String)> {
    let rest = file_name.to_str()?.strip_prefix(PREFIX)?;
    let (name, kind) = rest.rsplit_once('.')?;
    let tag_ok = (1..=8).contains(&kind.len()) && kind.bytes().all(|b| b.is_ascii_lowercase());
    Some((Name::new(name).ok().filter(|_| tag_ok)?, kind.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: Kind = Kind::new("table");

    #[test]
    fn a_bad_tag_says_the_rule() {
        for tag in ["", "too-long-a-tag", "my-tag", "Tag", "tag1"] {
            let panic = std::panic::catch_unwind(|| Kind::new(tag)).unwrap_err();
            let said = panic.downcast_ref::<&str>().unwrap();
            assert!(said.starts_with("a kind's tag has "), "{tag:?}: {said}");
        }
    }

    #[test]
    fn paths_parse_back_into_name_and_kind() {
        let ns = Namespace::at("/x");
        for name in ["a", "a.b", "test:3325", "红", "a.table"] {
            let name = Name::new(name).unwrap();
            let path = ns.path_of(&name, TABLE);
            assert_eq!(parse(path.file_name().unwrap()), Some((name, "table".to_owned())));
        }
        for other in ["sem.x", "shmap.", "shmap.x", "shmap.x.", "shmap.x.TABLE", "shmap..table"] {
            assert_eq!(parse(OsStr::new(other)), None, "{other}");
        }
    }

    #[test]
    fn the_longest_name_fits_a_file_name() {
        let name = Name::new(&"x".repeat(Name::MAX_LEN)).unwrap();
        let path = Namespace::at("/").path_of(&name, Kind::new("snapshot"));
        assert!(path.file_name().unwrap().len() <= 255);
    }
}
