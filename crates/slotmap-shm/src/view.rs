//! The reading half of the protocol, over any words: a mapping, or a model's.

use shm_core::{Ordering, ReadWords, fence};

use crate::buffer::Buffer;
use crate::error::TableError;
use crate::index::{self, Rebuilding};
use crate::layout::{COMMIT, Layout};
use crate::slot::{Seen, Slot, key_is};

/// How often a reader looks again at a slot that changes under it. Each time
/// a write of that very slot completed within the read, so no honest writer
/// gets here; it bounds what a hostile one can do.
const MAX_LOOKS: usize = 1 << 16;

/// What a reader works on.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) words: ReadWords<'a>,
    pub(crate) layout: &'a Layout,
}

/// A value found, and under which version.
pub(crate) struct Found<R> {
    pub(crate) value: R,
    pub(crate) slot: usize,
    pub(crate) version: u64,
}

impl<'a> View<'a> {
    /// Finds `key` and lets `take` copy its value (its buffer and length in bytes).
    /// `looked_again` is called whenever a slot changed under the reader.
    #[inline(always)]
    pub(crate) fn find<R>(
        &self,
        key: &[u64],
        take: &mut impl FnMut(Buffer<'a>, usize) -> R,
        looked_again: &impl Fn(),
    ) -> Result<Option<Found<R>>, TableError> {
        let hash = index::hash(self.layout, key);
        let visit = |slot| self.read(slot, key_is(key), take, looked_again).transpose();
        match index::probe(self.words, self.layout, hash, visit) {
            Ok(None) => Ok(None),
            Ok(Some(found)) => found.map(Some),
            Err(Rebuilding) => self.scan(key, take, looked_again),
        }
    }

    /// Finds `key` without the index. O(capacity).
    #[cold]
    fn scan<R>(
        &self,
        key: &[u64],
        take: &mut impl FnMut(Buffer<'a>, usize) -> R,
        looked_again: &impl Fn(),
    ) -> Result<Option<Found<R>>, TableError> {
        for slot in 0..self.layout.geometry.capacity {
            if let Some(found) = self.read(slot, key_is(key), take, looked_again)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Reads one slot, if its key satisfies `key`.
    #[inline(always)]
    pub(crate) fn read<R>(
        &self,
        slot: usize,
        mut key: impl FnMut(ReadWords<'a>) -> bool,
        take: &mut impl FnMut(Buffer<'a>, usize) -> R,
        looked_again: &impl Fn(),
    ) -> Result<Option<Found<R>>, TableError> {
        let this = Slot::new(self.words, self.layout, slot);
        for _ in 0..MAX_LOOKS {
            match this.read(&mut key, &mut *take) {
                Seen::Match(value, version) => return Ok(Some(Found { value, slot, version })),
                Seen::Other => return Ok(None),
                Seen::Damaged => {
                    return Err(TableError::Corrupt { what: "length of a value", at: slot });
                }
                Seen::Changed => {
                    looked_again();
                    std::hint::spin_loop();
                }
            }
        }
        Err(TableError::Contended { attempts: MAX_LOOKS })
    }

    /// Runs `read` and says whether all it read was the state between two
    /// commits: then the results belong together.
    pub(crate) fn at_one_moment<R>(&self, read: impl FnOnce() -> R) -> (R, bool) {
        // Acquire: pairs with the commit; what that transaction did is visible.
        let before = self.words.load(COMMIT, Ordering::Acquire);
        let result = read();
        // Acquire: any effect of a later commit that `read` saw was stored after
        // that commit, by Release stores; so the load below sees it.
        fence(Ordering::Acquire);
        let after = self.words.load(COMMIT, Ordering::Relaxed);
        (result, before == after)
    }
}
