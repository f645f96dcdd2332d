//! Stopping from outside: a time limit, and SIGINT and SIGTERM where something is still to be written then, as by training and `trjit ci`.
//!
//! The signals are blocked in every thread and taken by one thread of ours, so that what follows is ordinary code.

use std::mem::MaybeUninit;
use std::os::unix::process::CommandExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::time::{Duration, Instant};
use trjit_runtime::InterruptHandle;

/// Who sends a signal to a process and then to its group, as `timeout` does, means it once.
const ECHO: Duration = Duration::from_millis(300);

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

    /// A signal has come.
    pub fn set_signal(&self, signal: i32) {
        self.signal.store(signal, Ordering::Release);
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

/// Interrupts the guest at the first of the signals, and does `second` at the next one.
pub fn on_signals(signals: Signals, handle: InterruptHandle, flag: Arc<AtomicBool>, stopped: Arc<Stopped>, second: fn(i32)) {
    std::thread::spawn(move || {
        let first = signals.wait();
        stopped.set_signal(first.signal);
        flag.store(true, Ordering::Release);
        let waiting = std::thread::spawn(move || while !handle.interrupt() {});
        let again = signals.wait_for_another(first);
        drop(waiting);
        second(again.signal);
    });
}

/// Calls `then` with the number of the first SIGINT or SIGTERM, on a thread of its own. To be called before other threads exist.
pub fn on_first_signal(then: impl FnOnce(i32) + Send + 'static) {
    let signals = Signals::block();
    std::thread::spawn(move || then(signals.wait().signal));
}

/// SIGINT and SIGTERM, or those of them that are not ignored, blocked.
pub struct Signals {
    set: libc::sigset_t,
    empty: bool,
}

/// A signal that has come.
#[derive(Clone, Copy)]
pub struct Received {
    pub signal: i32,
    /// The kernel sent it, to all processes of the terminal's foreground.
    pub from_terminal: bool,
    at: Instant,
}

impl Signals {
    /// Blocks both for this thread and those that it starts: to be called before other threads exist.
    pub fn block() -> Signals {
        Signals::block_those(|_| true)
    }

    /// The same, but a signal that the process was told to ignore stays so, as a program without a handler leaves it.
    pub fn block_unless_ignored() -> Signals {
        Signals::block_those(|signal| {
            let mut action = MaybeUninit::<libc::sigaction>::zeroed();
            // SAFETY: the call writes the present action, for which there is room; it is plain data, valid when zero.
            unsafe {
                libc::sigaction(signal, std::ptr::null(), action.as_mut_ptr());
                action.assume_init().sa_sigaction != libc::SIG_IGN
            }
        })
    }

    fn block_those(wanted: impl Fn(i32) -> bool) -> Signals {
        let wanted: Vec<i32> = [libc::SIGINT, libc::SIGTERM].into_iter().filter(|&signal| wanted(signal)).collect();
        // SAFETY: the set is initialized by `sigemptyset` before it is used; the calls only take valid pointers.
        let set = unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&raw mut set);
            for &signal in &wanted {
                libc::sigaddset(&raw mut set, signal);
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut());
            set
        };
        Signals { set, empty: wanted.is_empty() }
    }

    /// Lets a command begin with these signals as they were for us.
    pub fn unblock_in(&self, command: &mut std::process::Command) {
        let set = self.set;
        let unblock = move || {
            // SAFETY: the set is initialized, and the other pointer may be null.
            unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut()) };
            Ok(())
        };
        // SAFETY: between fork and exec it makes one system call, and neither allocates nor locks.
        unsafe { command.pre_exec(unblock) };
    }

    /// Waits for a signal; forever, where all are ignored.
    pub fn wait(&self) -> Received {
        loop {
            if self.empty {
                std::thread::park();
                continue;
            }
            let mut about = MaybeUninit::<libc::siginfo_t>::zeroed();
            // SAFETY: both pointers are valid; what is told is plain data, valid when zero. An interrupted wait is repeated.
            let (signal, about) = unsafe { (libc::sigwaitinfo(&raw const self.set, about.as_mut_ptr()), about.assume_init()) };
            if signal > 0 {
                return Received { signal, from_terminal: about.si_code == libc::SI_KERNEL, at: Instant::now() };
            }
        }
    }

    /// Waits for a signal that is not an echo of this one.
    pub fn wait_for_another(&self, first: Received) -> Received {
        loop {
            let next = self.wait();
            if next.signal != first.signal || next.at.duration_since(first.at) > ECHO {
                return next;
            }
        }
    }
}

/// Ends the process by a signal, as if it had never been blocked.
pub fn die_by(signal: i32) {
    // SAFETY: the set is initialized by `sigemptyset` before it is used; the calls only take valid pointers. The signal comes when it is unblocked.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        let mut set = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        libc::sigaddset(&raw mut set, signal);
        libc::raise(signal);
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &raw const set, std::ptr::null_mut());
    }
    std::process::exit(128 + signal);
}

/// Ends the process with the status that shells give to a signal.
pub fn exit_by(signal: i32) {
    std::process::exit(128 + signal);
}
