//! Output that is cut off, or goes nowhere.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::place::{Place, Said};

/// Calls that print something, of every verb that does.
const PRINTING: [&[&str]; 30] = [
    &["--help"],
    &["--version"],
    &["get", "--help"],
    &["help", "set"],
    &["list"],
    &["stat", "words"],
    &["stat", "jobs", "-F=json"],
    &["get", "words", "rot"],
    &["get", "words", "rot", "--raw"],
    &["get", "jobs", "3325", "3326"],
    &["search", "words"],
    &["search", "words", "-F=table"],
    &["search", "jobs", "--count"],
    &["dump", "words"],
    &["dump", "words", "--to=csv"],
    &["dump", "jobs", "--to=jsonl"],
    &["watch", "jobs", "--frames=1"],
    &["verify", "words", "jobs"],
    &["prune", "-F=table"],
    &["prune", "-F=table", "--yes"],
    &["completions", "bash"],
    &["repair", "jobs"],
    &["ttl", "jobs", "3325"],
    &["ttl", "jobs", "3325", "-F=json"],
    &["expire", "jobs"],
    &["increment", "jobs", "17"],
    &["increment", "jobs", "17", "-F=json"],
    &["load", "jobs", "more.tsv", "-F=json"],
    &["share", "more", "more.tsv", "-F=json"],
    &["freeze", "jobs", "-F=json"],
];

/// Calls that print nothing, of every other verb, and of those that print only when asked.
const SILENT: [&[&str]; 12] = [
    &["create", "new"],
    &["set", "jobs", "1", "x"],
    &["set", "leases", "1", "x", "--ttl", "9"],
    &["touch", "leases", "1", "9"],
    &["add", "jobs", "2", "x"],
    &["update", "jobs", "3325", "x"],
    &["del", "jobs", "3326"],
    &["load", "jobs", "more.tsv"],
    &["share", "more", "more.tsv"],
    &["freeze", "jobs"],
    &["rm", "words"],
    &["man", "--out=."],
];

/// The calls of [`PRINTING`] that change something first.
fn changes(arguments: &[&str]) -> bool {
    matches!(arguments[0], "load" | "share" | "freeze" | "repair" | "increment" | "expire")
        || arguments.contains(&"--yes")
}

fn place() -> Place {
    let place = Place::with_maps();
    place.write("more.tsv", "7\tseven\n");
    place.ok(["create", "leases", "--ttl", "each"]);
    place.ok(["set", "leases", "1", "x"]);
    place
}

/// Runs with standard output closed, as `>&-` does.
fn run_closed(place: &Place, closed: &str, arguments: &[&str]) -> Said {
    let mut shell = std::process::Command::new("sh");
    place.settle(&mut shell);
    let script = format!("exec \"$0\" \"$@\" {closed}");
    shell.args(["-c", &script, crate::place::SHMAP]).args(arguments);
    Said::of(shell.output().unwrap())
}

fn run_to(place: &Place, out: impl Into<Stdio>, arguments: &[&str]) -> Said {
    Said::of(place.command(arguments).stdout(out).output().unwrap())
}

#[test]
fn every_verb_is_here() {
    let help = Place::new().ok(["--help"]);
    for verb in crate::examples::verbs(&help) {
        let is_here = PRINTING.iter().chain(&SILENT).any(|arguments| arguments[0] == verb);
        assert!(is_here, "{verb} prints something or not");
    }
}

#[test]
fn a_closed_output_is_an_error_and_nothing_was_changed() {
    let place = place();
    for arguments in PRINTING {
        let before = place.files();
        let said = run_closed(&place, ">&-", arguments);
        assert_eq!(said.code, 10, "{arguments:?}: {said:?}");
        assert!(said.err.contains("standard output: Bad file descriptor"), "{said:?}");
        said.is_clear().unwrap_or_else(|why| panic!("{why}: {said:?}"));
        assert!(place.files() == before, "{arguments:?} changed something");
    }
}

#[test]
fn who_prints_nothing_needs_no_output() {
    for arguments in SILENT {
        for closed in [">&-", "<&- >&-", "<&- >&- 2>&-"] {
            let said = run_closed(&place(), closed, arguments);
            assert_eq!((said.code, said.out.as_str()), (0, ""), "{arguments:?}: {said:?}");
        }
    }
    // Output that is discarded on purpose is discarded, however the null device was opened.
    for arguments in PRINTING {
        let null = File::options().read(true).write(true).open("/dev/null").unwrap();
        let said = run_to(&place(), null, arguments);
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
    }
}

#[test]
fn a_closed_input_is_no_empty_file() {
    let place = place();
    for arguments in [
        &["share", "words", "-", "--force"][..],
        &["load", "jobs", "-"],
        &["set", "jobs", "3325", "-"],
        &["add", "jobs", "1", "-"],
        &["update", "jobs", "3325", "-"],
    ] {
        let before = place.files();
        let said = run_closed(&place, "<&-", arguments);
        assert_eq!(said.code, 10, "{arguments:?}: {said:?}");
        assert!(said.err.contains("standard input: Bad file descriptor"), "{said:?}");
        said.is_clear().unwrap_or_else(|why| panic!("{why}: {said:?}"));
        assert!(place.files() == before, "{arguments:?} changed something");
    }
    let said = Said::of(
        place.command(["load", "jobs", "-"]).stdin(File::open("/").unwrap()).output().unwrap(),
    );
    assert_eq!(said.code, 10, "{said:?}");
    said.is_clear().unwrap_or_else(|why| panic!("{why}: {said:?}"));
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    for arguments in PRINTING {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let said = run_to(&place(), full, arguments);
        assert_eq!(said.code, 10, "{arguments:?}: {said:?}");
        assert!(said.err.contains("standard output: No space left"), "{said:?}");
        assert_eq!(said.err.contains(", but not printed: "), changes(arguments), "{said:?}");
        // Others say first how much it was.
        if arguments[0] != "load" && arguments[0] != "share" {
            said.is_clear().unwrap_or_else(|why| panic!("{why}: {said:?}"));
        }
    }
}

#[test]
fn a_reader_that_has_gone_ends_it_without_a_word() {
    for arguments in PRINTING {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let said = run_to(&place(), writer, arguments);
        assert_eq!(said.code, 141, "{arguments:?}: {said:?}");
        if changes(arguments) {
            assert!(
                said.err.contains(", but not printed: standard output: Broken pipe"),
                "{said:?}"
            );
        } else {
            assert_eq!(said.err, "", "{arguments:?}");
        }
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_half_way() {
    let place = Place::new();
    let lines: String = (0..200_000).map(|i| format!("key {i:06}\tvalue of {i}\n")).collect();
    assert_eq!(place.run_with(["share", "big", "-", "--sorted"], lines.as_bytes()).code, 0);
    for arguments in [&["dump", "big"][..], &["dump", "big", "--to", "csv"], &["search", "big"]] {
        let mut command = place.command(arguments);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        // Closed after one line, as by `head -n 1`.
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said = Said::of(child.wait_with_output().unwrap());
        assert_eq!((said.code, said.err.as_str()), (141, ""), "{arguments:?}");
        assert!(!line.is_empty());
    }
}

#[test]
fn a_pipe_gets_no_colours_and_no_borders() {
    let place = Place::with_maps();
    for arguments in
        [&["list"][..], &["stat", "jobs"], &["get", "jobs", "3325", "3326"], &["verify", "jobs"]]
    {
        let said = place.ok(arguments);
        assert!(
            said.chars().all(|c| c.is_ascii() && (!c.is_ascii_control() || "\t\n".contains(c)))
        );
        assert!(place.ok(arguments.iter().chain(&["-F", "table"])).contains('│'));
    }
}

#[test]
fn a_closed_stderr_does_no_harm() {
    let place = Place::with_maps();
    let mut command = std::process::Command::new("sh");
    place.settle(&mut command);
    let script = format!("{} get jobs 1 2>&-; echo $?", crate::place::SHMAP);
    let said = Said::of(command.args(["-c", &script]).output().unwrap());
    assert_eq!(said.out, "1\n");
}
