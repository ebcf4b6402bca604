//! Operations decoded from bytes, on a table and on a `HashMap`, which must agree.

#![no_main]

use libfuzzer_sys::fuzz_target;
use shm_tests::ops;

fuzz_target!(|bytes: &[u8]| {
    let Some((&kind, bytes)) = bytes.split_first() else { return };
    let ops = ops::decode(bytes);
    match kind % 3 {
        0 => ops::integers().run(&ops),
        1 => ops::strings().run(&ops),
        _ => ops::byte_strings().run(&ops),
    }
});
