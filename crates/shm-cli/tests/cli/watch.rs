//! `shmap watch`, on a pipe and on a terminal.

use nix::sys::signal::Signal;
use shm_harness::Child;

use crate::place::{Place, WATCHDOG};
use crate::terminal::OnTerminal;

#[test]
fn a_pipe_gets_a_line_for_each_change() {
    let place = Place::with_maps();
    let arguments = ["watch", "jobs", "--interval", "0.02"];
    let mut watch = Child::spawn(&mut place.command(arguments)).unwrap();
    let next = |watch: &Child| watch.line(WATCHDOG).unwrap();
    assert_eq!(next(&watch), "+\t3325\trunning");
    assert_eq!(next(&watch), "+\t3326\twaiting");
    place.ok(["set", "jobs", "3325", "a\\tb", "--escaped"]);
    assert_eq!(next(&watch), "~\t3325\ta\\tb");
    place.ok(["add", "jobs", "1", "new"]);
    assert_eq!(next(&watch), "+\t1\tnew");
    place.ok(["del", "jobs", "3326"]);
    assert_eq!(next(&watch), "-\t3326\twaiting");
    // Replaced by another table of the name.
    place.ok(["rm", "jobs"]);
    let status = watch.wait(WATCHDOG).unwrap();
    assert_eq!(status.code(), Some(1), "it was removed");
}

#[test]
fn editions_of_a_map_are_compared() {
    let place = Place::with_maps();
    let arguments = ["watch", "words", "--interval", "0.02", "--format", "json"];
    let watch = Child::spawn(&mut place.command(arguments)).unwrap();
    let next = || watch.line(WATCHDOG).unwrap();
    assert_eq!(next(), r#"{"change":"added","key":"blau","value":"blue"}"#);
    assert_eq!(next(), r#"{"change":"added","key":"rot","value":"red"}"#);
    place.write("new.tsv", "rot\tscarlet\nweiss\twhite\n");
    place.ok(["share", "words", "new.tsv", "--force"]);
    assert_eq!(next(), r#"{"change":"removed","key":"blau","value":"blue"}"#);
    assert_eq!(next(), r#"{"change":"changed","key":"rot","value":"scarlet"}"#);
    assert_eq!(next(), r#"{"change":"added","key":"weiss","value":"white"}"#);
}

#[test]
fn it_ends_after_so_many_looks() {
    let place = Place::with_maps();
    let said = place.ok(["watch", "jobs", "--frames", "3", "--interval", "0.01"]);
    assert_eq!(said, "+\t3325\trunning\n+\t3326\twaiting\n");
}

const TAKEN: &str = "\x1b[?1049h\x1b[?25l";
const GIVEN_BACK: &str = "\x1b[?25h\x1b[?1049l";
const YELLOW: &str = "\x1b[38;5;11m";

#[test]
fn on_a_terminal_changes_are_marked_in_place() {
    let place = Place::with_maps();
    for no_color in [false, true] {
        let arguments = ["watch", "jobs", "--interval", "0.02"];
        let mut watch = OnTerminal::start(&place, &arguments, no_color);
        watch.until(TAKEN);
        let first = watch.until("waiting");
        assert!(first.contains("jobs  table  2 of 16 entries"), "{first:?}");
        assert!(first.contains("3325"), "{first:?}");
        assert!(!first.contains(YELLOW));
        place.ok(["set", "jobs", "3325", if no_color { "stopped" } else { "changed" }]);
        let changed = watch.until(if no_color { "stopped" } else { "changed" });
        // The mark says it without a colour, too.
        assert!(changed.contains('~'), "{changed:?}");
        assert_eq!(changed.contains(YELLOW), !no_color, "{changed:?}");
        assert!(!changed.contains(TAKEN), "drawn in place");
        watch.signal(Signal::SIGINT);
        let (rest, code) = watch.end();
        assert!(rest.ends_with(GIVEN_BACK), "{rest:?}");
        assert_eq!(code, Some(130));
    }
}

#[test]
fn a_terminal_is_given_back_after_an_error() {
    let place = Place::with_maps();
    let mut watch = OnTerminal::start(&place, &["watch", "words", "--interval", "0.02"], false);
    watch.until("red");
    place.ok(["rm", "words"]);
    let (rest, code) = watch.end();
    // Only then is said what was wrong, so that it stays to be read.
    let (_, after) = rest.split_once(GIVEN_BACK).unwrap_or_else(|| panic!("{rest:?}"));
    assert!(after.starts_with("shmap: there is no published map `words`"), "{rest:?}");
    assert_eq!(code, Some(1));
}

#[test]
fn what_does_not_fit_is_counted() {
    let place = Place::new();
    let lines: String = (0..1000).map(|i| format!("key {i:04}\tvalue\n")).collect();
    assert_eq!(place.run_with(["share", "big", "-"], lines.as_bytes()).code, 0);
    let watch = OnTerminal::start(&place, &["watch", "big", "--frames", "1"], false);
    let (screen, code) = watch.end();
    assert!(screen.contains("1,000 entries, edition 1"), "{screen:?}");
    assert!(screen.contains("key 0006") && !screen.contains("key 0007"), "{screen:?}");
    assert!(screen.contains("… and 993 more"), "{screen:?}");
    assert_eq!(code, Some(0));
}
