//! What is asked for, in which order.

use crate::dictionary::{Corpus, KeyList};
use crate::workload::{Cycle, Random};

/// Fewest queries of a list: more than the branch predictor learns by heart (see
/// [`crate::workload`]).
const FEWEST: usize = 64 * 1024;

/// Which keys are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Present keys only.
    Hits,
    /// One in eight is absent.
    Mixed,
}

/// Queries in random order, as many as there are entries at least; their bytes are in this order
/// too, and shared with no dictionary. The list is the same for whoever is asked.
#[derive(Debug)]
pub struct Queries {
    keys: KeyList,
    asked: Asked,
}

impl Queries {
    /// Random keys of a corpus.
    #[must_use]
    pub fn new(corpus: &Corpus, asked: Asked) -> Self {
        let mut random = Random::new(20);
        let mut keys = KeyList::default();
        for _ in 0..corpus.len().max(FEWEST) {
            let absent = asked == Asked::Mixed && random.below(8) == 0;
            let from = if absent { &corpus.absent } else { corpus.shuffled.keys() };
            keys.push(from.get(random.below(from.len())));
        }
        Self { keys, asked }
    }

    /// Which keys they are.
    #[must_use]
    pub fn asked(&self) -> Asked {
        self.asked
    }

    /// A walk through them from the start.
    #[must_use]
    pub fn cycle(&self) -> Cycle<&[u8]> {
        Cycle::new(self.keys.iter().collect())
    }
}
