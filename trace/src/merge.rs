//! Merging: counters add up (wrapping), runs are put side by side in a canonical order.
//!
//! Invariant: commutative and associative down to the bytes of the file. That is why sums that wrapped to zero disappear like counters that
//! never were, and why nothing depends on which profile came first.

use crate::profile::*;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::num::NonZeroU32;
use trjit_module::{DefinedFuncIndex, Digest};

/// Why profiles do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    #[error("there is no profile to merge")]
    Nothing,
    #[error("the profile is of module {}, expected {}", found.short(), expected.short())]
    OtherModule { found: Digest, expected: Digest },
    #[error("two profiles of module {} disagree about {what}: one of them was made by another version or is forged", module.short())]
    Inconsistent { module: Digest, what: String },
}

impl Profile {
    /// The sum of profiles of one module. Any order and grouping gives the same result; equal runs stay apart.
    pub fn merge(profiles: impl IntoIterator<Item = Profile>) -> Result<Profile, MergeError> {
        let mut merger = Merger::default();
        profiles.into_iter().try_for_each(|profile| merger.add(profile))?;
        merger.finish()
    }

    /// The profile as if its runs had happened `weight` times: counters are multiplied (wrapping), and so are the weights of its runs (up to the
    /// largest), which stay as many as they are.
    pub fn weighted(mut self, weight: NonZeroU32) -> Profile {
        let times = |count: &mut u64| *count = count.wrapping_mul(weight.get().into());
        for function in &mut self.functions {
            times(&mut function.entries);
            function.branches.iter_mut().for_each(|branch| times(&mut branch.taken));
            function.branches.retain(|branch| branch.taken != 0);
            for site in &mut function.sites {
                site.targets.iter_mut().for_each(|target| times(&mut target.count));
                times(&mut site.other);
            }
            function.sites = sum_sites(std::mem::take(&mut function.sites));
        }
        self.runs.iter_mut().for_each(|run| run.weight = run.weight.saturating_mul(weight.get()));
        self.runs.sort();
        self
    }
}

/// A merge of profiles that come one after the other: holds their sum, and of each its runs. After an error it is of no use.
#[derive(Default)]
pub struct Merger {
    sum: Option<Sum>,
}

impl Merger {
    pub fn add(&mut self, profile: Profile) -> Result<(), MergeError> {
        let empty = || Sum { module: profile.module, imports: BTreeMap::new(), functions: BTreeMap::new(), runs: Vec::new() };
        self.sum.get_or_insert_with(empty).add(profile)
    }

    /// The module that the profiles are of; `None` before the first one.
    pub fn module(&self) -> Option<&ModuleIdentity> {
        self.sum.as_ref().map(|sum| &sum.module)
    }

    /// The sum; an error when nothing was added.
    pub fn finish(self) -> Result<Profile, MergeError> {
        Ok(self.sum.ok_or(MergeError::Nothing)?.finish())
    }
}

struct Sum {
    module: ModuleIdentity,
    imports: BTreeMap<u32, ImportName>,
    functions: BTreeMap<DefinedFuncIndex, FunctionProfile>,
    runs: Vec<Run>,
}

impl Sum {
    fn add(&mut self, profile: Profile) -> Result<(), MergeError> {
        let Profile { module, imports, functions, runs } = profile;
        if module.digest != self.module.digest {
            return Err(MergeError::OtherModule { found: module.digest, expected: self.module.digest });
        }
        if module != self.module {
            return Err(self.inconsistent("the number of functions".to_string()));
        }
        for import in imports {
            let known = self.imports.entry(import.function.0).or_insert_with(|| import.clone());
            if *known != import {
                return Err(self.inconsistent(format!("the name of imported function {}", import.function)));
            }
        }
        functions.into_iter().try_for_each(|function| self.add_function(function))?;
        // What was read has room to grow, which for many runs is more than they are.
        self.runs.extend(runs.into_iter().map(|mut run| {
            run.order.shrink_to_fit();
            run
        }));
        Ok(())
    }

    fn add_function(&mut self, function: FunctionProfile) -> Result<(), MergeError> {
        let index = function.identity.index;
        let known = match self.functions.entry(index) {
            Entry::Vacant(place) => {
                place.insert(function);
                return Ok(());
            }
            Entry::Occupied(place) => place.into_mut(),
        };
        let consistent = known.identity == function.identity;
        let FunctionProfile { identity: _, entries, branches, sites } = function;
        known.entries = known.entries.wrapping_add(entries);
        known.branches.extend(branches);
        let unsummed = std::mem::take(&mut known.branches);
        known.sites.extend(sites);
        known.sites = sum_sites(std::mem::take(&mut known.sites));
        match sum_branches(unsummed).filter(|_| consistent) {
            Some(branches) => known.branches = branches,
            None => return Err(self.inconsistent(format!("defined function {index}"))),
        }
        Ok(())
    }

    fn inconsistent(&self, what: String) -> MergeError {
        MergeError::Inconsistent { module: self.module.digest, what }
    }

    fn finish(self) -> Profile {
        let Sum { module, imports, functions, mut runs } = self;
        runs.sort();
        Profile { module, imports: imports.into_values().collect(), functions: functions.into_values().collect(), runs }
    }
}

/// Sorts by position and adds up; `None` where two counters of one position do not agree about what it is.
pub(crate) fn sum_branches(mut branches: Vec<BranchCount>) -> Option<Vec<BranchCount>> {
    branches.sort_by_key(|branch| branch.position);
    let agree = branches.windows(2).all(|pair| pair[0].position != pair[1].position || pair[0].back_edge == pair[1].back_edge);
    branches.dedup_by(|next, kept| {
        let same = next.position == kept.position;
        kept.taken = if same { kept.taken.wrapping_add(next.taken) } else { kept.taken };
        same
    });
    branches.retain(|branch| branch.taken != 0);
    agree.then_some(branches)
}

/// Sorts by function and adds up.
pub(crate) fn sum_targets(mut targets: Vec<TargetCount>) -> Vec<TargetCount> {
    targets.sort_by_key(|target| target.function);
    targets.dedup_by(|next, kept| {
        let same = next.function == kept.function;
        kept.count = if same { kept.count.wrapping_add(next.count) } else { kept.count };
        same
    });
    targets.retain(|target| target.count != 0);
    targets
}

/// Sorts by site and adds up.
pub(crate) fn sum_sites(mut sites: Vec<SiteProfile>) -> Vec<SiteProfile> {
    sites.sort_by_key(|site| site.site);
    sites.dedup_by(|next, kept| {
        let same = next.site == kept.site;
        if same {
            kept.targets.append(&mut next.targets);
            kept.other = kept.other.wrapping_add(next.other);
        }
        same
    });
    for site in &mut sites {
        site.targets = sum_targets(std::mem::take(&mut site.targets));
    }
    sites.retain(|site| site.other != 0 || !site.targets.is_empty());
    sites
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Random, profile, same_module_profiles};
    use trjit_module::FuncIndex;

    #[test]
    fn merging_is_commutative_and_associative_to_the_byte() {
        for seed in 0..200 {
            let [a, b, c] = same_module_profiles(&mut Random::new(seed));
            let merge = |profiles: &[&Profile]| Profile::merge(profiles.iter().map(|&profile| profile.clone())).unwrap();
            let all = merge(&[&a, &b, &c]).to_bytes();
            for order in [[&a, &c, &b], [&b, &a, &c], [&b, &c, &a], [&c, &a, &b], [&c, &b, &a]] {
                assert_eq!(merge(&order).to_bytes(), all, "seed {seed}");
            }
            assert_eq!(merge(&[&merge(&[&a, &b]), &c]).to_bytes(), all, "seed {seed}");
            assert_eq!(merge(&[&a, &merge(&[&b, &c])]).to_bytes(), all, "seed {seed}");
            assert_eq!(merge(&[&a]), a, "seed {seed}: a merge of one profile is that profile");
            assert_eq!(merge(&[&a, &b, &c]).runs().len(), a.runs().len() + b.runs().len() + c.runs().len());
        }
    }

    /// Counts and predicted order are those of merging it so often; a weight of weights is their product.
    #[test]
    fn a_weight_is_so_many_profiles() {
        for seed in 0..100 {
            let [a, b, _] = same_module_profiles(&mut Random::new(seed));
            let weight = |weight| NonZeroU32::new(weight).unwrap();
            let weighted = Profile::merge([a.clone().weighted(weight(3)), b.clone()]).unwrap();
            let repeated = Profile::merge([a.clone(), b.clone(), a.clone(), a.clone()]).unwrap();
            assert_eq!((&weighted.functions, &weighted.imports), (&repeated.functions, &repeated.imports), "seed {seed}");
            assert_eq!(weighted.first_use_order(), repeated.first_use_order(), "seed {seed}");
            assert_eq!(weighted.runs.len(), a.runs.len() + b.runs.len(), "seed {seed}");
            assert_eq!(Profile::from_bytes(&weighted.to_bytes()), Ok(weighted.clone()), "seed {seed}: it can be written");
            assert_eq!(a.clone().weighted(weight(1)), a, "seed {seed}");
            let both = Profile::merge([a.clone(), b.clone()]).unwrap().weighted(weight(6));
            assert_eq!(both, Profile::merge([b.weighted(weight(6)), a.weighted(weight(2)).weighted(weight(3))]).unwrap(), "seed {seed}");
        }
    }

    #[test]
    fn a_large_weight_stops_at_the_largest_and_lost_counters_vanish() {
        let mut a = profile(&mut Random::new(1));
        a.runs = vec![Run { workload: "a".into(), ended: String::new(), weight: 3, micros: 0, entries: 0, order: vec![] }];
        a.functions[0].branches = vec![BranchCount { position: 0, back_edge: false, taken: 1 << 33 }];
        let weighted = a.weighted(NonZeroU32::new(1 << 31).unwrap());
        assert_eq!((weighted.runs[0].weight, weighted.functions[0].branches.len()), (u32::MAX, 0));
        assert_eq!(Profile::from_bytes(&weighted.to_bytes()), Ok(weighted));
    }

    #[test]
    fn counters_wrap_and_zero_disappears() {
        let site = |count, other| SiteProfile { site: 4, targets: vec![TargetCount { function: FuncIndex(1), count }], other };
        assert_eq!(sum_sites(vec![site(u64::MAX, 7), site(2, 1)]), vec![site(1, 8)]);
        assert_eq!(sum_sites(vec![site(u64::MAX, u64::MAX), site(1, 1)]), vec![]);
        let branch = |taken| BranchCount { position: 3, back_edge: true, taken };
        assert_eq!(sum_branches(vec![branch(u64::MAX), branch(3)]), Some(vec![branch(2)]));
        assert_eq!(sum_branches(vec![branch(u64::MAX), branch(1)]), Some(vec![]));
    }

    #[test]
    fn what_does_not_go_together_is_refused() {
        assert_eq!(Profile::merge([]), Err(MergeError::Nothing));
        let a = profile(&mut Random::new(1));
        let mut other = a.clone();
        other.module.digest = Digest::of(b"another module");
        let expected = MergeError::OtherModule { found: other.module.digest, expected: a.module.digest };
        assert_eq!(Profile::merge([a.clone(), other]), Err(expected.clone()));
        assert!(expected.to_string().contains(&a.module.digest.short()), "{expected}");
        let mut forged = a.clone();
        forged.functions[0].identity.match_digest = Digest::of(b"another body");
        assert!(matches!(Profile::merge([a.clone(), forged]), Err(MergeError::Inconsistent { .. })));
        let mut forged = a.clone();
        let branch = forged.functions.iter_mut().find_map(|function| function.branches.first_mut()).unwrap();
        branch.back_edge = !branch.back_edge;
        assert!(matches!(Profile::merge([a, forged]), Err(MergeError::Inconsistent { .. })));
    }
}
