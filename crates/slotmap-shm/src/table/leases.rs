//! Entries that expire, and entries that go with their writer.

use std::cell::Cell;
use std::time::Duration;

use shm_core::{Ordering, Words, since_boot};

use super::claims::Claiming;
use super::closing::Waited;
use super::handle::{Access, Table, boot_of};
use crate::error::TableError;
use crate::key::Key;
use crate::layout::{BOOT, EXPIRED, HAND, time_to_live};
use crate::protocol::{
    Buffer, Everlasting, Fault, Judge, Lease, PutMode, Room, SlotMut, Term, Transaction, Upserted,
    View, room, term, until, while_registered,
};
use crate::value::Value;

/// How many entries are removed at a time when a table with expiry is full.
const REMOVED_AT_ONCE: usize = 1024;
/// How many slots are visited under the lock for that.
const VISITED_AT_ONCE: usize = 4096;
/// In a table that evicts, the next search for expired entries comes after so many times the time
/// of one that found none, unless an entry expires earlier.
const SEARCH_PAUSE: u64 = 31;

impl<K: Key + ?Sized, A: Access> Judge for Table<K, A> {
    fn is_over(&self, lease: u64) -> bool {
        self.is_over_at(lease, since_boot)
    }
}

/// A judge for many leases, which asks the clock once.
struct AtOneTime<'a, K: Key + ?Sized> {
    table: &'a Table<K>,
    now: u64,
    /// When the first of the leases ends that were judged and are not over.
    soonest: Cell<u64>,
}

impl<K: Key + ?Sized> Judge for AtOneTime<'_, K> {
    fn is_over(&self, lease: u64) -> bool {
        let is_over = self.table.is_over_at(lease, || self.now);
        if let Term::Until(time) = term(lease)
            && !is_over
        {
            self.soonest.set(self.soonest.get().min(time));
        }
        is_over
    }
}

/// How long an entry stays. See [`Table::ttl`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimeToLive {
    /// Until it is removed.
    ForEver,
    /// For this time, unless it is written or [touched](Table::touch) meanwhile.
    For(Duration),
    /// As long as the thread that wrote it: it is [ephemeral](Table::add_ephemeral).
    Ephemeral,
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// True if nothing is left of an earlier boot.
    pub(super) fn is_settled(&self) -> bool {
        boot_of(self.segment().words()) == self.boot
    }

    fn is_over_at(&self, lease: u64, now: impl FnOnce() -> u64) -> bool {
        if !self.is_settled() {
            return true;
        }
        match term(lease) {
            Term::ForEver => false,
            Term::Until(time) => now() >= time,
            Term::WhileRegistered(id) => id.is_none_or(|id| self.segment().is_writer_dead(id)),
        }
    }

    /// Returns how long the entry of `key` stays, or `None` if the key is absent.
    ///
    /// # Errors
    /// The errors of [`Table::get`].
    pub fn ttl(&self, key: &K) -> Result<Option<TimeToLive>, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        let (tries, view) = (self.tries(), self.view());
        let mut lease = 0;
        let found = view.find(
            key,
            &mut |buffer, _| {
                if self.shape().leases != 0 {
                    lease = view.slot(buffer.slot).lease(buffer.version);
                }
            },
            &|| self.overtaken(&tries),
        )?;
        Ok(found.map(|_| match term(lease) {
            Term::ForEver => TimeToLive::ForEver,
            Term::Until(time) => {
                TimeToLive::For(Duration::from_nanos(time.saturating_sub(since_boot())))
            }
            Term::WhileRegistered(_) => TimeToLive::Ephemeral,
        }))
    }

    /// Returns the value of `key` even if its entry has expired, as long as nothing else has taken
    /// its slot.
    ///
    /// # Errors
    /// The errors of [`Table::get`].
    pub fn get_stale(&self, key: &K) -> Result<Option<Value>, TableError> {
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        let tries = self.tries();
        let mut value = Value::with_room(0);
        let view = View { judge: &Everlasting, ..self.view() };
        let mut take = |buffer: Buffer<'_>, len| {
            buffer.copy_to_value(&mut value, len);
        };
        let found = view.find(key, &mut take, &|| self.overtaken(&tries))?;
        Ok(found.map(|_| value.fit()))
    }
}

impl<K: Key + ?Sized> Table<K> {
    /// Sets the value of a key, as [`Table::upsert`] does, with a time to live.
    ///
    /// # Errors
    /// The errors of [`Table::upsert`]; [`TableError::NoExpiry`] if the table was created without
    /// [expiry](crate::Geometry::expiry), and [`TableError::TimeToLive`] for a time of zero, or one
    /// that is too long.
    pub fn upsert_for(
        &self,
        key: &K,
        value: impl AsRef<[u8]>,
        ttl: Duration,
    ) -> Result<Upserted, TableError> {
        let lease = self.lease_for(ttl)?;
        self.put_leased(PutMode::Upsert, key, value.as_ref(), Lease::New(lease))
    }

    /// Gives the entry of `key` a new time to live, which begins now. Its value and its version
    /// stay as they are. An ephemeral entry then no longer goes with its thread.
    ///
    /// # Errors
    /// [`TableError::NotFound`], also if the entry has expired; [`TableError::NoExpiry`],
    /// [`TableError::TimeToLive`] or [`TableError::Lock`]. Nothing was changed.
    pub fn touch(&self, key: &K, ttl: Duration) -> Result<(), TableError> {
        let lease = self.lease_for(ttl)?;
        let mut room = K::room();
        let key = self.words_of(key, &mut room)?;
        let waited = Waited::default();
        let touched = match self.claim(key, &waited)? {
            Claiming::Claimed(claim) => {
                // It may have been waited for.
                if claim.is_over(self) {
                    Err(Fault::NotFound)
                } else {
                    claim.replace_lease(lease);
                    Ok(())
                }
            }
            Claiming::Absent => Err(Fault::NotFound),
            _ => self.write(Room::new(), &waited, |transaction| {
                let (slot, _) = transaction.find(key).ok_or(Fault::NotFound)?;
                transaction.hold(slot)?;
                let slot = transaction.slot(slot);
                slot.replace_lease(slot.version(), lease);
                // The value stays: what was staged is dropped.
                Err(Fault::Changed)
            }),
        };
        let touched = match touched {
            Err(Fault::Changed) => Ok(()),
            other => other,
        };
        touched.map_err(|fault| fault.into_error(self.key_kind(), key))
    }

    /// Adds an *ephemeral* entry: it is gone when the calling thread ends, whoever looks next, also
    /// if the process is killed.
    ///
    /// It is also gone when this thread forks by `fork` (not by `vfork` or `posix_spawn`), or drops
    /// this handle. If another thread drops the handle, the entry may stay until this thread ends.
    /// If a thread that is not the main thread of its process calls `execve`, its ephemeral entries
    /// stay until another writer needs its record.
    ///
    /// # Errors
    /// The errors of [`Table::add`]; [`TableError::NoExpiry`], and [`TableError::NotRegistered`] if
    /// the thread cannot get a record: all are taken, for instance. [`TableError::Lock`] also if
    /// others register until the lock timeout is over.
    pub fn add_ephemeral(&self, key: &K, value: impl AsRef<[u8]>) -> Result<(), TableError> {
        self.check_expiry()?;
        let id = match self.segment.writer().map(|writer| writer.id()) {
            Some(id) => id,
            None => {
                let registered = self.segment.register(&self.waits.patience)?;
                registered.ok_or(TableError::NotRegistered)?
            }
        };
        let lease = Lease::New(while_registered(id));
        self.put_leased(PutMode::Add, key, value.as_ref(), lease).map(drop)
    }

    /// Removes entries that have expired, among the next `max_visited` slots, and returns how many
    /// slots were visited. Each call goes on where the last one of any process stopped.
    /// O(max_visited).
    ///
    /// # Errors
    /// [`TableError::Lock`].
    pub fn expire(&self, max_visited: usize) -> Result<usize, TableError> {
        if self.shape().leases == 0 {
            return Ok(0);
        }
        let most = max_visited.min(self.capacity());
        self.remove_over(None, most, most, &Waited::default())
            .map_err(|fault| fault.into_error(self.key_kind(), &[]))
    }

    /// Removes entries that are over, to make room. Returns true if there may be room now.
    ///
    /// This may look at each entry. If an entry can be evicted instead, it is done only so often
    /// that it takes a small part of the time, and when one of the entries that were seen last time
    /// has expired.
    #[cold]
    pub(super) fn remove_some_over(&self, waited: &Waited) -> Result<bool, Fault> {
        if self.shape().leases == 0 {
            return Ok(false);
        }
        let view = self.view().current();
        let (table, now, capacity) = (self, since_boot(), view.layout.capacity);
        let evicts = self.shape().stamp != 0 && self.level_after(view.layout).is_none();
        if evicts && now < self.next_search.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let judge = AtOneTime { table, now, soonest: Cell::new(u64::MAX) };
        // Without the lock: if no entry is over, this is all that is done.
        let first = (0..capacity).find(|&slot| {
            let slot = view.slot(slot);
            slot.effective().is_some_and(|version| slot.has_entry_over(version, &judge))
        });
        let Some(first) = first else {
            let end = since_boot();
            let next = end.saturating_add(end.saturating_sub(now).saturating_mul(SEARCH_PAUSE));
            self.next_search.store(next.min(judge.soonest.get()), Ordering::Relaxed);
            return Ok(false);
        };
        let before = self.len();
        self.remove_over(Some(first), VISITED_AT_ONCE, REMOVED_AT_ONCE, waited)?;
        Ok(self.len() < before)
    }

    /// Removes what has a lease of another boot, some at a time, forgets when slots were written,
    /// and records this boot. The caller holds the lock, and has allocated the memory before.
    pub(super) fn settle_boot(&self, words: Words<'_>, mut spent: Room) {
        if self.is_settled() {
            return;
        }
        let is_dead = |claim| self.is_dead(claim);
        let layout = self.current_layout();
        let mut from = 0;
        while layout.leases != 0 && from < layout.capacity {
            let mut transaction = Transaction::begin(words, layout, &is_dead, self, spent);
            match transaction.remove_over(from, layout.capacity - from) {
                Ok((visited, _)) if visited > 0 => from += visited,
                // Only if memory is damaged.
                _ => return,
            }
            transaction.commit();
            spent = transaction.into_room();
        }
        for slot in 0..layout.capacity {
            SlotMut::new(words, layout, slot).put_stamp(0);
        }
        // Release: a reader that sees this boot sees that the entries are gone.
        words.store(BOOT, self.boot, Ordering::Release);
    }

    /// Allocates memory for [`Table::settle_boot`].
    pub(super) fn room_to_settle(&self) -> Room {
        room(REMOVED_AT_ONCE + 1)
    }

    /// Removes entries that are over, from this slot on, or where the last sweep stopped. Returns
    /// how many slots were visited.
    fn remove_over(
        &self,
        from: Option<usize>,
        visited: usize,
        removed: usize,
        waited: &Waited,
    ) -> Result<usize, Fault> {
        let relaxed = Ordering::Relaxed;
        let spent = room(removed.min(self.capacity()) + 1);
        self.write(spent, waited, |transaction| {
            let words = transaction.words();
            let hand = || usize::try_from(words.load(HAND, relaxed)).unwrap_or(0);
            let from = from.unwrap_or_else(hand);
            let (looked, removed) = transaction.remove_over(from, visited)?;
            let capacity = self.current_layout().capacity;
            words.store(HAND, (from.min(capacity) + looked) as u64 % capacity as u64, relaxed);
            words.store(
                EXPIRED,
                words.load(EXPIRED, relaxed).wrapping_add(removed as u64),
                relaxed,
            );
            Ok(looked)
        })
    }

    fn lease_for(&self, ttl: Duration) -> Result<u64, TableError> {
        self.check_expiry()?;
        let ttl = time_to_live(ttl).map_err(TableError::TimeToLive)?;
        Ok(until(since_boot().saturating_add(ttl)))
    }

    fn check_expiry(&self) -> Result<(), TableError> {
        if self.shape().leases == 0 { Err(TableError::NoExpiry) } else { Ok(()) }
    }
}
