//! Random operations on a tree and on its frozen images agree with a `BTreeMap`.

use proptest::prelude::*;
use shm_tests::random::Random;
use shm_tests::snapshot_ops::{Model, Op, decode};

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_tree_and_its_snapshots_are_btreemaps(bytes in proptest::collection::vec(any::<u8>(), 0..1500)) {
        Model::default().run(&decode(&bytes));
    }
}

#[test]
fn decoding_reaches_every_operation() {
    let mut random = Random::new(1);
    let bytes: Vec<u8> = (0..20_000).map(|_| random.any() as u8).collect();
    let names: std::collections::BTreeSet<String> = decode(&bytes)
        .iter()
        .map(|op| format!("{op:?}").split(['(', ' ']).next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names.len(), 14, "{names:?}");
}

#[test]
fn reclaimed_space_is_not_missed() {
    // Long values replaced and removed over and over: the tree moves its entries together.
    let mut model = Model::default();
    for round in 0..40u8 {
        for key in 0..60 {
            model.apply(&Op::Set(vec![b'k', key], vec![round ^ key; 100 * usize::from(key % 50)]));
        }
        for key in (0..60).filter(|key| (key + round) % 3 == 0) {
            model.apply(&Op::Remove(vec![b'k', key]));
        }
        model.apply(&Op::Freeze(round % 2 == 0));
    }
}
