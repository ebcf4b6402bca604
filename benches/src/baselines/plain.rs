//! A file mapping behind a plain process-shared mutex.

#![allow(unsafe_code, reason = "pthread calls, and casts into a mapping")]

use std::fs::OpenOptions;
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};
use std::path::Path;

use bytemuck::Pod;
use memmap2::MmapRaw;

/// A `T` in a shared file mapping, reached only under its mutex.
///
/// # Invariants
/// 1. The mapping holds a whole, aligned `Block<T>`; its mutex was initialised.
/// 2. All processes reach `body` only while they hold the mutex.
pub struct Plain<T> {
    map: MmapRaw,
    body: PhantomData<fn() -> T>,
}

#[repr(C, align(64))]
struct Block<T> {
    mutex: Line<libc::pthread_mutex_t>,
    body: T,
}

/// The mutex has a cache line to itself.
#[repr(C, align(64))]
struct Line<T>(T);

impl<T: Pod> Plain<T> {
    /// Makes the file, zeroed, and its mutex.
    ///
    /// # Errors
    /// When it exists or cannot be made.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path)?;
        file.set_len(size_of::<Block<T>>() as u64)?;
        let this = Self { map: MmapRaw::map_raw(&file)?, body: PhantomData };
        let mut attr = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        // SAFETY: `attr` is valid for writing an attribute object.
        check(unsafe { libc::pthread_mutexattr_init(attr.as_mut_ptr()) })?;
        // SAFETY: `pthread_mutexattr_init` succeeded.
        let attr = unsafe { attr.assume_init_mut() };
        // SAFETY: `attr` is an initialised attribute object.
        check(unsafe { libc::pthread_mutexattr_setpshared(attr, libc::PTHREAD_PROCESS_SHARED) })?;
        // SAFETY: the file is new: the mutex is inside the mapping and nobody uses it yet.
        check(unsafe { libc::pthread_mutex_init(this.mutex(), attr) })?;
        // SAFETY: `attr` was initialised and is not used afterwards.
        check(unsafe { libc::pthread_mutexattr_destroy(attr) })?;
        Ok(this)
    }

    /// Maps a file that another process made by [`Plain::create`] (and finished: a trait
    /// of the original that is not imitated here is that openers had to spin for that).
    ///
    /// # Errors
    /// When it cannot be mapped or has another length.
    pub fn open(path: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        if file.metadata()?.len() != size_of::<Block<T>>() as u64 {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        Ok(Self { map: MmapRaw::map_raw(&file)?, body: PhantomData })
    }

    /// Locks; `None` when the C library reports an error.
    #[inline]
    pub fn lock(&self) -> Option<Locked<'_, T>> {
        // SAFETY: the mutex is initialised (invariant 1).
        let code = unsafe { libc::pthread_mutex_lock(self.mutex()) };
        (code == 0).then_some(Locked { of: self, not_send: PhantomData })
    }

    #[inline]
    fn mutex(&self) -> *mut libc::pthread_mutex_t {
        // `mutex` is the first field.
        self.map.as_mut_ptr().cast()
    }

    #[inline]
    fn body(&self) -> *mut T {
        let block = self.map.as_mut_ptr().cast::<Block<T>>();
        // SAFETY: the block is inside the mapping (invariant 1).
        unsafe { &raw mut (*block).body }
    }
}

/// The contents, while the mutex is held.
pub struct Locked<'a, T: Pod> {
    of: &'a Plain<T>,
    /// A pthread mutex is released by the thread that locked it.
    not_send: PhantomData<*mut ()>,
}

impl<T: Pod> Deref for Locked<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: inside the mapping and aligned (invariant 1), valid whatever its bytes
        // (`Pod`), and nobody else reaches it (invariant 2: the mutex is held).
        unsafe { &*self.of.body() }
    }
}

impl<T: Pod> DerefMut for Locked<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as in `deref`.
        unsafe { &mut *self.of.body() }
    }
}

impl<T: Pod> Drop for Locked<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: the mutex is initialised (invariant 1) and held by this thread.
        unsafe { libc::pthread_mutex_unlock(self.of.mutex()) };
    }
}

fn check(code: libc::c_int) -> io::Result<()> {
    if code == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(code)) }
}
