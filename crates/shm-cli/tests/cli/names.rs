//! A name may have any characters but `/` and NUL. No result is torn by one.

use serde_json::Value as Json;

use crate::place::Place;

const NAME: &str = "a\tb\nc\x1b[31m";
const SHOWN: &str = "a\\tb\\nc\\x1b[31m";

#[test]
fn a_name_with_control_characters_is_escaped_in_lines_and_not_in_json() {
    let place = Place::new();
    place.ok(["create", NAME, "--capacity", "16", "--ttl", "each"]);
    for verb in ["list", "stat", "verify", "repair", "expire"] {
        let words = || [verb, NAME].into_iter().take(if verb == "list" { 1 } else { 2 });
        let said = place.ok(words());
        let first = said.lines().next().unwrap();
        let mut fields = first.split('\t').skip(usize::from(verb == "stat"));
        assert_eq!(fields.next(), Some(SHOWN), "{verb}: {said:?}");
        let said: Json =
            serde_json::from_str(&place.ok(words().chain(["--format", "json"]))).unwrap();
        assert_eq!(said["name"], NAME, "{verb}");
    }
    // Also where the name is part of an error.
    std::fs::write(place.path(NAME, "table"), "no table").unwrap();
    let said = place.ok(["list"]);
    assert_eq!(said.lines().count(), 1, "{said:?}");
    assert_eq!(said.split('\t').count(), 10, "{said:?}");
}
