//! `Recording`: all that is recorded of one module while its instances run, on any threads. Each instance counts by its own [`Recorder`]; what is
//! taken is the sum.
//!
//! ```text
//! instance -> Recorder --+                     take          Trace of the time since the last take
//! instance -> Recorder --+-> Recording --------------------> (counters added up, one order of first calls)
//! ended instances -------+
//! ```
//! Invariant: every count is in exactly one of the traces that are taken. Taking does not touch the counters of living instances: it remembers
//! what they were.

use crate::counts::{Counts, LiveCounts};
use crate::recorder::{FirstCall, Recorder, RunInfo, Trace};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;
use trjit_module::{DefinedFuncIndex, Digest, Module};

/// What is recorded of one module; for any thread.
pub struct Recording {
    module: Module,
    /// When the first recorder was made: first calls are timed from here.
    started: OnceLock<Instant>,
    state: Mutex<State>,
    order: Mutex<Order>,
}

#[derive(Debug)]
struct State {
    living: BTreeMap<u64, Living>,
    /// The number of the next recorder.
    next: u64,
    /// What instances counted that have ended, as far as it was not taken.
    ended: Option<Counts>,
    taken_at: Option<Instant>,
}

/// An instance that goes on.
#[derive(Debug)]
struct Living {
    counts: Arc<LiveCounts>,
    /// What was taken of it so far; none: nothing.
    taken: Option<Counts>,
}

impl Living {
    /// What was not taken yet, which counts as taken then.
    fn take(&mut self) -> Counts {
        let now = self.counts.look();
        match self.taken.replace(now.clone()) {
            Some(taken) => now.since(&taken),
            None => now,
        }
    }

    /// What was not taken yet of an instance that has ended.
    fn rest(self) -> Counts {
        let end = self.counts.look();
        match self.taken {
            Some(taken) => end.since(&taken),
            None => end,
        }
    }
}

/// First invocations in any instance.
#[derive(Debug)]
struct Order {
    entered: Box<[bool]>,
    calls: Vec<FirstCall>,
}

impl Recording {
    /// Nothing recorded yet.
    pub fn new(module: &Module) -> Arc<Recording> {
        Arc::new(Recording {
            started: OnceLock::new(),
            state: Mutex::new(State { living: BTreeMap::new(), next: 0, ended: None, taken_at: None }),
            order: Mutex::new(Order { entered: vec![false; module.functions().len()].into(), calls: Vec::new() }),
            module: module.clone(),
        })
    }

    /// The recorder of a new instance. Time counts from the first one.
    pub fn recorder(self: &Arc<Recording>) -> Recorder {
        self.started.get_or_init(Instant::now);
        let counts = Arc::new(LiveCounts::new(&self.module));
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        state.living.insert(number, Living { counts: Arc::clone(&counts), taken: None });
        Recorder::of(Arc::clone(self), number, counts)
    }

    /// What all instances did since the last take, as one run; `info.seconds` of 0 stands for the time since then. The order has the first calls of all functions
    /// that were entered in this time, also where the first call itself was earlier.
    pub fn take(&self, info: RunInfo) -> Trace {
        let mut state = self.lock();
        let mut sum = state.ended.take();
        for living in state.living.values_mut() {
            add(&mut sum, living.take());
        }
        let now = Instant::now();
        let since = state.taken_at.replace(now).or(self.started.get().copied()).unwrap_or(now);
        drop(state);
        let Counts { entries, branches, sites } = sum.unwrap_or_else(|| Counts::new(&self.module));
        let seconds = if info.seconds == 0.0 { now.duration_since(since).as_secs_f64() } else { info.seconds };
        let entered = |call: &&FirstCall| entries.get(call.function as usize).is_some_and(|&count| count != 0);
        let first_calls = self.lock_order().calls.iter().filter(entered).copied().collect();
        Trace { module: self.digest(), info: RunInfo { seconds, ..info }, entries, branches, first_calls, sites }
    }

    fn digest(&self) -> Digest {
        self.module.digest()
    }

    /// Notes a function's first invocation in an instance.
    pub(crate) fn first_call(&self, function: DefinedFuncIndex) {
        let started = *self.started.get_or_init(Instant::now);
        let mut order = self.lock_order();
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Some(entered) = order.entered.get_mut(function.index()) else { return };
        if !std::mem::replace(entered, true) {
            order.calls.push(FirstCall { function: function.0, micros });
        }
    }

    /// The instance of this number has ended.
    pub(crate) fn end(&self, number: u64) {
        let mut state = self.lock();
        if let Some(living) = state.living.remove(&number) {
            add(&mut state.ended, living.rest());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_order(&self) -> MutexGuard<'_, Order> {
        self.order.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn add(sum: &mut Option<Counts>, more: Counts) {
    match sum {
        Some(sum) => sum.add(&more),
        None => *sum = Some(more),
    }
}
