//! Manual pages, completions, and the table of exit codes.

use crate::place::Place;

#[test]
fn a_manual_page_for_every_verb() {
    let place = Place::new();
    place.ok(["man", "--out", "."]);
    for page in ["shmap.1", "shmap-get.1", "shmap-share.1", "shmap-watch.1"] {
        let text = std::fs::read_to_string(place.work().join(page)).unwrap();
        assert!(text.contains(".TH") && text.contains("Example"), "{page}");
    }
    let text = std::fs::read_to_string(place.work().join("shmap.1")).unwrap();
    assert!(text.contains("Exit codes:"), "{text}");
}

#[test]
fn completions_know_the_verbs() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = place.ok(["completions", shell]);
        for verb in ["freeze", "watch", "prune"] {
            assert!(script.contains(verb), "{shell}: {verb}");
        }
    }
    place.write("shmap.bash", place.ok(["completions", "bash"]));
    let mut bash = std::process::Command::new("bash");
    place.settle(&mut bash);
    assert!(bash.args(["-n", "shmap.bash"]).status().unwrap().success());
}

#[test]
fn help_and_readme_have_the_same_exit_codes() {
    let help = Place::new().ok(["--help"]);
    let listed = help.split("Exit codes:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let listed: Vec<_> = listed.lines().map(|line| line.trim().split_once(' ').unwrap()).collect();
    assert_eq!(listed.len(), 15);
    let readme = include_str!("../../README.md");
    for (code, meaning) in listed {
        let row = format!("| {code} | {} |", meaning.trim());
        assert!(readme.contains(&row), "no {row:?} in the README");
    }
}
