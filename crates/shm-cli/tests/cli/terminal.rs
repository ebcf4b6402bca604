//! `shmap` on a terminal.

use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::sync::mpsc::{Receiver, channel};

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::place::{Place, WATCHDOG};

/// A child on a terminal of its own.
pub(crate) struct OnTerminal {
    child: std::process::Child,
    chunks: Receiver<Vec<u8>>,
    seen: String,
}

impl OnTerminal {
    /// With 60 columns and 10 lines.
    pub(crate) fn start(place: &Place, arguments: &[&str], no_color: bool) -> Self {
        Self::sized(place, arguments, no_color, 60)
    }

    /// With so many columns.
    fn sized(place: &Place, arguments: &[&str], no_color: bool, ws_col: u16) -> Self {
        let size = Winsize { ws_row: 10, ws_col, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        // Children of other tests must not keep it open.
        for end in [&pty.master, &pty.slave] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC)).unwrap();
        }
        let mut command = place.command(arguments);
        command.env("TERM", "xterm");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        command.stderr(pty.slave.try_clone().unwrap());
        let child = command.stdout(pty.slave).spawn().unwrap();
        drop(command);
        Self { child, chunks: chunks(pty.master), seen: String::new() }
    }

    /// Reads until the words are seen, after what was seen before.
    pub(crate) fn until(&mut self, words: &str) -> String {
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
    pub(crate) fn end(mut self) -> (String, Option<i32>) {
        while let Ok(chunk) = self.chunks.recv_timeout(WATCHDOG) {
            self.seen.push_str(&String::from_utf8_lossy(&chunk));
        }
        (std::mem::take(&mut self.seen), self.child.wait().unwrap().code())
    }

    /// Sends a signal.
    pub(crate) fn signal(&self, signal: Signal) {
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

#[test]
fn a_long_work_shows_how_far_it_is() {
    let place = Place::new();
    let lines: String = (0..50_000).map(|i| format!("key {i:06}\tvalue\n")).collect();
    place.write("big.tsv", lines);
    let share = OnTerminal::sized(&place, &["share", "big", "big.tsv"], false, 80);
    let (screen, code) = share.end();
    assert_eq!(code, Some(0), "{screen:?}");
    assert!(screen.contains("KiB of ") || screen.contains("MiB of "), "{screen:?}");
    assert!(screen.contains("50,000 entries, 830.1 KiB in "), "{screen:?}");
}

#[test]
fn a_terminal_gets_no_bytes_that_move_its_cursor() {
    let place = Place::with_maps();
    place.ok(["set", "jobs", "1", "\x1b[2J", "--escaped"]);
    for (arguments, code) in [
        (&["get", "jobs", "1"][..], 0),
        (&["dump", "jobs"], 0),
        (&["search", "jobs"], 0),
        (&["dump", "jobs", "--to", "csv"], 2),
    ] {
        let (screen, found) = OnTerminal::start(&place, arguments, false).end();
        assert_eq!(found, Some(code), "{screen:?}");
        assert!(!screen.contains("\x1b[2J"), "{screen:?}");
    }
}
