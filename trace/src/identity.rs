//! What a recorded function is known by when another build of its module numbers functions differently.
//!
//! The match digest of `trjit-module` is the same for functions with the same body; such *twins* are told apart by their rank in the order of
//! the module. Digesting costs time in proportion to the code, so that only functions whose *shape* (sizes of their side table) is
//! that of a wanted one are digested: equal digests imply equal shapes.

use std::collections::{HashMap, HashSet};
use trjit_module::flat::FunctionRecord;
use trjit_module::{DefinedFuncIndex, Digest, MatchDigester, Module};

/// A function of the module of a profile.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionIdentity {
    /// Its index in the module that the profile names.
    pub index: DefinedFuncIndex,
    /// Digest of its body with indices replaced by what they mean.
    pub match_digest: Digest,
    /// Its position among the functions of the module with the same match digest, in order of their indices.
    pub rank: u32,
    /// How many functions of the module have this match digest, itself included: more than `rank`.
    pub twins: u32,
    /// Its name from the name section.
    pub name: Option<String>,
    /// How many side table entries it has: the positions of branch counters are below.
    pub branch_entries: u32,
    /// How many indirect call sites it has.
    pub indirect_sites: u32,
}

impl FunctionIdentity {
    pub(crate) fn shape(&self) -> Shape {
        Shape { branch_entries: self.branch_entries, indirect_sites: self.indirect_sites }
    }
}

/// A cheap part of a function's identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    branch_entries: u32,
    indirect_sites: u32,
}

impl Shape {
    pub(crate) fn of(record: &FunctionRecord) -> Shape {
        Shape { branch_entries: record.side_table_len, indirect_sites: record.indirect_sites_len }
    }
}

/// The match digests of all functions of some shapes, in order of the module.
pub(crate) struct ModuleDigests<'a> {
    module: &'a Module,
    pub(crate) digests: Vec<(DefinedFuncIndex, Digest)>,
}

impl<'a> ModuleDigests<'a> {
    pub(crate) fn new(module: &'a Module, shapes: &HashSet<Shape>) -> ModuleDigests<'a> {
        let wanted = module.functions().iter().enumerate().filter(|(_, record)| shapes.contains(&Shape::of(record)));
        let digester = MatchDigester::new(module);
        let digests = wanted.map(|(index, _)| DefinedFuncIndex(index as u32)).map(|index| (index, digester.digest(index))).collect();
        ModuleDigests { module, digests }
    }

    /// The digests that tell the identities of these functions, which the module must have.
    pub(crate) fn for_functions(module: &'a Module, functions: &[DefinedFuncIndex]) -> ModuleDigests<'a> {
        let shapes = functions.iter().filter_map(|index| module.functions().get(index.index())).map(Shape::of).collect();
        ModuleDigests::new(module, &shapes)
    }

    /// The identities of functions of the digested shapes, in order of their indices.
    pub(crate) fn identities(&self, functions: &[DefinedFuncIndex]) -> Vec<FunctionIdentity> {
        let wanted: HashSet<DefinedFuncIndex> = functions.iter().copied().collect();
        let mut seen: HashMap<Digest, u32> = HashMap::new();
        let mut identities = Vec::with_capacity(functions.len());
        for &(index, digest) in &self.digests {
            let count = seen.entry(digest).or_insert(0);
            if wanted.contains(&index) {
                identities.push(self.identity(index, digest, *count));
            }
            *count += 1;
        }
        for identity in &mut identities {
            identity.twins = seen.get(&identity.match_digest).copied().unwrap_or(1);
        }
        identities
    }

    /// With `twins` still to be counted.
    fn identity(&self, index: DefinedFuncIndex, match_digest: Digest, rank: u32) -> FunctionIdentity {
        let record = &self.module.functions()[index.index()];
        FunctionIdentity {
            index,
            match_digest,
            rank,
            twins: 0,
            name: self.module.func_name(self.module.func_index(index)).map(str::to_string),
            branch_entries: record.side_table_len,
            indirect_sites: record.indirect_sites_len,
        }
    }
}
