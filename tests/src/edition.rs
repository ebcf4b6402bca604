//! Maps whose every value says which edition it is of, so that a mixture of two shows.

use avl_snapshot::Snapshot;
use shm_facade::{RbTree, map_key};

use crate::pattern;

/// The longest value.
const VALUE_SIZE: usize = 40;

/// The entries of an edition, by the keys of a table: at least `at_least` of them. How many, and
/// how long they are, follows from the edition.
#[must_use]
pub fn entries(edition: u64, at_least: i32) -> Vec<(i32, Vec<u8>)> {
    let count = at_least + (edition % 3) as i32;
    let len = pattern::length(edition, VALUE_SIZE);
    (0..count).map(|key| (key, pattern::value(key, edition, len))).collect()
}

/// The map of an edition.
///
/// # Panics
/// Never: the keys are short.
#[must_use]
pub fn tree(edition: u64, at_least: i32) -> RbTree {
    let mut tree = RbTree::new();
    for (key, value) in entries(edition, at_least) {
        tree.set(map_key(key), value).expect("a short key");
    }
    tree
}

/// Which edition a map is; `None` when it is not the whole of one.
#[must_use]
pub fn of<D: AsRef<[u8]>>(map: &Snapshot<D>, at_least: i32) -> Option<u64> {
    map.verify().ok()?;
    let edition = pattern::sequence(0, map.get(map_key(0))?)?;
    let expected = entries(edition, at_least);
    let same = map.iter().zip(&expected).all(|((found, value), (key, is))| {
        found == map_key(*key) && value == is && map.get(found) == Some(value)
    });
    (map.len() == expected.len() && same).then_some(edition)
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_facade::AlignedBytes;

    fn found(tree: &RbTree) -> Option<u64> {
        of(&Snapshot::new(tree.freeze()).unwrap(), 5)
    }

    #[test]
    fn whole_editions_are_recognised() {
        for edition in 1..50 {
            assert_eq!(found(&tree(edition, 5)), Some(edition));
        }
    }

    #[test]
    fn a_mixed_map_is_noticed() {
        for (old, new) in [(1, 2), (2, 3), (7, 10), (199, 200)] {
            let other = tree(new, 5);
            for key in 0..entries(old, 5).len() as i32 {
                let Some(value) = other.get(map_key(key)) else { continue };
                // One value of the other edition, whichever: one of them has to differ.
                let mut mixed = tree(old, 5);
                mixed.set(map_key(key), value).unwrap();
                assert_eq!(found(&mixed), None, "editions {old} and {new}, key {key}");
                let mut short = tree(old, 5);
                short.remove(map_key(key));
                assert_eq!(found(&short), None, "edition {old} without key {key}");
            }
            let mut long = tree(old, 5);
            long.set(map_key(100), pattern::value(100, old, 20)).unwrap();
            assert_eq!(found(&long), None, "edition {old} with a key too many");
        }
    }

    #[test]
    fn a_block_of_two_editions_is_noticed() {
        // The same layout, so that a mixture of their bytes is well formed except for its checksum.
        let alike = (2..).find(|&edition| {
            let [a, b] = [1, edition].map(|e| entries(e, 5));
            a.len() == b.len() && a[0].1.len() == b[0].1.len()
        });
        let [one, two] = [1, alike.unwrap()].map(|e| tree(e, 5).freeze().to_vec());
        assert_eq!(one.len(), two.len());
        let mut noticed = 0;
        for cut in (0..one.len()).step_by(8) {
            if one[cut..] == two[cut..] || one[..cut] == two[..cut] {
                continue;
            }
            let mixed = AlignedBytes::from(&[&one[..cut], &two[cut..]].concat()[..]);
            let map = Snapshot::new(mixed);
            assert!(map.is_err() || of(&map.unwrap(), 5).is_none(), "cut at {cut}");
            noticed += 1;
        }
        assert!(noticed > 10, "only {noticed} mixtures");
    }
}
