//! Random bytes.

use std::io;

use rustix::rand::{GetRandomFlags, getrandom};

use super::retry::retry;

/// Fills `buf` with random bytes from the kernel.
///
/// # Errors
/// If the kernel provides no random bytes.
pub fn random(buf: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = buf.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += retry(|| getrandom(&mut *rest, GetRandomFlags::empty()))?;
    }
    Ok(())
}
