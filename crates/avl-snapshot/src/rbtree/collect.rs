//! `collect` and `extend`, which cannot return an error.

use super::{RbTree, TreeIter};
use crate::error::BuildError;
use crate::grow::or_abort;

/// Like [`RbTree::from_entries`], but panics where `from_entries` returns an error.
///
/// ```
/// use avl_snapshot::RbTree;
/// let tree: RbTree = [("b", "1"), ("a", "2")].into_iter().collect();
/// assert_eq!(tree.first(), Some((&b"a"[..], &b"2"[..])));
/// ```
///
/// # Panics
/// If an entry exceeds a limit of the format. For example, a key must not be longer than
/// [`MAX_KEY_LEN`](crate::MAX_KEY_LEN).
impl<K: AsRef<[u8]>, V: AsRef<[u8]>> FromIterator<(K, V)> for RbTree {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        or_panic(Self::from_entries(entries))
    }
}

/// Calls [`RbTree::set`] for each entry, but panics where `set` returns an error.
///
/// # Panics
/// If an entry exceeds a limit of the format.
impl<K: AsRef<[u8]>, V: AsRef<[u8]>> Extend<(K, V)> for RbTree {
    fn extend<I: IntoIterator<Item = (K, V)>>(&mut self, entries: I) {
        for (key, value) in entries {
            or_panic(self.set(key, value));
        }
    }
}

impl<'a> IntoIterator for &'a RbTree {
    type Item = (&'a [u8], &'a [u8]);
    type IntoIter = TreeIter<'a>;

    fn into_iter(self) -> TreeIter<'a> {
        self.iter()
    }
}

/// Unwraps a result. If a limit of the format was exceeded, panics. If memory ran out, aborts the
/// process, as any other failed allocation does.
#[track_caller]
fn or_panic<T>(made: Result<T, BuildError>) -> T {
    match made {
        Err(error) if !matches!(error, BuildError::NoMemory { .. }) => too_large(&error),
        made => or_abort(made),
    }
}

#[cold]
#[track_caller]
#[allow(clippy::panic, reason = "std's traits have no error; the calls that return one are named")]
fn too_large(error: &BuildError) -> ! {
    panic!("an entry does not fit into an `RbTree`: {error}")
}
