//! Many lookups at once. Sixteen of them descend side by side, so that their cache misses overlap.

use crate::image::{Cell, Probe, Query, Raw, Spot};
use crate::search::{At, Guide, Step};

/// Number of lookups that descend side by side.
const GROUP: usize = 16;

impl<'a> Raw<'a> {
    /// Appends the value of each key to `found`.
    pub(crate) fn get_many<K: AsRef<[u8]>>(self, keys: &[K], found: &mut Vec<Option<&'a [u8]>>) {
        for group in keys.chunks(GROUP) {
            if self.layout.buckets > 0 {
                let cells = self.candidates_by_index(group);
                for (key, cell) in group.iter().zip(cells) {
                    found.push(self.confirm_cell(key.as_ref(), cell));
                }
                continue;
            }
            let spots = self.candidates_by_tree(group);
            let entries = spots.map(|spot| spot.map(|spot| self.entry_in(spot)));
            entries.iter().flatten().for_each(|entry| self.fetch_data(*entry));
            for (key, entry) in group.iter().zip(entries) {
                let entry = entry.and_then(|entry| self.confirm(key.as_ref(), entry));
                found.push(entry.map(|entry| self.value_of(entry)));
            }
        }
    }

    fn confirm_cell(self, key: &[u8], cell: Option<Cell>) -> Option<&'a [u8]> {
        match cell? {
            Cell::Entry(entry) if self.key_of(entry) == key => Some(self.value_of(entry)),
            // Another key may have the same tag and length.
            _ => Some(self.value_of(self.search_index(key, self.probe(key))?)),
        }
    }

    /// Returns, for each key, the only place that the key can have if it is in the map.
    fn candidates_by_tree<K: AsRef<[u8]>>(self, keys: &[K]) -> [Option<Spot>; GROUP] {
        let mut spots = [None; GROUP];
        let none = Query::new(&[]);
        let mut queries = [none; GROUP];
        let mut walks: [Option<At>; GROUP] = [None; GROUP];
        for ((key, query), walk) in keys.iter().zip(&mut queries).zip(&mut walks) {
            *query = Query::new(key.as_ref());
            *walk = self.start(query).ok();
        }
        for _ in self.layout.shape.tiers() {
            for ((query, walk), spot) in queries.iter().zip(&mut walks).zip(spots.iter_mut()) {
                let Some(at) = *walk else { continue };
                *walk = match self.step::<false>(query, at, &mut Guide::NOTHING.clone()) {
                    Step::Down(next) => Some(next),
                    Step::End(end) => {
                        *spot = end.candidate();
                        None
                    }
                };
            }
        }
        spots
    }

    fn candidates_by_index<K: AsRef<[u8]>>(self, keys: &[K]) -> [Option<Cell>; GROUP] {
        let mut probes: [Option<Probe>; GROUP] = [None; GROUP];
        for (key, probe) in keys.iter().zip(&mut probes) {
            *probe = Some(self.probe(key.as_ref()));
        }
        probes.map(|probe| probe.and_then(|probe| self.candidate(&probe)))
    }
}
