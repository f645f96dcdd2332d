//! The queue of what waits to be compiled, and the threads that compile it: always what is hottest at the moment when a thread looks.
//!
//! ```text
//! interpreter: hot -> submit(Job) -> waiting (heat goes on rising) -> the hottest -> compile -> publish, with others of its module
//! ```
//! Jobs do not keep their module alive: code for a module that is gone is not compiled. Threads start when there is work for one more, up to the engine's
//! number, and end with the engine; they hold nothing of it while they wait.

use crate::batch::{Batch, is_callable};
use crate::code::ModuleCode;
use crate::events::{Stopwatch, Task};
use crate::jit;
use crate::tunables::Tunables;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use trjit_module::FuncIndex;

/// Calls and back-edges that were counted for something that has no code yet: a place in a list that is shared with whoever counts.
#[derive(Clone)]
pub(crate) struct Heat {
    counts: Arc<[AtomicU32]>,
    at: usize,
}

impl Heat {
    pub fn new(counts: Arc<[AtomicU32]>, at: usize) -> Heat {
        Heat { counts, at }
    }

    /// One that nobody shares yet.
    pub fn alone(count: u32) -> Heat {
        Heat { counts: Arc::new([AtomicU32::new(count)]), at: 0 }
    }

    /// Adds to it, up to the most that fits; the result is what it was.
    pub fn add(&self, more: u32) -> u32 {
        let add = |count: u32| Some(count.saturating_add(more));
        self.counts[self.at].fetch_update(Ordering::Relaxed, Ordering::Relaxed, add).unwrap_or_else(|count| count)
    }

    pub fn get(&self) -> u32 {
        self.counts[self.at].load(Ordering::Relaxed)
    }
}

/// One function or loop to compile.
pub(crate) struct Job {
    pub code: Weak<ModuleCode>,
    pub task: Task,
    pub heat: Heat,
    pub waiting: Stopwatch,
}

/// See the module's header.
pub(crate) struct JitQueue {
    shared: Arc<Shared>,
    /// Most threads.
    threads: usize,
}

/// What the queue and its threads share.
#[derive(Default)]
pub(crate) struct Shared {
    state: Mutex<State>,
    /// Something was put into the queue, or it was closed.
    news: Condvar,
}

#[derive(Default)]
struct State {
    waiting: Vec<Job>,
    threads: usize,
    idle: usize,
    closed: bool,
}

impl JitQueue {
    /// An empty queue; `threads` of 0 stands for one a CPU, less that of the guest.
    pub fn new(threads: usize) -> JitQueue {
        let threads = if threads == 0 { cpus_beside_the_guest() } else { threads };
        JitQueue { shared: Arc::default(), threads }
    }

    /// How many jobs nobody has begun with.
    pub fn waiting(&self) -> usize {
        self.shared.lock().waiting.len()
    }

    /// Puts a job into the queue. False where nobody will do it, since the system gives no thread.
    pub fn submit(&self, job: Job) -> bool {
        let mut state = self.shared.lock();
        if state.idle <= state.waiting.len() && state.threads < self.threads {
            let shared = Arc::clone(&self.shared);
            let thread = std::thread::Builder::new().name("trjit-compile".to_string()).spawn(move || work(&shared));
            state.threads += usize::from(thread.is_ok());
        }
        if state.threads == 0 {
            return false;
        }
        state.waiting.push(job);
        drop(state);
        self.shared.news.notify_one();
        true
    }
}

impl Drop for JitQueue {
    /// Threads end after what they compile now. Nobody waits for them: one of them may be the one that drops the engine.
    fn drop(&mut self) {
        let mut state = self.shared.lock();
        state.closed = true;
        let waiting = std::mem::take(&mut state.waiting);
        drop((state, waiting));
        self.shared.news.notify_all();
    }
}

fn cpus_beside_the_guest() -> usize {
    std::thread::available_parallelism().map_or(1, NonZeroUsize::get).saturating_sub(1).max(1)
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The hottest job of all; waits for one. None when the queue is closed.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if state.closed {
                return None;
            }
            if let Some(job) = state.take_hottest(|_| true) {
                return Some(job);
            }
            state.idle += 1;
            state = self.news.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.idle -= 1;
        }
    }

    /// Takes the job out whose code direct calls of a function may reach, where it waits.
    pub fn take_function(&self, code: &ModuleCode, function: FuncIndex) -> Option<Job> {
        let mut state = self.lock();
        let fits = |job: &Job| is_callable(job.task) == Some(function) && std::ptr::eq(job.code.as_ptr(), code);
        let at = state.waiting.iter().position(fits)?;
        Some(state.waiting.swap_remove(at))
    }

    /// The hottest job, where that is one of this module.
    fn next_of(&self, code: &Arc<ModuleCode>) -> Option<Job> {
        self.lock().take_hottest(|job| std::ptr::eq(job.code.as_ptr(), Arc::as_ptr(code)))
    }
}

impl State {
    /// Takes the hottest job out, the oldest of equally hot ones, where it `fits`.
    fn take_hottest(&mut self, fits: impl Fn(&Job) -> bool) -> Option<Job> {
        let heat = |job: &Job| (job.heat.get(), std::cmp::Reverse(job.task.id));
        let hottest = self.waiting.iter().enumerate().max_by_key(|(_, job)| heat(job)).map(|(at, _)| at)?;
        fits(&self.waiting[hottest]).then(|| self.waiting.swap_remove(hottest))
    }
}

/// A thread that counts as one until it ends, however it ends.
struct Worker<'a>(&'a Shared);

impl Drop for Worker<'_> {
    fn drop(&mut self) {
        self.0.lock().threads -= 1;
    }
}

/// Compiles until the queue is closed. What is published together is limited by number and size, so that what is hot need not wait for long.
fn work(shared: &Shared) {
    let worker = Worker(shared);
    while let Some(first) = worker.0.next() {
        let Some(code) = first.code.upgrade() else { continue };
        let Tunables { publish_batch: most, publish_bytes: bytes, claimed_wasm, .. } = *code.engine().tunables();
        let mut batch = Batch::claiming(worker.0, claimed_wasm);
        let mut next = Some(first);
        while let Some(job) = next.take() {
            jit::compile(&code, job.task, job.waiting.elapsed(), &mut batch);
            next = batch.next_claimed();
            if next.is_none() && batch.units().len() < most && batch.code_bytes() < bytes {
                next = worker.0.next_of(&code);
            }
        }
        for task in batch.take_broken() {
            jit::compile(&code, task, Duration::ZERO, &mut batch);
        }
        code.publish(&batch);
    }
}
