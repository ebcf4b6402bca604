//! Errors for files that the operating system refuses to create. The errors name the limit that was
//! reached.
//!
//! When a file grows too long, the kernel does not return an error but sends a signal that kills
//! the process. So the length is compared with the limit before anything is written.

use std::io;
use std::path::Path;

use crate::error::{CreateError, IoError};
use crate::os::limits;

/// Checks that a file of `needed` bytes does not exceed `RLIMIT_FSIZE`. A write beyond that limit
/// raises SIGXFSZ.
pub(crate) fn check_file_size(needed: u64, dir: &Path) -> Result<(), CreateError> {
    match limits::file_size() {
        Some(limit) if limit < needed => {
            Err(CreateError::FileSizeLimit { needed, limit, dir: dir.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Returns the error for a file of `needed` bytes that could not be created in a directory, or
/// could not get its path there.
pub(crate) fn creating(
    action: &'static str,
    error: io::Error,
    needed: u64,
    dir: &Path,
) -> CreateError {
    let owned = || dir.to_owned();
    match error.raw_os_error() {
        Some(libc::ENOSPC) => {
            let above = dir.parent().unwrap_or(dir);
            let fs = rustix::fs::statvfs(dir).or_else(|_| rustix::fs::statvfs(above)).ok();
            match fs {
                // Some file systems make inodes on demand, and report that they have none.
                Some(fs) if fs.f_files > 0 && fs.f_ffree == 0 => {
                    CreateError::NoInodes { total: fs.f_files, dir: owned() }
                }
                fs => {
                    let available = fs.as_ref().map_or(0, limits::available);
                    CreateError::NoSpace { needed, available, dir: owned() }
                }
            }
        }
        Some(libc::EDQUOT) => CreateError::Quota { needed, dir: owned() },
        Some(libc::EFBIG) => match check_file_size(needed, dir) {
            Err(e) => e,
            Ok(()) => CreateError::FileTooLarge { needed, dir: owned() },
        },
        _ => IoError::new(action, dir, error).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_numbers_of_new_files_are_traced_to_what_is_in_the_way() {
        let dir = Path::new("/");
        let quota = creating("try", io::Error::from_raw_os_error(libc::EDQUOT), 7, dir);
        assert!(matches!(quota, CreateError::Quota { needed: 7, .. }));
        let large = creating("try", io::Error::from_raw_os_error(libc::EFBIG), 7, dir);
        assert!(matches!(large, CreateError::FileTooLarge { needed: 7, .. }));
    }
}
