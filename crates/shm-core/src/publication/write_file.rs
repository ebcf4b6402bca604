//! Writing bare files, which get their name in one step.

use std::fs::Permissions;
use std::io;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;

use super::seal::seal;
use crate::error::CreateError;
use crate::os::file_id::{directory_of, is_memory};
use crate::refused;
use crate::segment::draft::Draft;
use crate::segment::space::check_space;

/// Writes a bare file with exactly this mode, and gives it its name in one step, even if the name
/// is taken. The bytes are on the disk before the file has the name. O(length).
///
/// # Errors
/// [`CreateError::BadMode`], [`CreateError::NoSpace`] or [`CreateError::Io`]. The path then leads
/// to what it led to before.
pub fn write_file(path: &Path, mode: u32, bytes: &[u8]) -> Result<(), CreateError> {
    if mode & !0o666 != 0 || mode & 0o400 == 0 {
        return Err(CreateError::BadMode { mode });
    }
    let dir = directory_of(path);
    let len = bytes.len() as u64;
    let full = |e: io::Error| refused::creating("write a file in", e, len, dir);
    let draft = Draft::new(dir)?;
    check_space(draft.file(), len, dir)?;
    draft.file().write_all_at(bytes, 0).map_err(full)?;
    draft.file().set_permissions(Permissions::from_mode(mode)).map_err(full)?;
    if !is_memory(draft.file()) {
        draft.file().sync_all().map_err(full)?;
    }
    seal(draft, dir, len)?.replace(path)?;
    Ok(())
}
