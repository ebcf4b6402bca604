//! Publishing a map under a name.

use std::cell::Cell;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use avl_snapshot::{
    AlignedBytes, FreezeOptions, HEADER_LEN, RbTree, Snapshot, StreamBuilder, StreamError,
    image_entries,
};
use shm_core::{
    CreateError, DraftBody, Interrupt, Kind, Name, Namespace, PublishError, PublishOptions,
    PublishedKind, Trust,
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
pub trait Share: sealed::HasImage {
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
        let freeze = options.freeze_options();
        let image = self.image(&freeze)?;
        let is_empty = image.is_empty();
        publish(&name, options, image.least_len(), |body| image.write(body).map(|()| is_empty))
    }

    /// Writes the bare image to a file of mode 0400, replacing any file at the path in one step.
    /// [`SharedMap::open_file`](crate::SharedMap::open_file) opens it. O(n).
    ///
    /// # Errors
    /// [`Error::Snapshot`] for bytes that are not a snapshot, or [`Error::Publish`]. The path then
    /// leads to what it led to before.
    fn save(&self, path: impl AsRef<Path>) -> Result<(), Error> {
        save(&self.image(&FreezeOptions::default())?, path.as_ref())
    }
}

impl Share for RbTree {}
impl<D: AsRef<[u8]>> Share for Snapshot<D> {}
impl Share for AlignedBytes {}

mod sealed {
    use super::{AlignedBytes, Error, FreezeOptions, Image, RbTree, Snapshot};

    pub trait HasImage {
        /// True for a type whose contents the program itself has made, so that it knows whether the
        /// map is empty on purpose.
        const IN_HAND: bool = false;

        /// Returns a whole, valid image, or that of which one can be made.
        fn image<'a>(&'a self, options: &'a FreezeOptions) -> Result<Image<'a>, Error>;
    }

    impl HasImage for RbTree {
        const IN_HAND: bool = true;

        fn image<'a>(&'a self, options: &'a FreezeOptions) -> Result<Image<'a>, Error> {
            Ok(Image::OfTree(self, options))
        }
    }

    impl<D: AsRef<[u8]>> HasImage for Snapshot<D> {
        fn image<'a>(&'a self, _options: &'a FreezeOptions) -> Result<Image<'a>, Error> {
            Ok(Image::Whole(self.as_bytes()))
        }
    }

    impl HasImage for AlignedBytes {
        fn image<'a>(&'a self, _options: &'a FreezeOptions) -> Result<Image<'a>, Error> {
            Ok(Image::Whole(Snapshot::new(&**self)?.into_inner()))
        }
    }
}

/// An image, or that of which one can be made.
#[derive(Debug)]
pub enum Image<'a> {
    Whole(&'a [u8]),
    OfTree(&'a RbTree, &'a FreezeOptions),
}

impl Image<'_> {
    /// True if the image has no entries.
    fn is_empty(&self) -> bool {
        match self {
            Self::Whole(image) => {
                image.get(..HEADER_LEN).is_some_and(|head| image_entries(head) == Ok(0))
            }
            Self::OfTree(tree, _) => tree.is_empty(),
        }
    }

    /// The length that the image has at least.
    fn least_len(&self) -> u64 {
        match self {
            Self::Whole(image) => image.len() as u64,
            Self::OfTree(tree, options) => tree.least_image_len(options),
        }
    }

    fn write(&self, body: &mut DraftBody<'_>) -> Result<(), Error> {
        match self {
            Self::Whole(image) => body.write_all(image).map_err(|error| body.refused(error).into()),
            Self::OfTree(tree, options) => match tree.write_to(&mut *body, options) {
                Ok(_) => Ok(()),
                Err(error) => Err(refused(body, error)),
            },
        }
    }
}

/// Why an image could not be written to a body.
fn refused(body: &DraftBody<'_>, error: StreamError) -> Error {
    match error {
        StreamError::Build(error) => error.into(),
        StreamError::Write(error) | StreamError::Read(error) => body.refused(error).into(),
        // The only other kinds that there can be are those of later versions.
        other => body.refused(std::io::Error::other(other)).into(),
    }
}

/// Writes an image to a bare file.
pub(crate) fn save(image: &Image<'_>, path: &Path) -> Result<(), Error> {
    let write = |body: &mut DraftBody<'_>| image.write(body).map_err(Unsaved);
    let saved = shm_core::write_file_with(path, 0o400, image.least_len(), write);
    saved.map_err(|Unsaved(error)| error)
}

/// An error of saving, which is a publication without a name.
struct Unsaved(Error);

impl From<CreateError> for Unsaved {
    fn from(error: CreateError) -> Self {
        Self(PublishError::from(error).into())
    }
}

/// Builds a map in the file that is about to be published, from entries that are pushed in
/// ascending key order. See [`share_sorted`].
#[derive(Debug)]
pub struct MapBuilder<'a, 'b>(StreamBuilder<&'a mut DraftBody<'b>>);

impl MapBuilder<'_, '_> {
    /// Appends an entry. O(length), amortised.
    ///
    /// # Errors
    /// [`Error::Build`] if the key is not greater than the key that was pushed last, or if the
    /// entry is too long; [`Error::Create`] or [`Error::Io`] if the file cannot grow. The builder
    /// is unchanged and can still be used.
    pub fn push(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Result<(), Error> {
        let pushed = self.0.push(key, value);
        pushed.map_err(|error| refused(self.0.get_ref(), error))
    }

    /// Reserves memory for `entries` more entries, 8 bytes for each. Does nothing if there is not
    /// enough memory.
    pub fn reserve(&mut self, entries: usize) {
        self.0.reserve(entries);
    }

    /// Number of entries pushed so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// True if no entry has been pushed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Publishes a map of entries that `build` pushes in ascending key order. Returns the edition.
/// O(n).
///
/// The entries are written to the file while they are pushed. So the map needs its own size, and 8
/// bytes of private memory for each entry while it is built; with a hash index, 12 bytes more for
/// each entry at the end. The name leads to the map only when it is whole, as with
/// [`Share::share_with`]. If `build` fails, what was written is gone.
///
/// ```
/// use shm_facade::{Error, ShareOptions, share_sorted};
/// # let dir = std::env::temp_dir().join(format!("sorted-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// let options = ShareOptions::default().force(true);
/// # let options = options.namespace(shm_facade::Namespace::at(&dir));
/// let edition = share_sorted("squares", &options, |map| {
///     for i in 0..1000u32 {
///         map.push(i.to_be_bytes(), (i * i).to_be_bytes())?;
///     }
///     Ok::<(), Error>(())
/// })?;
/// # assert_eq!(edition, 1);
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The errors of `build` and of [`Share::share_with`]. The name then leads to what it led to
/// before.
pub fn share_sorted<E: From<Error>>(
    name: &str,
    options: &ShareOptions,
    build: impl FnOnce(&mut MapBuilder<'_, '_>) -> Result<(), E>,
) -> Result<u64, E> {
    let name = Name::new(name).map_err(Error::from)?;
    publish(&name, options, 0, |body| {
        let written = StreamBuilder::with_options(&mut *body, options.freeze_options());
        let mut builder = match written {
            Ok(builder) => MapBuilder(builder),
            Err(error) => return Err(refused(body, error).into()),
        };
        build(&mut builder)?;
        let is_empty = builder.is_empty();
        match builder.0.finish() {
            Ok(_) => Ok(is_empty),
            Err(error) => Err(refused(body, error).into()),
        }
    })
}

/// Publishes an image that `write` writes. `write` returns whether the image has no entries.
fn publish<E: From<Error>>(
    name: &Name,
    options: &ShareOptions,
    least_len: u64,
    write: impl FnOnce(&mut DraftBody<'_>) -> Result<bool, E>,
) -> Result<u64, E> {
    let how = PublishOptions::default()
        .replace(options.force)
        .mode(options.mode)
        .trust(options.trust.clone())
        .lock_timeout(options.lock_timeout)
        .interrupt(options.interrupt.clone());
    let empty = Cell::new(false);
    let mut entries = 0;
    let agrees = || {
        if empty.get() && options.force && !options.allow_empty {
            entries = entries_at(name, options).unwrap_or(0);
        }
        entries == 0
    };
    let write = |body: &mut DraftBody<'_>| {
        empty.set(write(body).map_err(Unpublished::Caller)?);
        Ok(())
    };
    let namespace = &options.namespace;
    match namespace.publish_with(name, SNAPSHOT, &how, least_len, write, agrees) {
        Ok(edition) => Ok(edition),
        Err(Unpublished::Caller(error)) => Err(error),
        Err(Unpublished::Here(PublishError::Declined { path })) => {
            Err(Error::WouldEmpty { path, entries }.into())
        }
        Err(Unpublished::Here(error)) => Err(Error::from(error).into()),
    }
}

/// An error of publishing, or of the caller's function.
enum Unpublished<E> {
    Here(PublishError),
    Caller(E),
}

impl<E> From<PublishError> for Unpublished<E> {
    fn from(error: PublishError) -> Self {
        Self::Here(error)
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
