//! `Profile`: what one or many runs of a module told, summed, with the runs kept apart beside the sums.
//!
//! Invariants, kept by every constructor and checked by the reader: functions, imports, branches, sites and targets are sorted by their index
//! and unique; branch and target counts are not zero; sites are not empty; runs are sorted; each defined function that a target or
//! a run refers to has a [`FunctionProfile`], each imported one an [`ImportName`]. So one content has one encoding.

use crate::call_targets::CallTargets;
use crate::identity::{FunctionIdentity, ModuleDigests};
use crate::merge::{MergeError, sum_targets};
use crate::recorder::{FirstCall, Trace};
use std::collections::BTreeSet;
use trjit_module::flat::{FunctionRecord, kind};
use trjit_module::{DefinedFuncIndex, Digest, FuncIndex, Module};

/// Which module a profile is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ModuleIdentity {
    /// Digest of the wasm bytes.
    pub digest: Digest,
    /// Their length.
    pub wasm_len: u64,
    /// Functions that are imported; their indices come first.
    pub imported_functions: u32,
    /// Functions with a body.
    pub defined_functions: u32,
}

impl ModuleIdentity {
    pub fn of(module: &Module) -> ModuleIdentity {
        ModuleIdentity {
            digest: module.digest(),
            wasm_len: module.header().wasm_len,
            imported_functions: module.imported_functions(),
            defined_functions: module.functions().len() as u32,
        }
    }

    pub fn func_index(&self, defined: DefinedFuncIndex) -> FuncIndex {
        FuncIndex(defined.0 + self.imported_functions)
    }

    /// `None` for an imported function.
    pub fn defined_index(&self, function: FuncIndex) -> Option<DefinedFuncIndex> {
        function.0.checked_sub(self.imported_functions).map(DefinedFuncIndex)
    }
}

/// An imported function that is a target of indirect calls.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ImportName {
    pub function: FuncIndex,
    pub module: String,
    pub name: String,
}

/// How often a branch was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BranchCount {
    /// The side table entry, counted from the function's first one.
    pub position: u32,
    /// Whether it goes back to a loop header.
    pub back_edge: bool,
    pub taken: u64,
}

/// How often an indirect call site called a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetCount {
    pub function: FuncIndex,
    pub count: u64,
}

/// The targets of an indirect call site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteProfile {
    /// The site, counted from the function's first one.
    pub site: u32,
    /// In order of their indices.
    pub targets: Vec<TargetCount>,
    /// Calls of functions that are not told apart.
    pub other: u64,
}

impl SiteProfile {
    /// All calls at this site.
    pub fn calls(&self) -> u64 {
        self.targets.iter().fold(self.other, |sum, target| sum.saturating_add(target.count))
    }
}

/// The counters of one function. A function that was only a target of recorded calls (it trapped before it began) has no entries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FunctionProfile {
    pub identity: FunctionIdentity,
    /// Invocations.
    pub entries: u64,
    pub branches: Vec<BranchCount>,
    pub sites: Vec<SiteProfile>,
}

impl FunctionProfile {
    /// Taken branches to loop headers.
    pub fn back_edges(&self) -> u64 {
        self.branches.iter().filter(|branch| branch.back_edge).fold(0, |sum, branch| sum.saturating_add(branch.taken))
    }

    /// Invocations and iterations: what an interpreter's time is about proportional to.
    pub fn hotness(&self) -> u64 {
        self.entries.saturating_add(self.back_edges())
    }

    /// How often the branch of a side table entry (counted from the function's first) was taken.
    pub fn taken(&self, position: u32) -> u64 {
        self.branches.binary_search_by_key(&position, |branch| branch.position).map_or(0, |found| self.branches[found].taken)
    }

    /// The targets of a site (counted from the function's first), `None` when it was never reached.
    pub fn site(&self, site: u32) -> Option<&SiteProfile> {
        self.sites.binary_search_by_key(&site, |profile| profile.site).ok().map(|found| &self.sites[found])
    }
}

/// One run. Runs that are equal in all fields stay apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Run {
    pub workload: String,
    /// How it ended, for people.
    pub ended: String,
    /// How much it counts in the merged order of first use.
    pub weight: u32,
    /// Wall time in microseconds.
    pub micros: u64,
    /// Invocations of all functions.
    pub entries: u64,
    /// First invocations, in order; a function occurs once.
    pub order: Vec<FirstCall>,
}

impl Run {
    pub fn seconds(&self) -> f64 {
        self.micros as f64 / 1e6
    }
}

/// What runs of a module told. See the file's header for what holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    pub(crate) module: ModuleIdentity,
    pub(crate) imports: Vec<ImportName>,
    pub(crate) functions: Vec<FunctionProfile>,
    pub(crate) runs: Vec<Run>,
}

impl Profile {
    /// The profile of one run. The trace must be of this module.
    pub fn from_trace(module: &Module, trace: Trace) -> Result<Profile, MergeError> {
        if trace.module != module.digest() {
            return Err(MergeError::OtherModule { found: trace.module, expected: module.digest() });
        }
        let used = used_functions(module, &trace);
        let identities = ModuleDigests::for_functions(module, &used).identities(&used);
        let functions = identities.into_iter().map(|identity| function_profile(module, &trace, identity)).collect();
        let targets = trace.sites.iter().flat_map(CallTargets::iter).map(|(function, _)| function).collect();
        let profile =
            Profile { module: ModuleIdentity::of(module), imports: import_names(module, &targets), functions, runs: vec![run(trace)] };
        Ok(profile)
    }

    pub fn module(&self) -> &ModuleIdentity {
        &self.module
    }

    /// The functions that anything is known about, in order of their indices.
    pub fn functions(&self) -> &[FunctionProfile] {
        &self.functions
    }

    pub fn function(&self, function: DefinedFuncIndex) -> Option<&FunctionProfile> {
        self.functions.binary_search_by_key(&function, |profile| profile.identity.index).ok().map(|found| &self.functions[found])
    }

    /// Imported functions that are targets of indirect calls.
    pub fn imports(&self) -> &[ImportName] {
        &self.imports
    }

    /// The runs, in an order that does not depend on the order of merging.
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Invocations plus taken back-edges of a function; 0 when it was never seen.
    pub fn hotness(&self, function: DefinedFuncIndex) -> u64 {
        self.function(function).map_or(0, FunctionProfile::hotness)
    }

    /// The same without what a clock said: runs that did the same are then equal, and so are the caches that are made of them.
    pub fn timeless(mut self) -> Profile {
        for run in &mut self.runs {
            run.micros = 0;
            run.order.iter_mut().for_each(|call| call.micros = 0);
        }
        self.runs.sort();
        self
    }

    /// Recorded invocations of all functions.
    pub fn total_calls(&self) -> u64 {
        self.functions.iter().fold(0, |sum, function| sum.saturating_add(function.entries))
    }
}

/// Functions with a counter, a first call, or that are targets; in order of their indices.
fn used_functions(module: &Module, trace: &Trace) -> Vec<DefinedFuncIndex> {
    let mut used: BTreeSet<u32> = trace.first_calls.iter().map(|call| call.function).collect();
    let targets = trace.sites.iter().flat_map(CallTargets::iter);
    used.extend(targets.filter_map(|(function, _)| module.defined_index(function)).map(|defined| defined.0));
    for (index, record) in module.functions().iter().enumerate() {
        let entered = trace.entries.get(index).is_some_and(|&count| count != 0);
        let inside = branch_counters(trace, record).iter().any(|&taken| taken != 0);
        if entered || inside || site_counters(trace, record).iter().any(|site| !site.is_empty()) {
            used.insert(index as u32);
        }
    }
    used.into_iter().filter(|&index| (index as usize) < module.functions().len()).map(DefinedFuncIndex).collect()
}

fn part<T>(all: &[T], start: u32, len: u32) -> &[T] {
    all.get(start as usize..).and_then(|rest| rest.get(..len as usize)).unwrap_or(&[])
}

fn branch_counters<'a>(trace: &'a Trace, record: &FunctionRecord) -> &'a [u64] {
    part(&trace.branches, record.side_table_start, record.side_table_len)
}

fn site_counters<'a>(trace: &'a Trace, record: &FunctionRecord) -> &'a [CallTargets] {
    part(&trace.sites, record.indirect_sites_start, record.indirect_sites_len)
}

fn function_profile(module: &Module, trace: &Trace, identity: FunctionIdentity) -> FunctionProfile {
    let record = &module.functions()[identity.index.index()];
    // A function whose body can not be had did not run.
    let table = module.body(record).unwrap_or_default().side_table;
    let counted = branch_counters(trace, record).iter().zip(table).zip(0..);
    let branches = counted.filter(|((taken, entry), _)| **taken != 0 && !entry.is_indirect_site());
    let sites = site_counters(trace, record).iter().zip(0..).filter(|(targets, _)| !targets.is_empty());
    FunctionProfile {
        entries: trace.entries.get(identity.index.index()).copied().unwrap_or(0),
        branches: branches.map(|((&taken, entry), position)| BranchCount { position, back_edge: entry.is_back_edge(), taken }).collect(),
        sites: sites.map(|(targets, site)| site_profile(module, site, targets)).filter(|site| site.calls() != 0).collect(),
        identity,
    }
}

fn site_profile(module: &Module, site: u32, targets: &CallTargets) -> SiteProfile {
    let (known, unknown): (Vec<_>, Vec<_>) = targets
        .iter()
        .map(|(function, count)| TargetCount { function, count })
        .partition(|target| target.function.0 < module.function_count());
    let other = unknown.iter().fold(targets.other, |sum, target| sum.wrapping_add(target.count));
    SiteProfile { site, targets: sum_targets(known), other }
}

/// The names of the imported ones among `functions`.
pub(crate) fn import_names(module: &Module, functions: &BTreeSet<FuncIndex>) -> Vec<ImportName> {
    let mut names: Vec<ImportName> = module
        .imports()
        .iter()
        .filter(|import| import.kind == kind::FUNC && functions.contains(&FuncIndex(import.index)))
        .map(|import| ImportName {
            function: FuncIndex(import.index),
            module: module.string(import.module).to_string(),
            name: module.string(import.name).to_string(),
        })
        .collect();
    names.sort();
    names.dedup_by_key(|import| import.function);
    names
}

fn run(trace: Trace) -> Run {
    // A cast of a float saturates, and NaN becomes 0.
    let micros = (trace.info.seconds * 1e6) as u64;
    let mut seen = BTreeSet::new();
    let functions = trace.entries.len();
    let order = trace.first_calls.into_iter().filter(|call| (call.function as usize) < functions && seen.insert(call.function)).collect();
    Run {
        workload: trace.info.workload,
        ended: trace.info.ended,
        weight: trace.info.weight,
        micros,
        entries: trace.entries.iter().fold(0, |sum: u64, &count| sum.wrapping_add(count)),
        order,
    }
}
