//! Operations decoded from bytes, on a tree, on its frozen images and on a `BTreeMap`, which must
//! agree.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shm_tests::snapshot_ops::{Model, decode};

fuzz_target!(|bytes: &[u8]| Model::default().run(&decode(bytes)));
