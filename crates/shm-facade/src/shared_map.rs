//! Opening a published map, reading it in place, and taking newer editions.

use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use avl_snapshot::{AlignedBytes, HEADER_LEN, Snapshot, SnapshotError, image_len};
use shm_core::{
    CopySource, Follower, InPlace, Interrupt, MappedFile, Name, Namespace, OpenError, Patience,
    Pruned, PublishOptions, Published, Seen, Trust,
};

use crate::error::Error;
use crate::share::{Image, SNAPSHOT, save};

/// How a map is opened or removed. Start from the default and change it with the setters, of which
/// each field has one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct MapOptions {
    /// Where the map is. By default, in `$SHMAP_DIR`, or in `/dev/shm` if that variable is not set.
    pub namespace: Namespace,
    /// The users whose maps may be opened. By default, this user and root.
    pub trust: Trust,
    /// How long a removal waits for publishers, in total. `None` means that it waits for ever. The
    /// default is five seconds.
    pub lock_timeout: Option<Duration>,
    /// An [`Interrupt`] that can end this wait early.
    pub interrupt: Interrupt,
}

impl Default for MapOptions {
    fn default() -> Self {
        let PublishOptions { trust, lock_timeout, interrupt, .. } = PublishOptions::default();
        Self { namespace: Namespace::from_env(), trust, lock_timeout, interrupt }
    }
}

impl MapOptions {
    /// Sets the namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = namespace;
        self
    }

    /// Sets the users whose maps may be opened.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    /// Sets how long a removal waits for publishers. `None` means that it waits for ever.
    #[must_use]
    pub fn lock_timeout(mut self, lock_timeout: Option<Duration>) -> Self {
        self.lock_timeout = lock_timeout;
        self
    }

    /// Sets an [`Interrupt`] that can end this wait early.
    #[must_use]
    pub fn interrupt(mut self, interrupt: Interrupt) -> Self {
        self.interrupt = interrupt;
        self
    }
}

/// A published map. It dereferences to [`Snapshot`], which has `get`, `get_many`, `range`,
/// `prefix`, `iter` and `verify`.
///
/// `get` returns a slice of the mapping. Reading copies nothing, takes no lock and stores nothing.
/// Whatever is published or removed meanwhile, a handle stays at its edition until
/// [`SharedMap::refresh`] or [`SharedMap::wait_for_update`] takes another edition. A shared map is
/// `Send` and `Sync`.
///
/// ```
/// use shm_facade::{InPlace, MapOptions, Namespace, RbTree, Share, ShareOptions, SharedMap};
/// # let dir = std::env::temp_dir().join(format!("shared-map-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let namespace = Namespace::at(&dir);
/// let options = ShareOptions::default().namespace(namespace.clone()).force(true);
/// let mut tree = RbTree::new();
/// tree.set("alpha", "1")?;
/// tree.share_with("greek", &options)?;
///
/// // In any other process:
/// // SAFETY: only our publishers write in this namespace, and they use this library.
/// const IN_PLACE: InPlace = unsafe { InPlace::trust_writers() };
/// let options_of_readers = MapOptions::default().namespace(namespace);
/// let mut map = SharedMap::open_with("greek", &options_of_readers, IN_PLACE)?;
/// assert_eq!(map.get("alpha"), Some(&b"1"[..]));
///
/// tree.set("alpha", "2")?;
/// tree.share_with("greek", &options)?;
/// assert_eq!(map.get("alpha"), Some(&b"1"[..]));
/// assert!(map.refresh()?);
/// assert_eq!((map.get("alpha"), map.edition()), (Some(&b"2"[..]), 2));
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct SharedMap {
    snapshot: Snapshot<Published>,
    follower: Follower,
}

impl SharedMap {
    /// Opens a map of the default namespace, to read it in place. O(1); see
    /// [`SharedMap::open_with`]. The safe alternative, which makes a copy, is
    /// [`SharedMap::open_copy`].
    ///
    /// # Errors
    /// The errors of [`SharedMap::open_with`].
    pub fn open(name: &str, in_place: InPlace) -> Result<Self, Error> {
        Self::open_with(name, &MapOptions::default(), in_place)
    }

    /// Opens a map. O(1). Checks the file's owner and mode, its first page and the image's header.
    /// It does not read the rest, which `verify` checks.
    ///
    /// # Errors
    /// - [`Error::NotFound`] if there is no map of that name.
    /// - [`Error::Open`] with `OpenError::Writable` or `OpenError::OpenForWriting` if anybody,
    ///   including the owner, may write to the file or has it open for writing.
    ///   [`SharedMap::open_copy`] can read such a file.
    /// - [`Error::Open`] for other causes, [`Error::Map`] or [`Error::Name`].
    pub fn open_with(name: &str, options: &MapOptions, in_place: InPlace) -> Result<Self, Error> {
        let name = Name::new(name)?;
        let (follower, published) =
            options.namespace.follow(&name, SNAPSHOT, &options.trust, in_place)?;
        let snapshot = Snapshot::new(published).map_err(unusable(path_of(&follower)))?;
        Ok(Self { snapshot, follower })
    }

    /// Copies a map of the default namespace into private memory and verifies it. O(n); see
    /// [`SharedMap::open_copy_with`].
    ///
    /// # Errors
    /// The errors of [`SharedMap::open_copy_with`].
    pub fn open_copy(name: &str) -> Result<Snapshot<AlignedBytes>, Error> {
        Self::open_copy_with(name, &MapOptions::default())
    }

    /// Copies a map into private memory and verifies it. The file may be writable, if
    /// `options.trust` accepts its owner and its writers. O(n).
    ///
    /// # Errors
    /// The errors of [`SharedMap::open_with`], except that the owner may have write permission.
    /// [`Error::Open`] with `OpenError::NoMemory` if the map does not fit into memory. No memory is
    /// requested before the image's header and the length of the file agree.
    pub fn open_copy_with(
        name: &str,
        options: &MapOptions,
    ) -> Result<Snapshot<AlignedBytes>, Error> {
        let (name, version) = (Name::new(name)?, SNAPSHOT.kind_version);
        let namespace = &options.namespace;
        let source = namespace.open_to_copy(&name, SNAPSHOT.kind, version, &options.trust)?;
        copied(&source, &namespace.path_of(&name, SNAPSHOT.kind))
    }

    /// Opens a bare image: a file that [`SharedMap::save`] or [`Share::save`](crate::Share::save)
    /// wrote. O(1).
    ///
    /// # Errors
    /// The errors of [`SharedMap::open_with`].
    pub fn open_file(
        path: impl AsRef<Path>,
        trust: &Trust,
        in_place: InPlace,
    ) -> Result<Snapshot<MappedFile>, Error> {
        let path = path.as_ref();
        let file = MappedFile::open(path, trust, in_place).map_err(|error| match error {
            // Of a file that is no image, the mode does not matter.
            OpenError::Writable { .. } => no_image(path, trust).unwrap_or_else(|| error.into()),
            error => error.into(),
        })?;
        Snapshot::new(file).map_err(unusable(path.to_owned()))
    }

    /// Copies a bare image into private memory and verifies it. O(n).
    ///
    /// # Errors
    /// The errors of [`SharedMap::open_copy`].
    pub fn open_file_copy(
        path: impl AsRef<Path>,
        trust: &Trust,
    ) -> Result<Snapshot<AlignedBytes>, Error> {
        copied(&CopySource::open(path.as_ref(), trust)?, path.as_ref())
    }

    /// Takes the newest edition. Returns true if that differs from the edition that this handle had
    /// before. If nothing was published, the call costs one atomic load and a read of a coarse
    /// clock.
    ///
    /// This finds every edition that was published before the call. The only exception is a map
    /// that was published again after its files were deleted by other means, such as `rm`. Nothing
    /// in shared memory records that. Each handle therefore checks the names itself, but not more
    /// often than about every 100 ms. The first call after that time finds such an edition.
    ///
    /// After a removal, this returns false until something is published under the name again. The
    /// call takes `&mut self`, so no slice of the old edition can still be in use.
    ///
    /// # Errors
    /// The errors of [`SharedMap::open_with`]. The handle stays at its edition.
    #[inline]
    pub fn refresh(&mut self) -> Result<bool, Error> {
        if self.is_newest() { Ok(false) } else { self.refresh_by_name() }
    }

    /// True if no newer edition was published, as far as one atomic load and a clock can tell. If
    /// the result is false, call [`SharedMap::newer`] to find out whether there is a newer edition.
    /// The result is also false if about 100 ms have passed since the names were last checked.
    #[inline]
    #[must_use]
    pub fn is_newest(&self) -> bool {
        self.follower.is_current(self.follower.load()) && !self.follower.is_due()
    }

    #[cold]
    fn refresh_by_name(&mut self) -> Result<bool, Error> {
        let seen = self.follower.load();
        let Some(newer) = newer_at_name(&mut self.follower, seen)? else { return Ok(false) };
        *self = newer;
        Ok(true)
    }

    /// Opens the newest edition if it differs from the edition of this handle. This handle stays as
    /// it is, so several threads can use it. Finds the same editions as [`SharedMap::refresh`], at
    /// the same cost.
    ///
    /// # Errors
    /// The errors of [`SharedMap::refresh`].
    #[inline]
    pub fn newer(&self) -> Result<Option<Self>, Error> {
        if self.is_newest() { Ok(None) } else { self.newer_by_name() }
    }

    #[cold]
    fn newer_by_name(&self) -> Result<Option<Self>, Error> {
        let seen = self.follower.load();
        // Use this handle's own follower: it remembers when it last checked the names.
        if is_current(&self.follower, seen) {
            return Ok(None);
        }
        successor(&mut self.follower.clone())
    }

    /// Sleeps until there is another edition, takes it and returns true. Returns false once
    /// `timeout` has passed on the monotonic clock. Signals and publishers that die do no harm.
    ///
    /// This call also checks the names, even if `timeout` is zero. So if an edition is published
    /// after the files were deleted by other means, the wait ends within a second. After a removal,
    /// the call waits for something to be published under the name again.
    ///
    /// # Errors
    /// The errors of [`SharedMap::refresh`].
    pub fn wait_for_update(&mut self, timeout: Duration) -> Result<bool, Error> {
        let Some(newer) = wait(&mut self.follower, timeout)? else { return Ok(false) };
        *self = newer;
        Ok(true)
    }

    /// Sleeps as [`SharedMap::wait_for_update`] does, but returns the other edition and leaves this
    /// handle as it is, so that other threads can use it meanwhile. Returns `None` once `timeout`
    /// has passed.
    ///
    /// # Errors
    /// The errors of [`SharedMap::refresh`].
    pub fn wait_for_newer(&self, timeout: Duration) -> Result<Option<Self>, Error> {
        wait(&mut self.follower.clone(), timeout)
    }

    /// Returns the edition of this handle. The first edition that is published under a name is 1,
    /// and each further edition is one more. After a removal, the count begins again.
    #[must_use]
    pub fn edition(&self) -> u64 {
        self.follower.edition()
    }

    /// False if the name leads to this edition, or to an edition that replaced it. True if the name
    /// leads to no map, or to a map that was published after this edition was removed, whether by
    /// this library or by other means. In both cases the handle remains usable, and
    /// [`SharedMap::refresh`] takes the map at the name, if there is one. Costs at most two system
    /// calls.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn is_removed(&self) -> Result<bool, Error> {
        self.follower.is_removed().map_err(|source| namespace_error(&self.follower, source))
    }

    /// Returns a copy of the image, which [`Snapshot::new`] opens. O(n).
    #[must_use]
    pub fn dump(&self) -> Vec<u8> {
        self.as_bytes().to_vec()
    }

    /// Writes the bare image to a file of mode 0400, replacing any file at the path in one step.
    /// O(n).
    ///
    /// # Errors
    /// [`Error::Publish`]. The path then leads to what it led to before.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        save(&Image::Whole(self.as_bytes()), path.as_ref())
    }

    /// Returns the snapshot to which this handle dereferences.
    #[must_use]
    pub fn snapshot(&self) -> &Snapshot<Published> {
        &self.snapshot
    }

    /// Removes a name of the default namespace. This is `remove` of the original.
    ///
    /// # Errors
    /// The errors of [`SharedMap::remove_with`].
    pub fn remove(name: &str) -> Result<(), Error> {
        Self::remove_with(name, &MapOptions::default())
    }

    /// Removes a name. Later attempts to open the name fail with [`Error::NotFound`]. A process
    /// that has the map open keeps it.
    ///
    /// This also removes a damaged control segment beside the map. A control segment that belongs
    /// to another user stays, and so does another kind of file in its place. Until somebody deletes
    /// it, nothing can be published under the name.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Name`], or [`Error::Publish`], for instance if a process has a
    /// damaged control segment open for publishing. Nothing was changed.
    pub fn remove_with(name: &str, options: &MapOptions) -> Result<(), Error> {
        let name = Name::new(name)?;
        let patience =
            Patience::forever().limit(options.lock_timeout).interrupt(options.interrupt.clone());
        options.namespace.remove_published(&name, SNAPSHOT, &options.trust, &patience)?;
        Ok(())
    }
}

impl Deref for SharedMap {
    type Target = Snapshot<Published>;

    #[inline]
    fn deref(&self) -> &Snapshot<Published> {
        &self.snapshot
    }
}

impl fmt::Debug for SharedMap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SharedMap")
            .field("name", &self.follower.name().as_str())
            .field("edition", &self.edition())
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

/// Opens the edition that the name leads to, if it differs from the follower's edition.
fn successor(follower: &mut Follower) -> Result<Option<SharedMap>, Error> {
    let Some((follower, published)) = follower.successor()? else { return Ok(None) };
    let snapshot = Snapshot::new(published).map_err(unusable(path_of(&follower)))?;
    Ok(Some(SharedMap { snapshot, follower }))
}

fn path_of(follower: &Follower) -> PathBuf {
    follower.namespace().path_of(follower.name(), SNAPSHOT.kind)
}

/// Makes the error for a file whose bytes are not a map.
fn unusable(path: PathBuf) -> impl FnOnce(SnapshotError) -> Error {
    |source| Error::Map { path, source }
}

/// True if the control word says that no edition is newer, and the names still lead to that control
/// word and to this file.
fn is_current(follower: &Follower, seen: Seen) -> bool {
    follower.is_current(seen) && follower.is_at_name()
}

fn newer_at_name(follower: &mut Follower, seen: Seen) -> Result<Option<SharedMap>, Error> {
    if is_current(follower, seen) { Ok(None) } else { successor(follower) }
}

fn wait(follower: &mut Follower, timeout: Duration) -> Result<Option<SharedMap>, Error> {
    let start = Instant::now();
    loop {
        let seen = follower.load();
        let newer = newer_at_name(follower, seen)?;
        if newer.is_some() {
            return Ok(newer);
        }
        let left = timeout.saturating_sub(start.elapsed());
        if left.is_zero() {
            return Ok(None);
        }
        follower.sleep(seen, left).map_err(|source| namespace_error(follower, source))?;
    }
}

fn namespace_error(follower: &Follower, source: std::io::Error) -> Error {
    shm_core::IoError::new("watch", follower.namespace().dir(), source).into()
}

/// The first bytes of a file: the header, if the file is an image.
fn head_of(source: &CopySource) -> Result<Vec<u8>, Error> {
    let len = usize::try_from(source.source_len()).unwrap_or(HEADER_LEN);
    let mut head = vec![0; HEADER_LEN.min(len)];
    source.read_at(&mut head, 0)?;
    Ok(head)
}

/// The error for a file that does not begin as an image does. O(1).
fn no_image(path: &Path, trust: &Trust) -> Option<Error> {
    let source = CopySource::open(path, trust).ok()?;
    let error = image_len(&head_of(&source).ok()?).err()?;
    Some(unusable(path.to_owned())(error))
}

fn copied(source: &CopySource, path: &Path) -> Result<Snapshot<AlignedBytes>, Error> {
    let unusable = || unusable(path.to_owned());
    let found = source.source_len();
    // A sparse file of any length costs nothing to make, so first check that this can be an image.
    let expected = image_len(&head_of(source)?).map_err(unusable())?;
    if found != expected {
        return Err(unusable()(SnapshotError::Length { found, expected }));
    }
    let no_memory = || source.no_memory(expected);
    let len = usize::try_from(expected).map_err(|_| no_memory())?;
    let mut bytes = AlignedBytes::try_zeroed(len).map_err(|_| no_memory())?;
    source.read_at(bytes.as_mut(), 0)?;
    let snapshot = Snapshot::new(bytes).map_err(unusable())?;
    snapshot.verify().map_err(unusable())?;
    Ok(snapshot)
}

/// Removes the files that killed processes of this user left behind while publishing in a
/// namespace, and returns what was removed. Living publishers, tables and other users' files are
/// left alone.
///
/// # Errors
/// [`Error::Io`].
pub fn prune(namespace: &Namespace) -> Result<Vec<Pruned>, Error> {
    namespace
        .prune(&[SNAPSHOT])
        .map_err(|source| shm_core::IoError::new("clean up", namespace.dir(), source).into())
}

/// Lists what [`prune`] would remove. Changes nothing.
///
/// # Errors
/// [`Error::Io`].
pub fn litter(namespace: &Namespace) -> Result<Vec<Pruned>, Error> {
    namespace
        .litter(&[SNAPSHOT])
        .map_err(|source| shm_core::IoError::new("read", namespace.dir(), source).into())
}
