//! From a profile to what the plan needs of it, in terms of the module at hand. A profile of another build keeps what still matches, a
//! profile of another program gives next to nothing; both are warned about and neither is an error, for a profile only steers.

use crate::plan::{Recorded, Recording};
use crate::tunables;
use trjit_code::{BranchCounts, SiteTargets};
use trjit_module::{DefinedFuncIndex, FuncIndex, Module};
use trjit_trace::{Coverage, FunctionProfile, Profile};

/// A profile as seen from a module.
#[derive(Debug, Default)]
pub struct Reading {
    pub recording: Recording,
    pub counts: Counts,
    /// Recorded invocations in all, also of functions that the module does not have.
    pub calls: u128,
    pub warnings: Vec<String>,
}

/// Reads a profile for a module.
pub fn read(module: &Module, profile: &Profile) -> Reading {
    let (profile, coverage) = profile.rebase(module);
    let recorded = |function| {
        let counters = profile.function(module.defined_index(function)?)?;
        Some(Recorded { function, entries: counters.entries, back_edges: counters.back_edges() })
    };
    let functions = profile.first_use_order().into_iter().filter_map(recorded).collect();
    let recording = Recording { functions, runs: profile.runs().len() as u64 };
    let counts = Counts { profile: Some(profile), imported: module.imported_functions() };
    Reading { recording, counts, calls: coverage.entries_recorded, warnings: warning(&coverage).into_iter().collect() }
}

/// The counters of a profile that was read for a module, for the compiler.
#[derive(Debug, Default)]
pub struct Counts {
    profile: Option<Profile>,
    imported: u32,
}

impl Counts {
    fn function(&self, function: FuncIndex) -> Option<&FunctionProfile> {
        self.profile.as_ref()?.function(DefinedFuncIndex(function.0.checked_sub(self.imported)?))
    }
}

impl BranchCounts for Counts {
    fn entries(&self, function: FuncIndex) -> Option<u64> {
        self.function(function).map(|counted| counted.entries)
    }

    fn taken(&self, function: FuncIndex, entry: u32) -> u64 {
        self.function(function).map_or(0, |counted| counted.taken(entry))
    }

    fn targets(&self, function: FuncIndex, site: u32) -> SiteTargets {
        let Some(counted) = self.function(function).and_then(|counted| counted.site(site)) else { return SiteTargets::default() };
        let functions = counted.targets.iter().map(|target| (target.function, target.count)).collect();
        SiteTargets { calls: counted.calls(), functions }
    }
}

fn warning(coverage: &Coverage) -> Option<String> {
    let Coverage { same_module, functions_recorded, functions_matched, .. } = *coverage;
    if functions_recorded == 0 {
        return Some("the profile records no function: train again, or use --all".to_string());
    }
    if same_module {
        return None;
    }
    let share = coverage.share_of_entries();
    let what = format!(
        "{functions_matched} of its {functions_recorded} functions and {:.1} % of its calls are found in this module",
        share * 100.0
    );
    Some(match functions_matched {
        0 => "the profile is of another program: none of its functions is in this module; train with this module, or use --all".to_string(),
        _ if share < tunables::STALE_BELOW => format!("the profile is of another build or program: {what}; train again"),
        _ => format!("the profile is of another build: {what}"),
    })
}
