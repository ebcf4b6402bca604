//! Many lookups at once. Sixteen of them descend side by side, so that their cache misses overlap.

use crate::image::{Cell, Probe, Query, Raw};
use crate::search::{At, Step};

/// Number of lookups that descend side by side.
const GROUP: usize = 16;

impl<'a> Raw<'a> {
    /// Appends the value of each key to `found`.
    pub(crate) fn get_many<K: AsRef<[u8]>>(self, keys: &[K], found: &mut Vec<Option<&'a [u8]>>) {
        for group in keys.chunks(GROUP) {
            if self.layout.buckets > 0 {
                let cells = self.candidates_by_index(group);
                for (key, cell) in group.iter().zip(cells) {
                    found.push(self.confirm(key.as_ref(), cell));
                }
                continue;
            }
            let ranks = self.candidates_by_tree(group);
            let entries = ranks.map(|rank| rank.map(|rank| self.entry(rank)));
            for (key, entry) in group.iter().zip(entries) {
                // It was the only key that tied, so if it is another key, this one is absent.
                let entry = entry.filter(|&entry| self.key_of(entry) == key.as_ref());
                found.push(entry.map(|entry| self.value_of(entry)));
            }
        }
    }

    fn confirm(self, key: &[u8], cell: Option<Cell>) -> Option<&'a [u8]> {
        match cell? {
            Cell::Entry(entry) if self.key_of(entry) == key => Some(self.value_of(entry)),
            // Another key may have the same tag and length.
            _ => Some(self.value_of(self.search_index(key, self.probe(key))?)),
        }
    }

    /// Returns, for each key, the only rank that the key can have if it is in the map.
    fn candidates_by_tree<K: AsRef<[u8]>>(self, keys: &[K]) -> [Option<usize>; GROUP] {
        let mut ranks = [None; GROUP];
        let none = Query::new(&[]);
        let mut queries = [none; GROUP];
        let mut walks: [Option<At>; GROUP] = [None; GROUP];
        for ((key, query), walk) in keys.iter().zip(&mut queries).zip(&mut walks) {
            *query = Query::new(key.as_ref());
            *walk = self.start(query).ok();
        }
        for tier in self.layout.shape.tiers() {
            for ((query, walk), rank) in queries.iter().zip(&mut walks).zip(ranks.iter_mut()) {
                let Some(at) = *walk else { continue };
                if tier.below == 0 {
                    *rank = self.bottom(query, at);
                    continue;
                }
                *walk = match self.step(query, at) {
                    Step::Down(next) => Some(next),
                    Step::Found(found) => {
                        *rank = Some(found);
                        None
                    }
                    Step::Absent(_) => None,
                };
            }
        }
        ranks
    }

    /// Returns the only rank that the query can have if it is in this node of the bottom tier. A
    /// single tie is not resolved here but after all lookups have reached the bottom tier.
    #[inline(always)]
    fn bottom(self, query: &Query<'_>, at: At) -> Option<usize> {
        let keys = self.node(at.tier.first + at.node);
        let place = keys.place(query.partial(keys.skip()));
        match place.tied {
            0 => None,
            1 => {
                let shape = &self.layout.shape;
                Some(shape.rank(&at.tier, at.node, u64::from(place.less)) as usize)
            }
            _ => match self.step(query, at) {
                Step::Found(rank) => Some(rank),
                _ => None,
            },
        }
    }

    fn candidates_by_index<K: AsRef<[u8]>>(self, keys: &[K]) -> [Option<Cell>; GROUP] {
        let mut probes: [Option<Probe>; GROUP] = [None; GROUP];
        for (key, probe) in keys.iter().zip(&mut probes) {
            *probe = Some(self.probe(key.as_ref()));
        }
        probes.map(|probe| probe.and_then(|probe| self.candidate(&probe)))
    }
}
