//! Creating and opening tables.

use std::ops::Range;

use shm_core::{CreateOptions, Name, Namespace, Ordering, Patience, Words};

use super::handle::{Access, AsSegment, ReadOnly, Table, Waits, boot};
use crate::KIND;
use crate::error::TableOpenError;
use crate::geometry::Geometry;
use crate::geometry_words::{check_flags, decode, encode};
use crate::key::{Key, TypedKey};
use crate::key_kind::KeyKind;
use crate::layout::{BOOT, EPOCH, LAYOUT_VERSION, Layout, WRITERS};
use crate::levels::Levels;
use crate::observer::Observer;
use crate::options::{ReadOptions, TableOptions};
use crate::protocol::{glance, recover};
use crate::tries::BEFORE_THE_LOCK;

impl Waits {
    /// Returns the time limits of a handle that may write. Its reads take the lock after a short
    /// time.
    fn of_writer(options: &TableOptions) -> Self {
        Self {
            patience: options.patience(),
            read_limit: Some(BEFORE_THE_LOCK),
            observer: options.observer.clone(),
        }
    }

    /// Returns the time limits of a read-only handle, which never takes the lock.
    fn of_reader(options: &ReadOptions) -> Self {
        Self {
            patience: Patience::forever().interrupt(options.interrupt.clone()),
            read_limit: options.read_timeout,
            observer: Observer::default(),
        }
    }
}

impl<K: TypedKey + ?Sized> Table<K> {
    /// Creates a table. It appears under its name completely or not at all.
    ///
    /// # Errors
    /// Any [`TableOpenError`]; `CreateError::AlreadyExists` if the name is taken, and
    /// `OpenError::ForeignWriters` if `options` ask for a mode that their `trust` does not accept.
    pub fn create(
        namespace: &Namespace,
        name: &Name,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        create(namespace, name, K::KIND, options)
    }

    /// Opens a table, or creates it if it does not exist. An existing table must have the requested
    /// geometry.
    ///
    /// # Errors
    /// Any [`TableOpenError`].
    pub fn open_or_create(
        namespace: &Namespace,
        name: &Name,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        open_or_create(namespace, name, K::KIND, options)
    }
}

impl<K: Key + ?Sized> Table<K> {
    /// Opens an existing table, whatever its geometry.
    ///
    /// # Errors
    /// Any [`TableOpenError`]; `OpenError::NotFound` if there is no table.
    pub fn open(
        namespace: &Namespace,
        name: &Name,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        let (trust, waits) = (&options.trust, Waits::of_writer(options));
        let segment = namespace.open(name, KIND, LAYOUT_VERSION, trust, &waits.patience)?;
        Self::from_segment(segment, waits)
    }
}

impl<K: Key + ?Sized> Table<K, ReadOnly> {
    /// Opens an existing table for reading only.
    ///
    /// This needs no write permission, and also works if the writers live in another pid namespace
    /// or use another C library. O(capacity), because it looks for damaged slots and a damaged
    /// index. Damage is not an error; see [`TableReader::damage`](Table::damage).
    ///
    /// ```
    /// # use shm_core::{Name, Namespace};
    /// # use slotmap_shm::{ReadOptions, Table, TableOpenError, TableOptions, TableReader};
    /// # let dir = std::env::temp_dir().join(format!("reader-doc-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir)?;
    /// # let (namespace, name) = (Namespace::at(&dir), Name::new("jobs")?);
    /// # Table::<u64>::create(&namespace, &name, &TableOptions::default())?.add(&7, b"up")?;
    /// let options = ReadOptions::default();
    /// let reader = TableReader::<u64>::open_read_only(&namespace, &name, &options)?;
    /// let mut buffer = [0; 256];
    /// assert_eq!(reader.get_into(&7, &mut buffer)?, Some(2));
    /// // The type of the keys is part of the table.
    /// let other = TableReader::<i32>::open_read_only(&namespace, &name, &options);
    /// assert!(matches!(other, Err(TableOpenError::KeyKind { .. })));
    /// # std::fs::remove_dir_all(&dir)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Any [`TableOpenError`].
    pub fn open_read_only(
        namespace: &Namespace,
        name: &Name,
        options: &ReadOptions,
    ) -> Result<Self, TableOpenError> {
        let segment = namespace.open_read_only(name, KIND, LAYOUT_VERSION, &options.trust)?;
        Self::from_segment(segment, Waits::of_reader(options))
    }
}

pub(super) fn create<K: Key + ?Sized>(
    namespace: &Namespace,
    name: &Name,
    kind: KeyKind,
    options: &TableOptions,
) -> Result<Table<K>, TableOpenError> {
    let (create, layout) = prepare(kind, options)?;
    // The same options must be able to open what they create.
    namespace.check_mode(name, &create, &options.trust)?;
    let segment = namespace.create(name, &create, |words| initialise(words, &layout))?;
    Table::from_segment(segment, Waits::of_writer(options))
}

pub(super) fn open_or_create<K: Key + ?Sized>(
    namespace: &Namespace,
    name: &Name,
    kind: KeyKind,
    options: &TableOptions,
) -> Result<Table<K>, TableOpenError> {
    let (create, layout) = prepare(kind, options)?;
    let init = |words: Words<'_>| initialise(words, &layout);
    let (trust, waits) = (&options.trust, Waits::of_writer(options));
    let segment = namespace.open_or_create(name, &create, trust, &waits.patience, init)?;
    let table = Table::from_segment(segment, waits)?;
    if table.key_kind() != kind {
        let path = table.segment().path().to_owned();
        return Err(TableOpenError::KeyKind { path, found: table.key_kind(), expected: kind });
    }
    let (found, asked) = (table.geometry(), options.geometry);
    let most = |geometry: Geometry| geometry.max_capacity.unwrap_or(geometry.capacity);
    let mut fields = vec![
        ("capacity", found.capacity, asked.capacity),
        ("max_capacity", most(found), most(asked)),
        ("value_size", found.value_size, asked.value_size),
    ];
    if found.expiry != asked.expiry {
        return Err(TableOpenError::ExpiryMismatch {
            path: table.segment().path().to_owned(),
            found: found.expiry,
            expected: asked.expiry,
        });
    }
    if found.eviction != asked.eviction {
        return Err(TableOpenError::EvictionMismatch {
            path: table.segment().path().to_owned(),
            found: found.eviction,
            expected: asked.eviction,
        });
    }
    if kind.integer().is_none() {
        fields.push(("key_size", found.key_size, asked.key_size));
    }
    match fields.into_iter().find(|(_, found, asked)| found != asked) {
        None => Ok(table),
        Some((what, found, expected)) => Err(TableOpenError::GeometryMismatch {
            path: table.segment().path().to_owned(),
            what,
            found: found as u64,
            expected: expected as u64,
        }),
    }
}

fn prepare(
    kind: KeyKind,
    options: &TableOptions,
) -> Result<(CreateOptions, Layout), TableOpenError> {
    let mut seed = [0; 8];
    shm_core::random(&mut seed)
        .map_err(|source| shm_core::IoError::new("read", "/dev/urandom", source))
        .map_err(shm_core::CreateError::Io)?;
    let seed = u64::from_ne_bytes(seed);
    let layout = Layout::new(options.geometry, kind, seed)?;
    let create = CreateOptions::new(KIND, LAYOUT_VERSION, layout.total_words as u64 * 8)
        .geometry(encode(options.geometry, kind, seed))
        .writers(WRITERS)
        .mode(options.mode);
    // Only what may grow has holes.
    let grows = layout.max_capacity() > layout.capacity;
    let create = if grows { create.allocated(layout.parts().map(in_bytes)) } else { create };
    Ok((create, layout))
}

/// Initialises the body of a new table, which is all zeros.
fn initialise(words: Words<'_>, layout: &Layout) {
    recover::initialise(words, layout);
    if layout.extras != 0 {
        words.store(BOOT, boot().unwrap_or(1), Ordering::Relaxed);
    }
}

/// Turns a part of the body in words into one in bytes.
pub(super) fn in_bytes(part: Range<usize>) -> Range<u64> {
    part.start as u64 * 8..part.end as u64 * 8
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// Checks the layout, and looks for damage. O(capacity).
    fn from_segment(segment: A::Segment, waits: Waits) -> Result<Self, TableOpenError> {
        let (geometry, code, seed) = decode(segment.as_segment().geometry());
        let path = || segment.as_segment().path().to_owned();
        let Some(found) = KeyKind::from_code(code) else {
            return Err(TableOpenError::UnknownKeyKind { path: path(), code });
        };
        if let Some(expected) = K::EXPECTED.filter(|&expected| expected != found) {
            return Err(TableOpenError::KeyKind { path: path(), found, expected });
        }
        check_flags(segment.as_segment().geometry())?;
        let layout = Layout::new(geometry, found, seed)?;
        let words = segment.as_segment().words();
        if words.len() != layout.total_words {
            return Err(TableOpenError::Corrupt {
                path: path(),
                what: "length of the body",
                at: words.len(),
            });
        }
        let mut levels = Levels::new(layout);
        let mut layout = levels.current(words).clone();
        segment.as_segment().check_allocated(levels.used_words(&layout) as u64 * 8)?;
        let glance = glance(words, &layout);
        if glance.index {
            layout.distrusted = words.load(EPOCH, Ordering::Relaxed);
            levels.set(layout);
        }
        Ok(Self::new(segment, levels, waits, glance))
    }
}
