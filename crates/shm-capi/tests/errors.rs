//! What a person sees of the commonest errors in C, compared with `tests/data/golden/errors.md`:
//! the code, and `shmap_last_error()`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test, and its helpers")]
#![allow(dead_code, reason = "the helpers are those of `programs.rs`")]

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use shm_harness::{Seen, TempNamespace};
use support::{C11, Link, compile, root, run_in};

#[test]
fn errors_say_what_the_golden_file_says() {
    let source = root().join("tests/c/errors.c");
    let Some(program) = compile(C11, &source, "errors", Link::Shared) else { return };
    let namespace = TempNamespace::new().unwrap();
    let mut seen = Seen::new("c", namespace.path());
    let lines = run_in(&mut Command::new(program), namespace.path());
    let mut found: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for line in &lines {
        let (heading, said) = line.split_once('\t').unwrap_or_else(|| panic!("{line}"));
        found.entry(heading).or_default().push(said.to_owned());
    }
    for heading in
        ["Not permitted to open the table", "Not permitted to make a file", "A foreign owner"]
    {
        if !found.contains_key(heading) {
            seen.skip(heading, "becoming another user needs root");
        }
    }
    for (heading, said) in found {
        assert_eq!(said.len(), 1, "{heading}: {said:?}");
        seen.note(heading, said);
    }
    assert!(namespace.files().unwrap().is_empty(), "{:?}", namespace.files());
    seen.check();
}
