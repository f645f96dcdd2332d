//! The limit of file sizes (`ulimit -f`), without the signal that ends a process which meets it.

use std::mem::MaybeUninit;
use std::ptr;

/// Runs what writes files. Where that meets the limit of file sizes, the write fails, and SIGXFSZ has no effect. Other threads and the process's handlers are left alone:
/// the kernel sends that signal to the thread that writes.
pub fn as_error<T>(write: impl FnOnce() -> T) -> T {
    let mut signal = MaybeUninit::<libc::sigset_t>::uninit();
    let mut before = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigemptyset` initializes the set before it is used, `pthread_sigmask` the other one where it succeeds, and only then that is read.
    unsafe {
        libc::sigemptyset(signal.as_mut_ptr());
        libc::sigaddset(signal.as_mut_ptr(), libc::SIGXFSZ);
        let blocked = libc::pthread_sigmask(libc::SIG_BLOCK, signal.as_ptr(), before.as_mut_ptr()) == 0;
        let result = write();
        if blocked {
            let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
            // One that was pending before (it was blocked) is taken, too: whoever waits for it is told by the failed write.
            while libc::sigtimedwait(signal.as_ptr(), ptr::null_mut(), &raw const at_once) == libc::SIGXFSZ {}
            libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut());
        }
        result
    }
}
