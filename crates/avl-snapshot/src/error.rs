//! Errors of building an image, and of opening or verifying one.

use std::{fmt, io};

use thiserror::Error;

/// Why an image could not be built. The map that was to become an image is unchanged.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BuildError {
    /// The key is longer than the format can express.
    #[error("key is {len} bytes long, at most {max} are possible")]
    KeyTooLong {
        /// Length of the key in bytes.
        len: usize,
        /// Maximum length of a key in bytes.
        max: usize,
    },
    /// A key is not greater than the key before it.
    #[error("the key at position {index}, {}", order(key, before))]
    NotSorted {
        /// Position of the offending key, counted from 0.
        index: usize,
        /// The start of the key: at most its first 64 bytes.
        key: Vec<u8>,
        /// The start of the key before it: at most its first 64 bytes.
        before: Vec<u8>,
    },
    /// There are more entries than a tree can hold.
    #[error("more than {max} entries")]
    TooManyEntries {
        /// Maximum number of entries.
        max: u64,
    },
    /// The memory that the entries need could not be allocated.
    #[error("no memory for {needed} bytes of entries")]
    NoMemory {
        /// Number of bytes of the allocation that failed.
        needed: u64,
    },
    /// The keys and values have more bytes in total than the format can express.
    #[error("keys and values of {len} bytes, at most {max} are possible")]
    TooLarge {
        /// Total length of keys and values in bytes.
        len: u64,
        /// Maximum total length of keys and values in bytes.
        max: u64,
    },
}

/// Why an image could not be written to a stream. The stream has no image.
#[derive(Error)]
#[non_exhaustive]
pub enum StreamError {
    /// The entries cannot become an image, or memory ran out.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The stream does not take the bytes.
    #[error("cannot write the image")]
    Write(#[source] io::Error),
    /// Keys could not be read back from the stream.
    #[error("cannot read the image back")]
    Read(#[source] io::Error),
}

/// Why bytes are not a snapshot.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SnapshotError {
    /// The bytes do not start with the magic bytes.
    #[error("not a snapshot: the bytes start with \"{}\"", found.escape_ascii())]
    Magic {
        /// The first eight bytes. If there are fewer, the rest are zeros.
        found: [u8; 8],
    },
    /// The format version is unknown to this library.
    #[error("format version {found}, this library supports {supported}")]
    Version {
        /// Version in the header.
        found: u32,
        /// The only version that this library supports.
        supported: u32,
    },
    /// There are more or fewer bytes than the header says.
    #[error("{}", length(*found, *expected))]
    Length {
        /// Number of bytes given.
        found: u64,
        /// Number of bytes that the header states, or the length of a header if the bytes end
        /// before the header does.
        expected: u64,
    },
    /// The bytes contradict themselves.
    #[error("damaged map: {what} at byte {at}")]
    Corrupt {
        /// What is wrong.
        what: &'static str,
        /// Offset from the start of the image, in bytes.
        at: u64,
    },
}

/// The number of bytes that an error shows of a key.
const SHOWN: usize = 64;

impl BuildError {
    #[cold]
    pub(crate) fn not_sorted(index: usize, key: &[u8], before: &[u8]) -> Self {
        let start = |key: &[u8]| key.get(..SHOWN).unwrap_or(key).to_vec();
        Self::NotSorted { index, key: start(key), before: start(before) }
    }
}

/// How a key and the one before it are out of order.
fn order(key: &[u8], before: &[u8]) -> String {
    let (shown, other) = (in_words(key), in_words(before));
    // Of two long keys, the ends may differ.
    if key == before && key.len() < SHOWN {
        format!("{shown}, is there twice")
    } else {
        format!("{shown}, is not greater than {other} before it")
    }
}

/// A key as text in quotes. Bytes that are not UTF-8 are escaped, and of a key that is cut off, an
/// ellipsis follows.
fn in_words(key: &[u8]) -> String {
    let dots = if key.len() < SHOWN { "" } else { "…" };
    match std::str::from_utf8(key) {
        Ok(text) => format!("{text:?}{dots}"),
        Err(_) => format!("\"{}\"{dots}", key.escape_ascii()),
    }
}

/// The length of a header, in bytes.
pub(crate) const HEADER: u64 = 64;

fn length(found: u64, expected: u64) -> String {
    if found < HEADER {
        format!("too short: {found} bytes, a header has {HEADER}")
    } else {
        format!("{found} bytes, the header says {expected}")
    }
}

// Prints the message, for a `main` that returns an error.
impl fmt::Debug for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for StreamError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Build(error) => fmt::Debug::fmt(error, f),
            Self::Write(error) | Self::Read(error) => write!(f, "{self}: {error}"),
        }
    }
}

impl fmt::Debug for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Checks that an error has no source, that its message is not empty, and that the message can
    /// follow a colon.
    fn is_said_well(error: &dyn std::error::Error) {
        let text = error.to_string();
        assert!(!text.is_empty() && !text.ends_with('.'), "{text:?}");
        assert!(!text.starts_with(char::is_uppercase), "{text:?}");
        assert!(error.source().is_none(), "{text:?}");
        assert_eq!(format!("{error:?}"), text);
    }

    #[test]
    fn why_an_image_was_not_built() {
        let errors = [
            BuildError::KeyTooLong { len: 9, max: 8 },
            BuildError::not_sorted(1, b"a", b"b"),
            BuildError::TooManyEntries { max: 8 },
            BuildError::NoMemory { needed: 9 },
            BuildError::TooLarge { len: 9, max: 8 },
        ];
        let mut found = [false; 5];
        for error in &errors {
            is_said_well(error);
            // A new variant does not compile here, and is then to be added above.
            let index = match error {
                BuildError::KeyTooLong { .. } => 0,
                BuildError::NotSorted { .. } => 1,
                BuildError::TooManyEntries { .. } => 2,
                BuildError::NoMemory { .. } => 3,
                BuildError::TooLarge { .. } => 4,
            };
            found[index] = true;
        }
        assert_eq!(found, [true; 5]);
    }

    #[test]
    fn why_a_stream_has_no_image() {
        let io = || io::Error::from(io::ErrorKind::BrokenPipe);
        let errors = [
            StreamError::Build(BuildError::NoMemory { needed: 9 }),
            StreamError::Write(io()),
            StreamError::Read(io()),
        ];
        let said = errors.map(|error| format!("{error} | {error:?}"));
        let memory = "no memory for 9 bytes of entries";
        assert_eq!(said[0], format!("{memory} | {memory}"));
        assert_eq!(said[1], "cannot write the image | cannot write the image: broken pipe");
        assert_eq!(said[2], "cannot read the image back | cannot read the image back: broken pipe");
    }

    #[test]
    fn keys_out_of_order_are_named() {
        let said = |key: &[u8], before: &[u8]| BuildError::not_sorted(1, key, before).to_string();
        let order = r#"the key at position 1, "a", is not greater than "b" before it"#;
        assert_eq!(said(b"a", b"b"), order);
        assert_eq!(
            said("ä".as_bytes(), "ä".as_bytes()),
            r#"the key at position 1, "ä", is there twice"#
        );
        let long = said(&[b'x'; 100], &[0xFF]);
        let expected = format!("the key at position 1, \"{}\"…, is not", "x".repeat(64));
        assert!(long.starts_with(&expected) && long.contains(r#""\xff" before it"#), "{long}");
    }

    #[test]
    fn bytes_without_a_whole_header_are_too_short() {
        let said = |found, expected| SnapshotError::Length { found, expected }.to_string();
        assert_eq!(said(0, 64), "too short: 0 bytes, a header has 64");
        assert_eq!(said(64, 128), "64 bytes, the header says 128");
    }

    #[test]
    fn why_bytes_are_no_snapshot() {
        let errors = [
            SnapshotError::Magic { found: *b"NO IMAGE" },
            SnapshotError::Version { found: 9, supported: 1 },
            SnapshotError::Length { found: 1, expected: 2 },
            SnapshotError::Corrupt { what: "order of the keys", at: 64 },
        ];
        let mut found = [false; 4];
        for error in &errors {
            is_said_well(error);
            let index = match error {
                SnapshotError::Magic { .. } => 0,
                SnapshotError::Version { .. } => 1,
                SnapshotError::Length { .. } => 2,
                SnapshotError::Corrupt { .. } => 3,
            };
            found[index] = true;
        }
        assert_eq!(found, [true; 4]);
    }
}
