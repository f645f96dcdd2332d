//! How often the code of a place was executed, also inside of inlined bodies.

use trjit_code::BranchCounts;
use trjit_compile::heat::{Executed, Walked};
use trjit_module::{FuncIndex, Module};

/// Counts of the functions that were asked about.
pub struct Heat<'a> {
    module: &'a Module,
    counts: &'a dyn BranchCounts,
    walked: Walked<'a>,
}

impl<'a> Heat<'a> {
    pub fn new(module: &'a Module, counts: &'a dyn BranchCounts) -> Heat<'a> {
        Heat { module, counts, walked: Walked::new(module, counts) }
    }

    /// Executions of the instruction at a position, in all of the function's calls.
    pub fn at(&self, position: u32) -> Option<u64> {
        self.step(position).map(|step| step.count)
    }

    fn step(&self, position: u32) -> Option<Executed> {
        let function = self.module.function_at(position)?;
        // A body that can not be read has no counts.
        let known = self.walked.executed(function).ok().flatten()?;
        let ip = position.checked_sub(self.module.function(function)?.code_start)?;
        known.binary_search_by_key(&ip, |step| step.ip).ok().map(|found| known[found])
    }

    /// Which share of a call's executions go to a function: all, unless it is an indirect call.
    fn share(&self, call: u32, callee: FuncIndex) -> Option<f64> {
        let Some(site) = self.step(call)?.site else { return Some(1.0) };
        let targets = self.counts.targets(self.module.function_at(call)?, site);
        let calls = targets.functions.iter().filter(|(function, _)| *function == callee).map(|&(_, calls)| calls as f64).sum::<f64>();
        Some(calls / (targets.calls as f64).max(1.0))
    }

    /// Executions of an inlined instruction: `chain` goes from it outwards, and its share of the callee's executions is taken to be that of the call.
    pub fn of_chain(&self, chain: &[u32]) -> Option<u64> {
        // Rounded up, so that what was executed is not told to be cold.
        self.within(chain).map(|count| count.ceil() as u64)
    }

    /// Calls of a function by the call at the start of the chain.
    pub fn calls(&self, chain: &[u32], callee: FuncIndex) -> Option<u64> {
        Some((self.within(chain)? * self.share(*chain.first()?, callee)?).ceil() as u64)
    }

    fn within(&self, chain: &[u32]) -> Option<f64> {
        let (&outermost, inner) = chain.split_last()?;
        let mut count = self.at(outermost)? as f64;
        let mut call = outermost;
        for &position in inner.iter().rev() {
            let callee = self.module.function_at(position)?;
            let entries = self.counts.entries(callee)?;
            count *= self.share(call, callee)? * self.at(position)? as f64 / (entries as f64).max(1.0);
            call = position;
        }
        Some(count)
    }
}
