//! What has changed between two reads.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::failure::Failure;
use crate::maps::key::AnyKey;
use crate::maps::target::{AnyValue, Entries};

/// Number of reads for which a change stays marked.
const HOLD: u8 = 3;

/// What happened to a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    Same,
    Added,
    Changed,
    Removed,
}

impl Mark {
    pub(super) fn sign(self) -> &'static str {
        match self {
            Self::Same => " ",
            Self::Added => "+",
            Self::Changed => "~",
            Self::Removed => "-",
        }
    }

    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Added => "added",
            Self::Changed => "changed",
            Self::Removed => "removed",
        }
    }
}

/// A key, and what happened to it. For a removed key, the value is its last value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) mark: Mark,
    pub(super) key: AnyKey,
    pub(super) value: Vec<u8>,
}

/// Returns the changes from one state to the next, in key order. Each state is read once.
pub(super) fn diff(before: Entries<'_>, after: Entries<'_>) -> Result<Vec<Change>, Failure> {
    let (mut before, mut after) = (before, after);
    let (mut old, mut new) = (before.next().transpose()?, after.next().transpose()?);
    let mut changes = Vec::new();
    loop {
        let order = match (&old, &new) {
            (Some((old, _)), Some((new, _))) => old.cmp(new),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => return Ok(changes),
        };
        let left = if order.is_le() { old.take() } else { None };
        let right = if order.is_ge() { new.take() } else { None };
        let change = match (left, right) {
            (Some((key, value)), None) => Some((Mark::Removed, key, value)),
            (None, Some((key, value))) => Some((Mark::Added, key, value)),
            (Some((_, old)), Some((key, new))) if old.as_ref() != new.as_ref() => {
                Some((Mark::Changed, key, new))
            }
            _ => None,
        };
        changes.extend(change.map(|(mark, key, value)| Change {
            mark,
            key,
            value: value.as_ref().to_vec(),
        }));
        if order.is_le() {
            old = before.next().transpose()?;
        }
        if order.is_ge() {
            new = after.next().transpose()?;
        }
    }
}

/// Marks all entries with the same change.
pub(super) fn all(mark: Mark, entries: Entries<'_>) -> Result<Vec<Change>, Failure> {
    let change =
        |(key, value): (AnyKey, AnyValue<'_>)| Change { mark, key, value: value.as_ref().to_vec() };
    entries.map(|entry| entry.map(change)).collect()
}

/// Changes that are still marked.
#[derive(Debug, Default)]
pub(super) struct Recent {
    changes: BTreeMap<AnyKey, (Change, u8)>,
}

impl Recent {
    /// Records one more read, with these changes.
    pub(super) fn add(&mut self, changes: &[Change]) {
        self.changes.retain(|_, (_, left)| {
            *left -= 1;
            *left > 0
        });
        for change in changes {
            self.changes.insert(change.key.clone(), (change.clone(), HOLD));
        }
    }

    /// The mark of a key that is present.
    pub(super) fn mark(&self, key: &AnyKey) -> Mark {
        self.changes.get(key).map_or(Mark::Same, |(change, _)| change.mark)
    }

    /// Inserts the removed keys between the other keys. Leaves out the keys after the last row that
    /// fits.
    pub(super) fn merge_removed(&self, shown: &mut Vec<Change>, rows: usize) {
        let full = shown.len() >= rows;
        let last = shown.last().filter(|_| full).map(|change| change.key.clone());
        let removed = self.changes.values().map(|(change, _)| change);
        let removed = removed.filter(|change| {
            change.mark == Mark::Removed && last.as_ref().is_none_or(|last| change.key < *last)
        });
        shown.extend(removed.cloned());
        shown.sort_by(|a, b| a.key.cmp(&b.key));
        shown.truncate(rows);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::maps::key::KeyType;
    use avl_snapshot::{Snapshot, from_sorted};

    fn key(text: &str) -> AnyKey {
        AnyKey::Bytes(text.into())
    }

    fn change(mark: Mark, of: &str, value: &str) -> Change {
        Change { mark, key: key(of), value: value.into() }
    }

    #[test]
    fn what_came_went_and_changed() {
        let before =
            Snapshot::new(from_sorted([("a", "1"), ("b", "2"), ("d", "4")]).unwrap()).unwrap();
        let after =
            Snapshot::new(from_sorted([("b", "2"), ("c", "3"), ("d", "5")]).unwrap()).unwrap();
        let of = |map| Entries::Snapshot(KeyType::BYTES, Snapshot::iter(map));
        let wanted = [
            change(Mark::Removed, "a", "1"),
            change(Mark::Added, "c", "3"),
            change(Mark::Changed, "d", "5"),
        ];
        assert_eq!(diff(of(&before), of(&after)).unwrap(), wanted);
        assert_eq!(diff(of(&after), of(&after)).unwrap(), []);
    }

    #[test]
    fn marks_fade_and_removed_keys_stay_so_long() {
        let mut recent = Recent::default();
        recent.add(&[change(Mark::Removed, "b", "2"), change(Mark::Changed, "c", "3")]);
        for left in (0..HOLD).rev() {
            let mut shown =
                vec![change(Mark::Same, "a", "1"), change(recent.mark(&key("c")), "c", "3")];
            recent.merge_removed(&mut shown, 10);
            assert_eq!(shown[1], change(Mark::Removed, "b", "2"));
            assert_eq!(shown[2].mark, Mark::Changed);
            recent.add(&[]);
            assert_eq!(recent.mark(&key("c")) == Mark::Same, left == 0);
        }
    }
}
