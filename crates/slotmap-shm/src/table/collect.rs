//! Collecting many slots or keys until all of them are as they were at one moment, if necessary
//! under the lock.
//!
//! If commits come faster than a pass takes, a handle that may write takes the lock, closes claims,
//! and makes passes until nothing changes any more. A read-only handle gives up after some time.
//! Even then, each of its entries is whole.

use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;

use super::handle::{Access, Table};
use crate::error::TableError;
use crate::key::Key;
use crate::protocol::{Collection, Scratch};

/// Minimum number of passes before the lock is taken or the collection is given up.
const MIN_PASSES: usize = 4;

/// The most passes under the lock: more than there can be writers that end a claim meanwhile.
const MAX_LOCKED: usize = 256;

/// Whether a collection is as the table was at one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    One,
    /// Writes overtook every pass. The duration is the time for which passes were made.
    Overtaken(Duration),
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// One pass without the lock. True if anything had changed.
    pub(crate) fn pass(&self, collection: &mut impl Collection<K>) -> Result<bool, TableError> {
        let tries = self.tries();
        collection.pass(self.view(), &|| self.overtaken(&tries))
    }

    /// Makes passes until the collection is as the table was at one moment, or until the time is
    /// over.
    pub(crate) fn at_one_moment(
        &self,
        collection: &mut impl Collection<K>,
    ) -> Result<Moment, TableError> {
        let start = Instant::now();
        let (tries, backoff) = (self.tries(), Backoff::new());
        // The number of commits before the pass before.
        let mut before = None;
        for pass in 1.. {
            let commits = self.view().commits();
            let over = match self.pass(collection) {
                Ok(false) if self.nothing_was_added(collection, before) => return Ok(Moment::One),
                // The time starts after the first pass, which takes long for a large table.
                Ok(_) => tries.over().is_some() && pass >= MIN_PASSES,
                // One slot is being written all the time, but not while this handle has the lock.
                Err(TableError::Contended { .. }) if self.as_writable().is_some() => true,
                Err(error) => return Err(error),
            };
            before = Some(commits);
            if over {
                return match self.as_writable() {
                    Some(table) => table.at_one_moment_locked(collection),
                    None => Ok(Moment::Overtaken(start.elapsed())),
                };
            }
            backoff.spin();
        }
        Ok(Moment::Overtaken(start.elapsed()))
    }

    /// True if what was found absent has been absent since the pass before.
    fn nothing_was_added(&self, collection: &impl Collection<K>, before: Option<u64>) -> bool {
        !collection.has_absent() || before == Some(self.view().commits_after_reading())
    }
}

impl<K: Key + ?Sized> Table<K> {
    #[cold]
    fn at_one_moment_locked(
        &self,
        collection: &mut impl Collection<K>,
    ) -> Result<Moment, TableError> {
        let mut scratch = Scratch::new(self.shape());
        loop {
            let complete = self.without_writers(|| {
                let (tries, start) = (self.tries(), Instant::now());
                for _ in 0..MAX_LOCKED {
                    scratch.clear();
                    let again = || tries.ask();
                    if !collection.pass_locked(self.view(), &again, &mut scratch)? {
                        return Ok(false);
                    }
                    // A writer may still end a claim that it had before. Each has at most one.
                    if collection.holds(self.view(), &scratch) {
                        return Ok(true);
                    }
                    std::hint::spin_loop();
                }
                // Something else stores to the slots.
                Err(TableError::Contended { waited: start.elapsed() })
            })?;
            if complete {
                collection.apply(&scratch, self.key_kind());
                return Ok(Moment::One);
            }
            scratch.grow();
            match self.pass(collection) {
                Ok(_) | Err(TableError::Contended { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
