//! Collecting many slots or keys until all is of one moment, under the lock if need be.
//!
//! Where commits come faster than a pass is done, a handle that may write takes the lock for one
//! pass. A handle that may not write gives up after a time, and its entries are each whole.

use std::time::{Duration, Instant};

use crossbeam_utils::Backoff;

use super::handle::{Access, Table};
use crate::error::TableError;
use crate::key::Key;
use crate::protocol::{Collection, Scratch};

/// Passes that are made at least before the lock is taken or the collection given up.
const MIN_PASSES: usize = 4;

/// Whether a collection is of one moment.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Moment {
    One,
    /// It was overtaken by writes all this time.
    Overtaken(Duration),
}

impl<K: Key + ?Sized, A: Access> Table<K, A> {
    /// One pass without the lock.
    pub(crate) fn pass(&self, collection: &mut impl Collection<K>) -> Result<(), TableError> {
        let tries = self.tries();
        collection.pass(self.view(), &|| self.overtaken(&tries))
    }

    /// Collects until all is of one moment, or the time is over.
    pub(crate) fn at_one_moment(
        &self,
        collection: &mut impl Collection<K>,
    ) -> Result<Moment, TableError> {
        let start = Instant::now();
        let (tries, backoff) = (self.tries(), Backoff::new());
        for pass in 1.. {
            let (done, together) = self.view().at_one_moment(|| self.pass(collection));
            let over = match done {
                Ok(()) if together => return Ok(Moment::One),
                // Asked first after the first pass: a large table takes its time.
                Ok(()) => tries.over().is_some() && pass >= MIN_PASSES,
                // One slot is written all the time. Under the lock it is not.
                Err(TableError::Contended { .. }) if self.as_writable().is_some() => true,
                Err(error) => return Err(error),
            };
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
}

impl<K: Key + ?Sized> Table<K> {
    #[cold]
    fn at_one_moment_locked(
        &self,
        collection: &mut impl Collection<K>,
    ) -> Result<Moment, TableError> {
        let mut scratch = Scratch::new(self.layout());
        loop {
            let guard = self.lock()?;
            let tries = self.tries();
            let complete = collection.pass_locked(self.view(), &|| tries.ask(), &mut scratch)?;
            guard.hand_over();
            if complete {
                collection.apply(&scratch, self.key_kind());
                return Ok(Moment::One);
            }
            scratch.grow();
            match self.pass(collection) {
                Ok(()) | Err(TableError::Contended { .. }) => {}
                Err(error) => return Err(error),
            }
        }
    }
}
