//! Finding out which process a thread belongs to and which files it has mapped, by the thread's id.

use std::fmt;

use rustix::process::Pid;

/// The thread that holds a lock. It may have released the lock by now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holder {
    /// The thread id of the holder, as its pid namespace numbers it.
    pub tid: u32,
    /// The process of the holder, as its pid namespace numbers it, if known.
    pub pid: Option<u32>,
    /// The command that the process runs (at most 15 bytes of its name), if `/proc` tells.
    pub command: Option<String>,
    /// The pid namespace of the holder (the inode of `/proc/PID/ns/pid`), if it is another one than
    /// that of this process.
    pub pid_namespace: Option<u64>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(namespace) = self.pid_namespace {
            if let Some(pid) = self.pid {
                write!(f, "process {pid}, ")?;
            }
            return write!(f, "thread {} of pid namespace {namespace}", self.tid);
        }
        if self.pid == Some(std::process::id()) {
            return write!(f, "another thread of this process, thread {}", self.tid);
        }
        match (&self.pid, &self.command) {
            (Some(pid), Some(command)) => write!(f, "process {pid} ({})", printable(command))?,
            (Some(pid), None) => write!(f, "process {pid}")?,
            _ => return write!(f, "thread {}", self.tid),
        }
        if self.pid == Some(self.tid) { Ok(()) } else { write!(f, ", thread {}", self.tid) }
    }
}

impl Holder {
    /// Describes a thread of another pid namespace.
    pub(crate) fn elsewhere(pid: u32, tid: u32, pid_namespace: u64) -> Self {
        Self { tid, pid: Some(pid), command: None, pid_namespace: Some(pid_namespace) }
    }

    pub(crate) fn of_thread(tid: u32) -> Self {
        let pid = read(&format!("/proc/{tid}/status")).and_then(|status| {
            status.lines().find_map(|line| line.strip_prefix("Tgid:")?.trim().parse().ok())
        });
        let command = pid.and_then(|pid| read(&format!("/proc/{pid}/comm")));
        let command = command.map(|command| command.trim_end().to_owned());
        Self { tid, pid, command, pid_namespace: None }
    }
}

/// A file of `/proc`. The names of threads and files in it may have any bytes, and the kernel cuts
/// a thread's name in the middle of a character.
fn read(path: &str) -> Option<String> {
    let bytes = std::fs::read(path).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// A command without control characters, which any process may have in its name.
fn printable(command: &str) -> String {
    let mut text = String::new();
    for character in command.chars() {
        if character.is_control() {
            text.extend(character.escape_default());
        } else {
            text.push(character);
        }
    }
    text
}

/// True when no thread has this id, in the caller's pid namespace.
pub(crate) fn is_gone(tid: u32) -> bool {
    let Some(pid) = i32::try_from(tid).ok().and_then(Pid::from_raw) else { return true };
    // Not by `/proc`, which may hide other users' processes.
    rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH)
}

/// True unless it is certain that no living thread with this id, in the caller's pid namespace, has
/// a file with this inode number mapped for writing. The device is not compared, because a file
/// below an overlay has two devices.
pub(crate) fn may_have_mapped(tid: u32, inode: u64) -> bool {
    if is_gone(tid) {
        return false;
    }
    let Some(maps) = read(&format!("/proc/{tid}/maps")) else { return true };
    // address perms offset device inode path
    let inode = inode.to_string();
    maps.lines().any(|line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let writable = fields.next().is_some_and(|permissions| permissions.contains('w'));
        writable && fields.nth(2) == Some(inode.as_str())
    })
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use super::*;
    use crate::segment::layout::{GEOMETRY_WORDS, Header};
    use crate::segment::map::Mapping;

    fn this_thread() -> u32 {
        let link = std::fs::read_link("/proc/thread-self").unwrap();
        link.file_name().unwrap().to_str().unwrap().parse().unwrap()
    }

    #[test]
    fn a_thread_is_told_by_its_process_and_command() {
        let tid = this_thread();
        let holder = Holder::of_thread(tid);
        assert_eq!(holder.pid, Some(std::process::id()));
        assert!(holder.command.is_some());
        let expected = format!("another thread of this process, thread {tid}");
        assert_eq!(holder.to_string(), expected);
        let holder =
            Holder { tid: 8, pid: Some(7), command: Some("a b".to_owned()), pid_namespace: None };
        assert_ne!(std::process::id(), 7);
        assert_eq!(holder.to_string(), "process 7 (a b), thread 8");
        let elsewhere = Holder::elsewhere(std::process::id(), 9, 77).to_string();
        assert_eq!(
            elsewhere,
            format!("process {}, thread 9 of pid namespace 77", std::process::id())
        );
    }

    #[test]
    fn a_thread_is_told_whatever_its_name() {
        // The kernel keeps 15 bytes, the last of which is half a character.
        let thread = std::thread::Builder::new().name("ä".repeat(9));
        let told = thread.spawn(|| {
            let cut = std::fs::read("/proc/thread-self/comm").unwrap();
            assert!(std::str::from_utf8(&cut).is_err(), "{cut:?}");
            Holder::of_thread(this_thread())
        });
        assert_eq!(told.unwrap().join().unwrap().pid, Some(std::process::id()));
        let command = Some("a\x1b[31m\nb".to_owned());
        let holder = Holder { tid: 7, pid: Some(7), command, pid_namespace: None };
        assert_eq!(holder.to_string(), "process 7 (a\\u{1b}[31m\\nb)");
    }

    #[test]
    fn only_what_is_mapped_to_be_written_to_is_found() {
        use std::ffi::OsStr;
        use std::os::unix::ffi::OsStrExt;
        use std::os::unix::fs::MetadataExt;
        let dir = std::env::temp_dir();
        let draft = crate::segment::draft::Draft::new(&dir).unwrap();
        draft.file().set_len(8192).unwrap();
        let inode = draft.file().metadata().unwrap().ino();
        let tid = this_thread();
        let header = Header::new((crate::Kind::new("test"), 1), [0; GEOMETRY_WORDS], (1, 0), 8192);
        let header = header.unwrap();
        let reading = Mapping::new(draft.file(), &header, false).unwrap();
        assert!(!may_have_mapped(tid, inode));
        let writing = Mapping::new(draft.file(), &header, true).unwrap();
        assert!(may_have_mapped(tid, inode));
        assert!(!may_have_mapped(0x3FFF_FFFF, inode), "no such thread");
        // A file whose name is not UTF-8 makes nothing uncertain.
        let name = format!("shmap-{}-", std::process::id());
        let path = dir.join(OsStr::from_bytes(&[name.as_bytes(), b"\xFF"].concat()));
        let other = std::fs::File::options().read(true).write(true).create_new(true).open(&path);
        let other = other.unwrap();
        other.set_len(8192).unwrap();
        let another = Mapping::new(&other, &header, true).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert!(may_have_mapped(tid, other.metadata().unwrap().ino()));
        drop((reading, writing));
        assert!(!may_have_mapped(tid, inode));
        drop(another);
    }
}
