//! Output that is cut off, or goes nowhere.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::place::{Place, Said};

#[test]
fn a_reader_that_goes_away_is_no_error() {
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
        assert_eq!((said.code, said.err.as_str()), (0, ""), "{arguments:?}");
        assert!(!line.is_empty());
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let place = Place::with_maps();
    for arguments in
        [&["dump", "words"][..], &["list"], &["get", "words", "rot"], &["stat", "words"]]
    {
        let mut command = place.command(arguments);
        let full = File::options().write(true).open("/dev/full").unwrap();
        let said = Said::of(command.stdout(full).output().unwrap());
        assert_eq!(said.code, 10, "{said:?}");
        assert!(said.err.contains("standard output: No space left"), "{said:?}");
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
