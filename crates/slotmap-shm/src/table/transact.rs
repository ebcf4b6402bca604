//! Running a transaction: under the lock, and again if something is in its way.

use super::closing::Waited;
use super::growth::Allocated;
use super::handle::Table;
use crate::encoded_keys::EncodedKeys;
use crate::key::Key;
use crate::protocol::{Fault, Room, Transaction};

/// A transaction that may have stored more bytes than this has held the lock for a long time, so it
/// hands the lock to a waiting writer afterwards.
const LONG: usize = 1 << 16;

impl<K: Key + ?Sized> Table<K> {
    /// Runs `f` in a transaction: commits what it staged, or drops it all. If another writer has
    /// claimed a slot that `f` needs, closes claims, waits without the lock, and runs `f` again. If
    /// the table is full, makes room or grows it, if it may, and runs `f` again.
    #[inline(always)]
    pub(super) fn write<R>(
        &self,
        room: Room,
        waited: &Waited,
        mut f: impl FnMut(&mut Transaction<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let result = self.write_patiently(None, room, waited, &mut f);
        self.open_claims(waited);
        result
    }

    /// The same, for a batch that may add these keys.
    #[inline(always)]
    pub(super) fn write_all<R>(
        &self,
        keys: &EncodedKeys,
        room: Room,
        waited: &Waited,
        mut f: impl FnMut(&mut Transaction<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let result = self.write_patiently(Some(keys), room, waited, &mut f);
        self.open_claims(waited);
        result
    }

    #[inline(always)]
    fn write_patiently<R>(
        &self,
        keys: Option<&EncodedKeys>,
        mut room: Room,
        waited: &Waited,
        f: &mut impl FnMut(&mut Transaction<'_>) -> Result<R, Fault>,
    ) -> Result<R, Fault> {
        let mut allocated = Allocated::default();
        loop {
            let (result, used) = self.attempt(room, waited, &allocated, f)?;
            room = used;
            match result {
                Err(Fault::Claimed(claimed)) => self.outlast(claimed, waited)?,
                Err(Fault::Full { capacity })
                    if self.make_room(capacity, keys, waited, &mut allocated)? => {}
                other => return other,
            }
        }
    }

    /// Runs `f` in a transaction. If `f` succeeds, commits everything that it staged; otherwise
    /// drops everything. Also returns the memory, which is to be freed without the lock.
    #[inline(always)]
    fn attempt<R>(
        &self,
        room: Room,
        waited: &Waited,
        allocated: &Allocated,
        f: &mut impl FnMut(&mut Transaction<'_>) -> Result<R, Fault>,
    ) -> Result<(Result<R, Fault>, Room), Fault> {
        let guard = self.lock_within(waited)?;
        let is_dead = |claim| self.is_dead(claim);
        let words = guard.words()?;
        self.open_abandoned(words);
        let mut transaction =
            Transaction::begin(words, self.current_layout(), &is_dead, self, room);
        let result = f(&mut transaction);
        match &result {
            Ok(_) => transaction.commit(),
            Err(fault) => {
                transaction.abort();
                match fault {
                    Fault::Corrupt { .. } => guard.mark_dirty(),
                    Fault::Claimed(_) => self.close_claims(words, waited),
                    Fault::Full { .. } => self.grow(words, allocated),
                    _ => {}
                }
            }
        }
        let touched = transaction.touched().filter(|_| result.is_ok());
        let staged = transaction.len_of_room();
        let room = transaction.into_room();
        // An upper bound: the first member is not in the room. A full table may just have grown.
        let stored = (staged + 1) * (self.shape().geometry.value_size + 64);
        if stored >= LONG || matches!(result, Err(Fault::Full { .. })) {
            guard.hand_over();
        } else {
            drop(guard);
        }
        if let Some(touched) = touched {
            self.wake_after_unlock(touched);
        }
        Ok((result, room))
    }
}
