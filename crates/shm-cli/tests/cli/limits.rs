//! Limits of the process, as a shell sets them. Each is named, and none ends the program by a
//! signal.

use std::process::Command;

use crate::place::{Place, Said};

/// Runs `shmap` with these arguments under a `ulimit`.
fn limited(place: &Place, limit: &str, arguments: &str) -> Said {
    let mut command = Command::new("sh");
    let program = env!("CARGO_BIN_EXE_shmap");
    command.arg("-c").arg(format!("ulimit {limit}; exec {program} {arguments}"));
    place.settle(&mut command);
    Said::of(command.output().unwrap())
}

#[test]
fn files_limited_in_size() {
    let place = Place::with_maps();
    let lines: String = (0..20_000).map(|line| format!("{line}\tvalue\n")).collect();
    place.write("many.tsv", lines);
    let before = place.files().len();
    for arguments in ["create small", "share many many.tsv", "share words many.tsv --force"] {
        let said = limited(&place, "-f 100", arguments);
        assert_eq!(said.code, 3, "{said:?}");
        // Blocks of 512 or of 1024 bytes, depending on the shell.
        let named = ["51200", "102400"].iter().any(|limit| said.err.contains(limit));
        assert!(named && said.err.contains("ulimit -f"), "{said:?}");
        said.is_clear().unwrap();
    }
    assert_eq!(place.files().len(), before);
    assert_eq!(place.ok(["get", "words", "rot"]), "red\n");
}

#[test]
fn memory_limited() {
    let place = Place::with_maps();
    let lines: String = (0..200_000).map(|line| format!("{line}\t{line:050}\n")).collect();
    place.write("many.tsv", lines);
    let (mut refused, mut kilobytes) = (0, 8_000);
    loop {
        let said = limited(&place, &format!("-v {kilobytes}"), "share many many.tsv --force");
        match said.code {
            0 => break,
            10 => {
                refused += 1;
                assert!(said.err.contains("ulimit -v"), "{kilobytes}: {said:?}");
            }
            // The program itself does not fit.
            _ if refused == 0 && kilobytes < 16_000 => {}
            _ => panic!("{kilobytes}: {said:?}"),
        }
        kilobytes += 2_000;
    }
    assert!(refused > 3, "a limit that was none");
}
