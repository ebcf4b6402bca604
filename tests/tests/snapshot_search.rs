//! All ways to search a snapshot agree on keys that are hard to search.

use proptest::prelude::*;
use shm_tests::search_ops::decode;

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn all_ways_to_search_agree(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        decode(&bytes).check(|_| {});
    }
}

#[test]
fn decoding_makes_maps_and_queries() {
    let mut random = shm_tests::random::Random::new(3);
    let bytes: Vec<u8> = (0..4000).map(|_| random.any() as u8).collect();
    let searched: usize = bytes.chunks(200).map(|bytes| decode(bytes).check(|_| {})).sum();
    assert!(searched > 10_000, "{searched}");
}
