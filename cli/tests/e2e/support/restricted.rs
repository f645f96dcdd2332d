//! Processes with less than usual: a system-call filter against executable anonymous memory, a limit of address space.

use super::command::Trjit;
use std::io;
use std::os::unix::process::CommandExt;

/// What the filter does with a process that asks for executable memory.
#[derive(Clone, Copy, Debug)]
pub enum Denial {
    /// Ends it by SIGSYS.
    Kills,
    /// Lets the call fail with EPERM.
    Fails,
}

/// Offsets in the kernel's `struct seccomp_data`: the call's number, and the low words of two arguments (the protection, the flags of `mmap`).
const NUMBER: u32 = 0;
const PROTECTION: u32 = 16 + 8 * 2;
const FLAGS: u32 = 16 + 8 * 3;

/// `mmap(PROT_EXEC, MAP_ANONYMOUS)`, and `mprotect` or `pkey_mprotect` with PROT_EXEC on whatever, are denied; all else is allowed.
fn filter(denial: Denial) -> [libc::sock_filter; 12] {
    let load = |offset| op(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, offset, 0, 0);
    let is = |value: libc::c_long, then, or| op(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, value as u32, then, or);
    let has = |bits: libc::c_int, then, or| op(libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K, bits as u32, then, or);
    let end = |action| op(libc::BPF_RET | libc::BPF_K, action, 0, 0);
    let denied = match denial {
        Denial::Kills => libc::SECCOMP_RET_KILL_PROCESS,
        Denial::Fails => libc::SECCOMP_RET_ERRNO | libc::EPERM as u32,
    };
    [
        load(NUMBER),
        is(libc::SYS_mprotect, 6, 0),
        is(libc::SYS_pkey_mprotect, 5, 0),
        is(libc::SYS_mmap, 0, 6),
        load(PROTECTION),
        has(libc::PROT_EXEC, 0, 4),
        load(FLAGS),
        has(libc::MAP_ANONYMOUS, 3, 2),
        load(PROTECTION),
        has(libc::PROT_EXEC, 1, 0),
        end(libc::SECCOMP_RET_ALLOW),
        end(denied),
    ]
}

fn op(code: u32, k: u32, jt: u8, jf: u8) -> libc::sock_filter {
    libc::sock_filter { code: code as u16, jt, jf, k }
}

fn checked(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

impl Trjit {
    /// The process gets no executable anonymous memory, from before it is executed.
    pub fn without_executable_memory(mut self, denial: Denial) -> Trjit {
        let install = move || {
            let mut filter = filter(denial);
            let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
            // SAFETY: both calls only read what is given, which lives until they return.
            unsafe {
                checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
                checked(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program))
            }
        };
        // SAFETY: between fork and exec it makes two system calls, and neither allocates nor locks.
        unsafe { self.command().pre_exec(install) };
        self
    }

    /// The process may map so many bytes (`ulimit -v`).
    pub fn address_space(mut self, bytes: u64) -> Trjit {
        let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
        // SAFETY: between fork and exec it makes one system call, which reads what is given.
        unsafe { self.command().pre_exec(move || checked(libc::setrlimit(libc::RLIMIT_AS, &raw const limit))) };
        self
    }
}
