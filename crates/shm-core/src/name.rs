//! Names of segments.

use std::fmt;

use thiserror::Error;

/// A valid segment name: 1 to [`Name::MAX_LEN`] bytes of UTF-8 without `/` or
/// NUL, that does not start with a dot.
///
/// A name is used unchanged. It is never hashed, so two names never collide.
///
/// ```
/// use shm_core::{InvalidName, Name};
/// assert_eq!(Name::new("test:3325")?.as_str(), "test:3325");
/// assert_eq!(Name::new("a/b"), Err(InvalidName::ForbiddenByte { at: 1, byte: b'/' }));
/// # Ok::<(), InvalidName>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(String);

/// Why a string is not a segment name.
#[derive(Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// The name has no bytes.
    #[error("a name must not be empty")]
    Empty,
    /// The name is too long for a file name.
    #[error("a name of {len} bytes is too long: at most {max} are allowed")]
    TooLong {
        /// Length of the rejected name in bytes.
        len: usize,
        /// Maximum length of a name in bytes.
        max: usize,
    },
    /// The name starts with a dot (which also rules out `.` and `..`).
    #[error("a name must not start with a dot")]
    LeadingDot,
    /// The name contains a byte that a file name cannot contain.
    #[error("`{}` at byte {at} is not allowed in a name", byte.escape_ascii())]
    ForbiddenByte {
        /// Offset of the byte.
        at: usize,
        /// The byte: `/` or NUL.
        byte: u8,
    },
}

impl Name {
    /// Maximum length of a name in bytes. Together with prefix and kind, a name of this length fits
    /// into `NAME_MAX`.
    pub const MAX_LEN: usize = 200;

    /// Checks `name`. O(length).
    ///
    /// # Errors
    /// [`InvalidName`], which says what is wrong and where.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if name.is_empty() {
            return Err(InvalidName::Empty);
        }
        if name.len() > Self::MAX_LEN {
            return Err(InvalidName::TooLong { len: name.len(), max: Self::MAX_LEN });
        }
        if name.starts_with('.') {
            return Err(InvalidName::LeadingDot);
        }
        if let Some((at, byte)) = name.bytes().enumerate().find(|&(_, b)| b == b'/' || b == 0) {
            return Err(InvalidName::ForbiddenByte { at, byte });
        }
        Ok(Self(name.to_owned()))
    }

    /// Returns the name as it was given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::str::FromStr for Name {
    type Err = InvalidName;

    fn from_str(s: &str) -> Result<Self, InvalidName> {
        Self::new(s)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn bad_names_say_why() {
        assert_eq!(Name::new(""), Err(InvalidName::Empty));
        assert_eq!(Name::new(".."), Err(InvalidName::LeadingDot));
        assert_eq!(Name::new("."), Err(InvalidName::LeadingDot));
        assert_eq!(Name::new(".hidden"), Err(InvalidName::LeadingDot));
        assert_eq!(Name::new("a/b"), Err(InvalidName::ForbiddenByte { at: 1, byte: b'/' }));
        assert_eq!(Name::new("ab\0"), Err(InvalidName::ForbiddenByte { at: 2, byte: 0 }));
        assert_eq!(Name::new(&"x".repeat(300)), Err(InvalidName::TooLong { len: 300, max: 200 }));
        assert_eq!(
            Name::new(&"红".repeat(67)).unwrap_err(),
            InvalidName::TooLong { len: 201, max: 200 }
        );
    }

    #[test]
    fn good_names_stay_as_they_are() {
        for name in ["a", "test:3325", "红", "with space", "a.b", &"x".repeat(200)] {
            assert_eq!(Name::new(name).unwrap().as_str(), name);
        }
    }

    proptest! {
        #[test]
        fn accepts_exactly_the_rule(s in "[./a\0红]{0,8}|.{0,220}") {
            let ok = !s.is_empty() && s.len() <= 200 && !s.starts_with('.')
                && !s.contains('/') && !s.contains('\0');
            prop_assert_eq!(Name::new(&s).is_ok(), ok);
        }
    }
}
