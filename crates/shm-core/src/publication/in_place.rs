//! The promise that a caller makes to read published files in place.

#![allow(unsafe_code, reason = "the promise is one that no compiler checks")]

/// Permission to use the bytes of published files in place, as `&[u8]`. Creating this value is
/// `unsafe`, but a program needs to do so only once. The calls that take it are safe.
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
    /// Promises that files do not change while they are in use. The promise is about all files that
    /// are opened with this value, or by a follower that was made with it.
    ///
    /// # Safety
    /// As long as a value exists that was opened with this one, nobody may write to the opened file
    /// or change its length. Publishing, replacing and removing with this library never do so.
    ///
    /// Opening checks what can be checked: the owner is trusted, nobody has write permission, and,
    /// if the kernel can tell, nobody has the file open for writing. So only the owner of the file
    /// and root can still change it, by giving it a write bit again. Other users cannot.
    #[must_use]
    pub const unsafe fn trust_writers() -> Self {
        Self(())
    }
}
