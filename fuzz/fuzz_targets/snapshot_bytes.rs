//! Any bytes as the image of a snapshot: as they are, with right checksums, and as patches of a
//! sound image. Every call is made; an image that passes `verify` is what its own entries are built
//! to.

#![no_main]

use avl_snapshot::{Builder, FreezeOptions, Snapshot};
use libfuzzer_sys::fuzz_target;
use shm_tests::image::fix_checksums;
use shm_tests::snapshot_calls::every_call;
use shm_tests::snapshot_patches;

fuzz_target!(|bytes: &[u8]| {
    let Some((&how, bytes)) = bytes.split_first() else { return };
    match how % 4 {
        0 => judge(bytes, &queries(bytes)),
        1 => {
            let mut image = bytes.to_vec();
            fix_checksums(&mut image);
            judge(&image, &queries(bytes));
        }
        _ => {
            let (image, queries) = snapshot_patches::decode(bytes);
            judge(&image, &queries);
        }
    }
});

fn queries(bytes: &[u8]) -> Vec<Vec<u8>> {
    bytes.rchunks(7).take(9).map(<[u8]>::to_vec).chain([vec![]]).collect()
}

fn judge(image: &[u8], queries: &[Vec<u8>]) {
    let queries = if queries.is_empty() { &[vec![]][..] } else { queries };
    let Ok(verified) = every_call(image, queries) else { return };
    let snapshot = Snapshot::new(image).expect("it opened just now");
    let index = FreezeOptions::default().hash_index(snapshot.has_hash_index());
    let mut builder = Builder::with_options(index);
    let in_order = snapshot.iter().all(|(key, value)| builder.push(key, value).is_ok());
    let sound = in_order && builder.finish()[..] == *image;
    assert_eq!(verified.is_ok(), sound, "{verified:?}");
}
