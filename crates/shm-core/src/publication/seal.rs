//! The last step before a file gets its name, which ensures that no process has the file open for
//! writing.
//!
//! A reader refuses a file that any process has open for writing. This process closes its own
//! descriptor, but a child that another thread forked meanwhile keeps a copy of the descriptor for
//! as long as the child lives. Such a file is replaced by a copy.

use std::io;
use std::path::Path;

use crate::error::CreateError;
use crate::os::file_id::is_memory;
use crate::os::lease;
use crate::refused;
use crate::segment::draft::Draft;
use crate::segment::space::check_space;

/// Maximum number of copies. It is reached only if a child is forked during each of them.
const COPIES: u32 = 5;

/// Finishes a draft of `len` bytes in `dir`. O(1), but O(`len`) if a child was forked meanwhile. If
/// a child was forked during each copy as well, the result is an error, because readers would
/// refuse the file.
pub(crate) fn seal(draft: Draft, dir: &Path, len: u64) -> Result<Draft, CreateError> {
    let mut sealed = draft.finish()?;
    for _ in 0..COPIES {
        if lease::is_open_for_writing(sealed.file()) != Some(true) {
            return Ok(sealed);
        }
        sealed = copy(&sealed, dir, len)?.finish()?;
    }
    if lease::is_open_for_writing(sealed.file()) == Some(true) {
        let busy = io::Error::from_raw_os_error(libc::EBUSY);
        return Err(refused::creating("take from forked children a file in", busy, len, dir));
    }
    Ok(sealed)
}

fn copy(sealed: &Draft, dir: &Path, len: u64) -> Result<Draft, CreateError> {
    let full = |e: io::Error| refused::creating("copy a file in", e, len, dir);
    let copy = Draft::new(dir)?;
    // The copy stands beside the original until that is closed.
    check_space(copy.file(), len, dir)?;
    let mut from = sealed.file();
    io::Seek::rewind(&mut from).map_err(full)?;
    let copied = io::copy(&mut from, &mut copy.file()).map_err(full)?;
    if copied != len {
        return Err(full(io::ErrorKind::UnexpectedEof.into()));
    }
    let permissions = sealed.file().metadata().map_err(full)?.permissions();
    copy.file().set_permissions(permissions).map_err(full)?;
    if !is_memory(copy.file()) {
        copy.file().sync_all().map_err(full)?;
    }
    Ok(copy)
}

#[cfg(test)]
#[cfg(not(loom))]
mod tests {
    use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

    use super::*;

    #[test]
    fn a_file_that_a_forked_child_may_write_to_is_copied() {
        let dir = std::env::temp_dir();
        let draft = Draft::new(&dir).unwrap();
        draft.file().write_all_at(b"contents", 0).unwrap();
        draft.file().set_permissions(std::fs::Permissions::from_mode(0o400)).unwrap();
        let inode = |draft: &Draft| draft.file().metadata().unwrap().ino();
        let first = inode(&draft);
        // What a child inherits is a duplicate.
        let of_child = draft.file().try_clone().unwrap();
        let sealed = seal(draft, &dir, 8).unwrap();
        if lease::is_open_for_writing(sealed.file()).is_none() {
            println!("skipped: {} has no leases", dir.display());
            return;
        }
        assert_eq!(lease::is_open_for_writing(sealed.file()), Some(false));
        assert_ne!(inode(&sealed), first);
        assert_eq!(sealed.file().metadata().unwrap().permissions().mode() & 0o7777, 0o400);
        let mut found = [0; 8];
        sealed.file().read_exact_at(&mut found, 0).unwrap();
        assert_eq!(&found, b"contents");
        // Without a child it is the same file.
        drop(of_child);
        let draft = Draft::new(&dir).unwrap();
        let first = inode(&draft);
        assert_eq!(inode(&seal(draft, &dir, 0).unwrap()), first);
        // A file of another length than was said is not published.
        let draft = Draft::new(&dir).unwrap();
        let _of_child = draft.file().try_clone().unwrap();
        assert!(seal(draft, &dir, 8).is_err());
    }
}
