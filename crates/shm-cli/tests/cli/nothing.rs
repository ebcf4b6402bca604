//! Empty input over a map that has entries, and the mode of the new edition.

use std::os::unix::fs::MetadataExt;

use crate::place::Place;

#[test]
fn nothing_replaces_a_map_only_when_asked_to() {
    let place = Place::with_maps();
    let words = ["entries (2)", "try: ", "--allow-empty"];
    for verb in [["share", "words", "-"], ["share", "words", "empty.tsv"]] {
        place.write("empty.tsv", "");
        let forced = verb.into_iter().chain(["--force"]);
        place.fails(forced.clone(), 4, &words);
        place.fails(forced.clone().chain(["--sorted"]), 4, &words);
        assert_eq!(place.ok(["get", "words", "rot"]), "red\n");
    }
    // What `false | shmap share words - --force` does.
    let said = place.run_with(["share", "words", "-", "--force"], b"");
    assert_eq!(said.code, 4, "{said:?}");
    place.ok(["create", "none"]);
    place.fails(["freeze", "none", "words", "--force"], 4, &words);

    place.ok(["share", "words", "-", "--force", "--allow-empty"]);
    assert_eq!(place.ok(["dump", "words"]), "");
    // If there is no map, or it has no entries, this needs no option.
    place.ok(["share", "words", "empty.tsv", "--force"]);
    place.ok(["share", "fresh", "empty.tsv"]);
}

#[test]
fn a_forced_share_keeps_the_mode() {
    let place = Place::with_maps();
    let mode = || place.path("words", "snapshot").metadata().unwrap().mode() & 0o7777;
    place.ok(["share", "words", "words.tsv", "--force", "--mode", "444"]);
    place.ok(["share", "words", "words.tsv", "--force"]);
    assert_eq!(mode(), 0o444);
    place.ok(["freeze", "jobs", "words", "--force"]);
    assert_eq!(mode(), 0o444);
    place.ok(["share", "words", "words.tsv", "--force", "--mode", "400"]);
    assert_eq!(mode(), 0o400);
}
