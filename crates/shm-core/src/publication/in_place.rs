//! What a caller promises who reads published files in place.

#![allow(unsafe_code, reason = "the promise is one that no compiler checks")]

/// Leave to use the bytes of published files in place, as `&[u8]`. To get one is `unsafe`, once a
/// program; the calls that take it are safe.
///
/// The safe way needs no promise, and copies: [`Namespace::open_to_copy`] and [`CopySource`].
///
/// ```
/// use shm_core::InPlace;
/// // SAFETY: only our publishers write in this namespace, and they use this library.
/// const IN_PLACE: InPlace = unsafe { InPlace::trust_writers() };
/// ```
///
/// [`Namespace::open_to_copy`]: crate::Namespace::open_to_copy
/// [`CopySource`]: crate::CopySource
#[derive(Clone, Copy, Debug)]
pub struct InPlace(());

impl InPlace {
    /// Promises that the files which are opened with it, or by a follower made with it, do not
    /// change.
    ///
    /// # Safety
    /// As long as anything lives that was opened with this, nobody may write to that file or change
    /// its length. Publishing, replacing and removing by this library never does.
    ///
    /// Opening checks what can be checked: the owner is trusted, nobody has write permission, and,
    /// where the kernel tells, nobody has the file open for writing. What is left are the owner of
    /// the file and root: they can give it a write bit again. Other users cannot.
    #[must_use]
    pub const unsafe fn trust_writers() -> Self {
        Self(())
    }
}
