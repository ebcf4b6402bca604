//! `shmap watch`, on a pipe and on a terminal.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_harness::Child;

use crate::place::{Place, WATCHDOG};

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

/// A child on a terminal of its own.
struct OnTerminal {
    child: std::process::Child,
    chunks: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    fn start(place: &Place, arguments: &[&str], no_color: bool) -> Self {
        Self::sized(place, arguments, no_color, 60)
    }

    fn sized(place: &Place, arguments: &[&str], no_color: bool, ws_col: u16) -> Self {
        let size = Winsize { ws_row: 10, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let mut command = place.command(arguments);
        command.env("TERM", "xterm");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        let child = command.stdout(pty.slave).spawn().unwrap();
        drop(command);
        Self { child, chunks: chunks(pty.master), seen: String::new() }
    }

    /// Reads until the words are seen, after what was seen before.
    fn until(&mut self, words: &str) -> String {
        loop {
            if let Some(at) = self.seen.find(words) {
                let rest = self.seen.split_off(at + words.len());
                return std::mem::replace(&mut self.seen, rest);
            }
            match self.chunks.recv_timeout(WATCHDOG) {
                Ok(chunk) => self.seen.push_str(&String::from_utf8_lossy(&chunk)),
                Err(error) => panic!("no {words:?}: {error}; {:?}", self.seen),
            }
        }
    }

    /// All that comes until it ends, and how.
    fn end(mut self) -> (String, Option<i32>) {
        while let Ok(chunk) = self.chunks.recv_timeout(WATCHDOG) {
            self.seen.push_str(&String::from_utf8_lossy(&chunk));
        }
        (std::mem::take(&mut self.seen), self.child.wait().unwrap().code())
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id() as i32), signal).unwrap();
    }
}

impl Drop for OnTerminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn chunks(master: OwnedFd) -> Receiver<Vec<u8>> {
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut master = File::from(master);
        let mut buffer = [0; 4096];
        // Reading fails when the other end is closed.
        while let Ok(read @ 1..) = master.read(&mut buffer) {
            if send.send(buffer[..read].to_vec()).is_err() {
                break;
            }
        }
    });
    receive
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
    watch.until("scarlet".get(..0).unwrap());
    watch.until("red");
    place.ok(["rm", "words"]);
    let (rest, code) = watch.end();
    assert!(rest.ends_with(GIVEN_BACK), "{rest:?}");
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

#[test]
fn a_list_fits_a_usual_terminal() {
    let place = Place::with_maps();
    let list = OnTerminal::sized(&place, &["list"], false, 80);
    let (screen, code) = list.end();
    assert_eq!(code, Some(0));
    let heads = screen.lines().nth(1).unwrap();
    for head in ["NAME", "ENTRIES", "BYTES", "OWNER", "REMARK"] {
        assert!(heads.contains(head), "{screen}");
    }
    assert!(screen.contains("2 of 16") && screen.contains("edition 1"), "{screen}");
    assert!(screen.lines().all(|line| line.trim_end().chars().count() <= 80), "{screen}");
}
