//! Many lookups at once: sixteen walk down side by side, so that their cache misses overlap.

use crate::hash_index::{Cell, Probe};
use crate::line::Query;
use crate::raw::Raw;
use crate::search::{At, Look};

/// Lookups that walk side by side.
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
                // A tie in a line was the only one: another key proves absence.
                let entry = entry.filter(|&entry| self.key_of(entry) == key.as_ref());
                found.push(entry.map(|entry| self.value_of(entry)));
            }
        }
    }

    fn confirm(self, key: &[u8], cell: Option<Cell>) -> Option<&'a [u8]> {
        match cell? {
            Cell::Entry(entry) if self.key_of(entry) == key => Some(self.value_of(entry)),
            // The tag of a hash may be that of another key.
            _ => Some(self.value_of(self.search_index(key, self.probe(key))?)),
        }
    }

    /// For each key the rank where it is, if it is anywhere.
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
                *walk = match self.look(query, at) {
                    Look::Down(next) => Some(next),
                    Look::Found(found) => {
                        *rank = Some(found);
                        None
                    }
                    Look::Absent(_) => None,
                };
            }
        }
        ranks
    }

    /// The rank where the query is, if it is in this block of the bottom tier. A single tie is not looked into: that
    /// waits until all have come here.
    #[inline(always)]
    fn bottom(self, query: &Query<'_>, at: At) -> Option<usize> {
        let line = self.line(at.tier.first + at.block);
        let place = line.place(query.partial(line.skip()));
        match place.tied {
            0 => None,
            1 => {
                let shape = &self.layout.shape;
                Some(shape.rank(&at.tier, at.block, u64::from(place.less)) as usize)
            }
            _ => match self.look(query, at) {
                Look::Found(rank) => Some(rank),
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
