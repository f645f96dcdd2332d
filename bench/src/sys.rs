//! What the standard library cannot ask the system: what a child used, how large it was when it ended, and which pages of a file are cached.
//!
//! All unsafe code of the bench is here.
//!
//! Peak memory is not taken from `wait4`: a child's `ru_maxrss` begins at the size that its parent had, since Linux counts the memory that `exec` leaves. So a run
//! of its own is traced, stopped where it exits, and asked for `VmHWM`, which belongs to the program alone.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

/// What the system counted for a child that ended.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// As `wait` tells it: see [`exit_code`].
    pub status: i32,
    pub user_us: u64,
    pub system_us: u64,
    pub minor_faults: u64,
    pub major_faults: u64,
}

/// The exit status, or 128 and the signal that ended it, as shells have it.
pub fn exit_code(status: i32) -> i32 {
    if libc::WIFSIGNALED(status) { 128 + libc::WTERMSIG(status) } else { libc::WEXITSTATUS(status) }
}

/// Waits for a child to end, and takes its accounts.
pub fn wait(pid: u32) -> io::Result<Usage> {
    let mut status = 0;
    // SAFETY: all zeros is a value of `rusage`, a structure of integers.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to locals that outlive the call.
        if unsafe { libc::wait4(pid as i32, &mut status, 0, &mut usage) } >= 0 {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    let micros = |time: libc::timeval| time.tv_sec as u64 * 1_000_000 + time.tv_usec as u64;
    Ok(Usage {
        status,
        user_us: micros(usage.ru_utime),
        system_us: micros(usage.ru_stime),
        minor_faults: usage.ru_minflt as u64,
        major_faults: usage.ru_majflt as u64,
    })
}

/// How a traced child ended.
#[derive(Clone, Copy, Debug)]
pub struct Traced {
    pub status: i32,
    /// `VmHWM` in KiB; `None` when the child ended before it could be asked, or tracing is not allowed.
    pub peak_kib: Option<u64>,
}

/// Follows a child to its end, and asks there how large it was at most. `None`: it did not end in time, and was killed.
pub fn trace_to_end(pid: u32, limit: Duration) -> io::Result<Option<Traced>> {
    let (pid, start) = (pid as i32, Instant::now());
    let _ = ptrace(libc::PTRACE_SEIZE, pid, libc::PTRACE_O_TRACEEXIT);
    let mut peak_kib = None;
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a local that outlives the call.
        let found = unsafe { libc::waitpid(pid, &mut status, libc::WNOHANG) };
        if found < 0 {
            return Err(io::Error::last_os_error());
        }
        if found == 0 {
            if start.elapsed() > limit {
                kill(pid);
                wait_killed(pid)?;
                return Ok(None);
            }
            std::thread::sleep(Duration::from_micros(500));
        } else if libc::WIFSTOPPED(status) {
            let event = status >> 16;
            if event == libc::PTRACE_EVENT_EXIT {
                peak_kib = high_water(pid);
            }
            // A signal of the child's own goes on to it; the stops of tracing carry none.
            let signal = if event == 0 { libc::WSTOPSIG(status) } else { 0 };
            let _ = ptrace(libc::PTRACE_CONT, pid, signal);
        } else {
            return Ok(Some(Traced { status, peak_kib }));
        }
    }
}

fn wait_killed(pid: i32) -> io::Result<()> {
    loop {
        let mut status = 0;
        // SAFETY: the pointer is to a local that outlives the call.
        if unsafe { libc::waitpid(pid, &mut status, 0) } < 0 {
            return Err(io::Error::last_os_error());
        }
        if !libc::WIFSTOPPED(status) {
            return Ok(());
        }
        let _ = ptrace(libc::PTRACE_CONT, pid, 0);
    }
}

fn ptrace(request: libc::c_uint, pid: i32, data: i32) -> io::Result<()> {
    // SAFETY: SEIZE and CONT, the requests used here, read no memory: `data` is a number to both.
    let result = unsafe { libc::ptrace(request, pid, std::ptr::null_mut::<libc::c_void>(), libc::c_long::from(data)) };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ends a child that was not waited for yet.
pub fn kill(pid: i32) {
    // SAFETY: no memory is passed; the child was not reaped, so the number is still its own.
    unsafe { libc::kill(pid, libc::SIGKILL) };
}

fn high_water(pid: i32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches("kB").trim().parse().ok()
}

/// How many pages of a file are in the page cache, and how many it has.
pub fn cached_pages(file: &File) -> io::Result<(usize, usize)> {
    let len = file.metadata()?.len() as usize;
    if len == 0 {
        return Ok((0, 0));
    }
    let pages = len.div_ceil(4096);
    let mut resident = vec![0u8; pages];
    // SAFETY: a new mapping without access, which touches no memory of this process; it is unmapped below and never read.
    let mapped = unsafe { libc::mmap(std::ptr::null_mut(), len, libc::PROT_NONE, libc::MAP_SHARED, file.as_raw_fd(), 0) };
    if mapped == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the range was just mapped, and the vector has a byte for each of its pages.
    let asked = unsafe { libc::mincore(mapped, len, resident.as_mut_ptr()) };
    let error = io::Error::last_os_error();
    // SAFETY: the range was mapped above, and nothing refers to it.
    unsafe { libc::munmap(mapped, len) };
    if asked < 0 {
        return Err(error);
    }
    Ok((resident.iter().filter(|page| **page & 1 != 0).count(), pages))
}

/// A module that wasmtime's library compiled before.
#[cfg(feature = "wasmtime")]
pub fn deserialize(engine: &wasmtime::Engine, path: &std::path::Path) -> wasmtime::Result<wasmtime::Module> {
    // SAFETY: the file was made by `precompile_module` of the same library, in a folder of this run of the bench alone.
    unsafe { wasmtime::Module::deserialize_file(engine, path) }
}

#[cfg(test)]
#[expect(clippy::zombie_processes, reason = "the functions under test wait for them")]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_child_is_accounted_for_and_its_status_told() {
        let child = Command::new("/bin/sh").args(["-c", "exit 7"]).spawn().expect("a shell");
        let usage = wait(child.id()).expect("the child ended");
        assert_eq!(exit_code(usage.status), 7);
        assert!(usage.minor_faults > 0);
    }

    #[test]
    fn a_traced_child_that_never_ends_is_killed() {
        let child = Command::new("/bin/sleep").arg("100").spawn().expect("sleep");
        assert!(trace_to_end(child.id(), Duration::from_millis(20)).expect("the child was ours").is_none());
    }

    #[test]
    fn a_traced_child_tells_its_own_size() {
        // As large as this process may be, the shell is not.
        let ballast = vec![1u8; 64 << 20];
        let child = Command::new("/bin/sh").args(["-c", "sleep 0.2"]).spawn().expect("a shell");
        let traced = trace_to_end(child.id(), Duration::from_secs(20)).expect("the child was ours").expect("it ended");
        assert!(traced.peak_kib.is_some_and(|peak| peak > 100 && peak < 32 << 10), "{traced:?}");
        assert_eq!(ballast.iter().map(|byte| usize::from(*byte)).sum::<usize>(), 64 << 20);
    }

    #[test]
    fn signals_reach_a_traced_child() {
        let child = Command::new("/bin/sh").args(["-c", "kill -TERM $$; exit 1"]).spawn().expect("a shell");
        let traced = trace_to_end(child.id(), Duration::from_secs(20)).expect("the child was ours").expect("it ended");
        assert_eq!(exit_code(traced.status), 128 + libc::SIGTERM);
    }

    #[test]
    fn a_file_just_written_is_cached() {
        let mut file = tempfile::tempfile().expect("a file");
        io::Write::write_all(&mut file, &[1; 10_000]).expect("written");
        assert_eq!(cached_pages(&file).expect("the file can be mapped"), (3, 3));
    }
}
