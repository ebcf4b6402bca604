//! The word of a robust mutex that names its owner. The kernel reads it too.

use crate::os::identity;

/// The bits of a robust mutex's lock word that hold the owner's thread id, as the kernel reads them
/// (`linux/futex.h`).
const TID: u32 = 0x3FFF_FFFF;
const OWNER_DIED: u32 = 0x4000_0000;
const WAITERS: u32 = 0x8000_0000;

/// Offset of the lock word in the `pthread_mutex_t` of this process's C library, if known.
pub(crate) const LOCK_WORD: Option<usize> = lock_word_of(identity::abi());

/// Returns the offset of the lock word in the `pthread_mutex_t` of the C library that an ABI id
/// names, if known. The lock word is `__data.__lock` in glibc and `__u.__vi[1]` in musl.
pub(crate) const fn lock_word_of(abi: u64) -> Option<usize> {
    match identity::c_library(abi) {
        identity::GLIBC => Some(0),
        identity::MUSL => Some(4),
        _ => None,
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

    /// True if a thread is waiting for the lock, or was a moment ago.
    pub(crate) fn has_waiters(self) -> bool {
        self.0 & WAITERS != 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_c_library_has_its_own_place_for_the_word() {
        assert_eq!(lock_word_of(1 << 56), Some(0));
        assert_eq!(lock_word_of(2 << 56 | 0xFF), Some(4));
        assert_eq!(lock_word_of(3 << 56), None);
        assert_eq!(lock_word_of(0), None);
    }

    #[test]
    fn a_word_tells_its_owner_unless_it_died() {
        assert_eq!(LockWord(0).owner(), None);
        assert_eq!(LockWord(WAITERS).owner(), None);
        assert_eq!(LockWord(7 | WAITERS).owner(), Some(7));
        assert_eq!(LockWord(7 | OWNER_DIED).owner(), None);
        assert_eq!(LockWord(7 | WAITERS).marked(), LockWord(OWNER_DIED | WAITERS));
        assert_eq!(LockWord(7).marked().owner(), None);
        assert!(LockWord(7 | WAITERS).has_waiters() && !LockWord(7).has_waiters());
    }
}
