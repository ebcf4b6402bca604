//! Finding out which processes have a file mapped, as far as the caller may see them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::sys::stat::{major, minor};

use crate::escape::escape;

/// A process that has the file mapped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mapper {
    pub(crate) pid: u32,
    /// The name of the process, escaped.
    pub(crate) command: String,
    pub(crate) writes: bool,
}

/// The processes that have a file mapped, and how many processes could not be examined.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mappers {
    /// The processes in the order of their pids, without this process.
    pub(crate) seen: Vec<Mapper>,
    /// How many processes have mappings that the caller may not see.
    pub(crate) hidden: u64,
}

/// Searches `/proc`. A process that ends meanwhile is left out.
pub(crate) fn mappers(path: &Path) -> io::Result<Mappers> {
    let meta = fs::symlink_metadata(path)?;
    let device = format!("{:02x}:{:02x}", major(meta.dev()), minor(meta.dev()));
    let inode = meta.ino().to_string();
    let mut found = BTreeMap::new();
    let mut hidden = 0;
    for entry in fs::read_dir("/proc")? {
        let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        if pid == std::process::id() {
            continue;
        }
        match mapping(pid, &device, &inode) {
            Ok(Some(writes)) => {
                let command = fs::read(format!("/proc/{pid}/comm")).unwrap_or_default();
                let command = escape(command.trim_ascii_end());
                found.insert(pid, Mapper { pid, command, writes });
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => hidden += 1,
            // It has ended.
            Err(_) => {}
        }
    }
    Ok(Mappers { seen: found.into_values().collect(), hidden })
}

/// Whether a process has a file mapped, and whether for writing.
fn mapping(pid: u32, device: &str, inode: &str) -> io::Result<Option<bool>> {
    let mut lines = BufReader::new(File::open(format!("/proc/{pid}/maps"))?);
    let mut found = None;
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        // The path at the end may be anything; what counts stands before it.
        if let Some(writes) = read_line(&String::from_utf8_lossy(&line), device, inode) {
            found = Some(found.unwrap_or(false) || writes);
        }
        line.clear();
    }
    Ok(found)
}

/// `address perms offset device inode path`.
fn read_line(line: &str, device: &str, inode: &str) -> Option<bool> {
    let mut fields = line.split_ascii_whitespace().skip(1);
    let (permissions, found) = (fields.next()?, (fields.nth(1)?, fields.next()?));
    (found == (device, inode)).then(|| permissions.contains('w'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_proc_maps() {
        let line = "7f1c-7f2c rw-s 00000000 00:1a 4711       /dev/shm/shmap.x.table\n";
        assert_eq!(read_line(line, "00:1a", "4711"), Some(true));
        assert_eq!(read_line(&line.replace("rw-", "r--"), "00:1a", "4711"), Some(false));
        assert_eq!(read_line(line, "00:1b", "4711"), None);
        assert_eq!(read_line(line, "00:1a", "471"), None);
        assert_eq!(read_line("", "00:1a", "4711"), None);
    }
}
