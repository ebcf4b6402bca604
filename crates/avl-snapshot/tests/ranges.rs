//! Each form of a range is accepted without naming a type, by trees and snapshots alike.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::ops::Bound;

use avl_snapshot::{FreezeOptions, MAX_KEY_LEN, RbTree, Snapshot};

/// Asks a tree and a snapshot for the same range; forwards, backwards and from both ends.
macro_rules! keys {
    ($tree:expr, $snapshot:expr, $range:expr) => {{
        let text = |(key, _): (&[u8], &[u8])| String::from_utf8(key.to_vec()).unwrap();
        let found: Vec<String> = $snapshot.range($range).map(text).collect();
        assert_eq!($tree.range($range).map(text).collect::<Vec<_>>(), found);
        let mut backwards: Vec<_> = $tree.range($range).rev().map(text).collect();
        backwards.reverse();
        assert_eq!(backwards, found);
        let mut both = $tree.range($range).map(text);
        let mut count = 0;
        while both.next().is_some() {
            count += 1 + usize::from(both.next_back().is_some());
        }
        assert_eq!(count, found.len());
        found.concat()
    }};
}

#[test]
fn every_form_infers_its_type() {
    let tree: RbTree = ["d", "a", "c", "b", "e"].map(|key| (key, key)).into_iter().collect();
    let snapshot = Snapshot::new(tree.freeze()).unwrap();
    assert!(snapshot.has_hash_index(), "unless told otherwise");
    let (b, d) = (String::from("b"), b"d".to_vec());
    assert_eq!(keys!(tree, snapshot, ..), "abcde");
    assert_eq!(keys!(tree, snapshot, "b".."d"), "bc");
    assert_eq!(keys!(tree, snapshot, &b..=&b), "b");
    assert_eq!(keys!(tree, snapshot, b.clone()..), "bcde");
    assert_eq!(keys!(tree, snapshot, b"c"..), "cde");
    assert_eq!(keys!(tree, snapshot, ..&d), "abc");
    assert_eq!(keys!(tree, snapshot, ..=&d[..]), "abcd");
    assert_eq!(keys!(tree, snapshot, (Bound::Excluded("b"), Bound::Included("d"))), "cd");
    assert_eq!(keys!(tree, snapshot, (Bound::Excluded(&b), Bound::Unbounded)), "cde");
    assert_eq!(keys!(tree, snapshot, "d".."b"), "");
    assert_eq!(keys!(tree, snapshot, "x".."z"), "");
    assert_eq!(keys!(tree, snapshot, "f"..), "");
    assert_eq!(keys!(tree, snapshot, (Bound::Excluded("c"), Bound::Excluded("c"))), "");
    let empty = RbTree::new();
    let snapshot = Snapshot::new(empty.freeze()).unwrap();
    assert_eq!(keys!(empty, snapshot, ..), "");
    assert_eq!(keys!(empty, snapshot, ""..="z"), "");
}

#[test]
fn an_image_without_an_index_is_smaller_and_answers_the_same() {
    let tree: RbTree = (0..100u8).map(|key| ([key], [key])).collect();
    let without = tree.freeze_with(&FreezeOptions::default().hash_index(false));
    assert!(without.len() < tree.freeze().len());
    let (with, without) = (Snapshot::new(tree.freeze()).unwrap(), Snapshot::new(without).unwrap());
    assert!(with.has_hash_index() && !without.has_hash_index());
    assert!((0..=255u8).all(|key| with.get([key]) == without.get([key])));
    assert!(with.iter().eq(&without));
}

#[test]
#[should_panic(expected = "does not fit into an `RbTree`")]
fn collecting_a_key_that_is_too_long_panics() {
    let _: RbTree = [(vec![0; MAX_KEY_LEN + 1], "")].into_iter().collect();
}

#[test]
fn a_tree_is_read_and_filled_as_a_map_of_std() {
    let mut tree = RbTree::new();
    assert_eq!((tree.first(), tree.last()), (None, None));
    tree.extend([("b", "2"), ("a", "1")]);
    tree.extend([("c", "3")]);
    assert!(tree.keys().eq([b"a", b"b", b"c"]));
    assert!(tree.values().rev().eq([b"3", b"2", b"1"]));
    assert_eq!((tree.first().unwrap().0, tree.last().unwrap().0), (&b"a"[..], &b"c"[..]));
    let snapshot = Snapshot::new(tree.freeze()).unwrap();
    assert!(tree.keys().eq(snapshot.keys()) && tree.values().eq(snapshot.values()));
    let mut entries = 0;
    for (entry, other) in (&tree).into_iter().zip(&snapshot) {
        assert_eq!(entry, other);
        entries += 1;
    }
    assert_eq!(entries, 3);
}
