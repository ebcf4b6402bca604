//! Ranges of keys, as arguments.

use std::ops::{Bound, Range, RangeFrom, RangeFull, RangeInclusive, RangeTo, RangeToInclusive};

/// A range of keys: `..`, `"a".."b"`, `&key..=&key`, `..=b"z"`, or a pair of [`Bound`]s. A key is
/// anything that is `AsRef<[u8]>`. The trait is sealed: other types cannot implement it.
///
/// If [`RangeBounds`](std::ops::RangeBounds) were used, a call of `range(..)` would have to name
/// the type of the keys. With this trait, no type needs to be named.
///
/// ```
/// let image = avl_snapshot::from_sorted([("a", "1"), ("b", "2"), ("c", "3")])?;
/// let snapshot = avl_snapshot::Snapshot::new(image).unwrap();
/// let key = String::from("b");
/// assert_eq!(snapshot.range(..).len(), 3);
/// assert_eq!(snapshot.range("a".."c").len(), 2);
/// assert_eq!(snapshot.range(&key..=&key).len(), 1);
/// assert_eq!(snapshot.range(b"b"..).len(), 2);
/// # Ok::<(), avl_snapshot::BuildError>(())
/// ```
pub trait KeyRange: sealed::Bounds {}

mod sealed {
    use std::ops::Bound;

    pub trait Bounds {
        /// Where the range starts and where it ends.
        fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>);
    }
}

pub(crate) use sealed::Bounds;

impl KeyRange for RangeFull {}
impl<K: AsRef<[u8]>> KeyRange for Range<K> {}
impl<K: AsRef<[u8]>> KeyRange for RangeInclusive<K> {}
impl<K: AsRef<[u8]>> KeyRange for RangeFrom<K> {}
impl<K: AsRef<[u8]>> KeyRange for RangeTo<K> {}
impl<K: AsRef<[u8]>> KeyRange for RangeToInclusive<K> {}
impl<K: AsRef<[u8]>> KeyRange for (Bound<K>, Bound<K>) {}

impl Bounds for RangeFull {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Unbounded, Bound::Unbounded)
    }
}

impl<K: AsRef<[u8]>> Bounds for Range<K> {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Included(self.start.as_ref()), Bound::Excluded(self.end.as_ref()))
    }
}

impl<K: AsRef<[u8]>> Bounds for RangeInclusive<K> {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Included(self.start().as_ref()), Bound::Included(self.end().as_ref()))
    }
}

impl<K: AsRef<[u8]>> Bounds for RangeFrom<K> {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Included(self.start.as_ref()), Bound::Unbounded)
    }
}

impl<K: AsRef<[u8]>> Bounds for RangeTo<K> {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Unbounded, Bound::Excluded(self.end.as_ref()))
    }
}

impl<K: AsRef<[u8]>> Bounds for RangeToInclusive<K> {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (Bound::Unbounded, Bound::Included(self.end.as_ref()))
    }
}

impl<K: AsRef<[u8]>> Bounds for (Bound<K>, Bound<K>) {
    fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.0.as_ref().map(K::as_ref), self.1.as_ref().map(K::as_ref))
    }
}
