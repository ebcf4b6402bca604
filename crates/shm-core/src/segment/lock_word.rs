//! The word of a robust mutex that names its owner. The kernel reads it too.

use super::layout::{RECORD_GLIBC_MUTEX, RECORD_MUSL_MUTEX};

/// The bits of a robust mutex's lock word that hold the owner's thread id, as the kernel reads them
/// (`linux/futex.h`).
const TID: u32 = 0x3FFF_FFFF;
const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;

/// A C library whose robust mutexes a record has a place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Library {
    Glibc = 1,
    Musl = 2,
}

impl Library {
    pub(crate) const ALL: [Self; 2] = [Self::Glibc, Self::Musl];

    /// The C library of this process, if it is one of these.
    pub(crate) const OURS: Option<Self> = if cfg!(target_env = "gnu") {
        Some(Self::Glibc)
    } else if cfg!(target_env = "musl") {
        Some(Self::Musl)
    } else {
        None
    };

    /// Where a record has the mutex of this library.
    pub(crate) const fn mutex(self) -> usize {
        match self {
            Self::Glibc => RECORD_GLIBC_MUTEX,
            Self::Musl => RECORD_MUSL_MUTEX,
        }
    }

    /// Where a record has the lock word of that mutex. It is `__data.__lock` in glibc and
    /// `__u.__vi[1]` in musl.
    pub(crate) const fn lock_word(self) -> usize {
        match self {
            Self::Glibc => RECORD_GLIBC_MUTEX,
            Self::Musl => RECORD_MUSL_MUTEX + 4,
        }
    }
}

/// A lock word as it was at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LockWord(pub(crate) u32);

impl LockWord {
    /// Returns the thread that holds the lock, or `None` if no thread does or if the kernel has
    /// marked that thread as dead.
    pub(crate) fn owner(self) -> Option<u32> {
        let owner = self.0 & TID;
        (owner != 0 && self.0 & OWNER_DIED == 0).then_some(owner)
    }

    /// What the kernel stores when the owner dies.
    pub(crate) fn marked(self) -> Self {
        Self(self.0 & WAITERS | OWNER_DIED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_c_library_has_its_own_place_for_the_word() {
        assert_eq!(Library::Glibc.lock_word(), 0);
        assert_eq!(Library::Musl.lock_word(), 68);
    }

    #[test]
    fn a_word_tells_its_owner_unless_it_died() {
        assert_eq!(LockWord(0).owner(), None);
        assert_eq!(LockWord(WAITERS).owner(), None);
        assert_eq!(LockWord(7 | WAITERS).owner(), Some(7));
        assert_eq!(LockWord(7 | OWNER_DIED).owner(), None);
        assert_eq!(LockWord(7 | WAITERS).marked(), LockWord(OWNER_DIED | WAITERS));
        assert_eq!(LockWord(7).marked().owner(), None);
    }
}
