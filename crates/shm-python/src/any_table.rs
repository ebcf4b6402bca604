//! Tables of every type of key behind one trait, in terms of Python objects.

use std::borrow::Borrow;
use std::ffi::CString;
use std::path::Path;
use std::time::Instant;

use pyo3::exceptions::PyRuntimeWarning;
use pyo3::prelude::*;
use pyo3::types::{PyInt, PyString};
use slotmap_shm::{PutMode, Stats, Table, TableError, TableReader, TypedKey, Value};

use crate::failure::{failure, key_out_of_range, missing, read_only};
use crate::fast::utf8;
use crate::keys::{Refusal, bytes_of, equal_int, int_of, long_key};
use crate::signals;

/// A type of keys.
pub(crate) trait PyKey: TypedKey {
    /// What holds a key taken from Python.
    type Held<'a>: Borrow<Self>;

    /// The key that an object is; `None` for a number that no table can have.
    fn take<'a>(key: &'a Bound<'_, PyAny>) -> Result<Option<Self::Held<'a>>, Refusal>;

    /// The key that is equal to an object, to look for it or to remove it.
    fn equal<'a>(key: &'a Bound<'_, PyAny>) -> Result<Option<Self::Held<'a>>, Refusal>;

    /// Whether a table of keys of so many bytes can have it.
    fn fits(&self, key_size: usize) -> bool;

    /// The key as an object.
    fn give(key: Self::Owned, py: Python<'_>) -> PyResult<Bound<'_, PyAny>>;

    /// The key that stands for this one in a frozen map.
    fn frozen(owned: &Self::Owned) -> Vec<u8>;

    /// The Python type.
    fn py_type(py: Python<'_>) -> Bound<'_, PyAny>;
}

macro_rules! int_keys {
    ($($t:ty: $frozen:path),*) => {$(
        impl PyKey for $t {
            type Held<'a> = $t;

            #[inline]
            fn take(key: &Bound<'_, PyAny>) -> Result<Option<$t>, Refusal> {
                Ok(int_of(key)?.and_then(|key| <$t>::try_from(key).ok()))
            }

            #[inline]
            fn equal(key: &Bound<'_, PyAny>) -> Result<Option<$t>, Refusal> {
                Ok(equal_int(key)?.and_then(|key| <$t>::try_from(key).ok()))
            }

            #[inline]
            fn fits(&self, _key_size: usize) -> bool {
                true
            }

            fn give(key: $t, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
                Ok(key.into_pyobject(py)?.into_any())
            }

            fn frozen(owned: &$t) -> Vec<u8> {
                $frozen(*owned).to_vec()
            }

            fn py_type(py: Python<'_>) -> Bound<'_, PyAny> {
                py.get_type::<PyInt>().into_any()
            }
        }
    )*};
}

int_keys!(i32: shm_facade::map_key, i64: long_key);

impl PyKey for str {
    type Held<'a> = &'a str;

    #[inline(always)]
    fn take<'a>(key: &'a Bound<'_, PyAny>) -> Result<Option<&'a str>, Refusal> {
        match key.cast::<PyString>() {
            Ok(key) => utf8(key).map(Some).map_err(Refusal::Text),
            Err(_) => Err(Refusal::Type("str")),
        }
    }

    #[inline(always)]
    fn equal<'a>(key: &'a Bound<'_, PyAny>) -> Result<Option<&'a str>, Refusal> {
        Self::take(key)
    }

    #[inline]
    fn fits(&self, key_size: usize) -> bool {
        self.len() <= key_size
    }

    fn give(key: String, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        Ok(PyString::new(py, &key).into_any())
    }

    fn frozen(owned: &String) -> Vec<u8> {
        owned.as_bytes().to_vec()
    }

    fn py_type(py: Python<'_>) -> Bound<'_, PyAny> {
        py.get_type::<PyString>().into_any()
    }
}

type Object<'py> = Bound<'py, PyAny>;
/// Makes an object of a value.
type Make<'a, 'py> = dyn Fn(&[u8]) -> PyResult<Object<'py>> + 'a;
/// Values of up to so many bytes are copied to the stack.
const SMALL: usize = 64;
type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

/// A table, whatever its keys.
pub(crate) trait AnyTable: Send + Sync {
    fn key_type<'py>(&self, py: Python<'py>) -> Object<'py>;
    fn len(&self) -> usize;
    fn stats(&self) -> Stats;
    fn key_size(&self) -> usize;
    fn is_read_only(&self) -> bool;
    fn is_orphaned(&self) -> std::io::Result<bool>;
    /// The value of a key, made an object.
    fn get<'py>(&self, key: &Object<'py>, make: &Make<'_, 'py>) -> PyResult<Option<Object<'py>>>;
    fn contains(&self, key: &Object<'_>) -> PyResult<bool>;
    fn get_many<'py>(&self, py: Python<'py>, keys: &[Object<'py>]) -> PyResult<Vec<Option<Value>>>;
    /// Of one moment, or else each whole.
    fn entries<'py>(
        &self,
        py: Python<'py>,
        one_moment: bool,
    ) -> PyResult<Vec<(Object<'py>, Value)>>;
    fn frozen(&self, py: Python<'_>) -> PyResult<Vec<(Vec<u8>, Value)>>;
    fn put(&self, mode: PutMode, key: &Object<'_>, value: &Object<'_>) -> PyResult<()>;
    fn put_many<'py>(&self, py: Python<'py>, mode: PutMode, entries: &[Pair<'py>]) -> PyResult<()>;
    fn remove(&self, key: &Object<'_>) -> PyResult<()>;
    fn remove_many<'py>(&self, py: Python<'py>, keys: &[Object<'py>]) -> PyResult<()>;
    fn clear(&self, py: Python<'_>) -> PyResult<()>;
    fn compare_exchange(&self, key: &Object<'_>, old: &[u8], new: &[u8]) -> PyResult<bool>;
    fn fetch_add(&self, key: &Object<'_>, delta: i64) -> PyResult<i64>;
    fn verify(&self, py: Python<'_>) -> PyResult<()>;
    fn recover(&self, py: Python<'_>) -> PyResult<()>;
}

/// A table opened for writing, or for reading only.
pub(crate) enum Access<K: PyKey + ?Sized> {
    Write(Table<K>),
    Read(TableReader<K>),
}

/// Runs a reading call on a table, whatever else it may do.
macro_rules! read {
    ($opened:expr, $table:ident => $call:expr) => {
        match &$opened.0 {
            Access::Write($table) => $call,
            Access::Read($table) => $call,
        }
    };
}

/// A table. The lock is waited for as `signals` wants it.
pub(crate) struct Opened<K: PyKey + ?Sized>(pub(crate) Access<K>);

impl<K: PyKey + ?Sized + Sync> Opened<K>
where
    K::Owned: Send + Sync,
{
    fn path(&self) -> &Path {
        read!(self, table => table.segment().path())
    }

    fn failure(&self, py: Python<'_>, error: TableError) -> PyErr {
        failure(py, error, Some(self.path()))
    }

    /// Does `f` without the interpreter.
    fn write<R: Send>(
        &self,
        py: Python<'_>,
        f: impl FnOnce(&Table<K>) -> Result<R, TableError> + Send,
    ) -> PyResult<R> {
        let Access::Write(table) = &self.0 else {
            return Err(read_only(py, self.path()));
        };
        signals::detach(py, || f(table))?.map_err(|error| self.failure(py, error))
    }

    /// A key to look for; `None` for what is no key of any table, be it for its type.
    #[inline]
    fn looked_up<'a>(key: &'a Bound<'_, PyAny>) -> PyResult<Option<K::Held<'a>>> {
        K::equal(key).or_else(|refusal| refusal.absent(key).map(|()| None))
    }

    /// A key to remove; `None` for a number that no table can have.
    fn removed<'a>(key: &'a Bound<'_, PyAny>) -> PyResult<Option<K::Held<'a>>> {
        K::equal(key).map_err(|refusal| refusal.error(key))
    }

    /// A key to store under.
    fn key<'a>(key: &'a Bound<'_, PyAny>) -> PyResult<K::Held<'a>> {
        K::take(key)
            .map_err(|refusal| refusal.error(key))?
            .ok_or_else(|| key_out_of_range(key.py(), if K::KIND == i64::KIND { 64 } else { 32 }))
    }

    /// Whether this table can have it.
    fn fits(&self, held: &K::Held<'_>) -> bool {
        held.borrow().fits(self.key_size())
    }
}

impl<K: PyKey + ?Sized + Sync> AnyTable for Opened<K>
where
    K::Owned: Send + Sync,
{
    fn key_type<'py>(&self, py: Python<'py>) -> Object<'py> {
        K::py_type(py)
    }

    fn len(&self) -> usize {
        read!(self, table => table.len())
    }

    fn stats(&self) -> Stats {
        read!(self, table => table.stats())
    }

    fn key_size(&self) -> usize {
        read!(self, table => table.geometry()).key_size
    }

    fn is_read_only(&self) -> bool {
        matches!(self.0, Access::Read(_))
    }

    fn is_orphaned(&self) -> std::io::Result<bool> {
        read!(self, table => table.is_orphaned())
    }

    #[inline]
    fn get<'py>(&self, key: &Object<'py>, make: &Make<'_, 'py>) -> PyResult<Option<Object<'py>>> {
        let Some(held) = Self::looked_up(key)? else { return Ok(None) };
        let found = if read!(self, table => table.geometry()).value_size <= SMALL {
            let mut buffer = [0; SMALL];
            match read!(self, table => table.get_into(held.borrow(), &mut buffer)) {
                Ok(Some(len)) => return make(buffer.get(..len).unwrap_or_default()).map(Some),
                Ok(None) => Ok(None),
                Err(error) => Err(error),
            }
        } else {
            read!(self, table => table.get(held.borrow()))
        };
        match found {
            Ok(value) => value.map(|value| make(&value)).transpose(),
            // No table has such a key, so it is not there.
            Err(TableError::KeyTooLong { .. }) => Ok(None),
            Err(error) => Err(self.failure(key.py(), error)),
        }
    }

    #[inline]
    fn contains(&self, key: &Object<'_>) -> PyResult<bool> {
        let Some(held) = Self::looked_up(key)? else { return Ok(false) };
        match read!(self, table => table.contains_key(held.borrow())) {
            Err(TableError::KeyTooLong { .. }) => Ok(false),
            found => found.map_err(|error| self.failure(key.py(), error)),
        }
    }

    fn get_many<'py>(&self, py: Python<'py>, keys: &[Object<'py>]) -> PyResult<Vec<Option<Value>>> {
        let mut held = Vec::with_capacity(keys.len());
        for key in keys {
            held.push(Self::looked_up(key)?.filter(|held| self.fits(held)));
        }
        let keys: Vec<&K> = held.iter().flatten().map(Borrow::borrow).collect();
        let found = signals::detach(py, || read!(self, table => table.get_many(&keys)));
        let mut found = found?.map_err(|error| self.failure(py, error))?.into_iter();
        // No table has the others, so they are not there.
        Ok(held.iter().map(|held| held.as_ref().and_then(|_| found.next().flatten())).collect())
    }

    fn entries<'py>(
        &self,
        py: Python<'py>,
        one_moment: bool,
    ) -> PyResult<Vec<(Object<'py>, Value)>> {
        let entries = self.copied(py, one_moment)?;
        entries.into_iter().map(|(key, value)| Ok((K::give(key, py)?, value))).collect()
    }

    fn frozen(&self, py: Python<'_>) -> PyResult<Vec<(Vec<u8>, Value)>> {
        let entries = self.copied(py, true)?.into_iter();
        Ok(entries.map(|(key, value)| (K::frozen(&key), value)).collect())
    }

    fn put(&self, mode: PutMode, key: &Object<'_>, value: &Object<'_>) -> PyResult<()> {
        let py = key.py();
        let (held, value) = (Self::key(key)?, bytes_of(value)?);
        let (key, value): (&K, &[u8]) = (held.borrow(), value.as_bytes());
        self.write(py, |table| table.put(mode, key, value).map(drop))
    }

    fn put_many<'py>(&self, py: Python<'py>, mode: PutMode, entries: &[Pair<'py>]) -> PyResult<()> {
        let mut held = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            held.push((Self::key(key)?, bytes_of(value)?));
        }
        let mut batch: Vec<(&K, &[u8])> = Vec::with_capacity(held.len());
        for (key, value) in &held {
            batch.push((key.borrow(), value.as_bytes()));
        }
        self.write(py, |table| table.put_many(mode, &batch))
    }

    fn remove(&self, key: &Object<'_>) -> PyResult<()> {
        let Some(held) = Self::removed(key)? else { return Err(missing(key)) };
        let taken: &K = held.borrow();
        let removed = self.write(key.py(), |table| match table.remove(taken) {
            Ok(()) => Ok(true),
            Err(TableError::NotFound { .. } | TableError::KeyTooLong { .. }) => Ok(false),
            Err(error) => Err(error),
        })?;
        if removed { Ok(()) } else { Err(missing(key)) }
    }

    fn remove_many<'py>(&self, py: Python<'py>, keys: &[Object<'py>]) -> PyResult<()> {
        let mut held = Vec::with_capacity(keys.len());
        for key in keys {
            let found = Self::removed(key)?.filter(|held| self.fits(held));
            held.push(found.ok_or_else(|| missing(key))?);
        }
        let keys: Vec<&K> = held.iter().map(Borrow::borrow).collect();
        self.write(py, |table| table.remove_many(&keys))
    }

    fn clear(&self, py: Python<'_>) -> PyResult<()> {
        self.write(py, Table::clear)
    }

    fn compare_exchange(&self, key: &Object<'_>, old: &[u8], new: &[u8]) -> PyResult<bool> {
        let held = Self::key(key)?;
        let taken: &K = held.borrow();
        self.write(key.py(), |table| match table.compare_exchange(taken, old, new) {
            Ok(()) => Ok(true),
            Err(TableError::Mismatch { .. }) => Ok(false),
            Err(error) => Err(error),
        })
    }

    fn fetch_add(&self, key: &Object<'_>, delta: i64) -> PyResult<i64> {
        let held = Self::key(key)?;
        let taken: &K = held.borrow();
        self.write(key.py(), |table| table.fetch_add(taken, delta))
    }

    fn verify(&self, py: Python<'_>) -> PyResult<()> {
        self.write(py, Table::verify)
    }

    fn recover(&self, py: Python<'_>) -> PyResult<()> {
        self.write(py, Table::recover).map(drop)
    }
}

impl<K: PyKey + ?Sized + Sync> Opened<K>
where
    K::Owned: Send + Sync,
{
    /// The entries of one moment, or else each whole. Warns of damaged ones, which are not among them.
    fn copied(&self, py: Python<'_>, one_moment: bool) -> PyResult<Vec<(K::Owned, Value)>> {
        let start = Instant::now();
        let listing = signals::detach(py, || read!(self, table => table.listing()))?;
        let listing = listing.map_err(|error| self.failure(py, error))?;
        if one_moment && !listing.one_moment {
            return Err(self.failure(py, TableError::Contended { waited: start.elapsed() }));
        }
        if listing.damaged > 0 {
            warn_of_damage(py, listing.damaged, self.path())?;
        }
        Ok(listing.entries)
    }
}

#[cold]
fn warn_of_damage(py: Python<'_>, damaged: usize, path: &Path) -> PyResult<()> {
    let text = format!("{path:?}: left out {damaged} damaged entries; `recover` repairs the table");
    // A path has no NUL, and is shown without control characters.
    let text = CString::new(text).unwrap_or_default();
    PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1)
}
