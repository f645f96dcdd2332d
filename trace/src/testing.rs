//! Random profiles for the unit tests of this crate, from fixed seeds.

use crate::identity::FunctionIdentity;
use crate::profile::*;
use crate::recorder::FirstCall;
use trjit_module::{DefinedFuncIndex, Digest, FuncIndex};

/// SplitMix64.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    /// Small, large, or near the end where counters wrap; never 0.
    fn counter(&mut self) -> u64 {
        match self.below(4) {
            0 => u64::MAX - self.below(3),
            1 => self.next() | 1,
            _ => 1 + self.below(100),
        }
    }

    fn some(&mut self, end: u32) -> Vec<u32> {
        (0..end).filter(|_| self.below(2) == 0).collect()
    }
}

const IMPORTED: u32 = 3;
const DEFINED: u32 = 12;
const BRANCHES: u32 = 6;
const SITES: u32 = 3;

fn module() -> ModuleIdentity {
    let digest = Digest::of(b"a module");
    ModuleIdentity { digest, wasm_len: 4711, imported_functions: IMPORTED, defined_functions: DEFINED }
}

/// Facts of the module, the same in each profile.
fn identity(index: u32) -> FunctionIdentity {
    FunctionIdentity {
        index: DefinedFuncIndex(index),
        match_digest: Digest::of(&[(index / 2) as u8]),
        rank: index % 2,
        twins: 2,
        name: (!index.is_multiple_of(3)).then(|| format!("function {index}")),
        branch_entries: BRANCHES,
        indirect_sites: SITES,
    }
}

fn site(random: &mut Random, site: u32) -> SiteProfile {
    let functions = random.some(IMPORTED + DEFINED);
    let targets = functions.into_iter().map(|function| TargetCount { function: FuncIndex(function), count: random.counter() });
    SiteProfile { site, targets: targets.collect(), other: random.counter() }
}

fn function(random: &mut Random, index: u32) -> FunctionProfile {
    let branch = |random: &mut Random, position: u32| BranchCount { position, back_edge: position % 2 == 1, taken: random.counter() };
    FunctionProfile {
        identity: identity(index),
        entries: random.counter(),
        branches: random.some(BRANCHES).into_iter().map(|position| branch(random, position)).collect(),
        sites: random.some(SITES).into_iter().map(|number| site(random, number)).collect(),
    }
}

fn run(random: &mut Random) -> Run {
    let mut order: Vec<FirstCall> =
        random.some(DEFINED).into_iter().map(|function| FirstCall { function, micros: random.below(1 << 40) }).collect();
    order.sort_by_key(|call| call.micros);
    Run {
        workload: ["tests", "benchmark", "größer"][random.below(3) as usize].to_string(),
        ended: "exit 0".to_string(),
        weight: random.below(4) as u32,
        micros: random.counter(),
        entries: random.counter(),
        order,
    }
}

/// All functions, with some of everything, and 0 to 3 runs.
pub(crate) fn profile(random: &mut Random) -> Profile {
    let imports = (0..IMPORTED)
        .map(|index| ImportName { function: FuncIndex(index), module: "wasi".to_string(), name: format!("import {index}") })
        .collect();
    let functions = (0..DEFINED).map(|index| function(random, index)).collect();
    let mut runs: Vec<Run> = (0..random.below(4)).map(|_| run(random)).collect();
    runs.sort();
    Profile { module: module(), imports, functions, runs }
}

/// Three profiles of one module, each without some of the functions.
pub(crate) fn same_module_profiles(random: &mut Random) -> [Profile; 3] {
    std::array::from_fn(|_| {
        let mut profile = profile(random);
        let kept = random.some(DEFINED);
        profile.functions.retain(|function| kept.contains(&function.identity.index.0));
        let known = |function: FuncIndex| function.0 < IMPORTED || kept.contains(&(function.0 - IMPORTED));
        for site in profile.functions.iter_mut().flat_map(|function| &mut function.sites) {
            site.targets.retain(|target| known(target.function));
        }
        profile.runs.iter_mut().for_each(|run| run.order.retain(|call| kept.contains(&call.function)));
        profile.runs.sort();
        profile
    })
}

/// As many functions, each entered once, and no run.
pub(crate) fn small_profile(functions: u32) -> Profile {
    let function = |index| FunctionProfile { identity: identity(index), entries: 1, branches: vec![], sites: vec![] };
    Profile { module: module(), imports: vec![], functions: (0..functions).map(function).collect(), runs: vec![] }
}
