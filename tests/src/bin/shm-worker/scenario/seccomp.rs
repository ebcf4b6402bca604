//! Simulates a file system without `O_TMPFILE` by a system call filter, because few such file
//! systems are left.

#![allow(unsafe_code, reason = "prctl")]

use anyhow::{Result, bail, ensure};
use libc::{
    BPF_ABS, BPF_ALU, BPF_AND, BPF_JEQ, BPF_JMP, BPF_K, BPF_LD, BPF_RET, BPF_W, SECCOMP_RET_ALLOW,
    SECCOMP_RET_ERRNO, sock_filter, sock_fprog,
};

/// By `tmpfile` nothing is changed. By `no-tmpfile` this process cannot make unnamed
/// files, and cannot give one a name either, so that a creation that succeeds
/// has done without. By `no-name` it can make them, but not give them a name.
pub fn apply(which: &str) -> Result<()> {
    match which {
        "tmpfile" => Ok(()),
        "no-tmpfile" => refuse(&WAYS_TO_OPEN),
        "no-name" => refuse(&[]),
        other => bail!("unknown way {other:?}"),
    }
}

fn statement(code: u32, k: u32) -> sock_filter {
    sock_filter { code: code as u16, jt: 0, jf: 0, k }
}

fn jump_if_equal(k: u32, then: u8, otherwise: u8) -> sock_filter {
    sock_filter { code: (BPF_JMP | BPF_JEQ | BPF_K) as u16, jt: then, jf: otherwise, k }
}

/// Each way to open, and which argument has the flags.
const WAYS_TO_OPEN: [(libc::c_long, u32); if cfg!(target_arch = "x86_64") { 2 } else { 1 }] = [
    (libc::SYS_openat, 2),
    #[cfg(target_arch = "x86_64")]
    (libc::SYS_open, 1),
];

/// Refuses links to files, and `O_TMPFILE` in these ways to open one.
fn refuse(ways: &[(libc::c_long, u32)]) -> Result<()> {
    // Of struct seccomp_data: the number, and the low halves of the arguments.
    const NUMBER: u32 = 0;
    const LOW_HALF: u32 = if cfg!(target_endian = "little") { 0 } else { 4 };
    let argument = |at| statement(BPF_LD | BPF_W | BPF_ABS, 16 + at * 8 + LOW_HALF);
    let unnamed = (libc::O_TMPFILE & !libc::O_DIRECTORY) as u32;
    let error = |errno: i32| statement(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | errno as u32);
    let allow = statement(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    let mut program = vec![
        statement(BPF_LD | BPF_W | BPF_ABS, NUMBER),
        jump_if_equal(libc::SYS_linkat as u32, 0, 1),
        error(libc::EPERM),
    ];
    for &(number, flags) in ways {
        program.extend([
            jump_if_equal(number as u32, 0, 5),
            argument(flags),
            statement(BPF_ALU | BPF_AND | BPF_K, unnamed),
            jump_if_equal(0, 1, 0),
            error(libc::EOPNOTSUPP),
            allow,
        ]);
    }
    program.push(allow);
    let filter = sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: PR_SET_NO_NEW_PRIVS takes plain numbers.
    let done = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    ensure!(done == 0, "no_new_privs: {}", std::io::Error::last_os_error());
    // SAFETY: `filter` is a valid program, which the kernel copies.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter) };
    ensure!(done == 0, "seccomp: {}", std::io::Error::last_os_error());
    Ok(())
}
