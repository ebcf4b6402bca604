//! Random operations on a table agree with a `HashMap`, in results, errors and contents.

use proptest::prelude::*;
use shm_tests::ops::{self, CAPACITY, Op};

/// Bytes that decode into some hundred operations.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    proptest::collection::vec(any::<u8>(), 0..800)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn a_table_of_integers_is_a_hash_map(bytes in bytes()) {
        ops::integers().run(&ops::decode(&bytes));
    }

    #[test]
    fn a_table_of_strings_is_a_hash_map(bytes in bytes()) {
        ops::strings().run(&ops::decode(&bytes));
    }

    #[test]
    fn a_table_of_byte_strings_is_a_hash_map(bytes in bytes()) {
        ops::byte_strings().run(&ops::decode(&bytes));
    }
}

#[test]
fn decoding_reaches_every_operation() {
    let mut state = 1u64;
    let mut byte = || {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(1);
        (state >> 56) as u8
    };
    let bytes: Vec<u8> = (0..40_000).map(|_| byte()).collect();
    let ops = ops::decode(&bytes);
    let names: std::collections::BTreeSet<String> = ops
        .iter()
        .map(|op| format!("{op:?}").split(['(', ' ']).next().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(names.len(), 15, "{names:?}");
}

#[test]
fn a_table_that_fills_and_empties_over_and_over() {
    // Tombstones pile up, and the index is rebuilt on the way.
    let mut model = ops::integers();
    for round in 0..200u8 {
        for key in 0..CAPACITY as u8 {
            model.apply(&Op::Add((key + round) % ops::KEYS, vec![round; 3]));
        }
        let keys = (0..CAPACITY as u8).map(|key| (key * 5 + round) % ops::KEYS);
        keys.for_each(|key| model.apply(&Op::Remove(key)));
        model.apply(&Op::RemoveMany((0..CAPACITY as u8).collect()));
    }
}
