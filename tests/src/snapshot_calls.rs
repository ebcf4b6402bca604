//! Makes every call of a snapshot on any bytes, which may be hostile.

use std::ops::Bound;

use avl_snapshot::{Snapshot, SnapshotError};

/// Opens `bytes` and makes every call, with each of the queries. Returns what `verify` says, if the
/// bytes can be opened.
///
/// # Errors
/// That of opening.
///
/// # Panics
/// When a slice is not inside the bytes, a rank is beyond the end, or an iterator yields another
/// number of entries than it says.
pub fn every_call(
    bytes: &[u8],
    queries: &[Vec<u8>],
) -> Result<Result<(), SnapshotError>, SnapshotError> {
    let snapshot = Snapshot::new(bytes)?;
    let inside = Inside(bytes);
    let len = snapshot.len();
    // What bounds the work of everything else.
    assert!(8 * len < bytes.len(), "more entries than room");
    assert_eq!(snapshot.is_empty(), len == 0);
    let stats = snapshot.stats();
    assert_eq!((stats.entries, stats.total_bytes), (len, bytes.len()));
    assert_eq!(snapshot.has_hash_index(), stats.index_bytes > 0);
    drop(format!("{snapshot:?} {:?}", snapshot.clone().into_inner()));

    let mut forth = snapshot.iter();
    assert_eq!(inside.entries(forth.by_ref().take(len)), len);
    assert!(forth.next().is_none() && forth.next_back().is_none());
    let mut back = snapshot.into_iter().rev();
    assert_eq!(inside.entries(back.by_ref().take(len)), len);
    assert!(back.next().is_none());
    for rank in 0..len.min(40) {
        inside.pair(snapshot.nth(rank).expect("a rank below the length"));
        assert_eq!(snapshot.iter().nth(rank), snapshot.nth(rank));
        assert_eq!(snapshot.iter().nth_back(rank), snapshot.nth(len - 1 - rank));
    }
    for beyond in [len, len + 1, usize::MAX - 1, usize::MAX] {
        assert!(snapshot.nth(beyond).is_none() && snapshot.iter().nth(beyond).is_none());
    }
    for entry in [snapshot.first(), snapshot.last()] {
        assert_eq!(entry.is_some(), len > 0);
        entry.into_iter().for_each(|entry| inside.pair(entry));
    }

    for (at, key) in queries.iter().enumerate() {
        let key = key.as_slice();
        snapshot.get(key).into_iter().for_each(|value| inside.slice(value));
        let _ = snapshot.get_str(key);
        let _ = snapshot.contains_key(key);
        let rank = snapshot.rank(key);
        assert!(rank <= len);
        assert!(snapshot.search(key).map_or_else(|rank| rank <= len, |rank| rank < len));
        let mut cursor = snapshot.cursor();
        let _ = cursor.seek(key);
        assert_eq!(cursor.rank(), rank);
        cursor.next().into_iter().chain(cursor.next()).for_each(|entry| inside.pair(entry));
        cursor.prev().into_iter().chain(cursor.prev()).for_each(|entry| inside.pair(entry));
        cursor.seek_rank(usize::MAX);
        assert!(cursor.rank() == len && cursor.next().is_none());
        let other = queries[(7 * at + 3) % queries.len()].as_slice();
        for iter in [
            snapshot.prefix(key),
            snapshot.range(key..),
            snapshot.range(..=key),
            snapshot.range(key..other),
            snapshot.range((Bound::Excluded(key), Bound::Included(other))),
        ] {
            let said = iter.len();
            assert!(said <= len && iter.ranks().end <= len);
            assert_eq!(iter.map(|entry| inside.pair(entry)).count(), said);
        }
    }
    for group in [queries, &queries[..queries.len().min(1)]] {
        let found = snapshot.get_many(group);
        assert_eq!(found.len(), group.len());
        found.into_iter().flatten().for_each(|value| inside.slice(value));
    }
    Ok(snapshot.verify())
}

/// The entries of a snapshot, copied.
#[must_use]
pub fn entries<D: AsRef<[u8]>>(snapshot: &Snapshot<D>) -> Vec<crate::image::Entry> {
    snapshot.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

/// The bytes within which slices must be.
struct Inside<'a>(&'a [u8]);

impl Inside<'_> {
    fn slice(&self, slice: &[u8]) {
        let (all, part) = (self.0.as_ptr_range(), slice.as_ptr_range());
        let inside = all.start <= part.start && part.end <= all.end;
        assert!(inside || slice.is_empty(), "{} bytes from outside", slice.len());
        // For sanitizers: the ends are there.
        std::hint::black_box(slice.first().copied().max(slice.last().copied()));
    }

    fn pair(&self, (key, value): (&[u8], &[u8])) {
        self.slice(key);
        self.slice(value);
    }

    fn entries<'a>(&self, entries: impl Iterator<Item = (&'a [u8], &'a [u8])>) -> usize {
        entries.map(|entry| self.pair(entry)).count()
    }
}
