//! The start of a process: its CPU time, and, for `trjit-run`, what the standard library does before `main`, as far as it is needed.
//!
//! Rust's own start also reads `/proc/self/maps` and installs a handler and a stack for overflows of the main thread's stack: a tenth of a small program's start. The
//! runtime has its own handlers, and limits how deep guests go.
#![allow(unsafe_code)]

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags, open};
use rustix::stdio::{stderr, stdin, stdout};
use std::os::fd::IntoRawFd;
use std::time::Duration;

/// To be called first in a `main` that the C library calls.
pub fn prepare() {
    open_closed_streams();
    // SAFETY: no handler is installed, and no other thread runs. Writing to a closed pipe is then an error that the guest gets, as with every Rust program.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
}

/// The CPU time that this process has used.
pub fn cpu_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the result has a place. Should the clock not exist, it stays zero.
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// A process can be started without standard streams; files opened later must not take their numbers.
fn open_closed_streams() {
    let (stdin, stdout, stderr) = (stdin(), stdout(), stderr());
    let mut streams = [&stdin, &stdout, &stderr].map(|stream| PollFd::new(stream, PollFlags::empty()));
    if poll(&mut streams, Some(&rustix::time::Timespec { tv_sec: 0, tv_nsec: 0 })).is_err() {
        return;
    }
    for _ in streams.iter().filter(|stream| stream.revents().contains(PollFlags::NVAL)) {
        // The lowest number that is free: that of the stream. Without the file, going on is all there is to do.
        let _ = open("/dev/null", OFlags::RDWR, Mode::empty()).map(IntoRawFd::into_raw_fd);
    }
}
