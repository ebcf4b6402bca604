//! The promise that a caller makes to read published files in place.

#![allow(unsafe_code, reason = "the promise is one that no compiler checks")]

/// Permission to use the bytes of published files in place, as `&[u8]`. Creating it is `unsafe`,
/// once in a program; the calls that take it are safe.
///
/// The safe alternative needs no promise and makes a copy: [`Namespace::open_to_copy`] and
/// [`CopySource`].
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
    /// While anything exists that was opened with this value, nobody may write to its file or
    /// change the length of that file. Publishing, replacing and removing with this library never
    /// do so.
    ///
    /// Opening checks what can be checked: the owner is trusted, nobody has write permission, and,
    /// if the kernel can tell, nobody has the file open for writing. That leaves the owner of the
    /// file and root, who can give the file a write bit again. Other users cannot.
    #[must_use]
    pub const unsafe fn trust_writers() -> Self {
        Self(())
    }
}
