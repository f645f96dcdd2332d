//! Stopping a guest from outside: a time limit, and for training SIGINT and SIGTERM, after which the profile is still written. `trjit ci` takes the same signals.
//!
//! The signals are blocked in every thread and taken by one thread of ours, so that what follows is ordinary code.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::Duration;
use trjit_runtime::InterruptHandle;

/// Who stopped the guest.
#[derive(Default)]
pub struct Stopped {
    signal: AtomicI32,
    time: AtomicBool,
}

impl Stopped {
    /// The signal that stopped the guest.
    pub fn signal(&self) -> Option<i32> {
        Some(self.signal.load(Ordering::Acquire)).filter(|&signal| signal != 0)
    }

    /// Whether the time was up.
    pub fn by_time(&self) -> bool {
        self.time.load(Ordering::Acquire)
    }
}

/// Interrupts the guest after `limit`.
pub fn after(limit: Duration, handle: InterruptHandle, flag: Arc<AtomicBool>, stopped: Arc<Stopped>) {
    std::thread::spawn(move || {
        std::thread::sleep(limit);
        stopped.time.store(true, Ordering::Release);
        flag.store(true, Ordering::Release);
        while !handle.interrupt() {}
    });
}

/// Interrupts the guest at the first SIGINT or SIGTERM; the second one ends the process at once. To be called before other threads exist.
pub fn on_signals(handle: InterruptHandle, flag: Arc<AtomicBool>, stopped: Arc<Stopped>) {
    let signals = blocked_signals();
    std::thread::spawn(move || {
        let signal = wait(&signals);
        stopped.signal.store(signal, Ordering::Release);
        flag.store(true, Ordering::Release);
        let waiting = std::thread::spawn(move || while !handle.interrupt() {});
        let again = wait(&signals);
        drop(waiting);
        std::process::exit(128 + again);
    });
}

/// Calls `then` with the number of the first SIGINT or SIGTERM, on a thread of its own. To be called before other threads exist.
pub fn on_first_signal(then: impl FnOnce(i32) + Send + 'static) {
    let signals = blocked_signals();
    std::thread::spawn(move || then(wait(&signals)));
}

/// Blocks SIGINT and SIGTERM for this thread and those that it starts.
fn blocked_signals() -> libc::sigset_t {
    // SAFETY: the set is initialized by `sigemptyset` before it is used; the calls only take valid pointers.
    unsafe {
        let mut signals = std::mem::zeroed();
        libc::sigemptyset(&raw mut signals);
        libc::sigaddset(&raw mut signals, libc::SIGINT);
        libc::sigaddset(&raw mut signals, libc::SIGTERM);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const signals, std::ptr::null_mut());
        signals
    }
}

fn wait(signals: &libc::sigset_t) -> i32 {
    let mut signal = 0;
    while signal == 0 {
        // SAFETY: both pointers are valid; an error (none is possible for a valid set) leaves `signal` 0, and the wait is repeated.
        unsafe { libc::sigwait(signals, &raw mut signal) };
    }
    signal
}
