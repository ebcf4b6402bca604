//! The examples of every `--help` and of the README run, and print what is shown there.

use std::path::Path;
use std::process::Command;

use crate::place::{Place, SHMAP, Said};

/// A command in a text, and what it prints; empty if that is not shown.
struct Example {
    command: String,
    output: String,
}

/// The lines after `$ `, and the lines that follow each, as far as they are indented as it is.
fn examples(text: &str) -> Vec<Example> {
    let mut found: Vec<Example> = Vec::new();
    let mut open = None;
    for line in text.lines() {
        let indent = line.len() - line.trim_start_matches(' ').len();
        if let Some(command) = line.trim_start().strip_prefix("$ ") {
            found.push(Example { command: command.to_owned(), output: String::new() });
            open = Some(indent);
        } else if line.is_empty() || line.starts_with("```") || open.is_some_and(|i| indent < i) {
            open = None;
        } else if let (Some(indent), Some(example)) = (open, found.last_mut()) {
            example.output.push_str(&line[indent..]);
            example.output.push('\n');
        }
    }
    found
}

fn run(place: &Place, examples: &[Example]) {
    for Example { command, output } in examples {
        let mut shell = Command::new("bash");
        place.settle(&mut shell);
        let bin = Path::new(SHMAP).parent().unwrap().to_str().unwrap();
        let path = format!("{bin}:{}", std::env::var("PATH").unwrap());
        let said = Said::of(shell.env("PATH", path).args(["-c", command]).output().unwrap());
        assert_eq!(said.code, 0, "{command}: {said:?}");
        if !output.is_empty() {
            assert_eq!(&said.out, output, "{command}");
        }
    }
}

/// The verbs that `--help` lists.
pub(crate) fn verbs(help: &str) -> Vec<&str> {
    let commands = help.split("Commands:\n").nth(1).unwrap().split("\n\n").next().unwrap();
    let verbs = commands.lines().filter_map(|line| line.split_whitespace().next());
    verbs.filter(|verb| *verb != "help").collect()
}

#[test]
fn the_examples_of_every_verb_work() {
    let place = Place::new();
    let help = place.ok(["--help"]);
    let all = examples(&help);
    assert!(all.len() >= 4, "{help}");
    run(&place, &all);
    let verbs = verbs(&help);
    assert!(verbs.len() >= 19, "{verbs:?}");
    for verb in verbs {
        for flag in ["--help", "-h"] {
            let place = Place::with_maps();
            let help = place.ok([verb, flag]);
            let all = examples(&help);
            assert!(!all.is_empty(), "{verb} {flag} has no example");
            let its_own = |example: &Example| example.command.contains(&format!("shmap {verb}"));
            assert!(all.iter().any(its_own), "{verb} {flag} has no example of its own");
            run(&place, &all);
        }
    }
}

#[test]
fn no_line_of_an_example_is_broken_by_a_narrow_terminal() {
    let place = Place::new();
    let help = place.ok(["--help"]);
    for verb in verbs(&help) {
        let text = place.ok([verb, "--help"]);
        let longest = text.lines().map(|line| line.chars().count()).max().unwrap();
        assert!(longest <= 100, "{verb}: {longest}");
    }
}

/// The commands of the README, word for word except for the directory of node_exporter.
#[test]
fn the_metrics_file_of_the_readme_is_written() {
    const DIR: &str = "/var/lib/node_exporter/textfile";
    let readme = include_str!("../../README.md");
    let monitoring = readme.split("## Monitoring").nth(1).unwrap().split("\n## ").next().unwrap();
    let script = monitoring.split("```sh\n").nth(1).unwrap().split("```").next().unwrap();
    assert!(script.contains(DIR), "{script}");
    let place = Place::with_maps();
    let textfile = place.work().join("textfile");
    std::fs::create_dir(&textfile).unwrap();
    let run_script = || {
        let command = script.replace(DIR, textfile.to_str().unwrap());
        run(&place, &[Example { command, output: String::new() }]);
        let files = std::fs::read_dir(&textfile).unwrap();
        let names: Vec<_> = files.map(|file| file.unwrap().file_name()).collect();
        assert_eq!(names, ["shmap.prom"]);
        std::fs::read_to_string(textfile.join("shmap.prom")).unwrap()
    };
    assert_eq!(run_script(), place.ok(["stat", "--format", "prometheus"]));
    // The next run replaces the file.
    place.ok(["set", "jobs", "7", "new"]);
    let line =
        format!("shmap_table_entries{{name=\"jobs\",namespace=\"{}\"}} 3\n", place.dir().display());
    assert!(run_script().contains(&line), "{line}");
}

#[test]
fn the_tour_of_the_readme_works() {
    let readme = include_str!("../../README.md");
    let tour = readme.split("## A tour").nth(1).unwrap().split("\n## ").next().unwrap();
    let all = examples(tour);
    assert!(all.len() > 10);
    run(&Place::new(), &all);
}
