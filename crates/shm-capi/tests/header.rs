//! `include/shmap.h` is what cbindgen makes of the sources.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test, and its helpers"
)]

use std::path::Path;

/// In the order of the header.
const SOURCES: [&str; 22] = [
    "codes",
    "about",
    "plain",
    "keys",
    "options",
    "table_life",
    "table",
    "table_read",
    "table_write",
    "table_modify",
    "table_batch",
    "entries",
    "table_map",
    "table_check",
    "table_wait",
    "table_expiry",
    "tree",
    "map",
    "map_follow",
    "map_read",
    "map_cursor",
    "names",
];

#[test]
fn the_header_in_the_tree_is_the_generated_one() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let config = cbindgen::Config::from_file(root.join("cbindgen.toml")).unwrap();
    let mut builder = cbindgen::Builder::new().with_config(config);
    for source in SOURCES {
        builder = builder.with_src(root.join("src").join(format!("{source}.rs")));
    }
    let mut made = Vec::new();
    builder.generate().unwrap().write(&mut made);
    let path = root.join("include/shmap.h");
    if std::env::var_os("SHMAP_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    let made = String::from_utf8(made).unwrap();
    let kept = std::fs::read_to_string(&path).unwrap();
    for (number, (made, kept)) in made.lines().zip(kept.lines()).enumerate() {
        assert_eq!(made, kept, "line {}: SHMAP_BLESS=1 writes the header anew", number + 1);
    }
    assert!(made == kept, "the lengths differ: SHMAP_BLESS=1 writes the header anew");
}

/// The names of the functions in `src`.
fn functions() -> Vec<String> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("src")).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let starts = text.split("extern \"C\" fn ").skip(1);
        names.extend(starts.map(|rest| rest.split('(').next().unwrap().to_owned()));
    }
    assert!(names.len() > 50, "only {} functions were found", names.len());
    names
}

#[test]
fn every_function_is_in_the_header_and_given_bad_arguments() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let header = std::fs::read_to_string(root.join("include/shmap.h")).unwrap();
    let test = std::fs::read_to_string(root.join("tests/c/bad_arguments.c")).unwrap();
    let without = ["shmap_last_error"]; // it has none, and is what tells of the others
    for name in functions() {
        assert!(header.contains(&format!("{name}(")), "{name} is not in the header");
        let tested = test.contains(&format!("{name}(")) || without.contains(&name.as_str());
        assert!(tested, "{name} is not in tests/c/bad_arguments.c");
    }
}
