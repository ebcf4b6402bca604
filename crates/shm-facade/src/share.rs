//! Publishing a map under a name.

use std::path::Path;
use std::time::Duration;

use avl_snapshot::{AlignedBytes, FreezeOptions, HEADER_LEN, RbTree, Snapshot, image_entries};
use shm_core::{
    Interrupt, Kind, Name, Namespace, PublishError, PublishOptions, PublishedKind, Trust,
};

use crate::error::Error;

/// The files of a shared map: `shmap.NAME.snapshot`, and `shmap.NAME.control` beside it.
pub const SNAPSHOT: PublishedKind =
    PublishedKind::new(Kind::new("snapshot"), 1, Kind::new("control"));

/// How a map is published. Start from the default and change it with the setters, of which each
/// field has one:
///
/// ```
/// use shm_facade::ShareOptions;
/// let options = ShareOptions::default().force(true).mode(0o444);
/// assert!(options.force && options.hash_index);
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ShareOptions {
    /// Where to publish the map. By default, in `$SHMAP_DIR`, or in `/dev/shm` if that variable is
    /// not set.
    pub namespace: Namespace,
    /// Replaces the map that has the name, if there is one. Off by default.
    pub force: bool,
    /// Permission bits of the map. The umask does not change them. Only read bits are allowed;
    /// `0o444` lets other users read the map. With `None`, the default, a map gets the mode of the
    /// edition that it replaces, and a first edition gets `0o400`.
    pub mode: Option<u32>,
    /// Lets an image without entries replace an edition that has entries. Off by default, because
    /// an empty image may come from an input that was cut off.
    pub allow_empty: bool,
    /// Adds a hash index if the call builds the image, which it does from an [`RbTree`] and from a
    /// table. On by default. The index makes looking up single keys two to five times as fast, and
    /// takes twelve bytes per entry. Most readers look up single keys.
    pub hash_index: bool,
    /// How long to wait for other publishers of the name, in total. `None` means to wait for ever.
    /// The default is five seconds.
    pub lock_timeout: Option<Duration>,
    /// An [`Interrupt`] that can end this wait early.
    pub interrupt: Interrupt,
    /// The users whose control segments are trusted. By default, this user and root.
    pub trust: Trust,
}

impl Default for ShareOptions {
    fn default() -> Self {
        let PublishOptions { replace, mode, trust, lock_timeout, interrupt, .. } =
            PublishOptions::default();
        Self {
            namespace: Namespace::from_env(),
            force: replace,
            mode,
            allow_empty: false,
            hash_index: true,
            lock_timeout,
            interrupt,
            trust,
        }
    }
}

impl ShareOptions {
    /// Sets the namespace.
    #[must_use]
    pub fn namespace(mut self, namespace: Namespace) -> Self {
        self.namespace = namespace;
        self
    }

    /// Sets whether to replace the map that has the name.
    #[must_use]
    pub fn force(mut self, force: bool) -> Self {
        self.force = force;
        self
    }

    /// Sets the permission bits.
    #[must_use]
    pub fn mode(mut self, mode: u32) -> Self {
        self.mode = Some(mode);
        self
    }

    /// Sets whether an image without entries may replace an edition that has entries.
    #[must_use]
    pub fn allow_empty(mut self, allow_empty: bool) -> Self {
        self.allow_empty = allow_empty;
        self
    }

    /// Sets whether to add a hash index.
    #[must_use]
    pub fn hash_index(mut self, hash_index: bool) -> Self {
        self.hash_index = hash_index;
        self
    }

    /// Sets how long to wait for other publishers. `None` means to wait for ever.
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

    /// Sets the users whose control segments are trusted.
    #[must_use]
    pub fn trust(mut self, trust: Trust) -> Self {
        self.trust = trust;
        self
    }

    pub(crate) fn freeze_options(&self) -> FreezeOptions {
        FreezeOptions::default().hash_index(self.hash_index)
    }
}

/// Publishes a map. The types that hold a map implement this trait: [`RbTree`], [`Snapshot`], and
/// [`AlignedBytes`], whose bytes must be an image. This trait is sealed.
///
/// ```
/// use shm_facade::{RbTree, Share, SharedMap};
/// # let dir = std::env::temp_dir().join(format!("share-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let options = shm_facade::ShareOptions::default().namespace(shm_facade::Namespace::at(&dir));
///
/// let mut tree = RbTree::new();
/// tree.set("alpha", "1")?;
/// # let _ = || -> Result<_, shm_facade::Error> {
/// let edition = tree.share("greek")?; // an error if there is one
/// # Ok(edition) };
/// # let edition = tree.share_with("greek", &options)?;
/// assert_eq!(edition, 1);
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Share: sealed::Image {
    /// Publishes this map under `name` in the default namespace, if nothing has that name yet.
    /// Returns the edition: 1, or one more than the newest edition that ever had the name. O(n).
    ///
    /// # Errors
    /// The errors of [`Share::share_with`].
    fn share(&self, name: &str) -> Result<u64, Error> {
        self.share_with(name, &ShareOptions::default())
    }

    /// Like [`Share::share`], but replaces the map that has the name, if there is one.
    ///
    /// An [`RbTree`] without entries replaces even an edition that has entries, as in the Python
    /// extension that this crate re-implements, because a program knows what is in its tree. Other
    /// images come from a file, a sorted input or another map, any of which may have been cut off.
    /// For those, see [`ShareOptions::allow_empty`].
    ///
    /// # Errors
    /// The errors of [`Share::share_with`].
    fn share_or_replace(&self, name: &str) -> Result<u64, Error> {
        self.share_with(name, &ShareOptions::default().force(true).allow_empty(Self::IN_HAND))
    }

    /// Publishes this map under `name`. At any moment, even if this process is killed, the name
    /// leads to either the old map or the new map, and that map is whole. A process that has the
    /// old map open keeps it.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] if the name is taken and `force` is not set; [`Error::WouldEmpty`]
    /// if an empty map would replace a map with entries and `allow_empty` is not set;
    /// [`Error::Snapshot`] for bytes that are not a snapshot; [`Error::Name`] or
    /// [`Error::Publish`]. The name then leads to what it led to before.
    fn share_with(&self, name: &str, options: &ShareOptions) -> Result<u64, Error> {
        let name = Name::new(name)?;
        self.with_image(&options.freeze_options(), |image| publish(&name, image, options))
    }

    /// Writes the bare image to a file of mode 0400, replacing any file at the path in one step.
    /// [`SharedMap::open_file`](crate::SharedMap::open_file) opens it. O(n).
    ///
    /// # Errors
    /// [`Error::Snapshot`] for bytes that are not a snapshot, or [`Error::Publish`]. The path then
    /// leads to what it led to before.
    fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        self.with_image(&FreezeOptions::default(), |image| save(image, path.as_ref()))
    }
}

impl Share for RbTree {}
impl<D: AsRef<[u8]>> Share for Snapshot<D> {}
impl Share for AlignedBytes {}

mod sealed {
    use super::{AlignedBytes, Error, FreezeOptions, RbTree, Snapshot};

    pub trait Image {
        /// True for a type whose contents the program itself has made, so that it knows whether the
        /// map is empty on purpose.
        const IN_HAND: bool = false;

        /// Calls `f` with a whole, valid image.
        fn with_image<R>(
            &self,
            options: &FreezeOptions,
            f: impl FnOnce(&[u8]) -> Result<R, Error>,
        ) -> Result<R, Error>;
    }

    impl Image for RbTree {
        const IN_HAND: bool = true;

        fn with_image<R>(
            &self,
            options: &FreezeOptions,
            f: impl FnOnce(&[u8]) -> Result<R, Error>,
        ) -> Result<R, Error> {
            f(&self.try_freeze_with(options)?)
        }
    }

    impl<D: AsRef<[u8]>> Image for Snapshot<D> {
        fn with_image<R>(
            &self,
            _options: &FreezeOptions,
            f: impl FnOnce(&[u8]) -> Result<R, Error>,
        ) -> Result<R, Error> {
            f(self.as_bytes())
        }
    }

    impl Image for AlignedBytes {
        fn with_image<R>(
            &self,
            options: &FreezeOptions,
            f: impl FnOnce(&[u8]) -> Result<R, Error>,
        ) -> Result<R, Error> {
            Snapshot::new(self)?.with_image(options, f)
        }
    }
}

/// Publishes an image.
pub(crate) fn publish(name: &Name, image: &[u8], options: &ShareOptions) -> Result<u64, Error> {
    let how = PublishOptions::default()
        .replace(options.force)
        .mode(options.mode)
        .trust(options.trust.clone())
        .lock_timeout(options.lock_timeout)
        .interrupt(options.interrupt.clone());
    let empty = image.get(..HEADER_LEN).is_some_and(|head| image_entries(head) == Ok(0));
    let mut entries = 0;
    let agrees = || {
        if empty && options.force && !options.allow_empty {
            entries = entries_at(name, options).unwrap_or(0);
        }
        entries == 0
    };
    match options.namespace.publish_if(name, SNAPSHOT, &how, image, agrees) {
        Err(PublishError::Declined { path }) => Err(Error::WouldEmpty { path, entries }),
        other => Ok(other?),
    }
}

/// Returns the number of entries of the map at a name, or `None` if there is no map or if it cannot
/// be read.
fn entries_at(name: &Name, options: &ShareOptions) -> Option<u64> {
    let ShareOptions { namespace, trust, .. } = options;
    let map = namespace.open_to_copy(name, SNAPSHOT.kind, SNAPSHOT.kind_version, trust).ok()?;
    let mut head = [0; HEADER_LEN];
    map.read_at(&mut head, 0).ok()?;
    image_entries(&head).ok()
}

pub(crate) fn save(image: &[u8], path: &Path) -> Result<(), Error> {
    Ok(shm_core::write_file(path, 0o400, image).map_err(PublishError::from)?)
}
