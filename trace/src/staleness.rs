//! Staleness: what a profile of one build of a program still says about another build.
//!
//! A recorded function is found again by its match digest. Where several functions have that digest, order decides when there are as many as
//! before, else the name, and what remains goes by order; the bodies are equal, so that a wrong guess costs speed only. A function
//! whose body changed loses its own counters and its place in the runs, nothing else.
//! Invariant: what `rebase` returns fits the module, also when the file was forged to name this module.

use crate::identity::{ModuleDigests, Shape};
use crate::merge::{sum_branches, sum_sites};
use crate::profile::*;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use trjit_module::flat::kind;
use trjit_module::{DefinedFuncIndex, Digest, FuncIndex, Module};

/// How much of a profile a module still has, and how much of the module that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Coverage {
    /// The profile is of these very wasm bytes.
    pub same_module: bool,
    /// Functions in the profile, and those of them that the module has.
    pub functions_recorded: u32,
    pub functions_matched: u32,
    /// Their invocations.
    pub entries_recorded: u128,
    pub entries_matched: u128,
    /// Bytes of code in the module, and in its functions that matched.
    pub code_bytes: u64,
    pub code_bytes_matched: u64,
}

impl Coverage {
    /// Share of recorded functions that the module still has, 0 to 1; 1 when none was recorded.
    pub fn share_of_functions(&self) -> f64 {
        share(self.functions_matched.into(), self.functions_recorded.into())
    }

    /// Share of recorded invocations that the module's functions still explain, 0 to 1; 1 when none was recorded.
    pub fn share_of_entries(&self) -> f64 {
        share(self.entries_matched, self.entries_recorded)
    }

    /// Share of the module's code that the profile knows, 0 to 1.
    pub fn share_of_code(&self) -> f64 {
        share(self.code_bytes_matched.into(), self.code_bytes.into())
    }
}

fn share(part: u128, whole: u128) -> f64 {
    if whole == 0 { 1.0 } else { part as f64 / whole as f64 }
}

impl Profile {
    /// How much of `module` this profile still covers.
    pub fn coverage(&self, module: &Module) -> Coverage {
        Mapping::new(self, module).coverage()
    }

    /// The profile as one of `module`, and how much of it is left. To be called before a profile is used, also when the digest is the same.
    pub fn rebase(&self, module: &Module) -> (Profile, Coverage) {
        let mapping = Mapping::new(self, module);
        (mapping.rebased(), mapping.coverage())
    }
}

/// Which function of the module each recorded function is now.
struct Mapping<'a> {
    profile: &'a Profile,
    module: &'a Module,
    /// In the order of the profile's functions; no function of the module occurs twice.
    to: Vec<Option<DefinedFuncIndex>>,
    digests: ModuleDigests<'a>,
}

impl<'a> Mapping<'a> {
    fn new(profile: &'a Profile, module: &'a Module) -> Mapping<'a> {
        let digests = digests(profile, module);
        let to = match_functions(profile, module, &digests.digests);
        Mapping { profile, module, to, digests }
    }

    fn pairs(&self) -> impl Iterator<Item = (&'a FunctionProfile, DefinedFuncIndex)> + '_ {
        self.profile.functions.iter().zip(&self.to).filter_map(|(function, to)| Some((function, (*to)?)))
    }

    fn coverage(&self) -> Coverage {
        let entries = |sum: u128, function: &FunctionProfile| sum + u128::from(function.entries);
        let code_bytes = |index: DefinedFuncIndex| u64::from(self.module.functions()[index.index()].body.len);
        Coverage {
            same_module: self.profile.module.digest == self.module.digest(),
            functions_recorded: self.profile.functions.len() as u32,
            functions_matched: self.pairs().count() as u32,
            entries_recorded: self.profile.functions.iter().fold(0, entries),
            entries_matched: self.pairs().map(|(function, _)| function).fold(0, entries),
            code_bytes: self.module.functions().iter().map(|record| u64::from(record.body.len)).sum(),
            code_bytes_matched: self.pairs().map(|(_, index)| code_bytes(index)).sum(),
        }
    }

    fn rebased(&self) -> Profile {
        let callees = Callees::new(self);
        let indices: Vec<DefinedFuncIndex> = self.pairs().map(|(_, index)| index).collect();
        let mut counters: BTreeMap<DefinedFuncIndex, &FunctionProfile> = self.pairs().map(|(function, index)| (index, function)).collect();
        let identities = self.digests.identities(&indices).into_iter();
        let functions: Vec<FunctionProfile> = identities
            .filter_map(|identity| {
                let old = counters.remove(&identity.index)?;
                let branches = self.branches(old, identity.index);
                Some(FunctionProfile { entries: old.entries, branches, sites: callees.sites(old), identity })
            })
            .collect();
        let targets = functions.iter().flat_map(|function| &function.sites).flat_map(|site| &site.targets);
        let targets: BTreeSet<FuncIndex> = targets.map(|target| target.function).collect();
        let mut runs: Vec<Run> = self.profile.runs.iter().map(|run| self.run(run)).collect();
        runs.sort();
        Profile { module: ModuleIdentity::of(self.module), imports: import_names(self.module, &targets), functions, runs }
    }

    /// The branch counters, with what the module says about each branch.
    fn branches(&self, old: &FunctionProfile, index: DefinedFuncIndex) -> Vec<BranchCount> {
        let record = &self.module.functions()[index.index()];
        // Without its body no function matches.
        let table = self.module.body(record).unwrap_or_default().side_table;
        let entry = |position: u32| table.get(position as usize).filter(|entry| !entry.is_indirect_site());
        let branches = old
            .branches
            .iter()
            .filter_map(|branch| entry(branch.position).map(|entry| BranchCount { back_edge: entry.is_back_edge(), ..*branch }));
        sum_branches(branches.collect()).unwrap_or_default()
    }

    fn run(&self, run: &Run) -> Run {
        let functions = &self.profile.functions;
        let order = run.order.iter().filter_map(|call| {
            let found = functions.binary_search_by_key(&call.function, |function| function.identity.index.0).ok()?;
            Some(crate::FirstCall { function: self.to[found]?.0, micros: call.micros })
        });
        Run { order: order.collect(), ..run.clone() }
    }
}

/// Where the targets of indirect calls are now.
struct Callees(HashMap<FuncIndex, FuncIndex>);

impl Callees {
    fn new(mapping: &Mapping<'_>) -> Callees {
        let (profile, module) = (mapping.profile, mapping.module);
        let mut callees: HashMap<FuncIndex, FuncIndex> = HashMap::new();
        for (function, index) in mapping.pairs() {
            callees.insert(profile.module.func_index(function.identity.index), module.func_index(index));
        }
        let mut named: HashMap<(&str, &str), FuncIndex> = HashMap::new();
        for import in module.imports().iter().filter(|import| import.kind == kind::FUNC) {
            named.entry((module.string(import.module), module.string(import.name))).or_insert(FuncIndex(import.index));
        }
        for import in &profile.imports {
            if let Some(&now) = named.get(&(import.module.as_str(), import.name.as_str())) {
                callees.insert(import.function, now);
            }
        }
        Callees(callees)
    }

    /// The sites of a function; calls of lost targets become `other`.
    fn sites(&self, old: &FunctionProfile) -> Vec<SiteProfile> {
        let site = |site: &SiteProfile| {
            let mut now = SiteProfile { site: site.site, targets: Vec::new(), other: site.other };
            for target in &site.targets {
                match self.0.get(&target.function) {
                    Some(&function) => now.targets.push(TargetCount { function, count: target.count }),
                    None => now.other = now.other.wrapping_add(target.count),
                }
            }
            now
        };
        let has = |site: &&SiteProfile| site.site < old.identity.indirect_sites;
        sum_sites(old.sites.iter().filter(has).map(site).collect())
    }
}

/// Which function of the module each recorded function is now, in the order of the profile's functions; no function of the module occurs twice.
pub(crate) fn matches(profile: &Profile, module: &Module) -> Vec<Option<DefinedFuncIndex>> {
    match_functions(profile, module, &digests(profile, module).digests)
}

fn digests<'a>(profile: &Profile, module: &'a Module) -> ModuleDigests<'a> {
    let shapes: HashSet<Shape> = profile.functions.iter().map(|function| function.identity.shape()).collect();
    ModuleDigests::new(module, &shapes)
}

fn match_functions(profile: &Profile, module: &Module, digests: &[(DefinedFuncIndex, Digest)]) -> Vec<Option<DefinedFuncIndex>> {
    let mut now: HashMap<Digest, Vec<DefinedFuncIndex>> = HashMap::new();
    for &(index, digest) in digests {
        now.entry(digest).or_default().push(index);
    }
    let mut recorded: HashMap<Digest, Vec<usize>> = HashMap::new();
    for (position, function) in profile.functions.iter().enumerate() {
        recorded.entry(function.identity.match_digest).or_default().push(position);
    }
    let mut to = vec![None; profile.functions.len()];
    for (digest, positions) in recorded {
        if let Some(candidates) = now.get(&digest) {
            match_twins(profile, module, &positions, candidates, &mut to);
        }
    }
    let fits = |function: &FunctionProfile, index: DefinedFuncIndex| {
        module.functions().get(index.index()).is_some_and(|record| Shape::of(record) == function.identity.shape())
    };
    for (function, to) in profile.functions.iter().zip(&mut to) {
        *to = to.filter(|&index| fits(function, index));
    }
    to
}

/// Assigns `candidates` to the recorded functions at `positions`, all with one match digest: each candidate once.
fn match_twins(
    profile: &Profile,
    module: &Module,
    positions: &[usize],
    candidates: &[DefinedFuncIndex],
    to: &mut [Option<DefinedFuncIndex>],
) {
    let mut free: BTreeSet<DefinedFuncIndex> = candidates.iter().copied().collect();
    let identity = |position: usize| &profile.functions[position].identity;
    let mut names: HashMap<&str, DefinedFuncIndex> = HashMap::new();
    for &index in candidates {
        if let Some(name) = module.func_name(module.func_index(index)) {
            names.entry(name).or_insert(index);
        }
    }
    for &position in positions {
        let (rank, twins) = (identity(position).rank as usize, identity(position).twins as usize);
        let by_order = candidates.get(rank).filter(|_| twins == candidates.len());
        let by_name = || identity(position).name.as_deref().and_then(|name| names.get(name));
        to[position] = by_order.or_else(by_name).copied().filter(|index| free.remove(index));
    }
    for &position in positions {
        if to[position].is_none() {
            to[position] = free.pop_first();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, profile};
    use trjit_module::match_digest;

    /// Profiles that name a module and its functions, and lie about all else.
    #[test]
    fn a_forged_profile_fits_after_rebase() {
        let text = r#"(module (import "env" "print" (func)) (func (loop (br 0))) (func (call 0)) (func (if (i32.const 0) (then))))"#;
        let module = Module::parse(wat::parse_str(text).unwrap()).unwrap();
        let digests: Vec<Digest> = (0..3).map(|index| match_digest(&module, DefinedFuncIndex(index))).collect();
        let mut matched = 0;
        for seed in 0..200 {
            let mut random = Random::new(seed);
            let mut forged = profile(&mut random);
            forged.module.digest = module.digest();
            for function in &mut forged.functions {
                let lie = random.below(3) as u32;
                let identity = &mut function.identity;
                (identity.match_digest, identity.twins) = (digests[random.below(3) as usize], 1 + lie);
                (identity.branch_entries, identity.indirect_sites) = (random.below(3) as u32, lie / 2);
            }
            let (rebased, coverage) = forged.rebase(&module);
            matched += coverage.functions_matched;
            assert_eq!(rebased.module, ModuleIdentity::of(&module));
            assert!(rebased.functions.is_sorted_by(|a, b| a.identity.index < b.identity.index));
            for function in &rebased.functions {
                let record = module.functions()[function.identity.index.index()];
                assert!(function.branches.iter().all(|branch| branch.position < record.side_table_len), "seed {seed}");
                assert!(function.sites.iter().all(|site| site.site < record.indirect_sites_len), "seed {seed}: {function:?}");
            }
            assert_eq!(Profile::from_bytes(&rebased.to_bytes()), Ok(rebased), "seed {seed}");
        }
        assert!(matched > 100, "some lies are believed: {matched}");
    }
}
