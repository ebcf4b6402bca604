//! Writing bare files, which get their name in one step.

use std::fs::Permissions;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::body::DraftBody;
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
    write_file_with(path, mode, bytes.len() as u64, |body| {
        body.write_all(bytes).map_err(|error| body.why(error))
    })
}

/// Like [`write_file`], but `write` writes the contents, and may read them back. `expected` is the
/// length of the file as far as it is known; if so many bytes do not fit, `write` is not called.
///
/// # Errors
/// The errors of [`write_file`], and those of `write`. The path then leads to what it led to
/// before.
pub fn write_file_with<E: From<CreateError>>(
    path: &Path,
    mode: u32,
    expected: u64,
    write: impl FnOnce(&mut DraftBody<'_>) -> Result<(), E>,
) -> Result<(), E> {
    if mode & !0o666 != 0 || mode & 0o400 == 0 {
        return Err(CreateError::BadMode { mode }.into());
    }
    let dir = directory_of(path);
    let draft = Draft::new(dir)?;
    check_space(draft.file(), expected, dir)?;
    let mut body = DraftBody::new(draft.file(), dir, 0, expected);
    write(&mut body)?;
    let len = body.len();
    let full = |e: io::Error| refused::creating("write a file in", e, len, dir);
    draft.file().set_permissions(Permissions::from_mode(mode)).map_err(full)?;
    if !is_memory(draft.file()) {
        draft.file().sync_all().map_err(full)?;
    }
    seal(draft, dir, len)?.replace(path)?;
    Ok(())
}
