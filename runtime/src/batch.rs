//! Code that was compiled and will be published together, and whom it may call directly.
//!
//! ```text
//! compile f -> f calls g, which waits in the queue -> g is claimed: the call is direct, and g is compiled next -> .. -> all are published at once
//! ```
//! Callers become hot before their callees do, if only by one call: without claims few calls would be direct.
//!
//! Invariant: a direct call reaches only code that stays right for as long as the image lives: AP4 code of the cache, of this process, or of the same batch (in an engine that
//! records, A3 code). Should the callee get other code later, its direct callers go on with this one.

use crate::code::{ModuleCode, Purpose};
use crate::events::Task;
use crate::ladder::Rung;
use crate::queue::{Job, Shared};
use std::collections::HashSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use trjit_code::{CompiledFunction, DirectCalls, Tier};
use trjit_module::FuncIndex;

/// Units in the order in which they were compiled.
#[derive(Default)]
pub(crate) struct Batch<'q> {
    units: Vec<(Task, CompiledFunction)>,
    /// Functions among them that may be called directly.
    functions: HashSet<FuncIndex>,
    /// Where functions wait that may be claimed; none where nothing waits.
    queue: Option<&'q Shared>,
    claims: Mutex<Claims>,
}

/// Functions that were taken out of the queue because code of the batch calls them.
#[derive(Default)]
struct Claims {
    /// Not compiled yet.
    waiting: Vec<Job>,
    /// All of them.
    promised: HashSet<FuncIndex>,
    /// Bytes of wasm that may still be claimed.
    left: usize,
}

/// The function whose code from a task direct calls may reach: that from its start, optimized, or counting where everything counts.
pub(crate) fn is_callable(task: Task) -> Option<FuncIndex> {
    match task.purpose {
        Purpose::Function(function) if matches!(task.tier, Some(Tier::Ap4 | Tier::A3)) => Some(function),
        _ => None,
    }
}

impl<'q> Batch<'q> {
    /// One that may claim functions with so many bytes of wasm.
    pub fn claiming(queue: &'q Shared, bytes: usize) -> Batch<'q> {
        Batch { queue: Some(queue), claims: Mutex::new(Claims { left: bytes, ..Claims::default() }), ..Batch::default() }
    }

    pub fn push(&mut self, task: Task, unit: CompiledFunction) {
        self.functions.extend(is_callable(task));
        self.units.push((task, unit));
    }

    pub fn units(&self) -> &[(Task, CompiledFunction)] {
        &self.units
    }

    pub fn has(&self, purpose: Purpose) -> bool {
        self.units.iter().any(|(task, _)| task.purpose == purpose)
    }

    pub fn code_bytes(&self) -> usize {
        self.units.iter().map(|(_, unit)| unit.bytes.len()).sum()
    }

    /// What was claimed and is to be compiled next.
    pub fn next_claimed(&mut self) -> Option<Job> {
        self.lock().waiting.pop()
    }

    /// Takes the units out that call what was claimed and then could not be compiled: they are to be compiled again, and claim no more.
    pub fn take_broken(&mut self) -> Vec<Task> {
        let mut claims = self.lock();
        let missing: HashSet<FuncIndex> = claims.promised.difference(&self.functions).copied().collect();
        if missing.is_empty() {
            return Vec::new();
        }
        claims.left = 0;
        claims.promised.clear();
        drop(claims);
        let calls_missing = |unit: &CompiledFunction| unit.relocations.iter().any(|relocation| missing.contains(&relocation.target));
        let broken: Vec<(Task, CompiledFunction)> = self.units.extract_if(.., |(_, unit)| calls_missing(unit)).collect();
        broken.into_iter().map(|(task, _)| task).collect()
    }

    /// Whether a function was claimed, or can be now.
    fn claim(&self, code: &ModuleCode, function: FuncIndex) -> bool {
        let Some((queue, record)) = self.queue.zip(code.module().function(function)) else { return false };
        let mut claims = self.lock();
        if claims.promised.contains(&function) {
            return true;
        }
        let size = record.body.len as usize;
        let job = (size <= claims.left).then(|| queue.take_function(code, function)).flatten();
        if let Some(job) = job {
            claims.left -= size;
            claims.promised.insert(function);
            claims.waiting.push(job);
            return true;
        }
        false
    }

    fn lock(&self) -> MutexGuard<'_, Claims> {
        self.claims.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom the code of a task may call directly that will be published with a batch.
pub(crate) struct Reachable<'a> {
    pub code: &'a ModuleCode,
    pub batch: &'a Batch<'a>,
    pub task: Task,
}

impl DirectCalls for Reachable<'_> {
    fn direct(&self, callee: FuncIndex) -> bool {
        let claims = Rung::of(self.task.tier) == Rung::Last;
        is_callable(self.task) == Some(callee)
            || self.batch.functions.contains(&callee)
            || self.code.direct_target(callee).is_some()
            || claims && self.batch.claim(self.code, callee)
    }
}
