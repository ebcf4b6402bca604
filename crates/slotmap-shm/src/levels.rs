//! The levels of a table that grows.

use shm_core::{Ordering, ReadWords};

use crate::layout::{EPOCH, Layout, level_of};

/// The layouts of all levels of a table.
#[derive(Clone)]
pub(crate) struct Levels {
    first: Layout,
    /// The levels after the first.
    more: Box<[Layout]>,
}

impl Levels {
    pub(crate) fn new(first: Layout) -> Self {
        let more = std::iter::successors(first.next_level(), Layout::next_level).collect();
        Self { first, more }
    }

    /// Returns the first level.
    #[inline(always)]
    pub(crate) fn first(&self) -> &Layout {
        &self.first
    }

    /// Returns the layout of a level. In damaged memory there may be any number; then this is the
    /// last level.
    #[inline(always)]
    pub(crate) fn at(&self, level: u64) -> &Layout {
        if level == 0 { &self.first } else { self.later(level) }
    }

    #[cold]
    fn later(&self, level: u64) -> &Layout {
        let at = usize::try_from(level - 1).ok();
        at.and_then(|at| self.more.get(at)).or(self.more.last()).unwrap_or(&self.first)
    }

    /// Returns the level that the table has now.
    #[inline]
    pub(crate) fn current(&self, words: ReadWords<'_>) -> &Layout {
        if self.more.is_empty() {
            return &self.first;
        }
        // Acquire: pairs with the Release store that makes the level current.
        self.at(level_of(words.load(EPOCH, Ordering::Acquire)))
    }

    /// Returns the level after this one, if there is one.
    pub(crate) fn after(&self, layout: &Layout) -> Option<&Layout> {
        self.more.get(usize::try_from(layout.level).ok()?)
    }

    /// Returns the number of words of the body that are in use in this level: its parts, and the
    /// index of each level before it.
    pub(crate) fn used_words(&self, layout: &Layout) -> usize {
        let before = std::iter::once(&self.first).chain(&self.more);
        let indexes = before.take_while(|level| level.level < layout.level);
        let own: usize = layout.parts().into_iter().map(|part| part.len()).sum();
        own + indexes.map(Layout::index_words).sum::<usize>()
    }

    /// Replaces the layout of one level.
    pub(crate) fn set(&mut self, layout: Layout) {
        match usize::try_from(layout.level).ok().and_then(|level| level.checked_sub(1)) {
            None => self.first = layout,
            Some(at) => {
                if let Some(to) = self.more.get_mut(at) {
                    *to = layout;
                }
            }
        }
    }
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::geometry::{Eviction, Expiry, Geometry};
    use crate::key::TypedKey;

    #[test]
    fn the_levels_of_a_table_that_grows_share_slots_and_have_an_index_each() {
        for (capacity, max) in [(1, 1), (1, 2), (3, 100), (1024, 1 << 20), (1000, 9999)] {
            let g = Geometry {
                capacity,
                max_capacity: Some(max),
                expiry: Expiry::Never,
                eviction: Eviction::Never,
                value_size: 8,
                key_size: 8,
            };
            let levels = Levels::new(Layout::new(g, i32::KIND, 1).unwrap());
            let all: Vec<_> =
                std::iter::successors(Some(levels.first()), |&l| levels.after(l)).collect();
            assert_eq!(all[0].capacity, capacity);
            assert_eq!(all.last().unwrap().capacity, max);
            for (level, pair) in all.windows(2).enumerate() {
                assert_eq!(pair[1].level, level as u64 + 1);
                assert_eq!(pair[1].capacity, max.min(2 * pair[0].capacity));
                assert!(pair[1].index >= pair[0].index + pair[0].index_words());
                assert_eq!(pair[1].slots, pair[0].slots);
            }
            let last = all.last().unwrap();
            assert!(last.free_at(max) <= all[0].index);
            assert!(last.index + last.index_words() <= last.slots);
            assert_eq!(last.slot_at(max), last.total_words);
        }
    }
}
