//! A frozen tree answers every question as a `BTreeMap` does.

#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::ops::Bound;

use avl_snapshot::{
    BuildError, Builder, FreezeOptions, MAX_KEY_LEN, RbTree, Snapshot, from_sorted,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;

type Model = BTreeMap<Vec<u8>, Vec<u8>>;

fn frozen(model: &Model, hash_index: bool) -> Snapshot<avl_snapshot::AlignedBytes> {
    let mut tree = RbTree::new();
    // Inserted backwards, so that the tree has to sort them.
    for (key, value) in model.iter().rev() {
        tree.set(key, value).unwrap();
    }
    let options = FreezeOptions::default().hash_index(hash_index);
    let image = tree.freeze_with(&options);
    let mut builder = Builder::with_options(options);
    for (key, value) in model {
        builder.push(key, value).unwrap();
    }
    assert_eq!(image, builder.finish(), "the same map gives the same bytes");
    Snapshot::new(image).unwrap()
}

fn agrees(model: &Model, hash_index: bool, queries: &[Vec<u8>]) {
    let snapshot = frozen(model, hash_index);
    snapshot.verify().unwrap();
    assert_eq!(snapshot.len(), model.len());
    assert_eq!(snapshot.is_empty(), model.is_empty());
    let pairs = |(k, v): (&[u8], &[u8])| (k.to_vec(), v.to_vec());
    let all: Vec<_> = model.iter().map(|(k, v)| (k.clone(), v.clone())).collect();
    assert!(snapshot.iter().map(pairs).eq(all.iter().cloned()));
    assert!(snapshot.iter().rev().map(pairs).eq(all.iter().rev().cloned()));
    assert_eq!(snapshot.first().map(pairs), all.first().cloned());
    assert_eq!(snapshot.last().map(pairs), all.last().cloned());
    for (rank, entry) in all.iter().enumerate() {
        assert_eq!(snapshot.nth(rank).map(pairs), Some(entry.clone()));
        assert_eq!(snapshot.search(&entry.0), Ok(rank));
        assert_eq!(snapshot.get(&entry.0), Some(&entry.1[..]));
    }
    assert_eq!(snapshot.nth(all.len()), None);
    for key in queries {
        let rank = model.range::<Vec<u8>, _>(..key).count();
        assert_eq!(snapshot.get(key), model.get(key).map(|v| &v[..]), "{key:x?}");
        assert_eq!(snapshot.contains_key(key), model.contains_key(key));
        assert_eq!(snapshot.rank(key), rank);
        let prefixed = model.range::<Vec<u8>, _>(key..).take_while(|(k, _)| k.starts_with(key));
        assert!(snapshot.prefix(key).map(|(k, _)| k).eq(prefixed.map(|(k, _)| &k[..])), "{key:x?}");
        let mut cursor = snapshot.cursor();
        assert_eq!(cursor.seek(key), model.contains_key(key));
        assert_eq!(cursor.rank(), rank);
        for (&step, is_back) in
            [1, 1, 0, 0, 0, 1].iter().zip([false, true, true, true, false, false])
        {
            let at = cursor.rank();
            let expected = if is_back { at.checked_sub(1) } else { Some(at) };
            let expected = expected.and_then(|at| all.get(at)).cloned();
            let found = match (is_back, step) {
                (true, 0) => cursor.prev(),
                (true, _) => cursor.peek_prev(),
                (false, 0) => cursor.peek_next(),
                (false, _) => cursor.next(),
            };
            assert_eq!(found.map(pairs), expected);
        }
        for other in queries.iter().take(4) {
            let bounds = (Bound::Excluded(key), Bound::Included(other));
            let expected: Vec<_> = match key < other {
                true => model.range::<Vec<u8>, _>(bounds).map(|(k, _)| &k[..]).collect(),
                false => Vec::new(),
            };
            assert!(snapshot.range(bounds).map(|(k, _)| k).eq(expected.iter().copied()));
            let half_open = snapshot.range(key..other).map(|(k, _)| k);
            let expected = model.keys().map(|k| &k[..]).filter(|&k| k >= key && k < other);
            assert!(half_open.eq(expected));
        }
    }
    let many: Vec<_> = queries.iter().chain(model.keys()).cloned().collect();
    let expected: Vec<_> = many.iter().map(|key| model.get(key).map(|v| &v[..])).collect();
    assert_eq!(snapshot.get_many(&many), expected);
}

/// Few letters and short keys: many ties, prefixes of each other, NULs and 0xFF.
fn key() -> impl Strategy<Value = Vec<u8>> {
    let letter = prop_oneof![Just(0u8), Just(1), Just(b'a'), Just(0xFF)];
    let short = vec(letter.clone(), 0..6);
    let long = (vec(letter, 0..9), any::<bool>()).prop_map(|(tail, other)| {
        let mut key =
            if other { b"a long prefix that many share/".to_vec() } else { vec![0xFF; 9] };
        key.extend(tail);
        key
    });
    prop_oneof![short, long, vec(any::<u8>(), 0..5)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn answers_as_a_btreemap(
        model in btree_map(key(), vec(any::<u8>(), 0..4), 0..120),
        queries in vec(key(), 1..40),
        hash_index: bool,
    ) {
        agrees(&model, hash_index, &queries);
    }
}

#[test]
fn every_size_up_to_a_few_hundred() {
    for n in (0..300usize).chain([511, 512, 1023, 1024, 1025, 4095, 4096, 4097, 5000]) {
        let model: Model =
            (0..n).map(|i| (format!("key{:05}", 2 * i).into_bytes(), vec![i as u8])).collect();
        let queries: Vec<_> = (0..=2 * n)
            .step_by(n.div_ceil(40).max(1))
            .map(|i| format!("key{i:05}").into_bytes())
            .collect();
        agrees(&model, n % 2 == 0, &queries);
    }
}

#[test]
fn the_extremes_work() {
    let long = |byte, len| vec![byte; len];
    let cases: Vec<Model> = vec![
        Model::new(),
        [(vec![], vec![])].into(),
        [(vec![], b"empty key".to_vec()), (vec![0], vec![]), (vec![0, 0], b"x".to_vec())].into(),
        [(long(b'k', 65_536), long(b'v', 100_000)), (long(b'k', 65_535), vec![])].into(),
        (0..200).map(|i| (long(b'p', i * 300), vec![i as u8])).collect(),
        (0..200).map(|i| ([long(b'q', 70_000), vec![i]].concat(), vec![i])).collect(),
    ];
    let mut queries = vec![vec![], vec![0], vec![0xFF; 10], long(b'k', 65_536), long(b'p', 301)];
    queries.push([long(b'q', 70_000), vec![7]].concat());
    for model in cases {
        agrees(&model, false, &queries);
        agrees(&model, true, &queries);
    }
}

#[test]
fn any_alignment_works() {
    let image = from_sorted((0..1000u32).map(|i| (i.to_be_bytes(), i.to_le_bytes()))).unwrap();
    for shift in 0..16 {
        let mut bytes = vec![0; shift];
        bytes.extend_from_slice(&image);
        let snapshot = Snapshot::new(&bytes[shift..]).unwrap();
        snapshot.verify().unwrap();
        for i in 0..1000u32 {
            assert_eq!(snapshot.get(i.to_be_bytes()), Some(&i.to_le_bytes()[..]));
        }
    }
}

#[test]
fn an_endless_iterator_ends_at_its_first_fault() {
    let again = from_sorted(std::iter::repeat(("a", "1")));
    let error = again.unwrap_err();
    assert!(matches!(error, BuildError::NotSorted { index: 1, .. }), "{error}");
    assert_eq!(error.to_string(), r#"the key at position 1, "a", is there twice"#);
    let long = RbTree::from_entries(std::iter::repeat((vec![0; MAX_KEY_LEN + 1], "")));
    let error = BuildError::KeyTooLong { len: MAX_KEY_LEN + 1, max: MAX_KEY_LEN };
    assert_eq!(long.unwrap_err(), error);
}
