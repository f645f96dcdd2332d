//! `Summary`: what a profile says, for people and for JSON: plain public fields.

use crate::profile::{FunctionProfile, Profile};
use std::cmp::Reverse;

/// One run of a [`Summary`].
#[derive(Clone, Debug, PartialEq)]
pub struct RunSummary {
    pub workload: String,
    pub ended: String,
    pub weight: u32,
    pub seconds: f64,
    /// Invocations.
    pub entries: u64,
    /// Different functions entered.
    pub functions: u32,
}

/// A function of a [`Summary`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HotFunction {
    /// Index in the module's function space, imported functions first.
    pub function: u32,
    pub name: Option<String>,
    pub entries: u64,
    pub back_edges: u64,
}

/// What a profile says in numbers. Sums stop at the largest 64-bit number.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Digest of the module, 64 hexadecimal digits.
    pub module_digest: String,
    pub wasm_len: u64,
    pub imported_functions: u32,
    pub defined_functions: u32,
    /// Functions that were entered.
    pub functions_entered: u32,
    pub entries: u64,
    /// Side table entries with a counter, and the sum of their counters.
    pub branches: u64,
    pub branches_taken: u64,
    /// Those of them that are taken back-edges.
    pub back_edges: u64,
    /// Indirect call sites reached, those with one target only, and all their calls.
    pub sites: u64,
    pub sites_with_one_target: u64,
    pub indirect_calls: u64,
    pub runs: Vec<RunSummary>,
    /// By invocations and back-edges, hottest first.
    pub hottest: Vec<HotFunction>,
}

impl Profile {
    /// The profile in numbers, with its `hottest` functions.
    pub fn summary(&self, hottest: usize) -> Summary {
        let sum = |count: &dyn Fn(&FunctionProfile) -> u64| self.functions.iter().map(count).fold(0, u64::saturating_add);
        let sites = || self.functions.iter().flat_map(|function| &function.sites);
        Summary {
            module_digest: self.module.digest.to_string(),
            wasm_len: self.module.wasm_len,
            imported_functions: self.module.imported_functions,
            defined_functions: self.module.defined_functions,
            functions_entered: self.functions.iter().filter(|function| function.entries != 0).count() as u32,
            entries: self.total_calls(),
            branches: sum(&|function| function.branches.len() as u64),
            branches_taken: sum(&|function| function.branches.iter().map(|branch| branch.taken).fold(0, u64::saturating_add)),
            back_edges: sum(&FunctionProfile::back_edges),
            sites: sites().count() as u64,
            sites_with_one_target: sites().filter(|site| site.targets.len() == 1 && site.other == 0).count() as u64,
            indirect_calls: sites().map(|site| site.calls()).fold(0, u64::saturating_add),
            runs: self.runs.iter().map(run_summary).collect(),
            hottest: self.hottest(hottest),
        }
    }

    fn hottest(&self, limit: usize) -> Vec<HotFunction> {
        let mut functions: Vec<&FunctionProfile> = self.functions.iter().collect();
        functions.sort_by_key(|function| (Reverse(function.hotness()), function.identity.index));
        let hot = |function: &FunctionProfile| HotFunction {
            function: self.module.func_index(function.identity.index).0,
            name: function.identity.name.clone(),
            entries: function.entries,
            back_edges: function.back_edges(),
        };
        functions.into_iter().take(limit).map(hot).collect()
    }
}

fn run_summary(run: &crate::Run) -> RunSummary {
    RunSummary {
        workload: run.workload.clone(),
        ended: run.ended.clone(),
        weight: run.weight,
        seconds: run.seconds(),
        entries: run.entries,
        functions: run.order.len() as u32,
    }
}
