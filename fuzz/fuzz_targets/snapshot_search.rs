//! Keys that are hard to search, and queries, decoded from bytes. The tree, the hash index,
//! searches for many keys, vector code and scalar code must agree.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shm_tests::search_ops::decode;

fuzz_target!(|bytes: &[u8]| {
    decode(bytes).check(avl_snapshot::use_scalar_code);
});
