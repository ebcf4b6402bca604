//! The shell completes names of maps.

use std::path::Path;
use std::process::Command;

use crate::examples::verbs;
use crate::place::{Place, SHMAP, Said};

fn has(shell: &str) -> bool {
    let there = Command::new(shell).args(["-c", "true"]).status().is_ok_and(|s| s.success());
    if !there {
        println!("skipped: there is no {shell}");
    }
    there
}

/// What the completion script offers for a line that ends at the cursor.
fn bash(place: &Place, words: &[&str]) -> Vec<String> {
    let quoted: Vec<_> = words.iter().map(|word| format!("'{word}'")).collect();
    let script = format!(
        "source shmap.bash; COMP_WORDS=(shmap {}); COMP_CWORD={}; {}; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        quoted.join(" "),
        words.len(),
        "$(complete -p shmap | sed 's/.*-F \\([^ ]*\\) .*/\\1/') shmap \"${COMP_WORDS[COMP_CWORD]}\" \
         \"${COMP_WORDS[COMP_CWORD-1]}\"",
    );
    let mut shell = Command::new("bash");
    place.settle(&mut shell);
    let bin = Path::new(SHMAP).parent().unwrap().to_str().unwrap();
    let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
    let said = Said::of(shell.env("PATH", path).args(["-c", &script]).output().unwrap());
    assert_eq!(said.code, 0, "{said:?}");
    said.out.lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_names() {
    if !has("bash") {
        return;
    }
    let place = Place::with_maps();
    place.ok(["create", "job list"]);
    place.write("shmap.bash", place.ok(["completions", "bash"]));
    assert_eq!(bash(&place, &["get", "jo"]), ["job\\ list", "jobs"]);
    assert_eq!(bash(&place, &["get", "w"]), ["words"]);
    assert_eq!(bash(&place, &["rm", "jobs", "w"]), ["words"]);
    assert_eq!(bash(&place, &["get", "--kind", "table", "jobs", "w"]), [""]);
    // Verbs and flags as before.
    assert!(bash(&place, &["fre"]).contains(&"freeze".to_owned()));
    assert!(bash(&place, &["get", "--ra"]).contains(&"--raw".to_owned()));
    let other = Place::new();
    other.ok(["create", "there"]);
    let dir = other.dir().to_str().unwrap();
    assert_eq!(bash(&place, &["-N", dir, "get", ""]), ["there"]);
    assert_eq!(bash(&place, &["get", "--namespace", "=", dir, "t"]), ["there"]);
}

#[test]
fn zsh_and_fish_have_valid_scripts_that_ask_for_names() {
    let place = Place::new();
    for (shell, call) in [("zsh", "Name of the map:_shmap_names"), ("fish", "(__shmap_names)")] {
        let script = place.ok(["completions", shell]);
        assert!(script.contains(call) && script.contains("map-names -- "), "{script}");
        place.write(shell, script);
        if has(shell) {
            let mut command = Command::new(shell);
            place.settle(&mut command);
            assert!(command.args(["-n", shell]).status().unwrap().success(), "{shell}");
        }
    }
}

#[test]
fn every_verb_is_offered_the_names_that_suit_it() {
    let place = Place::with_maps();
    let tables = [
        "set",
        "add",
        "update",
        "increment",
        "del",
        "touch",
        "ttl",
        "expire",
        "load",
        "freeze",
        "repair",
    ];
    let none = ["list", "create", "prune", "completions", "man"];
    let help = place.ok(["--help"]);
    for verb in verbs(&help) {
        let said = place.ok(["map-names", "--", verb, ""]);
        let expected = match verb {
            _ if tables.contains(&verb) => "jobs\n",
            _ if none.contains(&verb) => "",
            _ => "jobs\nwords\n",
        };
        assert_eq!(said, expected, "{verb}");
    }
    for words in [&[][..], &["get"], &["nope", ""], &["get", "jobs", ""], &["get", "--kind", ""]] {
        assert_eq!(place.ok(["map-names", "--"].iter().chain(words)), "", "{words:?}");
    }
    assert_eq!(place.ok(["map-names", "--", "get", "--", "jo"]), "jobs\n");
    assert_eq!(place.ok(["map-names", "--", "-N", "nope", "get", ""]), "");
    assert!(!help.contains("map-names"), "{help}");
}
