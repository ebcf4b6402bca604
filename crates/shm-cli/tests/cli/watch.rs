//! `shmap watch`, on a pipe and on a terminal.

use std::fs::{File, Permissions};
use std::os::unix::fs::PermissionsExt;

use nix::sys::signal::{Signal, kill};
use shm_harness::Child;

use crate::place::{Place, WATCHDOG};
use crate::terminal::OnTerminal;

#[test]
fn a_pipe_gets_a_line_for_each_change() {
    let place = Place::with_maps();
    let arguments = ["watch", "jobs", "--interval", "0.02"];
    let watch = Child::spawn(&mut place.command(arguments)).unwrap();
    let next = |watch: &Child| watch.line(WATCHDOG).unwrap();
    assert_eq!(next(&watch), "+\t3325\trunning");
    assert_eq!(next(&watch), "+\t3326\twaiting");
    place.ok(["set", "jobs", "3325", "a\\tb", "--escaped"]);
    assert_eq!(next(&watch), "~\t3325\ta\\tb");
    place.ok(["add", "jobs", "1", "new"]);
    assert_eq!(next(&watch), "+\t1\tnew");
    place.ok(["del", "jobs", "3326"]);
    assert_eq!(next(&watch), "-\t3326\twaiting");
}

/// Longer than the watchdog waits.
const NEVER: &str = "--interval=600";

#[test]
fn a_change_of_a_table_is_not_waited_for_in_vain() {
    let place = Place::with_maps();
    let mut watch = Child::spawn(&mut place.command(["watch", "jobs", NEVER])).unwrap();
    assert_eq!(lines(&watch, 2), ["+\t3325\trunning", "+\t3326\twaiting"]);
    // Of a present key, which takes no lock, and of others.
    place.ok(["set", "jobs", "3325", "stopped"]);
    assert_eq!(lines(&watch, 1), ["~\t3325\tstopped"]);
    place.ok(["add", "jobs", "1", "new"]);
    assert_eq!(lines(&watch, 1), ["+\t1\tnew"]);
    place.ok(["del", "jobs", "3326"]);
    assert_eq!(lines(&watch, 1), ["-\t3326\twaiting"]);
    let said = place.ok(["stat", "jobs", "--format", "json"]);
    let writes = format!(r#""pid":{},"command":"shmap","writes":true"#, watch.pid());
    assert!(said.contains(&writes), "{said}");
    kill(watch.pid(), Signal::SIGINT).unwrap();
    assert_eq!(watch.wait(WATCHDOG).unwrap().code(), Some(130));
}

#[test]
fn each_change_is_an_update() {
    let place = Place::with_maps();
    let mut watch = Child::spawn(&mut place.command(["watch", "jobs", NEVER, "-n2"])).unwrap();
    lines(&watch, 2);
    place.ok(["set", "jobs", "3325", "stopped"]);
    assert_eq!(lines(&watch, 1), ["~\t3325\tstopped"]);
    assert_eq!(watch.wait(WATCHDOG).unwrap().code(), Some(0));
}

#[test]
fn a_watch_that_polls_only_reads() {
    let place = Place::with_maps();
    let arguments = ["watch", "jobs", "--poll", "--interval", "0.02"];
    let watch = Child::spawn(&mut place.command(arguments)).unwrap();
    assert_eq!(lines(&watch, 2), ["+\t3325\trunning", "+\t3326\twaiting"]);
    place.ok(["set", "jobs", "3325", "stopped"]);
    assert_eq!(lines(&watch, 1), ["~\t3325\tstopped"]);
    let said = place.ok(["stat", "jobs", "--format", "json"]);
    let reads = format!(r#""pid":{},"command":"shmap","writes":false"#, watch.pid());
    assert!(said.contains(&reads), "{said}");
}

/// A watch, with what it says on stderr in the file `said`.
fn watch(place: &Place, arguments: &[&str]) -> Child {
    let said = File::create(place.work().join("said")).unwrap();
    let mut command = place.command(["watch", "--interval", "0.02"].iter().chain(arguments));
    Child::spawn(command.stderr(said)).unwrap()
}

fn lines(watch: &Child, count: usize) -> Vec<String> {
    (0..count).map(|_| watch.line(WATCHDOG).unwrap()).collect()
}

#[test]
fn a_table_that_is_made_again_is_watched_on() {
    let place = Place::with_maps();
    let watch = watch(&place, &["jobs"]);
    assert_eq!(lines(&watch, 2), ["+\t3325\trunning", "+\t3326\twaiting"]);
    place.ok(["rm", "jobs"]);
    // It has seen that there is no map, so it says so first.
    assert_eq!(lines(&watch, 2), ["-\t3325\trunning", "-\t3326\twaiting"]);
    let removed = "shmap: the table `jobs` was removed: waiting until it is made again\n";
    let said = || std::fs::read_to_string(place.work().join("said")).unwrap();
    assert_eq!(said(), removed);
    place.ok(["create", "jobs"]);
    place.ok(["set", "jobs", "7", "new"]);
    assert_eq!(lines(&watch, 1), ["+\t7\tnew"]);
    let again = "shmap: the table `jobs` was made again: these are the changes to the new one\n";
    assert_eq!(said(), format!("{removed}{again}"));
    // A map of the name is something else. And now keys of another type.
    place.ok(["freeze", "jobs"]);
    place.ok(["rm", "jobs", "--kind", "table"]);
    assert_eq!(lines(&watch, 1), ["-\t7\tnew"]);
    place.ok(["create", "jobs", "--keys", "str"]);
    place.ok(["set", "jobs", "seven", "newer"]);
    assert_eq!(lines(&watch, 1), ["+\tseven\tnewer"]);
    assert_eq!(said(), format!("{removed}{again}{removed}{again}"));
}

#[test]
fn a_table_that_is_replaced_between_two_looks_is_compared() {
    let place = Place::with_maps();
    place.ok(["create", "next", "--keys", "u64"]);
    place.ok(["set", "next", "3325", "running"]);
    let watch = watch(&place, &["jobs"]);
    assert_eq!(lines(&watch, 2), ["+\t3325\trunning", "+\t3326\twaiting"]);
    // In one step, so that no look finds nothing. Keys of another type are other keys.
    std::fs::rename(place.path("next", "table"), place.path("jobs", "table")).unwrap();
    let changes = ["-\t3325\trunning", "-\t3326\twaiting", "+\t3325\trunning"];
    assert_eq!(lines(&watch, 3), changes);
    let said = std::fs::read_to_string(place.work().join("said")).unwrap();
    assert!(
        said.starts_with("shmap: the table `jobs` was made again") && said.lines().count() == 1
    );
}

#[test]
fn a_map_that_is_published_again_is_watched_on() {
    let place = Place::with_maps();
    let watch = watch(&place, &["words", "--format", "json"]);
    lines(&watch, 2);
    place.ok(["rm", "words"]);
    let gone = lines(&watch, 2);
    assert_eq!(gone[0], r#"{"change":"removed","key":"blau","value":"blue"}"#);
    place.ok(["share", "words", "words.tsv"]);
    assert_eq!(lines(&watch, 2)[1], r#"{"change":"added","key":"rot","value":"red"}"#);
    let said = std::fs::read_to_string(place.work().join("said")).unwrap();
    let said: Vec<_> = said.lines().collect();
    assert!(said[0].starts_with("shmap: the snapshot `words` was removed"), "{said:?}");
    assert!(said[1].starts_with("shmap: the snapshot `words` was made again"), "{said:?}");
}

#[test]
fn the_last_look_at_nothing_is_told_by_the_code() {
    let place = Place::with_maps();
    for name in ["jobs", "words"] {
        let mut watch = watch(&place, &[name, "--frames", "200"]);
        lines(&watch, 2);
        place.ok(["rm", name]);
        assert_eq!(watch.wait(WATCHDOG).unwrap().code(), Some(1));
    }
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

#[test]
fn no_pause_and_no_update_are_refused() {
    let place = Place::with_maps();
    for interval in ["0", "1e-9", "0.009", "-0.0"] {
        let words = ["watch", "jobs", &format!("--interval={interval}")].map(str::to_owned);
        place.fails(words, 2, &["too short, the least is 0.01", "try: --interval 0.01"]);
    }
    let words = ["watch", "jobs", "--frames", "0"];
    place.fails(words, 2, &["--frames 0: a watch has at least 1 update", "try: --frames 1"]);
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
        // The mark also says it without a colour.
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
    let writable = Permissions::from_mode(0o600);
    std::fs::set_permissions(place.path("words", "snapshot"), writable).unwrap();
    let (rest, code) = watch.end();
    // The error is printed only then, so that it stays visible.
    let (_, after) = rest.split_once(GIVEN_BACK).unwrap_or_else(|| panic!("{rest:?}"));
    assert!(after.starts_with("shmap: ") && after.contains("chmod a-w"), "{rest:?}");
    assert_eq!(code, Some(9));
}

#[test]
fn a_terminal_shows_that_a_map_was_removed_and_made_again() {
    let place = Place::with_maps();
    let mut watch = OnTerminal::start(&place, &["watch", "jobs", "--interval", "0.02"], false);
    watch.until("jobs  table  2 of 16 entries");
    place.ok(["rm", "jobs"]);
    watch.until("jobs  table  0 entries: removed, waiting");
    place.ok(["create", "jobs"]);
    watch.until("jobs  table  0 of 1,024 entries, 0 writes, made again");
    watch.signal(Signal::SIGINT);
    assert_eq!(watch.end().1, Some(130));
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

#[test]
fn what_was_removed_takes_a_row_and_is_no_entry() {
    let place = Place::new();
    let lines =
        |from: u32| -> String { (from..1000).map(|i| format!("key {i:04}\tvalue\n")).collect() };
    assert_eq!(place.run_with(["share", "big", "-"], lines(0).as_bytes()).code, 0);
    let mut watch = OnTerminal::start(&place, &["watch", "big", "--interval", "0.02"], false);
    let screen = watch.until("… and 993 more");
    assert!(screen.contains("key 0006") && !screen.contains("key 0007"), "{screen:?}");
    assert_eq!(place.run_with(["share", "big", "-", "--force"], lines(1).as_bytes()).code, 0);
    watch.until("999 entries, edition 2");
    let screen = watch.until(" more");
    assert!(screen.contains("key 0000") && !screen.contains("key 0007"), "{screen:?}");
    assert!(screen.contains("… and 993 more"), "{screen:?}");
    watch.signal(Signal::SIGINT);
    assert_eq!(watch.end().1, Some(130));
}
