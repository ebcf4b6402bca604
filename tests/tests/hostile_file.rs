//! A damaged file at the name, or something that is not a file: a typed error for readers and
//! writers, and never a hang. A process with a watchdog opens it.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use nix::fcntl::{FallocateFlags, fallocate};
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::mkfifo;
use shm_core::Namespace;
use shm_tests::patch::{self, LOCK};
use shm_tests::roles::{NOBODY, is_root, run, run_as, scenario};
use shm_tests::{TempNamespace, create, test_name};
use slotmap_shm::KIND;

const WORKER: &str = env!("CARGO_BIN_EXE_shm-worker");

/// An empty namespace, and where its table would be.
fn empty() -> (TempNamespace, PathBuf) {
    let namespace = TempNamespace::new().unwrap();
    std::fs::set_permissions(namespace.path(), Permissions::from_mode(0o755)).unwrap();
    let path = Namespace::at(namespace.path()).path_of(&test_name(), KIND);
    (namespace, path)
}

/// A namespace with a good table of default size and three entries.
fn with_table() -> (TempNamespace, PathBuf) {
    let (namespace, path) = empty();
    let table = create(&namespace, 1024, 256);
    table.add_many(&[(1, "one"), (2, "two"), (3, "three")]).unwrap();
    (namespace, path)
}

/// The results of the ways of opening: read, write, create, and the facade's codes.
struct Said(Vec<String>);

impl Said {
    /// Asserts that each way failed with all of these words in its error.
    fn all_fail(&self, words: &[&str], code: &str) {
        let [read, write, make, facade @ ..] = self.0.as_slice() else { panic!("{:?}", self.0) };
        for line in [read, write, make] {
            assert!(words.iter().all(|word| line.contains(word)), "{words:?} in {line}");
        }
        for line in facade {
            assert!(line.ends_with(code), "{code} in {line}");
        }
    }

    /// Asserts that each way works.
    fn all_succeed(&self) {
        assert!(self.0.iter().all(|line| line.contains("ok")), "{:?}", self.0);
    }

    /// Asserts that reading works and writing fails so.
    fn only_readable(&self, words: &[&str], code: &str) {
        assert_eq!(self.0[0], "read: ok: 3 entries", "{:?}", self.0);
        for line in &self.0[1..3] {
            assert!(words.iter().all(|word| line.contains(word)), "{words:?} in {line}");
        }
        assert!(self.0[3] == "facade read: ok" && self.0[4].ends_with(code), "{:?}", self.0);
    }
}

fn probe(namespace: &TempNamespace) -> Said {
    Said(run(scenario(WORKER, "probe", namespace.path())))
}

fn set_len(path: &Path, len: u64) {
    OpenOptions::new().write(true).open(path).unwrap().set_len(len).unwrap();
}

fn len(path: &Path) -> u64 {
    path.metadata().unwrap().len()
}

#[test]
fn truncated_at_many_lengths() {
    let (namespace, path) = with_table();
    let whole = std::fs::read(&path).unwrap();
    let full = whole.len() as u64;
    let edges = [0, 1, 7, 8, 255, 256, 257, 319, 320, 512, 576, 4095, 4096, 4097, 4104, 8192];
    let lengths = edges.into_iter().chain([full / 2, full - 4096, full - 8, full - 1]);
    for cut in lengths {
        set_len(&path, cut);
        assert_eq!(len(&path), cut);
        let said = probe(&namespace);
        said.all_fail(&["cannot use", &format!("file is {cut} bytes long")], "Corrupt");
        // No opening restored the missing bytes, or took the file for a new one.
        assert_eq!(len(&path), cut);
        std::fs::write(&path, &whole).unwrap();
    }
    assert_eq!(probe(&namespace).0[0], "read: ok: 3 entries", "whole again");
}

#[test]
fn extended() {
    let (namespace, path) = with_table();
    let whole = std::fs::read(&path).unwrap();
    for more in [1, 8, 4096, 1 << 20] {
        std::fs::write(&path, [&whole[..], &vec![0; more]].concat()).unwrap();
        probe(&namespace).all_fail(&["cannot use", "file is "], "Corrupt");
        std::fs::write(&path, &whole).unwrap();
        set_len(&path, (whole.len() + more) as u64);
        probe(&namespace).all_fail(&["cannot use"], "Corrupt");
    }
}

#[test]
fn hole_punched() {
    let (namespace, path) = with_table();
    let whole = std::fs::read(&path).unwrap();
    let pages = len(&path).div_ceil(4096);
    for page in [0, 1, 2, pages / 2, pages - 1] {
        let flags = FallocateFlags::FALLOC_FL_PUNCH_HOLE | FallocateFlags::FALLOC_FL_KEEP_SIZE;
        let file = OpenOptions::new().write(true).open(&path).unwrap();
        fallocate(&file, flags, page as i64 * 4096, 4096).unwrap();
        probe(&namespace).all_fail(&["cannot use", "the file has holes"], "Corrupt");
        // Truncated to nothing and extended: one hole.
        set_len(&path, 0);
        set_len(&path, whole.len() as u64);
        probe(&namespace).all_fail(&["cannot use", "only 0 of"], "Corrupt");
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn zeroed() {
    let (namespace, path) = with_table();
    let whole = std::fs::read(&path).unwrap();
    let all = whole.len();
    // The body is another matter: see `damaged_pages.rs`.
    for to in [256, 4096, all] {
        patch::bytes(&path, 0, &vec![0; to]).unwrap();
        probe(&namespace).all_fail(&["cannot use", "not a segment"], "Corrupt");
        std::fs::write(&path, &whole).unwrap();
    }
    // Readers do not use the session.
    patch::bytes(&path, 256, &[0; 64]).unwrap();
    probe(&namespace).only_readable(&["cannot use", "session record"], "Corrupt");
    std::fs::write(&path, &whole).unwrap();
    // A lock that names nobody is free or that of a dead holder, and records of zeros are free.
    for fill in [0, 0xFF, 0x01] {
        patch::bytes(&path, LOCK.0, &vec![fill; LOCK.1]).unwrap();
        probe(&namespace).all_succeed();
        std::fs::write(&path, &whole).unwrap();
    }
}

#[test]
fn any_other_file() {
    let (namespace, path) = empty();
    for contents in [&b""[..], b"SHMAPSEG", b"\x7fELF", &[0xFF; 300], &[0xA5; 10_000]] {
        std::fs::write(&path, contents).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        probe(&namespace).all_fail(&["cannot use"], "Corrupt");
        assert_eq!(std::fs::read(&path).unwrap(), contents, "left alone");
    }
}

#[test]
fn symlink_at_the_name() {
    let (namespace, path) = with_table();
    let target = namespace.path().join("target");
    std::fs::rename(&path, &target).unwrap();
    // Even to a good table; and to nothing, to itself, to a terminal.
    for to in [target.as_path(), Path::new("absent"), &path, Path::new("/dev/tty")] {
        symlink(to, &path).unwrap();
        probe(&namespace).all_fail(&["is not a regular file", "symbolic link"], "Mismatch");
        std::fs::remove_file(&path).unwrap();
    }
    assert!(!namespace.path().join("absent").exists(), "nothing was made through a link");
}

#[test]
fn directory_at_the_name() {
    let (namespace, path) = empty();
    std::fs::create_dir(&path).unwrap();
    probe(&namespace).all_fail(&["is not a regular file", "directory"], "Mismatch");
}

#[test]
fn fifo_at_the_name() {
    let (namespace, path) = empty();
    mkfifo(&path, Mode::from_bits_truncate(0o600)).unwrap();
    probe(&namespace).all_fail(&["is not a regular file", "FIFO"], "Mismatch");
    // With somebody at its other end, too.
    let _other = OpenOptions::new().read(true).write(true).open(&path).unwrap();
    probe(&namespace).all_fail(&["is not a regular file", "FIFO"], "Mismatch");
}

#[test]
fn socket_at_the_name() {
    let (namespace, path) = empty();
    let _listener = UnixListener::bind(&path).unwrap();
    probe(&namespace).all_fail(&["is not a regular file", "socket"], "Mismatch");
}

#[test]
fn device_at_the_name() {
    if !is_root("making a device") {
        return;
    }
    let (namespace, path) = empty();
    // null, zero, full, and a number that no driver has.
    for (major, minor) in [(1, 3), (1, 5), (1, 7), (240, 77)] {
        let mode = Mode::from_bits_truncate(0o600);
        mknod(&path, SFlag::S_IFCHR, mode, makedev(major, minor)).unwrap();
        if let Err(e) = File::open("/dev/null").and_then(|_| File::open(&path))
            && e.kind() == std::io::ErrorKind::PermissionDenied
        {
            println!("skipped: devices do not open on this file system: {e}");
            return;
        }
        probe(&namespace).all_fail(&["is not a regular file", "character device"], "Mismatch");
        std::fs::remove_file(&path).unwrap();
    }
    mknod(&path, SFlag::S_IFBLK, Mode::from_bits_truncate(0o600), makedev(7, 250)).unwrap();
    probe(&namespace).all_fail(&["is not a regular file", "block device"], "Mismatch");
}

#[test]
fn foreign_owner() {
    if !is_root("giving files away") {
        return;
    }
    let (namespace, path) = with_table();
    let stranger = NOBODY - 1;
    chown(&path, Some(stranger), None).unwrap();
    // Root is no exception: another user's file may be a trap.
    let words = format!("belongs to uid {stranger}, who is not trusted");
    probe(&namespace).all_fail(&[&words], "Permission");
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    let said = run_as(NOBODY, WORKER, "probe", namespace.path());
    assert!(said[0].contains("who is not trusted") && said[3].ends_with("Permission"), "{said:?}");
    // Its owner may.
    let said = run_as(stranger, WORKER, "probe", namespace.path());
    assert!(said[0] == "read: ok: 3 entries" && said[2] == "make: ok", "{said:?}");
}

#[test]
fn foreign_write_bits() {
    let (namespace, path) = with_table();
    for mode in [0o620, 0o602, 0o666, 0o606, 0o622] {
        std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        probe(&namespace)
            .all_fail(&["others than its owner", &format!("mode {mode:#o}")], "Permission");
    }
    std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert_eq!(probe(&namespace).0[1], "write: ok: 3 entries");
}
