//! Code that was compiled and will be published together, and whom it may call directly.
//!
//! Invariant: a direct call reaches only code that stays right for as long as the image lives: AP4 code of the cache, of this process, or of the same batch (in an engine that
//! records, A3 code). Should the callee get other code later, its direct callers go on with this one.

use crate::code::{ModuleCode, Purpose};
use crate::events::Task;
use std::collections::HashSet;
use trjit_code::{CompiledFunction, DirectCalls, Tier};
use trjit_module::FuncIndex;

/// Units in the order in which they were compiled.
#[derive(Default)]
pub(crate) struct Batch {
    units: Vec<(Task, CompiledFunction)>,
    /// Functions among them that may be called directly.
    functions: HashSet<FuncIndex>,
}

/// The function whose code from a task direct calls may reach: that from its start, optimized, or counting where everything counts.
pub(crate) fn is_callable(task: Task) -> Option<FuncIndex> {
    match task.purpose {
        Purpose::Function(function) if matches!(task.tier, Some(Tier::Ap4 | Tier::A3)) => Some(function),
        _ => None,
    }
}

impl Batch {
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
}

/// Whom the code of a task may call directly that will be published with a batch.
pub(crate) struct Reachable<'a> {
    pub code: &'a ModuleCode,
    pub batch: &'a Batch,
    pub task: Task,
}

impl DirectCalls for Reachable<'_> {
    fn direct(&self, callee: FuncIndex) -> bool {
        is_callable(self.task) == Some(callee) || self.batch.functions.contains(&callee) || self.code.direct_target(callee).is_some()
    }
}
