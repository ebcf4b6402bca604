//! Reading all entries.

use super::collect::Moment;
use super::handle::{Access, Table};
use crate::error::TableError;
use crate::key::Key;
use crate::protocol::{Entries, Held, read_slot};
use crate::value::Value;

/// All entries of a table. See [`Table::listing`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Listing<O> {
    /// The entries, in no particular order. Each entry is whole.
    pub entries: Vec<(O, Value)>,
    /// True if all entries are as they were at the same moment.
    pub one_moment: bool,
    /// Number of slots that were left out because they are damaged.
    pub damaged: usize,
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// Returns all entries as they were at one moment, in no particular order. O(capacity). Damaged
    /// slots are left out; [`Table::listing`] tells how many there are.
    ///
    /// If writers keep writing, a handle that may write takes the lock for a short time.
    ///
    /// # Errors
    /// The errors of [`Table::get_many`].
    pub fn entries(&self) -> Result<Vec<(K::Owned, Value)>, TableError> {
        let mut entries = Entries::new(self.capacity());
        match self.at_one_moment(&mut entries)? {
            Moment::One => Ok(entries.into_entries()),
            Moment::Overtaken(waited) => Err(TableError::Contended { waited }),
        }
    }

    /// Returns all entries, in no particular order. If possible within
    /// [`read_timeout`](crate::ReadOptions::read_timeout), they are as they were at one moment.
    /// Otherwise, each entry is whole, but the entries are of different moments, and
    /// [`Listing::one_moment`] is false. O(capacity).
    ///
    /// # Errors
    /// The errors of [`Table::get`].
    pub fn listing(&self) -> Result<Listing<K::Owned>, TableError> {
        let mut entries = Entries::new(self.capacity());
        let one_moment = matches!(self.at_one_moment(&mut entries)?, Moment::One);
        let damaged = entries.damaged();
        Ok(Listing { entries: entries.into_entries(), one_moment, damaged })
    }

    /// Returns all entries, in no particular order. Each entry is whole, but the entries are of
    /// different moments: if a batch is written meanwhile, some of its entries may be old and some
    /// new. Never takes the lock. O(capacity).
    ///
    /// # Errors
    /// The errors of [`Table::get`].
    pub fn entries_one_by_one(&self) -> Result<Vec<(K::Owned, Value)>, TableError> {
        let mut entries = Entries::new(self.capacity());
        self.pass(&mut entries)?;
        Ok(entries.into_entries())
    }

    /// Iterates over the entries, in no particular order. Each entry is whole, but the entries are
    /// of different moments: the iterator may yield a key that is added or removed meanwhile, or
    /// may not. For a damaged slot, the iterator yields an error and then goes on.
    pub fn iter(&self) -> Iter<'_, K, A> {
        Iter { table: self, slot: 0 }
    }

    fn read_entry(&self, slot: usize) -> Result<Option<(K::Owned, Value)>, TableError> {
        let tries = self.tries();
        let again = || self.overtaken(&tries);
        match read_slot::<K>(&self.view().slot(slot), self, None, &again)? {
            Some((_, Held::Entry(key, value))) => Ok(Some((key, value))),
            Some((_, Held::Nothing)) => Ok(None),
            Some((_, Held::Damage(what))) => Err(TableError::Corrupt { what, at: slot }),
            None => Err(TableError::Corrupt { what: "version of a slot", at: slot }),
        }
    }
}

/// An iterator over the entries of a table. See [`Table::iter`].
pub struct Iter<'a, K: Key + ?Sized, A: Access> {
    table: &'a Table<K, A>,
    slot: usize,
}

impl<K: Key + ?Sized, A: Access> Iterator for Iter<'_, K, A> {
    type Item = Result<(K::Owned, Value), TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        while self.slot < self.table.capacity() {
            let slot = self.slot;
            self.slot += 1;
            if let Some(entry) = self.table.read_entry(slot).transpose() {
                return Some(entry);
            }
        }
        None
    }
}

impl<'a, K: Key + ?Sized, A: Access> IntoIterator for &'a Table<K, A> {
    type Item = Result<(K::Owned, Value), TableError>;
    type IntoIter = Iter<'a, K, A>;

    fn into_iter(self) -> Iter<'a, K, A> {
        self.iter()
    }
}
