//! Tables whose kind of keys is known only at run time.

use shm_core::{Name, Namespace};

use super::handle::{Access, ReadWrite, Table};
use super::open::{create, open_or_create};
use crate::any_key::AnyKey;
use crate::error::TableOpenError;
use crate::key::TypedKey;
use crate::key_kind::KeyKind;
use crate::options::TableOptions;

/// A table whose kind of keys is known only at run time. Any table can be opened this way.
/// [`Table::key_kind`] returns the kind, and keys are passed and returned as [`AnyKey`]. An untyped
/// table has all calls of [`Table`]. A call with a key of another kind fails with
/// [`TableError::WrongKey`](crate::TableError::WrongKey).
///
/// ```
/// use slotmap_shm::{AnyKey, KeyKind, Name, Namespace, Table, TableOptions, UntypedTable};
/// # let dir = std::env::temp_dir().join(format!("untyped-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
/// # let (namespace, name) = (Namespace::at(&dir), Name::new("jobs")?);
/// let options = TableOptions::default();
/// Table::<u16>::create(&namespace, &name, &options)?.add(&80, b"http")?;
///
/// let table = UntypedTable::open(&namespace, &name, &options)?;
/// assert_eq!(table.key_kind(), KeyKind::U16);
/// assert_eq!(table.get(&80.into())?.as_deref(), Some(&b"http"[..]));
/// assert_eq!(table.entries()?[0].0, AnyKey::Unsigned(80));
/// assert!(table.add(&"https".into(), b"").is_err());
/// # std::fs::remove_dir_all(&dir)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub type UntypedTable<A = ReadWrite> = Table<AnyKey, A>;

impl Table<AnyKey> {
    /// Like [`Table::create`], for keys of a kind that is known only at run time.
    ///
    /// # Errors
    /// The errors of [`Table::create`].
    pub fn create_with_kind(
        namespace: &Namespace,
        name: &Name,
        kind: KeyKind,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        create(namespace, name, kind, options)
    }

    /// Like [`Table::open_or_create`], for keys of a kind that is known only at run time. An
    /// existing table must have that kind.
    ///
    /// # Errors
    /// The errors of [`Table::open_or_create`].
    pub fn open_or_create_with_kind(
        namespace: &Namespace,
        name: &Name,
        kind: KeyKind,
        options: &TableOptions,
    ) -> Result<Self, TableOpenError> {
        open_or_create(namespace, name, kind, options)
    }
}

impl<A: Access> Table<AnyKey, A> {
    /// Turns this handle into a handle whose keys are of type `K`. Its calls take keys of type `K`,
    /// which is faster than taking [`AnyKey`]. [`Table::key_kind`] tells which type fits.
    ///
    /// # Errors
    /// [`TableOpenError::KeyKind`] if the table has keys of another kind.
    pub fn into_typed<K: TypedKey + ?Sized>(self) -> Result<Table<K, A>, TableOpenError> {
        let (found, expected) = (self.key_kind(), K::KIND);
        if found == expected {
            Ok(self.of_keys())
        } else {
            let path = self.segment().path().to_owned();
            Err(TableOpenError::KeyKind { path, found, expected })
        }
    }
}
