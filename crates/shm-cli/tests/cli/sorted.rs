//! `shmap share --sorted` writes the map while it reads. It may be killed in the middle of that, or
//! find no room: the old edition stays, nothing half-published is found, and `prune` removes what
//! was left.

use std::cell::Cell;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use shm_harness::{Step, Stepper};

use crate::place::{Place, SHMAP, Said, WATCHDOG};

const SHARE: [&str; 5] = ["share", "words", "-", "--sorted", "--force"];
const OLD: &str = "blau\told\nrot\told\n";
const NEW: &str = "blau\tnew\nrot\tnew\n";

/// A namespace with the first edition of `words`.
fn with_words() -> Place {
    let place = Place::new();
    place.write("words.tsv", OLD);
    place.ok(["share", "words", "words.tsv"]);
    place
}

/// Starts a publication from a pipe.
fn start(place: &Place) -> Child {
    let mut command = place.command(SHARE);
    command.stdin(Stdio::piped()).stderr(Stdio::null());
    command.spawn().unwrap()
}

/// The length of a file without a name that this process has open in the namespace, if there is
/// one.
fn unnamed(child: &Child, place: &Place) -> Option<u64> {
    let dir = place.dir().display().to_string();
    let files = std::fs::read_dir(format!("/proc/{}/fd", child.id())).ok()?;
    let paths = files.flatten().map(|file| file.path());
    let mut ours = paths.filter(|path| {
        let to = path.read_link().map(|to| to.display().to_string()).unwrap_or_default();
        to.starts_with(&dir) && to.ends_with("(deleted)")
    });
    ours.find_map(|path| path.metadata().ok()).map(|meta| meta.len())
}

/// Waits for what is to come in the end.
fn until(condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < WATCHDOG, "it never came");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn temporaries(place: &Place) -> usize {
    let files = std::fs::read_dir(place.dir()).unwrap();
    let names = files.map(|file| file.unwrap().file_name().to_string_lossy().into_owned());
    names.filter(|name| name.starts_with(".shmap-tmp-")).count()
}

fn inode(place: &Place) -> u64 {
    place.path("words", "snapshot").symlink_metadata().unwrap().ino()
}

#[test]
fn killed_while_it_writes_the_map_it_leaves_nothing() {
    let place = with_words();
    let before = place.files();
    let mut child = start(&place);
    let mut stdin = child.stdin.take().unwrap();
    // More than is kept before it is written, and not the end.
    for key in 0..20_000 {
        writeln!(stdin, "{key:08}\t{:0100}", 0).unwrap();
    }
    stdin.flush().unwrap();
    until(|| unnamed(&child, &place).is_some_and(|len| len > 1 << 20));
    // Readers see nothing of it, and `prune` leaves it alone.
    assert_eq!(place.ok(["dump", "words"]), OLD);
    assert_eq!(place.ok(["prune", "--yes"]), "");
    kill(Pid::from_raw(child.id() as i32), Signal::SIGKILL).unwrap();
    assert_eq!(child.wait().unwrap().code(), None, "killed");
    drop(stdin);
    assert_eq!(place.files(), before, "the old edition, and no litter");
    assert_eq!(place.ok(["prune", "--yes"]), "");
    assert_eq!(place.run_with(SHARE, NEW.as_bytes()).code, 0);
    assert_eq!(place.ok(["dump", "words"]), NEW);
}

/// What a death after a number of system calls has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Left {
    is_new: bool,
    temporaries: usize,
}

/// Kills a publication right after the first system call after which `there` holds. That is told
/// the number of calls since it had made its file. `None` if the publication ends before.
#[allow(clippy::zombie_processes, reason = "reaped by the stepper")]
fn killed_when(there: impl Fn(&Place, u64) -> bool) -> Option<Left> {
    let place = with_words();
    let mut child = start(&place);
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(NEW.as_bytes()).unwrap();
    until(|| unnamed(&child, &place).is_some());
    let mut stepper = Stepper::seize(Pid::from_raw(child.id() as i32)).unwrap();
    drop(stdin);
    let mut calls = 0;
    while !there(&place, calls) {
        if stepper.skip_calls(1).unwrap() != Step::Stopped {
            assert_eq!(place.ok(["dump", "words"]), NEW);
            return None;
        }
        calls += 1;
    }
    stepper.kill().unwrap();
    let dump = place.ok(["dump", "words"]);
    assert!(dump == OLD || dump == NEW, "{calls}: {dump:?}");
    place.ok(["verify", "words"]);
    let left = Left { is_new: dump == NEW, temporaries: temporaries(&place) };
    place.ok(["prune", "--yes"]);
    assert_eq!(place.ok(["prune"]), "", "{calls}: all at once");
    assert_eq!(temporaries(&place), 0, "{calls}");
    assert_eq!(place.ok(["dump", "words"]), dump, "{calls}");
    // The next one is not held up, and has the next number.
    let said = place.run_with(SHARE.iter().chain(&["--format", "json"]), b"rot\tnewer\n");
    let edition = if left.is_new { 3 } else { 2 };
    assert!(said.out.contains(&format!("\"edition\":{edition},")), "{calls}: {said:?}");
    assert_eq!(place.ok(["dump", "words"]), "rot\tnewer\n", "{calls}");
    Some(left)
}

#[test]
fn killed_before_it_takes_the_name_it_leaves_a_file_that_is_pruned() {
    let left = killed_when(|place, _| temporaries(place) == 1);
    assert_eq!(left, Some(Left { is_new: false, temporaries: 1 }));
}

#[test]
fn killed_after_it_has_taken_the_name_it_is_published() {
    let old = Cell::new(None);
    let left = killed_when(|place, calls| {
        if calls == 0 {
            old.set(Some(inode(place)));
        }
        old.get() != Some(inode(place))
    });
    assert_eq!(left, Some(Left { is_new: true, temporaries: 0 }));
}

#[test]
fn killed_after_any_system_call_it_leaves_the_old_edition_or_the_new_one() {
    let stride = if std::env::var_os("SHMAP_FULL").is_some() { 1 } else { 7 };
    let counts = (0..).step_by(stride);
    let left: Vec<Left> = counts.map_while(|most| killed_when(|_, calls| calls >= most)).collect();
    assert!(left.len() > 3, "{left:?}");
}

#[test]
fn without_room_it_says_so_and_the_old_edition_stays() {
    let place = Place::new();
    // The old edition, and a publication that does not fit beside it.
    let script = "mount -t tmpfs -o size=1m tmpfs \"$1\" || { echo no mount; exit; }; cd \"$1\"
        printf 'blau\\told\\nrot\\told\\n' | \"$0\" share words - --format json || exit
        for key in $(seq 10000000 10019999); do printf '%s\\t%0100d\\n' $key 0; done |
        \"$0\" share words - --sorted --force
        echo \"code $?\"; ls -A; \"$0\" prune; \"$0\" dump words
        printf 'rot\\tnew\\n' | \"$0\" share words - --sorted --force; \"$0\" dump words";
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", script, SHMAP]).arg(place.dir());
    place.settle(&mut command);
    let said = match command.output() {
        Ok(output) => Said::of(output),
        Err(error) => return eprintln!("skipped: unshare: {error}"),
    };
    if said.out.contains("no mount") || said.err.contains("unshare") {
        return eprintln!("skipped: mounting a tmpfs needs root: {}", said.err);
    }
    let (first, rest) = said.out.split_once('\n').unwrap();
    assert!(first.contains("\"edition\":1"), "{said:?}");
    let files = "shmap.words.control\nshmap.words.snapshot\n";
    assert_eq!(rest, format!("code 3\n{files}{OLD}rot\tnew\n"), "{said:?}");
    assert!(said.err.contains("words: no space for "), "{said:?}");
    assert!(said.err.contains("try: make room, or ask for less"), "{said:?}");
}
