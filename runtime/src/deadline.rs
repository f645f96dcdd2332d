//! Deadlines: guests stop at a time, or when the engine's epoch has come so far. Code is the same with and without: one thread of the engine watches, and
//! signals the threads of those stores whose time is up (see [`InterruptHandle`]).
//!
//! Invariant: a deadline that has passed stops the guest at once where one runs, and at its entry where one is started, until the deadline is moved.

use crate::sys::InterruptHandle;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

/// Time between two looks at a guest that shall stop and has not yet.
const REPEAT: Duration = Duration::from_millis(2);

/// When a store's guest shall stop.
#[derive(Clone, Copy, Default)]
struct When {
    time: Option<Instant>,
    epoch: Option<u64>,
}

/// A store that is watched.
pub(crate) struct Watch {
    when: Mutex<When>,
    handle: InterruptHandle,
    clock: Arc<Clock>,
}

/// An engine's epoch and the stores that are watched.
#[derive(Default)]
pub(crate) struct Clock {
    epoch: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
    thread: OnceLock<bool>,
}

#[derive(Default)]
struct State {
    watches: Vec<Weak<Watch>>,
    /// Something has changed since the thread looked.
    changed: bool,
    closed: bool,
}

impl Clock {
    pub fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Acquire)
    }

    pub fn increment_epoch(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
        self.notify();
    }

    /// Watches a store from now on.
    pub fn watch(self: &Arc<Clock>, handle: InterruptHandle) -> Arc<Watch> {
        let watch = Arc::new(Watch { when: Mutex::default(), handle, clock: Arc::clone(self) });
        self.lock().watches.push(Arc::downgrade(&watch));
        self.thread.get_or_init(|| {
            let clock = Arc::downgrade(self);
            std::thread::Builder::new().name("trjit-deadline".to_string()).spawn(move || work(&clock)).is_ok()
        });
        watch
    }

    /// The thread ends.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    fn notify(&self) {
        self.lock().changed = true;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops what is due; when to look again.
    fn look(&self) -> Option<Instant> {
        let mut state = self.lock();
        state.changed = false;
        state.watches.retain(|watch| watch.strong_count() != 0);
        let watches: Vec<Arc<Watch>> = state.watches.iter().filter_map(Weak::upgrade).collect();
        drop(state);
        watches.iter().filter_map(|watch| watch.look()).min()
    }
}

impl Watch {
    pub fn set_time(&self, time: Option<Instant>) {
        self.lock().time = time;
        self.clock.notify();
    }

    pub fn set_epoch(&self, epoch: u64) {
        self.lock().epoch = Some(epoch);
        self.clock.notify();
    }

    /// Whether the guest shall not run.
    pub fn passed(&self) -> bool {
        self.due(*self.lock())
    }

    fn due(&self, when: When) -> bool {
        when.time.is_some_and(|time| time <= Instant::now()) || when.epoch.is_some_and(|epoch| epoch <= self.clock.epoch())
    }

    fn lock(&self) -> MutexGuard<'_, When> {
        self.when.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Stops the guest when it is due; when to look again. The deadline is locked meanwhile, so that one that is moved does not stop anybody afterwards.
    fn look(&self) -> Option<Instant> {
        let when = self.lock();
        match self.due(*when) {
            true if self.handle.interrupt_running() => None,
            true => Some(Instant::now() + REPEAT),
            false => when.time,
        }
    }
}

fn work(clock: &Weak<Clock>) {
    while let Some(clock) = clock.upgrade() {
        let next = clock.look();
        let state = clock.lock();
        let idle = |state: &mut State| !state.changed && !state.closed;
        let wait = next.map_or(Duration::from_secs(3600), |next| next.saturating_duration_since(Instant::now()));
        let (state, _) = clock.changed.wait_timeout_while(state, wait, idle).unwrap_or_else(PoisonError::into_inner);
        if state.closed {
            return;
        }
    }
}
