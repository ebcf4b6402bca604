use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn agrees(tree: &RbTree, model: &BTreeMap<Vec<u8>, Vec<u8>>) {
    tree.tree.check();
    assert_eq!(tree.len(), model.len());
    let entries = || model.iter().map(|(k, v)| (&k[..], &v[..]));
    assert!(tree.iter().eq(entries()));
    assert!(tree.iter().rev().eq(entries().rev()));
    let bytes: usize = model.iter().map(|(k, v)| k.len() + v.len()).sum();
    assert_eq!(tree.arena.bytes_used(), bytes as u64);
}

proptest! {
    #[test]
    fn behaves_as_a_btreemap(ops in vec((0u8..3, vec(0u8..3, 0..4), 0usize..20), 0..300)) {
        let mut tree = RbTree::new();
        let mut model = BTreeMap::new();
        for (op, key, len) in ops {
            let value = vec![7; len];
            match op {
                0 | 1 => {
                    let replaced = model.insert(key.clone(), value.clone()).is_some();
                    prop_assert_eq!(tree.set(&key, &value), Ok(replaced));
                }
                _ => prop_assert_eq!(tree.remove(&key), model.remove(&key).is_some()),
            }
            prop_assert_eq!(tree.get(&key), model.get(&key).map(|v| &v[..]));
            let from: Vec<_> = model.range(key.clone()..).map(|(k, _)| &k[..]).collect();
            prop_assert!(tree.range(&key..).map(|(k, _)| k).eq(from));
            let to: Vec<_> = model.range(..key.clone()).map(|(k, _)| &k[..]).rev().collect();
            prop_assert!(tree.range(..&key).map(|(k, _)| k).rev().eq(to));
            agrees(&tree, &model);
        }
    }
}

fn awkward_key() -> impl Strategy<Value = Vec<u8>> {
    let tail = vec(prop_oneof![Just(0u8), Just(1), Just(b'a')], 0..24);
    (tail, 0usize..3).prop_map(|(tail, head)| [b"a common prefix/".repeat(head), tail].concat())
}

proptest! {
    #[test]
    fn entries_at_once_are_as_one_by_one(
        entries in vec((awkward_key(), any::<[u8; 2]>()), 0..400),
        more in awkward_key(),
    ) {
        let mut model = BTreeMap::new();
        for (key, value) in &entries {
            model.insert(key.clone(), value.to_vec());
        }
        let mut tree = RbTree::from_entries(entries).unwrap();
        agrees(&tree, &model);
        // It is a tree like any other.
        tree.set(&more, "more").unwrap();
        model.insert(more, b"more".to_vec());
        agrees(&tree, &model);
        let keys: Vec<_> = model.keys().step_by(2).cloned().collect();
        for key in keys {
            prop_assert!(tree.remove(&key));
            model.remove(&key);
            prop_assert_eq!(tree.get(&key), None);
        }
        agrees(&tree, &model);
    }
}

#[test]
fn of_empty_keys_at_once_the_last_counts() {
    // An entry without key and value takes no space, so that the next one is stored in its place.
    for others in 0..200u8 {
        for empty in [1, 2, 30] {
            let nothing = std::iter::repeat_n((vec![], vec![]), empty);
            let something = (0..others).map(|i| (vec![i.wrapping_mul(37)], vec![i]));
            let entries = nothing.chain([(vec![], b"last".to_vec())]).chain(something);
            let tree = RbTree::from_entries(entries).unwrap();
            assert_eq!(tree.get(""), Some(&b"last"[..]), "{others} others, {empty} empty ones");
        }
    }
}

#[test]
fn every_size_at_once_is_balanced() {
    for n in 0..200u32 {
        let tree = RbTree::from_entries((0..n).rev().map(|i| (i.to_be_bytes(), []))).unwrap();
        tree.tree.check();
        assert_eq!(tree.len(), n as usize);
    }
}

#[test]
fn any_order_of_insertion_and_removal_stays_balanced() {
    let mut model = BTreeMap::new();
    let mut tree = RbTree::new();
    // 1009 is prime, so the keys come in a scattered order, each once.
    for i in 0..1009u32 {
        let key = (i * 367 % 1009).to_be_bytes();
        tree.set(key, b"v").unwrap();
        model.insert(key.to_vec(), b"v".to_vec());
    }
    agrees(&tree, &model);
    for i in 0..1009u32 {
        let key = (i * 601 % 1009).to_be_bytes();
        assert!(tree.remove(key));
        model.remove(&key[..]);
        if i % 50 == 0 {
            agrees(&tree, &model);
        }
    }
    assert!(tree.is_empty());
    for ascending in [true, false] {
        tree.clear();
        for i in 0..2000u32 {
            tree.set((if ascending { i } else { 2000 - i }).to_be_bytes(), b"").unwrap();
        }
        tree.tree.check();
    }
}

#[test]
fn dead_space_is_reclaimed_and_nothing_else() {
    let mut tree = RbTree::new();
    for round in 0..50u32 {
        for i in 0..100u32 {
            let value = vec![round as u8; 100 + (round + i) as usize % 97];
            tree.set(i.to_be_bytes(), &value).unwrap();
        }
    }
    let expected = |i: u32| vec![49; 100 + (49 + i) as usize % 97];
    for i in 0..100u32 {
        assert_eq!(tree.get(i.to_be_bytes()), Some(&expected(i)[..]));
    }
    assert!(tree.arena.bytes_used() < 100 * 210);
    let image = tree.freeze();
    assert!(image.len() < 100 * 230);
}

#[test]
fn a_common_prefix_that_shrinks_changes_no_order() {
    let mut tree = RbTree::new();
    let mut model = BTreeMap::new();
    let long = "x".repeat(100);
    for i in 0..3000usize {
        // Longer and longer cuts of the prefix, among keys that have all of it.
        let cut = if i % 100 == 99 { 100 - i / 30 } else { 100 };
        let key = format!("{}{}", &long[..cut], i * 7919 % 3000);
        tree.set(&key, "v").unwrap();
        model.insert(key.into_bytes(), b"v".to_vec());
    }
    agrees(&tree, &model);
    assert_eq!(tree.get("y"), None);
    assert!(!tree.remove("y"));
    assert!(!tree.contains_key(""));
}

#[test]
fn what_is_too_long_changes_nothing() {
    let mut tree = RbTree::new();
    tree.set("a", "1").unwrap();
    let key = vec![0; MAX_KEY_LEN + 1];
    assert_eq!(
        tree.set(&key, "2"),
        Err(BuildError::KeyTooLong { len: MAX_KEY_LEN + 1, max: MAX_KEY_LEN })
    );
    assert_eq!(tree.len(), 1);
    assert_eq!(tree.get("a"), Some(&b"1"[..]));
    tree.set(&key[1..], "2").unwrap();
    assert_eq!(tree.get(&key[1..]), Some(&b"2"[..]));
}
