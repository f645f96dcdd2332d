//! Stopping a guest from another thread. No loop polls: the request sets `VmStore::interrupt`, which the interpreter and host calls look at, and then
//! signals the guest's thread until it has left the guest; a signal that finds the thread in a compiled function turns it into a trap.
//!
//! One signal may come while the thread is in Rust, between its last look at the flag and compiled code, so signals are repeated. The running thread is
//! named under a lock which it takes when it leaves, so that a thread which ended is never signalled.

use super::signals::INTERRUPT_SIGNAL;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use trjit_module::vm::VmStore;

/// Time between two signals.
const REPEAT: Duration = Duration::from_millis(5);
/// How long [`InterruptHandle::interrupt`] goes on: a host function that ignores the flag may keep the thread longer.
const PATIENCE: Duration = Duration::from_secs(10);

struct Shared {
    state: Mutex<State>,
    left: Condvar,
}

struct State {
    /// Null when the store is gone.
    store: *mut VmStore,
    /// The thread in the guest, and how many scopes it is in.
    running: Option<libc::pthread_t>,
    depth: u32,
    /// Counts outermost scopes, to tell one run from the next.
    run: u64,
}

// SAFETY: the store's pointer is used under the lock only, for its atomic flag, while `Interruptible` keeps it alive.
unsafe impl Send for State {}

impl State {
    fn flag(&self) -> Option<&AtomicU32> {
        if self.store.is_null() {
            return None;
        }
        // SAFETY: the store is alive, and all that other threads share of it is this field, which everyone accesses atomically.
        Some(unsafe { AtomicU32::from_ptr(&raw mut (*self.store).interrupt) })
    }

    fn set_flag(&self, value: u32) {
        if let Some(flag) = self.flag() {
            flag.store(value, Ordering::Release);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The store's side: tells when its thread is in the guest.
pub struct Interruptible(Arc<Shared>);

impl Interruptible {
    /// # Safety
    /// `store` stays where it is and alive until the result is dropped; its field `interrupt` is accessed atomically only.
    pub unsafe fn new(store: *mut VmStore) -> Interruptible {
        let state = State { store, running: None, depth: 0, run: 0 };
        Interruptible(Arc::new(Shared { state: Mutex::new(state), left: Condvar::new() }))
    }

    pub fn handle(&self) -> InterruptHandle {
        InterruptHandle(self.0.clone())
    }

    /// Until the result is dropped this thread is in the guest. Scopes nest; all of one nest are on one thread.
    pub fn enter_guest(&self) -> GuestScope {
        let mut state = self.0.lock();
        if state.depth == 0 {
            state.run += 1;
            // SAFETY: always possible.
            state.running = Some(unsafe { libc::pthread_self() });
        }
        state.depth += 1;
        GuestScope(self.0.clone(), std::marker::PhantomData)
    }
}

impl Drop for Interruptible {
    fn drop(&mut self) {
        self.0.lock().store = std::ptr::null_mut();
        self.0.left.notify_all();
    }
}

/// A thread's stay in the guest. The end of the outermost one also ends a request to interrupt it.
pub struct GuestScope(Arc<Shared>, std::marker::PhantomData<*const ()>);

impl Drop for GuestScope {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.depth -= 1;
        if state.depth == 0 {
            state.running = None;
            state.set_flag(0);
            self.0.left.notify_all();
        }
    }
}

/// Stops the guest of one store; for any thread. Not for signal handlers: it locks.
#[derive(Clone)]
pub struct InterruptHandle(Arc<Shared>);

impl InterruptHandle {
    /// Makes the guest stop with [`TrapCode::Interrupt`](trjit_module::TrapCode), and waits up to 10 seconds until its thread has left it. Where no guest
    /// runs, the next one stops at its first look at the flag. Returns whether the store's thread is outside of the guest.
    pub fn interrupt(&self) -> bool {
        self.interrupt_within(PATIENCE)
    }

    /// Signals the guest once where one runs. Returns whether none runs; then nothing is left behind that would stop the next one.
    pub fn interrupt_running(&self) -> bool {
        let state = self.0.lock();
        let Some(thread) = state.running.filter(|_| !state.store.is_null()) else { return true };
        state.set_flag(1);
        // SAFETY: the thread is alive: it does not leave its scope while the state is locked.
        unsafe { libc::pthread_kill(thread, INTERRUPT_SIGNAL) };
        false
    }

    /// As [`interrupt`](Self::interrupt) with another time to wait; zero signals once.
    pub fn interrupt_within(&self, patience: Duration) -> bool {
        let start = Instant::now();
        let mut state = self.0.lock();
        state.set_flag(1);
        let run = state.run;
        loop {
            let Some(thread) = state.running.filter(|_| state.run == run && !state.store.is_null()) else { return true };
            // SAFETY: always possible.
            if thread == unsafe { libc::pthread_self() } {
                return false;
            }
            // SAFETY: the thread is alive: it does not leave its scope while the state is locked.
            unsafe { libc::pthread_kill(thread, INTERRUPT_SIGNAL) };
            if start.elapsed() >= patience {
                return false;
            }
            state = self.0.left.wait_timeout(state, REPEAT).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
